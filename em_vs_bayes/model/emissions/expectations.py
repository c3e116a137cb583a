"""What is expected at a line x'b: of the latent response, of the response cut off at limits, of the one between them.

With a = (lower - x'b) / sigma, b = (upper - x'b) / sigma, Z the error in units of sigma, F its distribution function, f
its density and P = F(b) - F(a) (McDonald & Moffitt 1980, for normal errors; see `laws` for others):

    observed     E[y] = lower F(a) + P E[y* | between] + upper (1 - F(b)),    dE[y] / dx'b = P
    conditional  E[y* | lower < y* < upper],                                  derivative Cov[Z, s(Z) | a < Z < b]
    probability  P of a response between the limits,                          derivative (f(a) - f(b)) / sigma

Each comes with the derivatives that the delta method wants of it and of its slope.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from em_vs_bayes.common.contract import Array
from em_vs_bayes.model.emissions.laws import Law


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


Function = Callable[[Law, Array, Array, float, float], Expectation]
Curve = Callable[[Array, Array], Expectation]  # of the line and sigma alone
NO_LIMITS = (-np.inf, np.inf)


def curve(function: Function, law: Law, ends: tuple[float, float]) -> Curve:
    """``function`` of errors and limits that are known."""
    return lambda line, sigma: function(law, line, sigma, *ends)


class _End(NamedTuple):
    """A limit seen from the line: z, and f(z), z f(z), -f'(z), -z f'(z), 0 where it is infinite."""

    z: Array
    density: Array
    first: Array
    slope: Array
    slope_first: Array


def _end(law: Law, line: Array, sigma: Array, end: float) -> _End:
    z = (end - line) / sigma
    if np.isinf(end):
        nothing = np.zeros_like(z)
        return _End(z, nothing, nothing, nothing, nothing)
    density = law.density(z)
    slope = density * law.score(z)
    return _End(z, density, z * density, slope, z * slope)


def latent(law: Law, line: Array, sigma: Array, lower: float, upper: float) -> Expectation:
    """E[y*]."""
    line, sigma = np.broadcast_arrays(line, sigma)
    one, nothing = np.ones_like(line), np.zeros_like(line)
    return Expectation(line, one, nothing, nothing, nothing)


def observed(law: Law, line: Array, sigma: Array, lower: float, upper: float) -> Expectation:
    """E[y], y = min(max(y*, lower), upper)."""
    a, b = _end(law, line, sigma, lower), _end(law, line, sigma, upper)
    inside = law.given(a.z, b.z)
    p = np.exp(inside.log_p)
    value = p * (line + sigma * inside.mean)
    value = value if np.isinf(lower) else value + lower * np.exp(law.log_below(a.z))
    value = value if np.isinf(upper) else value + upper * np.exp(law.log_below(-b.z))
    return Expectation(
        value, p, p * inside.mean, (a.density - b.density) / sigma, (a.first - b.first) / sigma
    )  # fmt: skip


def conditional(law: Law, line: Array, sigma: Array, lower: float, upper: float) -> Expectation:
    """E[y* | lower < y* < upper]."""
    a, b = (lower - line) / sigma, (upper - line) / sigma
    _, mean, spread, at_a, at_b = law.given(a, b)
    a, b = (np.where(np.isfinite(end), end, 0.0) for end in (a, b))  # the weights there are 0
    score = at_a - at_b
    by_sigma = mean - a * at_a * (mean - a) - b * at_b * (b - mean)
    by_a = at_a * (spread - (a - mean) * (law.score(a) - score))
    by_b = at_b * ((b - mean) * (law.score(b) - score) - spread)
    return Expectation(line + sigma * mean, spread, by_sigma, -(by_a + by_b) / sigma, -(a * by_a + b * by_b) / sigma)


def uncensored(law: Law, line: Array, sigma: Array, lower: float, upper: float) -> Expectation:
    """P(lower < y* < upper)."""
    a, b = _end(law, line, sigma, lower), _end(law, line, sigma, upper)
    return _probability(law.given(a.z, b.z).log_p, sigma, a, b)


def below(law: Law, line: Array, sigma: Array, lower: float, upper: float) -> Expectation:
    """P(y* <= lower)."""
    b = _end(law, line, sigma, lower)
    return _probability(law.log_below(b.z), sigma, _end(law, line, sigma, -np.inf), b)


def above(law: Law, line: Array, sigma: Array, lower: float, upper: float) -> Expectation:
    """P(y* >= upper)."""
    a = _end(law, line, sigma, upper)
    return _probability(law.log_below(-a.z), sigma, a, _end(law, line, sigma, np.inf))


def _probability(log_p: Array, sigma: Array, a: _End, b: _End) -> Expectation:
    """P(a < Z < b) with its derivatives."""
    density, slope = a.density - b.density, a.slope - b.slope
    bend = a.slope_first - b.slope_first - density
    return Expectation(
        np.exp(log_p), density / sigma, (a.first - b.first) / sigma, slope / sigma**2, bend / sigma**2
    )  # fmt: skip
