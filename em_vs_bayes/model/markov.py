"""Markov chains as people read them: stationary distributions and dwell times."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from em_vs_bayes.common.contract import Array


def stationary_distribution(transition: Array) -> Array:
    """The distribution that one step leaves as it is: delta = delta A, sum delta = 1 (Zucchini & MacDonald, eq. 1.3).

    Parameters
    ----------
    transition : ndarray (..., K, K)
        Rows sum to one.

    Returns
    -------
    ndarray (..., K)
        The one of least norm where there are several (a chain that falls apart).
    """
    transition = np.asarray(transition, dtype=float)
    k = transition.shape[-1]
    system = np.swapaxes(np.eye(k) - transition + 1.0, -1, -2)
    delta = np.linalg.pinv(system, rtol=1e-13) @ np.ones(k)
    delta = np.maximum(delta, 0.0)  # rounding
    return np.asarray(delta / delta.sum(axis=-1, keepdims=True))


def sensitivity(transition: Array) -> float:
    """How far the stationary distribution moves, at most, per unit that the rows of ``transition`` (K, K) move.

    The norm of the fundamental matrix (Schweitzer 1968): large where a chain all but falls apart.
    """
    k = len(transition)
    return float(np.abs(np.linalg.pinv(np.eye(k) - transition + stationary_distribution(transition))).sum(axis=1).max())


def closed_classes(possible: NDArray[np.bool_]) -> int:
    """Number of sets of states that a chain cannot leave: with more than one, more than one distribution is stationary.

    Parameters
    ----------
    possible : ndarray (K, K) of bool
        Whether a step from row to column has positive probability.
    """
    k = len(possible)
    reach = possible | np.eye(k, dtype=bool)
    for through in range(k):  # Warshall (1962)
        reach |= reach[:, through, None] & reach[None, through]
    recurrent = [i for i in range(k) if reach[reach[i], i].all()]  # whatever it reaches leads back
    return len({reach[i].tobytes() for i in recurrent})


def dwell_times(transition: Array) -> Array:
    """Expected number of rows a visit to each state lasts, 1 / (1 - A_kk): geometric (..., K)."""
    stay = np.diagonal(np.asarray(transition, dtype=float), axis1=-2, axis2=-1)
    with np.errstate(divide="ignore"):
        return np.asarray(1.0 / (1.0 - stay))
