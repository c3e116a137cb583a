"""The log posterior and its gradient: x -> theta -> potentials -> E-step -> gradient -> prior -> x.

One compiled function for every model. `Program` collects what it reads and the buffers it writes; `hold`
turns that into a compiled record, which costs about a microsecond to pass where the nested tuples cost seven.
"""

from math import inf
from typing import NamedTuple

import numpy as np
from numba.core import types
from numba.experimental import structref

from em_vs_bayes.kernels.block_priors import log_prior
from em_vs_bayes.kernels.blocks import gradient, potentials
from em_vs_bayes.kernels.coordinates import all_finite, constrain, pull_back_scaled
from em_vs_bayes.kernels.jit import INTERPRETED, inlined, kernel
from em_vs_bayes.kernels.latent import expect, expect_code
from em_vs_bayes.kernels.tables import (
    MIXTURE,
    Blocks,
    Coordinates,
    Data,
    Prior,
    Streams,
)

# Merged into what Python calls: each layer compiled on its own would optimise all below it once more.


class Program(NamedTuple):
    """A model, its data and its buffers. One per thread: the buffers are written at each call.

    Arrays are C-contiguous and writeable, so that every program has one type. ``powers`` (3,) multiplies the
    log evidence, the log prior and the log-Jacobian: (1, 1, 1) is the posterior density of x, (1, 1, 0) has
    the MAP in theta's own coordinates as its maximum, (1, 0, 0) the maximum likelihood estimate.
    """

    data: Data
    streams: Streams
    blocks: Blocks
    prior: Prior
    coords: Coordinates
    K: int
    expect: int  # address of the E-step
    powers: np.ndarray
    theta: np.ndarray  # (P,) holds the fixed elements; the free ones are overwritten
    pot: np.ndarray
    stats: np.ndarray
    g_theta: np.ndarray  # (P,)


@inlined
def log_joint(p, theta, g):
    """Log evidence and log prior at a theta in natural coordinates, each to its power, and the gradient.

    Parameters
    ----------
    p : Program or Held
        Its ``pot`` and ``stats`` are overwritten; after the call ``stats`` holds the expected statistics.
    theta : array, shape (P,)
    g : array, shape (P,)
        Overwritten.

    Returns
    -------
    float
        Minus infinity, and a meaningless ``g``, where theta is infeasible. Never NaN. A prior to the power
        of 0 is left out altogether, infinite or not.
    """
    for i in range(g.size):
        g[i] = 0.0
    total = -inf
    if potentials(p.blocks, theta, p.pot):
        total = p.powers[0] * expect(p.expect, p.data, p.streams, p.pot, p.K, p.stats)
        gradient(p.blocks, theta, p.stats, g)
        if p.powers[0] != 1.0:
            for i in range(g.size):
                g[i] *= p.powers[0]
        if p.powers[1] != 0.0:
            slope = np.zeros(g.size)
            total += p.powers[1] * log_prior(p.blocks, p.prior, theta, slope)
            for i in range(g.size):
                g[i] += p.powers[1] * slope[i]
        if not abs(total) < inf:
            total = -inf
    return total


@inlined
def log_posterior(p, x, grad):
    """The log posterior density of the unconstrained x, and its gradient by Fisher's identity.

    Parameters
    ----------
    p : Program or Held
        The free elements of ``theta``, and all of ``pot``, ``stats`` and ``g_theta``, are overwritten.
    x : array, shape (D,)
    grad : array, shape (D,)
        Overwritten.

    Returns
    -------
    float
        Minus infinity, with a gradient of zeros, where x is infeasible or has left floating point. Never NaN.
    """
    log_jacobian = constrain(p.coords, x, p.theta)
    total = log_joint(p, p.theta, p.g_theta)
    if p.powers[2] != 0.0:
        total += p.powers[2] * log_jacobian
    if abs(total) < inf:
        pull_back_scaled(p.coords, x, p.theta, p.g_theta, p.powers[2], grad)
    if not (abs(total) < inf and all_finite(grad)):
        for i in range(grad.size):
            grad[i] = 0.0
        total = -inf
    return total


@structref.register
class HeldType(types.StructRef):
    """The compiled type of a held program."""

    def preprocess_fields(self, fields):
        return tuple((name, types.unliteral(t)) for name, t in fields)


class Held(structref.StructRefProxy):
    """A program inside compiled memory. Opaque to Python: keep the `Program` to read its buffers."""


structref.define_proxy(Held, HeldType, list(Program._fields))


@kernel
def _hold(p):
    return Held(
        p.data,
        p.streams,
        p.blocks,
        p.prior,
        p.coords,
        p.K,
        p.expect,
        p.powers,
        p.theta,
        p.pot,
        p.stats,
        p.g_theta,
    )


def hold(program):
    """The program as a compiled record sharing its arrays; itself where compilation is switched off."""
    return program if INTERPRETED else _hold(program)


@kernel
def evaluate(p, x):
    """The log posterior at x and a fresh gradient (D,), from a `Program` or what `hold` made of it."""
    grad = np.empty(x.size)
    return log_posterior(p, x, grad), grad


@kernel
def evaluate_natural(p, theta):
    """The log evidence plus log prior at theta and its gradient in theta (P,); ``powers`` apply."""
    g = np.empty(theta.size)
    return log_joint(p, theta, g), g


def program(data, streams, blocks, prior, coords, K, theta, n_pot, n_stats, latent=MIXTURE, powers=(1.0, 1.0, 1.0)):
    """A `Program` with buffers of its own.

    Parameters
    ----------
    theta : array, shape (P,)
        Copied; only its fixed elements matter.
    n_pot, n_stats : int
        Lengths of the potentials and of the statistics.
    """
    theta = np.array(theta, dtype=np.float64)
    return Program(
        data,
        streams,
        blocks,
        prior,
        coords,
        int(K),
        expect_code(latent),
        np.array(powers, dtype=np.float64),
        theta,
        np.zeros(n_pot),
        np.zeros(n_stats),
        np.zeros(theta.size),
    )
