"""Coordinates of a regression in which sums of squares keep their digits: b = middle + back g.

The statistics of a regression are X'X, X'y and y'y. Where columns are long next to what tells them apart (calendar
years, and more so their squares), or y next to its residuals, most of the digits of such sums are those of the offset.
Inside, the design then is X back, its columns orthonormal but for their common length, and the response y - X middle.
The likelihood is the same, and what the user gave and gets back is in b.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from em_vs_bayes.common.contract import Array, Params
from em_vs_bayes.kernels import tables
from em_vs_bayes.model.priors.regression_normal_inverse_gamma import RegressionNormalInverseGamma

RESPONSES = {
    tables.REGRESSION: 1,
    tables.CENSORED: 2,
    tables.TRUNCATED: 3,
    tables.ROBUST: 2,
}  # after x


def basis_of(x: Array, weights: Array | None, middle: Array) -> Array:
    """(middle, back), (p, p + 1): X back has X'WX = (sum of weights) I.

    Parameters
    ----------
    x : ndarray (n, p)
        Of the rows with a response, of full rank.
    weights : ndarray (n,) or None
    middle : ndarray (p,)
        Coefficients about which the response varies little.
    """
    root = np.sqrt(np.ones(len(x)) if weights is None else weights)
    lengths = np.sqrt(np.mean(x**2, axis=0))
    triangle = np.linalg.qr(x / lengths * root[:, None], mode="r")
    triangle = triangle * np.sign(np.diagonal(triangle))[:, None]  # of two triangles the one that all agree on
    back = np.linalg.inv(triangle) / lengths[:, None] * np.sqrt((root**2).sum())
    return np.column_stack([middle, back])


def turned(columns: Array, kind: int, basis: Array) -> Array:
    """Columns of a stream of a regression in the basis."""
    p = len(basis)
    x, out = columns[:, :p], np.array(columns, order="F")
    out[:, :p] = x @ basis[:, 1:]
    out[:, p : p + RESPONSES[kind]] -= (x @ basis[:, 0])[:, None]
    return out


def along(prior: RegressionNormalInverseGamma, basis: Array) -> RegressionNormalInverseGamma:
    """The same prior, of g."""
    middle, back = basis[:, 0], basis[:, 1:]
    mean = np.linalg.solve(back, (prior.mean - middle).T).T
    kappa = back.T @ prior.kappa @ back
    return replace(prior, mean=mean, kappa=0.5 * (kappa + np.swapaxes(kappa, -1, -2)))


def outwards(params: Mapping[str, Array], centre: Mapping[str, Array], name: str = "coefficients") -> Params:
    """Internal parameters to the user's: b from g (..., p)."""
    out = dict(params)
    if "basis" in centre:
        out[name] = centre["basis"][:, 0] + np.asarray(params[name]) @ centre["basis"][:, 1:].T
    return out


def inwards(params: Mapping[str, Any], centre: Mapping[str, Array], names: Any, name: str = "coefficients") -> Params:
    """The user's parameters to internal ones: g from b (..., p)."""
    out = {one: np.asarray(params[one], dtype=float) for one in names}
    if "basis" in centre:
        away = out[name] - centre["basis"][:, 0]
        out[name] = np.linalg.solve(centre["basis"][:, 1:], away[..., None])[..., 0]
    return out


def stretch(basis: Array) -> float:
    """Log of the density of b over that of g."""
    return -float(np.linalg.slogdet(basis[:, 1:])[1])
