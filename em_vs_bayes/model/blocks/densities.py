"""Log densities of many draws at once, up to a constant: what importance ratios of variational factors need."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np

from em_vs_bayes.common.contract import Array


def inverse_gamma(family: Any, value: Array, free: Any, *, sd: bool) -> Array:
    """(S,) of variances, or of standard deviations, (S, ...) in the shape of the family's; summed over the free."""
    shape, rate = np.reshape(family.shape, value.shape[1:]), np.reshape(family.rate, value.shape[1:])
    if sd:
        terms = -(2.0 * shape + 1.0) * np.log(value) - rate / value**2
    else:
        terms = -(shape + 1.0) * np.log(value) - rate / value
    return _summed(np.where(free, terms, 0.0))


def inverse_wishart(family: Any, value: Array, free: Any) -> Array:
    """(S,) of covariances (S, K, d, d), summed over the free of K."""
    d = value.shape[-1]
    trace = np.einsum("kij,skji->sk", family.scale, inverses(value))
    terms = -0.5 * (family.df + d + 1.0) * np.linalg.slogdet(value)[1] - 0.5 * trace
    return _summed(np.where(free, terms, 0.0))


def normal(mean: Array, covariance: Array, value: Array) -> Array:
    """(S,) of vectors (S, K, d); elements of variance 0 are fixed."""
    variance = np.diagonal(covariance, axis1=1, axis2=2)
    scale = np.sqrt(np.where(variance > 0.0, variance, 1.0))
    inverse = np.linalg.pinv(covariance / (scale[:, :, None] * scale[:, None, :]), hermitian=True)
    z = (value - mean) / scale
    return np.asarray(-0.5 * np.einsum("ski,kij,skj->s", z, inverse, z))


def inverses(matrices: Array) -> Array:
    """Inverses of matrices (S, K, d, d); NaN where one is singular to the last bit, as draws of wide factors may be."""
    try:
        return np.asarray(np.linalg.inv(matrices))
    except np.linalg.LinAlgError:
        out = np.full_like(matrices, np.nan)
        for s in range(len(matrices)):
            with suppress(np.linalg.LinAlgError):
                out[s] = np.linalg.inv(matrices[s])
        return out


def _summed(terms: Array) -> Array:
    return np.asarray(terms.reshape(len(terms), -1).sum(axis=1))
