"""Moments of data too large to copy: one block of rows at a time, missing values left out, case weights counted."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from em_vs_bayes.common.contract import Array

ROWS = 32_768


def of(values: Array, weights: Array | None) -> Iterator[tuple[Array, Array]]:
    """Consecutive rows (b, d) with their weights (b, 1)."""
    for start in range(0, len(values), ROWS):
        block = values[start : start + ROWS]
        yield block, np.ones((len(block), 1)) if weights is None else weights[start : start + ROWS, None]


def counts(values: Array, weights: Array | None) -> Array:
    """Total weight of the observed values of each column (d,)."""
    return sum((w * ~np.isnan(block)).sum(axis=0) for block, w in of(values, weights)) + np.zeros(values.shape[1])


def means(values: Array, seen: Array, weights: Array | None) -> Array:
    """Mean of the observed values of each column (d,)."""
    return sum(np.nansum(w * block, axis=0) for block, w in of(values, weights)) / seen


def moments(values: Array, seen: Array, weights: Array | None) -> tuple[Array, Array, Array]:
    """Mean (d,), variance (d,) and covariance (d, d), divisor n; the covariance from complete rows.

    Parameters
    ----------
    values : ndarray (n, d)
    seen : ndarray (d,)
        What `counts` says, all positive.
    weights : ndarray (n,) or None
    """
    d = values.shape[1]
    mean = means(values, seen, weights)
    squares, cross, complete, offset, holes = np.zeros(d), np.zeros((d, d)), 0.0, np.zeros(d), False
    for block, w in of(values, weights):
        centred = block - mean
        squares += np.nansum(w * centred**2, axis=0)
        whole = ~np.isnan(centred).any(axis=1)
        if not whole.all():
            centred, w, holes = centred[whole], w[whole], True
        cross += (w * centred).T @ centred
        offset += (w * centred).sum(axis=0)
        complete += w.sum()
    variance = squares / seen
    if holes and complete <= 2 * d:
        return mean, variance, np.diag(variance)
    offset /= complete
    return mean, variance, cross / complete - np.outer(offset, offset)
