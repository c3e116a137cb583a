"""Moments of data too large to copy: one block of rows at a time, missing values left out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from em_vs_bayes.contract import Array

ROWS = 32_768


def of(values: Array) -> Iterator[Array]:
    """Views of consecutive rows."""
    for start in range(0, len(values), ROWS):
        yield values[start : start + ROWS]


def counts(values: Array) -> Array:
    """Observed values per column (d,)."""
    return sum((~np.isnan(block)).sum(axis=0) for block in of(values)) + np.zeros(values.shape[1])


def moments(values: Array, seen: Array) -> tuple[Array, Array, Array]:
    """Mean (d,), variance (d,) and covariance (d, d), divisor n; the covariance from complete rows.

    Parameters
    ----------
    values : ndarray (n, d)
    seen : ndarray (d,)
        What `counts` says, all positive.
    """
    n, d = values.shape
    mean = sum(np.nansum(block, axis=0) for block in of(values)) / seen
    squares, cross, complete, offset = np.zeros(d), np.zeros((d, d)), 0, np.zeros(d)
    for block in of(values):
        centred = block - mean
        squares += np.nansum(centred**2, axis=0)
        whole = centred if (seen == n).all() else centred[~np.isnan(centred).any(axis=1)]
        cross += whole.T @ whole
        offset += whole.sum(axis=0)
        complete += len(whole)
    variance = squares / seen
    if complete <= 2 * d and complete < n:
        return mean, variance, np.diag(variance)
    offset /= complete
    return mean, variance, cross / complete - np.outer(offset, offset)
