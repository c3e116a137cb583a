"""The distribution of responses that are known by limits, without a model: Kaplan & Meier (1958), Turnbull (1976)."""

import numpy as np

from em_vs_bayes.common.contract import Array

ROUNDS, SETTLED = 5000, 1e-9  # of Turnbull's self-consistency: at most, and the change of a probability that ends it


def survival(low: Array, high: Array, weights: Array) -> tuple[Array, Array]:
    """Points (t, P(y > t)) of a curve to draw, from what is known of each response: ``low`` < y <= ``high``, or equal.

    Parameters
    ----------
    low, high : ndarray (n,)
        Equal ends are an exact response, an infinite one is no limit.
    weights : ndarray (n,)

    Notes
    -----
    Responses that are exact or limited on one and the same side give the product-limit estimate, turned round where
    they are limited from above. All others give the nonparametric maximum likelihood estimate by self-consistency;
    where an interval has mass, nothing says where in it, and the curve is a straight line.
    """
    exact = low == high
    if not np.isneginf(low).any() and (exact | np.isposinf(high)).all():
        t, after = product_limit(low, exact, weights)
        return _steps(t, np.append(1.0, after), after=low.max())
    if not np.isposinf(high).any() and (exact | np.isneginf(low)).all():
        t, below = product_limit(-high, exact, weights)  # P(y < t), t falling
        return _steps(-t[::-1], 1.0 - np.append(below[::-1], 1.0), before=high.min())
    return turnbull(low, high, weights)


def product_limit(t: Array, event: Array, weights: Array) -> tuple[Array, Array]:
    """Times of events, and the probability of living longer than each."""
    times, row = np.unique(t, return_inverse=True)
    dead = np.bincount(row, weights * event, len(times))
    at_risk = np.cumsum(np.bincount(row, weights, len(times))[::-1])[::-1]
    some = dead > 0
    return times[some], np.cumprod(1.0 - dead[some] / at_risk[some])


def turnbull(low: Array, high: Array, weights: Array) -> tuple[Array, Array]:
    """The estimate for intervals of any kind."""
    n = len(low)
    # Where ends tie: an exact response lies in an interval that ends there, and not in one that begins there.
    kind = np.concatenate([np.where(low == high, 0, 2), np.ones(n)])
    order = np.lexsort((kind, np.concatenate([low, high])))
    place = np.argsort(order)
    lefts = order < n
    inner = np.flatnonzero(lefts[:-1] & ~lefts[1:])  # a left end with a right end next to it
    begin, end = (np.concatenate([low, high])[order[inner + i]] for i in (0, 1))
    first = np.searchsorted(inner, place[:n])
    last = np.searchsorted(inner + 1, place[n:], side="right")
    mass = np.full(len(inner), 1.0 / len(inner))
    for _ in range(ROUNDS):
        total = np.append(0.0, np.cumsum(mass))
        own = weights / (total[last] - total[first])
        ends = np.bincount(first, own, len(inner) + 1) - np.bincount(last, own, len(inner) + 1)
        new = mass * np.cumsum(ends)[:-1] / weights.sum()
        settled = np.abs(new - mass).max() < SETTLED
        mass = new
        if settled:
            break
    above = 1.0 - np.append(0.0, np.cumsum(mass))
    t, s = np.column_stack([begin, end]).ravel(), np.column_stack([above[:-1], above[1:]]).ravel()
    shown = np.isfinite(t)
    return t[shown], s[shown]


def _steps(t: Array, s: Array, before: float = np.inf, after: float = -np.inf) -> tuple[Array, Array]:
    """A curve that falls at each ``t`` (m,) from one of the values ``s`` (m + 1,) to the next.

    Level from ``before``, and up to ``after``, where responses without an exact value are known to lie beyond.
    """
    x, y = np.repeat(t, 2), np.repeat(s, 2)[1:-1]
    if before < t.min(initial=np.inf):
        x, y = np.append(before, x), np.append(s[0], y)
    if after > t.max(initial=-np.inf):
        x, y = np.append(x, after), np.append(y, s[-1])
    return x, y
