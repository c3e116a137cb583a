"""Directions in which the likelihood of a censored regression never falls: where there is one it has no maximum.

In (d, t) = (b / sigma, 1 / sigma), t > 0, the log-likelihood is concave for normal errors (Olsen 1978). It has a
maximum unless there is a direction that takes no exact response off its line and no line away from what is known of its
response (Silvapulle & Burridge 1986, J. R. Statist. Soc. B 48, 100-106), or unless it still rises where t falls to 0.

Exact rows leave open only what (X, y) of theirs does not span: nothing, as a rule, which a few rows prove. For what is
left open a linear program looks, with rows brought in as they are violated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from em_vs_bayes.common.contract import Array

SPANNED = 1e-11  # a column this close to the span of those before it, relative to its size, is in it but for rounding
BEYOND = 1e-6  # of the largest: a gain below is none
ROWS = 500  # brought into the linear program at a time
LOG_ROOT_2PI = 0.5 * float(np.log(2.0 * np.pi))


@final
@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What is known of the responses of a regression whose free coefficients have the columns ``x``.

    Parameters
    ----------
    x : ndarray (n, p)
    low, high : ndarray (n,)
        Ends of each response, less what fixed coefficients add to its line; equal where it is exact.
    weights : ndarray (n,)
        Positive.
    spread : bool
        Whether sigma is free.
    """

    x: Array
    low: Array
    high: Array
    weights: Array
    spread: bool

    @property
    def exact(self) -> NDArray[np.bool_]:
        """Rows whose response is known."""
        return self.low == self.high


def recession(known: Known) -> Array | None:
    """(d, t), t >= 0, in units of the predictors and of y; None where there is none."""
    exact = known.exact
    open_ = _left_open(known, np.flatnonzero(exact))
    if open_ is None:
        return None
    above, below = np.isfinite(known.low) & ~exact, np.isfinite(known.high) & ~exact
    p = known.x.shape[1]
    gains = np.concatenate(
        [
            known.x[above] @ open_[:p] - np.outer(known.low[above], open_[p]),
            np.outer(known.high[below], open_[p]) - known.x[below] @ open_[:p],
        ]
    )
    sizes = np.abs(gains).max(axis=0, initial=0.0)
    gains = gains / np.where(sizes > 0.0, sizes, 1.0)
    shrinks = open_[p] / np.where(sizes > 0.0, sizes, 1.0)
    z = _never_losing(gains, shrinks / (np.abs(shrinks).max(initial=0.0) or 1.0), bool(exact.any()))
    return None if z is None else open_ @ (z / np.where(sizes > 0.0, sizes, 1.0))


def _left_open(known: Known, rows: NDArray[np.int64]) -> Array | None:
    """A basis (p + 1, q) of the directions that leave exact responses on their lines; None where there is none.

    The last row belongs to t; it is zero where sigma is fixed.
    """
    p, taken = known.x.shape[1], 0
    used = p + 1 if known.spread else p
    while True:
        taken = min(len(rows), 4 * (p + 1) if taken == 0 else 8 * taken)
        own = rows[:taken]
        columns = np.column_stack([known.x[own], -known.low[own]])[:, :used]
        scale = np.abs(columns).max(axis=0, initial=0.0)
        scale[scale == 0.0] = 1.0
        columns = columns / scale
        if taken >= used:
            triangle = np.linalg.qr(columns, mode="r")
            lengths = np.sqrt((triangle**2).sum(axis=0))
            if (np.abs(np.diagonal(triangle)) > SPANNED * np.maximum(lengths, SPANNED)).all():
                return None
            columns = triangle
        if taken == len(rows):
            break
    if len(rows) == 0:
        sizes = np.concatenate([np.abs(known.x).max(axis=0, initial=0.0), [_size(known)]])
        return np.diag(1.0 / np.where(sizes > 0.0, sizes, 1.0))[:, :used]
    _, values, vectors = np.linalg.svd(columns, full_matrices=True)
    values = np.concatenate([values, np.zeros(used - len(values))])
    null = vectors[values <= SPANNED * max(values[0], SPANNED)].T
    if null.shape[1] == 0:
        return None
    null = np.where(np.abs(null) > 100.0 * SPANNED, null, 0.0)  # a sign that only rounding has would count
    out = np.zeros((p + 1, null.shape[1]))
    out[:used] = null / scale[:, None]
    return out


def _size(known: Known) -> float:
    ends = np.abs(np.concatenate([known.low, known.high]))
    return float(ends[np.isfinite(ends)].max(initial=0.0)) or 1.0


def _never_losing(gains: Array, shrinks: Array, exact: bool) -> Array | None:
    """z with gains @ z >= 0, shrinks @ z >= 0 and some of them positive; None where there is none.

    That sigma shrinks is a gain where some response is ``exact``.
    """
    q = gains.shape[1]
    rows = np.vstack([gains, shrinks[None, :]])
    if q == 1:
        for z in (np.ones(1), -np.ones(1)):
            if _gains(rows @ z) and (exact or np.abs(gains @ z).max(initial=0.0) > BEYOND):
                return z
        return None
    from scipy.optimize import linprog  # a fifth of a second that only such data pay for

    total = rows.sum(axis=0) if exact else gains.sum(axis=0)
    chosen = np.unique(np.r_[np.linspace(0, len(rows) - 1, min(len(rows), ROWS)).astype(int), len(rows) - 1])
    while True:
        held = rows[chosen]
        found = linprog(-total, A_ub=-held, b_ub=np.zeros(len(held)), bounds=[(-1.0, 1.0)] * q)
        if found.x is None:
            return None
        values = rows @ found.x
        largest = float(np.abs(values).max())
        if largest <= BEYOND * np.abs(found.x).max(initial=0.0) or not total @ found.x > BEYOND * largest:
            return None
        lost = np.flatnonzero(values < -BEYOND * largest)
        fresh = np.setdiff1d(lost[np.argsort(values[lost])[:ROWS]], chosen)
        if lost.size == 0:
            return np.asarray(found.x)
        if fresh.size == 0:  # held within the program's tolerance, which is not ours
            return None
        chosen = np.concatenate([chosen, fresh])


def _gains(values: Array) -> bool:
    largest = float(np.abs(values).max(initial=0.0))
    return largest > 0.0 and bool((values >= -BEYOND * largest).all())


def only_shares(known: Known) -> bool:
    """Whether one-sided responses have limits in the span of x: the likelihood is then one of d - t c, a line."""
    one_sided = np.isinf(known.low) | np.isinf(known.high)
    if not (known.spread and one_sided.all()):
        return False
    limits = np.where(np.isinf(known.low), known.high, known.low)
    away = limits - known.x @ np.linalg.lstsq(known.x, limits, rcond=None)[0]
    return bool(np.abs(away).max() <= BEYOND * np.abs(limits).max())


def spreads_out(known: Known) -> bool:
    """Whether the likelihood of responses known on one side alone is highest where sigma is infinite.

    There it is that of a probit regression, d at t = 0. The log-likelihood being concave, it rises towards t = 0 all
    the way if it does there. Normal errors, no direction of recession, not `only_shares`.
    """
    one_sided = np.isinf(known.low) | np.isinf(known.high)
    if not (known.spread and one_sided.all()):
        return False
    below = np.isinf(known.low)
    sign, limits = np.where(below, 1.0, -1.0), np.where(below, known.high, known.low)
    x = np.linalg.qr(-sign[:, None] * known.x)[0]  # each term is log Phi(x'd + sign limit t), d in a basis of its own
    d = np.zeros(x.shape[1])
    for _ in range(100):
        line = x @ d
        hazard = np.exp(-0.5 * line**2 - LOG_ROOT_2PI - log_ndtr(line))
        gradient = x.T @ (known.weights * hazard)
        curvature = (x * (known.weights * hazard * (hazard + line))[:, None]).T @ x
        step = np.linalg.lstsq(curvature, gradient, rcond=1e-14)[0]
        here = float(known.weights @ log_ndtr(line))
        while known.weights @ log_ndtr(x @ (d + step)) < here and np.abs(step).max() > 1e-14:
            step = 0.5 * step
        d = d + step
        if abs(gradient @ step) < 1e-16 * (1.0 + abs(here)):
            break
    line = x @ d
    terms = known.weights * np.exp(-0.5 * line**2 - LOG_ROOT_2PI - log_ndtr(line)) * sign * limits
    return bool(terms.sum() <= 1e-9 * np.abs(terms).sum())
