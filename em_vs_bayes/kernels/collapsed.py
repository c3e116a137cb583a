"""Gibbs sweeps with moves on the marginal posterior, all that is latent integrated out.

Where much is hidden, successive draws creep along some directions. After the parameters are drawn given the completed
data, and before anything latent is drawn anew, the unconstrained x moves under its marginal density

    f(x) = p(y | theta(x)) p(theta(x)) |d theta / d x|

which leaves the posterior of theta as it is; what is latent is drawn from its conditional right after. That order makes
it a partially collapsed Gibbs sampler (van Dyk & Park 2008, JASA 103). Fixed elements have no coordinate in x.

The move is elliptical slice sampling (Murray, Adams & MacKay 2010, AISTATS, figure 2), generalised by a Student t in
the place of the Gaussian prior (Nishihara, Murray & Adams 2014, JMLR 15, section 3): with x = m + R u and
t(u) = (1 + |u|^2 / nu)^(-(nu + D) / 2), u has the density f(x) / t(u) with regard to t, a scale mixture of Gaussians.

    s | u ~ IG((nu + D) / 2, (nu + |u|^2) / 2),   v ~ N(0, s I),   u' = u cos a + v sin a  on a slice of f / t

Any m and R leave f invariant, if they do not depend on where the chain is; good ones make the draws independent.
"""

from math import cos, inf, log1p, pi, sin, sqrt
from typing import NamedTuple

import numpy as np

from em_vs_bayes.kernels.addresses import address, by_address, calls
from em_vs_bayes.kernels.block_priors import log_prior
from em_vs_bayes.kernels.blocks import potentials
from em_vs_bayes.kernels.coordinates import constrain, unconstrain
from em_vs_bayes.kernels.gibbs import sweeps
from em_vs_bayes.kernels.jit import inner, kernel
from em_vs_bayes.kernels.latent import expect, expect_code
from em_vs_bayes.kernels.signatures import SWEEPS_TYPES
from em_vs_bayes.kernels.tables import Coordinates

NU = 4.0  # degrees of freedom: tails that no posterior of a regression has


class Ellipse(NamedTuple):
    """Where the marginal posterior of x (D,) about lies, and what its density takes. Made by `ellipse`."""

    sweeps: int  # address of `gibbs.sweeps`
    expect: int  # of the E-step
    coords: Coordinates
    centre: np.ndarray  # m (D,)
    root: np.ndarray  # R (D, D), lower triangular


def ellipse(latent, coords, centre, root):
    """An `Ellipse` for a latent structure of `tables`."""
    return Ellipse(address(sweeps, SWEEPS_TYPES), expect_code(latent), coords, centre, root)


@calls
def _sweeps(typing, code, draw, data, streams, blocks, prior, plan, K, rng, theta, pot, stats, z, thin, out):
    return by_address(SWEEPS_TYPES)


@kernel
def collapsed_sweeps(draw, ellipse, data, streams, blocks, prior, plan, K, rng, theta, pot, stats, z, thin, out):
    """`gibbs.sweeps`, each followed by a move on the marginal posterior; ``streams`` must play ADD and SUM too."""
    one, code, completed = np.empty((1, theta.size)), ellipse.sweeps, 0
    for i in range(out.shape[0]):
        for _ in range(thin):
            if _sweeps(code, draw, data, streams, blocks, prior, plan, K, rng, theta, pot, stats, z, 1, one) < 1:
                return completed
            move(ellipse, data, streams, blocks, prior, K, rng, theta, pot, stats)
            completed += 1
        out[i] = theta
    return completed


@kernel
def move(ellipse, data, streams, blocks, prior, K, rng, theta, pot, stats):
    """One transition; ``theta`` and ``pot`` move together, ``stats`` is overwritten.

    Returns
    -------
    bool
        False, with theta as it was, where x is not finite, the density zero, or rounding left no slice.
    """
    size = ellipse.centre.size
    x, v, held = np.empty(size), np.empty(size), theta.copy()
    if not unconstrain(ellipse.coords, theta, x):
        return False
    u = _whitened(ellipse, x)
    model = (ellipse, data, streams, blocks, prior, K)
    level = _log_ratio(model, u, x, theta, pot, stats) - rng.standard_exponential()
    scale = sqrt(0.5 * (NU + _square(u)) / rng.standard_gamma(0.5 * (NU + size)))
    for j in range(size):
        v[j] = scale * rng.standard_normal()
    angle = 2.0 * pi * rng.random()
    low, high = angle - 2.0 * pi, angle
    while level > -inf and low < high:
        there = cos(angle) * u + sin(angle) * v
        if _log_ratio(model, there, x, theta, pot, stats) > level:
            return True
        if angle < 0.0:
            low = angle
        else:
            high = angle
        angle = low + (high - low) * rng.random()
        if not low < angle < high:
            break
    theta[:] = held
    potentials(blocks, theta, pot)
    return False


@inner
def _whitened(ellipse, x):
    """u of x = m + R u."""
    root, u = ellipse.root, x - ellipse.centre
    for i in range(u.size):
        for j in range(i):
            u[i] -= root[i, j] * u[j]
        u[i] /= root[i, i]
    return u


@inner
def _square(u):
    total = 0.0
    for value in u:
        total += value * value
    return total


@inner
def _log_ratio(model, u, x, theta, pot, stats):
    """log f / t, up to a constant; x, theta(x) and its potentials are written. Minus infinity, never NaN."""
    ellipse, data, streams, blocks, prior, K = model
    for i in range(u.size):
        x[i] = ellipse.centre[i]
        for j in range(i + 1):
            x[i] += ellipse.root[i, j] * u[j]
    total = constrain(ellipse.coords, x, theta) + 0.5 * (NU + u.size) * log1p(_square(u) / NU)
    if not (abs(total) < inf and potentials(blocks, theta, pot)):
        return -inf
    total += expect(ellipse.expect, data, streams, pot, K, stats)
    total += log_prior(blocks, prior, theta, np.zeros(theta.size))
    return total if abs(total) < inf else -inf
