"""Gaussian densities in PyTensor: batched over components, missing values integrated out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt

from em_vs_bayes.common.contract import Array
from em_vs_bayes.model.symbolic.products import product
from em_vs_bayes.model.symbolic.whiten import inverse_cholesky

LOG_2PI = float(np.log(2.0 * np.pi))


def mvnormal_log_density(y: Array, means: Any, covariances: Any, n_components: int) -> Any:
    """log N(y_i; mu_k, Sigma_k), missing values integrated out exactly, pattern by pattern.

    Parameters
    ----------
    y : ndarray (n, d)
        NaN where missing.
    means : tensor (K, d)
    covariances : tensor (K, d, d)
    n_components : int
        K.

    Returns
    -------
    tensor (n, K)
        A row with nothing observed contributes 0.
    """
    means, covariances = pt.as_tensor(means), pt.as_tensor(covariances)
    seen = ~np.isnan(y)
    if seen.all():
        return _complete(y, means, covariances, n_components)
    patterns, which = np.unique(seen, axis=0, return_inverse=True)
    parts, rows = [], []
    for p, pattern in enumerate(patterns):
        mine, o = np.flatnonzero(np.ravel(which) == p), np.flatnonzero(pattern)
        rows.append(mine)
        if o.size == 0:
            parts.append(pt.zeros((mine.size, n_components)))
            continue
        marginal = covariances[:, o[:, None], o[None, :]]
        parts.append(_complete(y[np.ix_(mine, o)], means[:, o], marginal, n_components))
    return pt.concatenate(parts, axis=0)[np.argsort(np.concatenate(rows))]


def _complete(y: Array, means: Any, covariances: Any, k: int) -> Any:
    """W_k (y_i - mu_k) for all k is one matrix product; about a centre, so that nothing cancels far from zero."""
    n, d = y.shape
    centre = y.mean(axis=0)
    w = inverse_cholesky(covariances)
    z = product(y - centre, w.reshape((k * d, d)).T).reshape((n, k, d)) - apply_to(w, means - centre)
    return log_det(w) - 0.5 * (d * LOG_2PI + (z**2).sum(axis=-1))


def apply_to(w: Any, vectors: Any) -> Any:
    """(..., d, d) times (..., d)."""
    return (w * vectors[..., None, :]).sum(axis=-1)


def log_det(w: Any) -> Any:
    """log |W| = -0.5 log |Sigma|."""
    return pt.log(pt.diagonal(w, axis1=-2, axis2=-1)).sum(axis=-1)
