"""Scores and information of a censored or truncated regression in (b, sigma), row by row and exact.

All of them are moments of z = (y* - x'b) / sigma given what a row says. Of a row that says a <= z <= b, with a bar for
such a mean,

    score        (zbar, z2bar - 1) / sigma                                                  (Fisher's identity)
    information  of a complete row, (1, 2 z; 2 z, 3 z^2 - 1) / sigma^2, in the mean,
                 less the variance of its score (z, z^2 - 1) / sigma                        (Louis 1982)

`observed` differentiates the score; `louis` takes complete and missing information apart. A truncated row is an exact
one less the row that says only that it lies between the limits: `louis` imagines the rows that truncation hides, a
geometric number of them for each row seen (Dempster, Laird & Rubin 1977, section 4.2).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from em_vs_bayes.common.contract import Array
from em_vs_bayes.fit.fitted import Fitted
from em_vs_bayes.model.emissions.moments import Between, between

NORMAL = np.array([1.0, 0.0, 1.0, 0.0, 3.0])  # E[Z^k], k = 0, ..., 4


def scores(fitted: Fitted) -> Array:
    """Derivatives (n, p + 1) of each row's log-likelihood by the coefficients and sigma; no case weights."""
    first, second = _raw(fitted)
    if fitted.truncated:
        inside = _inside(fitted)
        first, second = first - inside.mean, second - inside.second
    else:
        second = second - 1.0
    out = np.column_stack([fitted.design * first[:, None], second]) / fitted.sigma
    out[np.isnan(fitted.low)] = 0.0  # a missing response says nothing
    return out


def observed(fitted: Fitted) -> Array:
    """Minus the Hessian (p + 1, p + 1) of the log-likelihood, rows weighted."""
    fitted = fitted.seen
    z, exact = _standardised(fitted)
    rows = _complete(z, z**2)
    if fitted.truncated:
        rows = rows - _of_an_interval(_inside(fitted))
    elif not exact.all():
        a, b = _limits(fitted, ~exact)
        rows[~exact] = _of_an_interval(between(a, b))
    return _summed(fitted, rows)


def louis(fitted: Fitted) -> tuple[Array, Array]:
    """Expected complete-data information and the information that is missing, (p + 1, p + 1) each."""
    fitted = fitted.seen
    z, exact = _standardised(fitted)
    complete, missing = _complete(z, z**2), np.zeros((len(z), 3))
    if fitted.truncated:
        hidden = _hidden(_inside(fitted))
        more, missing = _complete(hidden[1], hidden[2], hidden[0]), _variance(hidden)
        complete = complete + more
    elif not exact.all():
        inside = between(*_limits(fitted, ~exact))
        m, v = inside.mean, inside.variance
        third, fourth = inside.central()
        complete[~exact] = _complete(m, inside.second)
        cross = 2.0 * m * v + third
        missing[~exact] = np.column_stack([v, cross, 4.0 * m * (m * v + third) + fourth - v**2])
    return _summed(fitted, complete), _summed(fitted, missing)


def complete_robust(fitted: Fitted, nu: float) -> Array:
    """Expected information (p + 1, p + 1) of y* and its precision u, t errors with ``nu`` being normal given u.

    Given both a row has (u, 2 u z; 2 u z, 3 u z^2 - 1) / sigma^2; and E[u | z] z is the score of z, of which `laws`
    has the means.
    """
    fitted = fitted.seen
    law = fitted.law
    z, exact = _standardised(fitted)
    first = law.score(z)
    second = first * z
    if not exact.all():
        a, b = _limits(fitted, ~exact)
        inside = law.given(a, b)
        a, b = (np.where(np.isfinite(end), end, 0.0) for end in (a, b))
        first[~exact] = inside.at_a - inside.at_b
        second[~exact] = 1.0 + a * inside.at_a - b * inside.at_b
    precision = 1.0 + (1.0 - second) / nu  # as (nu + z^2) E[u | z] = nu + 1
    return _summed(fitted, np.column_stack([precision, 2.0 * first, 3.0 * second - 1.0]))


def _standardised(fitted: Fitted) -> tuple[Array, NDArray[np.bool_]]:
    """(y - x'b) / sigma of exact responses, 0 elsewhere, and which are exact."""
    exact = fitted.low == fitted.high
    return np.where(exact, (np.where(exact, fitted.low, 0.0) - fitted.line) / fitted.sigma, 0.0), exact


def _limits(fitted: Fitted, rows: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Standardised ends of some rows' responses."""
    line = fitted.line[rows]
    return (fitted.low[rows] - line) / fitted.sigma, (fitted.high[rows] - line) / fitted.sigma


def _inside(fitted: Fitted) -> Between:
    """A response of each row of which only the limits of the sample are known."""
    lower, upper = fitted.limits("The information")
    return between((lower - fitted.line) / fitted.sigma, (upper - fitted.line) / fitted.sigma)


def _raw(fitted: Fitted) -> tuple[Array, Array]:
    """E[z] and E[z^2] (n,) given what each row says, truncation aside."""
    first, exact = _standardised(fitted)
    second = first**2
    if not exact.all():
        inside = between(*_limits(fitted, ~exact))
        first[~exact], second[~exact] = inside.mean, inside.second
    return first, second


def _complete(first: Array, second: Array, count: Array | float = 1.0) -> Array:
    """Information (n, 3) of ``count`` exact rows with sums ``first`` and ``second`` of z and z^2."""
    ones = np.broadcast_to(np.asarray(count, dtype=float), first.shape)
    return np.column_stack([ones, 2.0 * first, 3.0 * second - ones])


def _of_an_interval(inside: Between) -> Array:
    """Information (n, 3): minus the derivatives of the score (E[z] / sigma, (E[z^2] - 1) / sigma)."""
    by_line, first_by_sigma = inside.slopes(1, inside.mean)
    _, second_by_sigma = inside.slopes(2, inside.second)
    return np.column_stack([by_line, inside.mean + first_by_sigma, inside.second - 1.0 + second_by_sigma])


def _hidden(inside: Between) -> Array:
    """Expected sums (5, n) of z^0, ..., z^4 over the rows that truncation hides behind each row seen.

    E[z^k] = P E[z^k | inside] + (1 - P) E[z^k | outside], and (1 - P) / P rows are hidden.
    """
    m, v, one = inside.mean, inside.variance, np.ones_like(inside.mean)
    third, fourth = inside.central()
    seen = [one, m, inside.second, third + 3.0 * m * v + m**3, fourth + 4.0 * m * third + 6.0 * m**2 * v + m**4]
    return np.exp(-inside.log_p) * NORMAL[:, None] - np.stack(seen)


def _variance(sums: Array) -> Array:
    """Variance (n, 3) of the score of a geometric number of rows: E[number] E[s s'] + (E[number] E[s])^2."""
    count, first, second, third, fourth = sums
    line, spread = first, second - count
    return np.column_stack([second + line**2, third - first + line * spread, fourth - 2.0 * second + count + spread**2])


def _summed(fitted: Fitted, rows: Array) -> Array:
    """(p + 1, p + 1) out of (n, 3): line by line, line by sigma, sigma by sigma."""
    p = fitted.design.shape[1]
    own = rows * (fitted.weights / fitted.sigma**2)[:, None]
    out = np.empty((p + 1, p + 1))
    out[:p, :p] = (fitted.design.T * own[:, 0]) @ fitted.design
    out[:p, p] = out[p, :p] = fitted.design.T @ own[:, 1]
    out[p, p] = own[:, 2].sum()
    return out
