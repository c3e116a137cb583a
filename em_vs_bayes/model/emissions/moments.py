"""Moments of the standard normal and Student t between limits, of whole arrays, and how they change with the limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from em_vs_bayes.common.contract import Array
from em_vs_bayes.kernels.moments import normal_moments, student_moments
from em_vs_bayes.kernels.student_interval import log_constant

LOG_ROOT_2PI = 0.5 * float(np.log(2.0 * np.pi))


@final
@dataclass(frozen=True, slots=True)
class Between:
    """Z given a <= Z <= b, elementwise.

    Parameters
    ----------
    a, b : ndarray
        Limits, perhaps infinite.
    log_p : ndarray
        log P(a <= Z <= b).
    mean, variance : ndarray
    at_a, at_b : ndarray
        phi(a) / P and phi(b) / P: 0 at an infinite limit.
    """

    a: Array
    b: Array
    log_p: Array
    mean: Array
    variance: Array
    at_a: Array
    at_b: Array

    @property
    def second(self) -> Array:
        """E[Z^2]."""
        return self.variance + self.mean**2

    def slopes(self, power: int, moment: Array) -> tuple[Array, Array]:
        """Minus sigma times the derivatives of E[Z^power] = ``moment`` by the location and by sigma.

        The limits are (l - location) / sigma, so that a falls by 1 / sigma with the location and by a / sigma with
        sigma; and d E[Z^k] / da = (E[Z^k] - a^k) phi(a) / P, likewise at b.
        """
        a, b = (np.where(np.isfinite(end), end, 0.0) for end in (self.a, self.b))
        low, high = self.at_a * (moment - a**power), self.at_b * (b**power - moment)
        return low + high, a * low + b * high

    def central(self) -> tuple[Array, Array]:
        """E[(Z - mean)^3] and E[(Z - mean)^4], by parts: E[d^k Z] = k E[d^(k-1)] + boundary terms, d = Z - mean."""
        low, high = (np.where(np.isfinite(end), end - self.mean, 0.0) for end in (self.a, self.b))
        third = low**2 * self.at_a - high**2 * self.at_b - self.mean * self.variance
        fourth = 3.0 * self.variance + low**3 * self.at_a - high**3 * self.at_b - self.mean * third
        return third, fourth


def between(a: Any, b: Any) -> Between:
    """`Between` of limits that broadcast against each other; a < b."""
    low, high = _broadcast(a, b)
    log_p, mean, variance = (np.empty(low.shape) for _ in range(3))
    normal_moments(*(array.ravel() for array in (low, high, log_p, mean, variance)))  # views: all are contiguous
    # where the other limit is infinite, phi / P is the mean itself
    at_a = np.where(np.isinf(low), 0.0, np.where(np.isinf(high), mean, _ratio(low, log_p)))
    at_b = np.where(np.isinf(high), 0.0, np.where(np.isinf(low), -mean, _ratio(high, log_p)))
    return Between(low, high, log_p, mean, variance, at_a, at_b)


def student_between(a: Any, b: Any, nu: float) -> tuple[Array, Array, Array, Array, Array]:
    """Of a standard t: log P, mean, covariance with its score, f(a) / P and f(b) / P; a < b, else NaN.

    For ``nu`` <= 1 the mean is infinite, or NaN, where a limit is.
    """
    low, high = _broadcast(a, b)
    out = np.empty((5, low.size))
    student_moments(low.ravel(), high.ravel(), nu, float(log_constant(nu)), out)
    log_p, mean, spread, at_a, at_b = out.reshape(5, *low.shape)
    return log_p, mean, spread, at_a, at_b


def _broadcast(a: Any, b: Any) -> tuple[Array, Array]:
    """Contiguous arrays of one shape."""
    low, high = (np.array(end, dtype=float, order="C") for end in np.broadcast_arrays(a, b))
    return low, high


def _ratio(end: Array, log_p: Array) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(np.exp(-0.5 * end**2 - LOG_ROOT_2PI - log_p))
