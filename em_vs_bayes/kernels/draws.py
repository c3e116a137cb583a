"""Random draws, in place and without allocation: the conjugate families and the elementwise densities.

A continuous variable is never on the edge of its support. A draw that rounds there is rounded to the nearest
float inside instead (``TINY``, ``HUGE``, ``NEARLY_ONE``), so that its logarithm stays finite. Impossible
parameters (NaN, a shape or rate that is not positive) give NaN or False at once: a rejection loop must not
turn on NaN.
"""

import math

import numpy as np

from em_vs_bayes.kernels import densities, truncated_draws
from em_vs_bayes.kernels.jit import lean, lean_kernel

TINY = float(np.finfo(np.float64).tiny)
HUGE = float(np.finfo(np.float64).max)
NEARLY_ONE = 1.0 - 2.0**-53
LARGE = 1e10  # a shape


@lean
def standard_gamma(rng, shape):
    """Gamma(shape, 1), for a shape that is positive.

    From LARGE on it is Marsaglia & Tsang's (2000) proposal, refused once in 1e11 times: the sum that decides that
    would have no digits.
    """
    if shape <= LARGE:
        return rng.standard_gamma(shape)
    d = shape - 1.0 / 3.0
    return d * (1.0 + rng.standard_normal() / math.sqrt(9.0 * d)) ** 3


@lean_kernel
def gamma(rng, shape, rate):
    """Gamma(shape, rate); NaN if either is not positive and finite."""
    if not (0.0 < shape < math.inf and 0.0 < rate < math.inf):
        return math.nan
    return min(max(standard_gamma(rng, shape) / rate, TINY), HUGE)


@lean_kernel
def inverse_gamma(rng, shape, rate):
    """Reciprocal of a Gamma(shape, rate); NaN if either is not positive and finite."""
    if not (0.0 < shape < math.inf and 0.0 < rate < math.inf):
        return math.nan
    return min(max(rate / max(standard_gamma(rng, shape), TINY), TINY), HUGE)


@lean_kernel
def log_gamma(rng, shape):
    """Log of a Gamma(shape, 1) draw, exact where the draw underflows (Marsaglia & Tsang 2000, section 6)."""
    if not 0.0 < shape < math.inf:
        return math.nan
    if shape >= 1.0:
        return math.log(standard_gamma(rng, shape))
    return math.log(standard_gamma(rng, shape + 1.0)) + math.log(1.0 - rng.random()) / shape


@lean_kernel
def beta(rng, a, b):
    """Beta(a, b); NaN if either is not positive and finite."""
    log_odds = log_gamma(rng, a) - log_gamma(rng, b)
    if log_odds > 0.0:
        return min(1.0 / (1.0 + math.exp(-log_odds)), NEARLY_ONE)
    odds = math.exp(log_odds)
    return max(odds / (1.0 + odds), TINY)


@lean_kernel
def dirichlet(rng, alpha, mass, free, theta, at, size):
    """The free ones of theta[at : at + size] <- mass * Dirichlet(alpha of the free ones).

    ``alpha`` (size,) is overwritten. False, with theta as it was, if a free alpha is not positive and finite.
    """
    highest = -math.inf
    for j in range(size):
        if free[at + j]:
            alpha[j] = log_gamma(rng, alpha[j])
            if math.isnan(alpha[j]):
                return False
            highest = max(highest, alpha[j])
    total = 0.0
    for j in range(size):
        if free[at + j]:
            alpha[j] = math.exp(alpha[j] - highest)
            total += alpha[j]
    for j in range(size):
        if free[at + j]:
            theta[at + j] = max(mass * (alpha[j] / total), TINY)
    return True


@lean_kernel
def inverse_wishart(rng, df, factor, work, d):
    """factor (d * d,), the lower Cholesky factor of the scale -> that of a draw of InverseWishart(df, scale).

    With B lower triangular, B_jj^2 ~ chi^2(df - (d - 1 - j)) and standard normals below, B' B ~ Wishart(df,
    I): the Bartlett decomposition (Anderson 2003, theorem 7.2.1) with rows and columns in reverse. So for
    scale = L L' the draw is M M' with M = L B^-1, lower triangular already. ``work`` (d * d,) holds B. False
    if df <= d - 1.
    """
    if not d - 1 < df < math.inf:
        return False
    for j in range(d):
        work[j * d + j] = math.sqrt(2.0 * max(standard_gamma(rng, 0.5 * (df - (d - 1 - j))), TINY))
        for i in range(j + 1, d):
            work[i * d + j] = rng.standard_normal()
    for i in range(d):
        for j in range(i, -1, -1):
            total = factor[i * d + j]
            for k in range(j + 1, i + 1):
                total -= factor[i * d + k] * work[k * d + j]
            factor[i * d + j] = total / work[j * d + j]
    return True


@lean_kernel
def normal_canonical(rng, factor, h, n):
    """h <- a draw of Normal(P^-1 h, P^-1); factor (n * n,) is the lower Cholesky factor of the precision P.

    Rue & Held (2005), algorithm 2.5: solve L v = h, then L' x = v + noise.
    """
    for i in range(n):
        for j in range(i):
            h[i] -= factor[i * n + j] * h[j]
        h[i] /= factor[i * n + i]
    for i in range(n - 1, -1, -1):
        h[i] += rng.standard_normal()
        for j in range(i + 1, n):
            h[i] -= factor[j * n + i] * h[j]
        h[i] /= factor[i * n + i]


@lean_kernel
def from_density(rng, code, a, b, c):
    """A draw from an elementwise density, by its code in ``tables.DENSITY``; NaN for Flat."""
    if code == densities.NORMAL:
        return a + b * rng.standard_normal()
    if code == densities.HALF_NORMAL:
        return max(a * abs(rng.standard_normal()), TINY)
    if code == densities.GAMMA:
        return gamma(rng, a, b)
    if code == densities.INVERSE_GAMMA:
        return inverse_gamma(rng, a, b)
    if code == densities.BETA:
        return beta(rng, a, b)
    if code == densities.EXPONENTIAL:
        return max(rng.standard_exponential() / a, TINY)
    if code == densities.STUDENT_T:
        return b + c * student_t(rng, a)
    if code == densities.HALF_STUDENT_T:
        return max(b * abs(student_t(rng, a)), TINY)
    if code == densities.CAUCHY:
        return a + b * student_t(rng, 1.0)
    if code == densities.HALF_CAUCHY:
        return max(a * abs(student_t(rng, 1.0)), TINY)
    if code == densities.LOG_NORMAL:
        return math.exp(a + b * rng.standard_normal())
    if code == densities.UNIFORM:
        return a + (b - a) * rng.random()
    if code == densities.LAPLACE:
        return a + b * (rng.standard_exponential() - rng.standard_exponential())
    if code == densities.TRUNCATED_NORMAL:
        return max(a + b * truncated_draws.draw(rng, -a / b, math.inf), TINY)
    if code == densities.INVERSE_GAMMA_ON_SQUARE:
        return math.sqrt(inverse_gamma(rng, a, b))
    return math.nan


@lean_kernel
def student_t(rng, df):
    """Standard Student t with df degrees of freedom."""
    return rng.standard_normal() / math.sqrt(gamma(rng, 0.5 * df, 0.5 * df))
