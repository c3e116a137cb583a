"""Marginal effects: what a little more of a predictor does to an expectation (McDonald & Moffitt 1980).

The effect of column j on f(x'b, sigma) is b_j f'(x'b), with f' the derivative by the line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtr, ndtri

from em_vs_bayes.common.arguments import (
    as_floats,
    brief,
    fraction,
    one_of,
    positive_integer,
)
from em_vs_bayes.common.contract import Array
from em_vs_bayes.fit.fitted import Fitted, new_design, regression_of, some_draws
from em_vs_bayes.fit.record import Record
from em_vs_bayes.fit.uncertainty import KINDS, Asked
from em_vs_bayes.fit.uncertainty import vcov as covariance_of
from em_vs_bayes.model.emissions import expectations
from em_vs_bayes.model.emissions.expectations import NO_LIMITS, Curve, Function, curve

if TYPE_CHECKING:
    import pandas as pd


FUNCTIONS: dict[str, Function] = {
    "observed": expectations.observed,
    "latent": expectations.latent,
    "probability": expectations.uncensored,
    "conditional": expectations.conditional,
}
AT_ONCE = 4_000_000  # elements of (draws, rows) worked on together


def margins(fit: Record, at: Any, kind: str, level: float, vcov: Any, draws: int) -> pd.DataFrame:
    """See `Fit.margins`."""
    import pandas as pd

    fitted = regression_of(fit, "margins")
    fraction("level", level)
    function = _function(fitted, kind)
    groups = _groups(fit, fitted, at)
    columns = np.flatnonzero((fitted.design != fitted.design[0]).any(axis=0))  # a constant has no effect to speak of
    if columns.size == 0:
        raise ValueError("margins wants a predictor; the design is constant.")
    positive_integer("draws", draws)
    if fit.draws is None:
        table = _by_delta(fit, fitted, groups, columns, function, level, vcov)
    elif vcov is not None:
        raise ValueError("vcov= goes with point estimates; here the posterior draws have the spread.")
    else:
        table = _by_draws(some_draws(fit, draws), groups, columns, function, level)
    names = [fitted.names[j] for j in columns]
    if len(groups) == 1:
        index: Any = pd.Index(names, name="predictor")
    else:
        index = pd.MultiIndex.from_product([range(len(groups)), names], names=["row", "predictor"])
    return pd.DataFrame(table, index=index)


def _function(fitted: Fitted, kind: str) -> Curve:
    one_of("kind", kind, tuple(FUNCTIONS))
    if kind == "latent":
        fitted.require_mean("kind='latent', E[y*],", NO_LIMITS)
        return curve(expectations.latent, fitted.law, NO_LIMITS)
    if fitted.truncated and kind == "probability":
        raise ValueError("kind='probability' is that of an uncensored response; a truncated sample has no others.")
    observed = "conditional" if fitted.truncated and kind == "observed" else kind
    ends = fitted.limits(f"kind={brief(kind)}")
    if kind != "probability":
        fitted.require_mean(f"kind={brief(kind)}", ends)
    return curve(FUNCTIONS[observed], fitted.law, ends)


def _groups(fit: Record, fitted: Fitted, at: Any) -> list[tuple[Array, Array]]:
    """Designs (m, p) and weights (m,) to average over, one pair per block of the table."""
    share = fitted.weights / fitted.weights.sum()
    if isinstance(at, str):
        if at == "mean":
            return [((share @ fitted.design)[None], np.ones(1))]
        if at == "each":
            return [(fitted.design, share)]
        raise ValueError(f"at must be 'mean', 'each', or a frame (or exog) of rows; got {brief(at)}.")
    if fit.spec.formula is None and isinstance(at, dict):  # type: ignore[attr-defined]
        raise ValueError(
            f"at: without a formula rows have no names; give an array (m, {len(fitted.names)}); got {brief(at)}."
        )
    try:
        design = new_design(fit, None, at) if fit.spec.formula is None else new_design(fit, at, None)  # type: ignore[attr-defined]
    except (TypeError, ValueError) as error:
        raise type(error)(f"at must be 'mean', 'each', or a frame (or exog) of rows: {str(error)[:200]}") from None
    return [(row[None], np.ones(1)) for row in design]


def _by_delta(
    fit: Record,
    fitted: Fitted,
    groups: list[tuple[Array, Array]],
    columns: Any,
    function: Curve,
    level: float,
    vcov: Any,
) -> dict[str, Array]:
    covariance = _covariance(fit, vcov)
    b, effects, spreads = fitted.coefficients, [], []
    for design, share in groups:
        f = function(design @ b, np.asarray(fitted.sigma))
        slope = share @ f.by_line
        by_b = b[:, None] * ((share * f.slope_by_line) @ design) + slope * np.eye(len(b))
        jacobian = np.column_stack([by_b, b * (share @ f.slope_by_sigma)])[columns]
        effects.append(slope * b[columns])
        spreads.append(np.einsum("ji,ik,jk->j", jacobian, covariance, jacobian))
    estimate, sd = np.concatenate(effects), np.sqrt(np.maximum(np.concatenate(spreads), 0.0))
    z, far = estimate / np.where(sd > 0, sd, np.nan), ndtri(0.5 + level / 2) * sd
    return {
        "estimate": estimate,
        "sd": sd,
        "z": z,
        "p": 2.0 * ndtr(-np.abs(z)),
        "lower": estimate - far,
        "upper": estimate + far,
    }


def _covariance(fit: Record, vcov: Any) -> Array:
    """Of (coefficients, sigma): by kind, or as given."""
    if isinstance(vcov, str):
        one_of("vcov", vcov, KINDS)
    if vcov is None or isinstance(vcov, str):
        return covariance_of(fit, Asked(vcov)).to_numpy()
    wanted = fit.params["coefficients"].size + 1
    matrix = as_floats(vcov)
    if matrix is None or matrix.shape != (wanted, wanted) or not np.allclose(matrix, matrix.T):
        raise ValueError(
            f"vcov must be a kind of Fit.vcov or a symmetric ({wanted}, {wanted}) matrix of (coefficients, sigma); "
            f"got {brief(vcov)}."
        )
    return matrix


def _by_draws(
    draws: tuple[Array, Array],
    groups: list[tuple[Array, Array]],
    columns: Any,
    function: Curve,
    level: float,
) -> dict[str, Array]:
    coefficients, sigmas = draws
    effects = []
    for design, share in groups:
        slope, step = np.zeros(len(sigmas)), max(AT_ONCE // len(sigmas), 1)
        for first in range(0, len(design), step):
            lines = coefficients @ design[first : first + step].T
            slope += (
                function(lines, np.broadcast_to(sigmas[:, None], lines.shape)).by_line @ share[first : first + step]
            )
        effects.append(slope[:, None] * coefficients[:, columns])
    values = np.concatenate(effects, axis=1)
    lower, upper = np.quantile(values, [0.5 - level / 2, 0.5 + level / 2], axis=0)
    spread = values.std(axis=0, ddof=1) if len(values) > 1 else np.full(values.shape[1], np.nan)
    return {"estimate": values.mean(axis=0), "sd": spread, "lower": lower, "upper": upper}
