"""EM for Gaussian mixtures written as loops, missing values and all (Little & Rubin 2002, section 11.3)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats


def responsibilities(
    y: np.ndarray, weights: np.ndarray, means: np.ndarray, covariances: np.ndarray
) -> tuple[np.ndarray, float]:
    """(n, K) responsibilities and the log-likelihood; a row counts through what it observes."""
    table, total = np.empty((len(y), len(weights))), 0.0
    for i, row in enumerate(y):
        o = np.flatnonzero(~np.isnan(row))
        for k in range(len(weights)):
            density = stats.multivariate_normal.pdf(row[o], means[k][o], covariances[k][np.ix_(o, o)])
            table[i, k] = weights[k] * density
        total += float(np.log(table[i].sum()))
        table[i] /= table[i].sum()
    return table, total


def step(
    y: np.ndarray, weights: Sequence[float], means: np.ndarray, covariances: np.ndarray, *, hard: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """One iteration: (weights, means, covariances, log-likelihood at the parameters that came in)."""
    weights, means, covariances = (np.asarray(v, dtype=float) for v in (weights, means, covariances))
    r, log_likelihood = responsibilities(y, weights, means, covariances)
    if hard:
        r = np.eye(len(weights))[r.argmax(axis=1)]
    (n, d), k_count = y.shape, len(weights)
    new_means, new_covariances = np.empty((k_count, d)), np.empty((k_count, d, d))
    for k in range(k_count):
        filled, noise = np.empty((n, d)), np.zeros((n, d, d))
        for i, row in enumerate(y):
            m = np.isnan(row)
            o = ~m
            filled[i] = row
            if m.any():
                gain = covariances[k][np.ix_(m, o)] @ np.linalg.inv(covariances[k][np.ix_(o, o)])
                filled[i, m] = means[k][m] + gain @ (row[o] - means[k][o])
                noise[i][np.ix_(m, m)] = covariances[k][np.ix_(m, m)] - gain @ covariances[k][np.ix_(o, m)]
        total = r[:, k].sum()
        new_means[k] = r[:, k] @ filled / total
        off = filled - new_means[k]
        new_covariances[k] = sum(r[i, k] * (np.outer(off[i], off[i]) + noise[i]) for i in range(n)) / total
    return r.sum(axis=0) / n, new_means, new_covariances, log_likelihood
