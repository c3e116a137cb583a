"""Poisson and gamma densities whose terms cancel where numbers are large, in forms without that cancellation.

y log m - m - log y! is -deviance(y, m) - stirling_error(y) - log(2 pi y) / 2 (Loader 2000, "Fast and accurate
computation of binomial probabilities"), and a gamma density in its rate is one of counts but for a factor.
`kernels.saddle` has the same for compiled code.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import digamma, gammaln, log_ndtr, xlogy

from em_vs_bayes.common.contract import Array

HALF_LOG_2PI = 0.5 * np.log(2.0 * np.pi)
SERIES = 15.0  # from here on Stirling's series have all digits
NEAR = 0.1  # |x - m| / (x + m) below which the deviance is a series
LARGE = 1e10  # shapes and rates from here on: NumPy's generators compare sums that have lost their digits


def deviance(x: Any, mean: Any) -> Array:
    """x log(x / mean) + mean - x, with all digits where x is near the mean; neither is negative."""
    x, mean = np.broadcast_arrays(np.asarray(x, dtype=float), np.asarray(mean, dtype=float))
    with np.errstate(all="ignore"):
        apart = x - mean
        v = 0.5 * apart / (0.5 * x + 0.5 * mean)
        s = np.minimum(v * v, NEAR)
        series = np.polynomial.polynomial.polyval(s, 1.0 / np.arange(3.0, 16.0, 2.0))  # (artanh(v) - v) / v^3
        ratio = x / mean
        lengths = np.where((ratio > 1e-300) & (ratio < 1e300), np.log(ratio), np.log(x) - np.log(mean))
        far = np.where(mean == 0.0, np.inf, x * lengths - apart)
        return np.where(x == 0.0, mean, np.where(np.abs(v) < NEAR, apart * v * (1.0 + v * (1.0 + v) * series), far))


def stirling_error(x: Any) -> Array:
    """log Gamma(x + 1) - (x + 1/2) log x + x - log(2 pi) / 2, x positive."""
    x = np.asarray(x, dtype=float)
    with np.errstate(all="ignore"):
        s = 1.0 / (x * x)
        series = (1 / 12 - s * (1 / 360 - s * (1 / 1260 - s * (1 / 1680 - s / 1188)))) / x
        return np.where(x < SERIES, gammaln(x + 1.0) - (x + 0.5) * np.log(x) + x - HALF_LOG_2PI, series)


def digamma_error(x: Any) -> Array:
    """digamma(x) - log x, x positive (Abramowitz & Stegun 1964, 6.3.18)."""
    x = np.asarray(x, dtype=float)
    with np.errstate(all="ignore"):
        s = 1.0 / (x * x)
        series = -0.5 / x - s * (1 / 12 - s * (1 / 120 - s * (1 / 252 - s * (1 / 240 - s / 132))))
        return np.where(x < SERIES, digamma(x) - np.log(x), series)


def count_base(y: Any) -> Array:
    """Log probability of the count y where its rate is y."""
    y = np.asarray(y, dtype=float)
    some = np.maximum(y, 1.0)
    return np.where(y > 0.0, -stirling_error(some) - 0.5 * np.log(some) - HALF_LOG_2PI, 0.0)


def large_count_tails(y: Array, rates: Array) -> tuple[Array, Array]:
    """log P(Y <= y) and log P(Y > y) of Poisson counts whose rates are beyond `LARGE`.

    By the signed root of the deviance at y + 1/2 and the mean of that, normal but for terms of the order of 1 / rate.
    """
    root = np.sign(y + 0.5 - rates) * np.sqrt(2.0 * deviance(y + 0.5, rates)) + 1.0 / (6.0 * np.sqrt(rates))
    return log_ndtr(root), log_ndtr(-root)


def gamma_log_density(shape: Any, rate: Any, value: Any) -> Array:
    """Log density at ``value``, not negative, of proper Gamma(shape, rate) distributions, elementwise."""
    less, mean = np.asarray(shape - 1.0), np.asarray(rate * value)
    with np.errstate(all="ignore"):
        large = np.log(rate) + count_base(less) - deviance(np.maximum(less, 0.0), mean)
        small = np.log(rate) + xlogy(less, mean) - mean - gammaln(shape)
        return np.where(less >= SERIES, large, small)


def draw_gamma(rng: np.random.Generator, shape: Any, size: Any) -> Array:
    """Gamma(shape, 1) variables.

    From `LARGE` on Marsaglia & Tsang's (2000) proposal itself: it is refused once in 1e11 times.
    """
    shape = np.broadcast_to(shape, size)
    if not (shape > LARGE).any():
        return rng.standard_gamma(shape, size)
    drawn = rng.standard_gamma(np.minimum(shape, LARGE), size)
    d = shape - 1 / 3
    with np.errstate(invalid="ignore"):
        cube = d * (1.0 + rng.standard_normal(size) / np.sqrt(9.0 * d)) ** 3
    return np.where(shape > LARGE, cube, drawn)


def draw_poisson(rng: np.random.Generator, rates: Array) -> Any:
    """Poisson counts (int64).

    From `LARGE` on by the expansion of the quantile function in a normal variable (Giles 2016, ACM Transactions on
    Mathematical Software 42), whose error is of the order of 1 / rate.
    """
    rates = np.asarray(rates, dtype=float)
    large = rates > LARGE
    if not large.any():
        return rng.poisson(rates)
    drawn = rng.poisson(np.where(large, 1.0, rates))
    z, root = rng.standard_normal(rates.shape), np.sqrt(rates)
    quantile = rates + (root * z + (2.0 + z * z) / 6.0 - z * (2.0 + z * z) / (72.0 * root))
    return np.asarray(np.where(large, np.floor(np.where(large, quantile, 0.0)).astype(np.int64), drawn))
