"""The log posterior and its gradient: x -> theta -> potentials -> E-step -> gradient -> prior -> x.

One compiled function for every model. `Program` collects what it reads and the buffers it writes; `hold`
turns that into a compiled record, which costs about a microsecond to pass where the nested tuples cost seven.
"""

from math import inf
from typing import NamedTuple

import numba
import numpy as np
from numba.core import types
from numba.experimental import structref

from em_vs_bayes.kernels.block_priors import log_prior
from em_vs_bayes.kernels.blocks import gradient, potentials
from em_vs_bayes.kernels.coordinates import all_finite, constrain, pull_back_scaled
from em_vs_bayes.kernels.jit import kernel
from em_vs_bayes.kernels.mixture import expect
from em_vs_bayes.kernels.tables import Blocks, Coordinates, Data, Prior, Streams

MIXTURE = 0  # latent structure: independent and identically distributed categories


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
    latent: int
    powers: np.ndarray
    theta: np.ndarray  # (P,) holds the fixed elements; the free ones are overwritten
    pot: np.ndarray
    stats: np.ndarray
    g_theta: np.ndarray  # (P,)


@kernel
def expect_latent(data, streams, K, latent, pot, stats):
    """The E-step of a latent structure: returns the log evidence, writes the expected statistics."""
    if latent == MIXTURE:
        return expect(data, streams, pot, K, stats)
    raise ValueError("latent: want MIXTURE")


@kernel
def log_joint(data, streams, blocks, prior, K, latent, powers, theta, pot, stats, g):
    """Log evidence and log prior at theta, in its natural coordinates, and the gradient in theta.

    Parameters
    ----------
    powers : array
        What multiplies the log evidence and the log prior; a power of 0 leaves its term out altogether.
    theta, pot, stats, g : array
        Theta is read; the others are overwritten. After the call ``stats`` holds the expected statistics.

    Returns
    -------
    float
        Minus infinity, and a meaningless ``g``, where theta is infeasible. Never NaN.
    """
    g[:] = 0.0
    if not potentials(blocks, theta, pot):
        return -inf
    evidence = expect_latent(data, streams, K, latent, pot, stats)
    gradient(blocks, theta, stats, g)
    total = powers[0] * evidence
    if powers[0] != 1.0:
        g *= powers[0]
    if powers[1] == 1.0:
        total += log_prior(blocks, prior, theta, g)
    elif powers[1] != 0.0:
        own = np.zeros(g.size)
        total += powers[1] * log_prior(blocks, prior, theta, own)
        g += powers[1] * own
    return total if abs(total) < inf else -inf


@kernel
def log_posterior(
    data, streams, blocks, prior, coords, K, latent, powers, x, theta, pot, stats, g_theta, grad
):
    """The log posterior density of the unconstrained x, and its gradient by Fisher's identity.

    Parameters
    ----------
    x : array, shape (D,)
    grad : array, shape (D,)
        Overwritten, as are ``theta`` (free elements), ``pot``, ``stats`` and ``g_theta``.

    Returns
    -------
    float
        Minus infinity, with a gradient of zeros, where x is infeasible or has left floating point. Never NaN.
    """
    log_jacobian = constrain(coords, x, theta)
    total = log_joint(data, streams, blocks, prior, K, latent, powers, theta, pot, stats, g_theta)
    if powers[2] != 0.0:
        total += powers[2] * log_jacobian
    if abs(total) < inf:
        pull_back_scaled(coords, x, theta, g_theta, powers[2], grad)
        if all_finite(grad):
            return total
    grad[:] = 0.0
    return -inf


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
        p.latent,
        p.powers,
        p.theta,
        p.pot,
        p.stats,
        p.g_theta,
    )


def hold(program):
    """The program as a compiled record sharing its arrays; itself where compilation is switched off."""
    return program if numba.config.DISABLE_JIT else _hold(program)


@kernel
def evaluate(p, x):
    """The log posterior at x and a fresh gradient (D,), from a `Program` or what `hold` made of it."""
    grad = np.empty(x.size)
    total = log_posterior(
        p.data,
        p.streams,
        p.blocks,
        p.prior,
        p.coords,
        p.K,
        p.latent,
        p.powers,
        x,
        p.theta,
        p.pot,
        p.stats,
        p.g_theta,
        grad,
    )
    return total, grad


@kernel
def evaluate_natural(p, theta):
    """The log evidence plus log prior at theta and its gradient in theta (P,); `powers` apply."""
    g = np.empty(theta.size)
    total = log_joint(p.data, p.streams, p.blocks, p.prior, p.K, p.latent, p.powers, theta, p.pot, p.stats, g)
    return total, g


def program(
    data, streams, blocks, prior, coords, K, theta, n_pot, n_stats, latent=MIXTURE, powers=(1.0, 1.0, 1.0)
):
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
        int(latent),
        np.array(powers, dtype=np.float64),
        theta,
        np.zeros(n_pot),
        np.zeros(n_stats),
        np.zeros(theta.size),
    )
