"""What is expected at a line x'b: of the latent response, of the response cut off at limits, of the one between them.

With a = (lower - x'b) / sigma, b = (upper - x'b) / sigma and P = Phi(b) - Phi(a) (McDonald & Moffitt 1980):

    observed     E[y] = lower Phi(a) + P E[y* | between] + upper (1 - Phi(b)),    dE[y] / dx'b = P
    conditional  E[y* | lower < y* < upper],                                      derivative Var[Z | a < Z < b]
    probability  P of a response between the limits,                              derivative (phi(a) - phi(b)) / sigma

Each comes with the derivatives that the delta method wants of it and of its slope.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from em_vs_bayes.contract import Array
from em_vs_bayes.regression.moments import between

INV_ROOT_2PI = 1.0 / float(np.sqrt(2.0 * np.pi))


class Expectation(NamedTuple):
    """A function of the line and sigma, elementwise.

    Parameters
    ----------
    value, by_line, by_sigma : ndarray
        The expectation and its derivatives.
    slope_by_line, slope_by_sigma : ndarray
        Derivatives of ``by_line``.
    """

    value: Array
    by_line: Array
    by_sigma: Array
    slope_by_line: Array
    slope_by_sigma: Array


Function = Callable[[Array, Array, float, float], Expectation]


class _End(NamedTuple):
    """A limit seen from the line: z, and phi(z), z phi(z), z^2 phi(z), 0 where it is infinite."""

    z: Array
    density: Array
    first: Array
    second: Array


def _end(line: Array, sigma: Array, end: float) -> _End:
    z = (end - line) / sigma
    if np.isinf(end):
        nothing = np.zeros_like(z)
        return _End(z, nothing, nothing, nothing)
    density = INV_ROOT_2PI * np.exp(-0.5 * z**2)
    return _End(z, density, z * density, z**2 * density)


def latent(line: Array, sigma: Array, lower: float, upper: float) -> Expectation:
    """E[y*]."""
    line, sigma = np.broadcast_arrays(line, sigma)
    one, nothing = np.ones_like(line), np.zeros_like(line)
    return Expectation(line, one, nothing, nothing, nothing)


def observed(line: Array, sigma: Array, lower: float, upper: float) -> Expectation:
    """E[y], y = min(max(y*, lower), upper)."""
    a, b = _end(line, sigma, lower), _end(line, sigma, upper)
    inside = between(a.z, b.z)
    p = np.exp(inside.log_p)
    value = p * (line + sigma * inside.mean)
    value = value if np.isinf(lower) else value + lower * ndtr(a.z)
    value = value if np.isinf(upper) else value + upper * ndtr(-b.z)
    return Expectation(value, p, a.density - b.density, (a.density - b.density) / sigma, (a.first - b.first) / sigma)


def conditional(line: Array, sigma: Array, lower: float, upper: float) -> Expectation:
    """E[y* | lower < y* < upper]."""
    inside = between((lower - line) / sigma, (upper - line) / sigma)
    mean, second = inside.mean, inside.second
    _, mean_by_sigma = inside.slopes(1, mean)
    _, second_by_sigma = inside.slopes(2, second)
    third, _ = inside.central()
    by_sigma = mean - mean_by_sigma
    slope_by_sigma = (2.0 * mean * mean_by_sigma - second_by_sigma) / sigma
    return Expectation(line + sigma * mean, inside.variance, by_sigma, third / sigma, slope_by_sigma)


def uncensored(line: Array, sigma: Array, lower: float, upper: float) -> Expectation:
    """P(lower < y* < upper)."""
    a, b = _end(line, sigma, lower), _end(line, sigma, upper)
    return _probability(np.exp(between(a.z, b.z).log_p), sigma, a, b)


def below(line: Array, sigma: Array, lower: float, upper: float) -> Expectation:
    """P(y* <= lower)."""
    b = _end(line, sigma, lower)
    return _probability(ndtr(b.z), sigma, _end(line, sigma, -np.inf), b)


def above(line: Array, sigma: Array, lower: float, upper: float) -> Expectation:
    """P(y* >= upper)."""
    a = _end(line, sigma, upper)
    return _probability(ndtr(-a.z), sigma, a, _end(line, sigma, np.inf))


def _probability(p: Array, sigma: Array, a: _End, b: _End) -> Expectation:
    """P(a < Z < b) = ``p`` with its derivatives."""
    density, first, second = a.density - b.density, a.first - b.first, a.second - b.second
    return Expectation(p, density / sigma, first / sigma, first / sigma**2, (second - density) / sigma**2)
