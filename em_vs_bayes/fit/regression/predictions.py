"""Expected responses and probabilities of a regression, with intervals by the delta method or from posterior draws."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import ndtri

from em_vs_bayes.common.arguments import brief, fraction, one_of, positive_integer
from em_vs_bayes.common.contract import Array
from em_vs_bayes.fit.fitted import Fitted, new_design, regression_of, some_draws
from em_vs_bayes.fit.record import Record
from em_vs_bayes.fit.uncertainty import Asked, inside, vcov
from em_vs_bayes.model.emissions import expectations
from em_vs_bayes.model.emissions.expectations import NO_LIMITS, Curve, curve

KINDS = ("latent", "observed", "probability")
AT_ONCE = 4_000_000  # elements of (draws, rows) worked on together


def predict(fit: Record, y: Any, exog: Any, kind: str | None, level: float | None, draws: int) -> Any:
    """See `Fit.predict`."""
    import pandas as pd

    fitted = regression_of(fit, "kind=")
    kind = "latent" if kind is None else kind
    functions, bounds = _functions(fitted, kind), _bounds(fitted, kind)
    if level is not None:
        fraction("level", level)
    design = fitted.design if y is None and exog is None else new_design(fit, y, exog)
    positive_integer("draws", draws)
    if fit.draws is None:
        tables = {name: _by_delta(fit, fitted, design, function, level, bounds) for name, function in functions.items()}
    else:
        own = some_draws(fit, draws)
        tables = {name: _by_draws(own, design, function, level) for name, function in functions.items()}
    if len(tables) == 1:
        (table,) = tables.values()
        return table["mean"] if level is None else pd.DataFrame(table)
    return pd.DataFrame(
        {name if level is None else f"{name}_{column}": v for name, t in tables.items() for column, v in t.items()}
    )


def _functions(fitted: Fitted, kind: str) -> dict[str, Curve]:
    """What is asked for, by name."""
    one_of("kind", kind, KINDS)
    if kind == "latent":
        fitted.require_mean("kind='latent', E[y*],", NO_LIMITS)
        return {"latent": curve(expectations.latent, fitted.law, NO_LIMITS)}
    ends = fitted.limits(f"kind={brief(kind)}")
    if kind == "observed":
        fitted.require_mean(f"kind={brief(kind)}", ends)
        function = expectations.conditional if fitted.truncated else expectations.observed
        return {"observed": curve(function, fitted.law, ends)}
    if fitted.truncated:
        raise ValueError("kind='probability' is that of a censored response; a truncated sample has none.")
    both = {"below": expectations.below, "above": expectations.above}
    return {name: curve(both[name], fitted.law, ends) for name, end in zip(both, ends, strict=True) if np.isfinite(end)}


def _bounds(fitted: Fitted, kind: str) -> tuple[float, float]:
    """What is asked for lies between them."""
    if kind == "latent":
        return NO_LIMITS
    return (0.0, 1.0) if kind == "probability" else fitted.limits(f"kind={kind!r}")


def _by_delta(
    fit: Record, fitted: Fitted, design: Array, function: Curve, level: float | None, bounds: tuple[float, float]
) -> dict[str, Array]:
    """At the estimate; the gradient of each row times the covariance of the parameters; ends within the bounds."""
    at = function(design @ fitted.coefficients, np.asarray(fitted.sigma))
    if level is None:
        return {"mean": at.value}
    gradient = np.column_stack([design * at.by_line[:, None], at.by_sigma])
    sd = np.sqrt(np.maximum(np.einsum("ni,ij,nj->n", gradient, vcov(fit, Asked()).to_numpy(), gradient), 0.0))
    lower, upper = inside(at.value, sd, *bounds, ndtri(0.5 + level / 2))
    return {"mean": at.value, "lower": lower, "upper": upper}


def _by_draws(draws: tuple[Array, Array], design: Array, function: Curve, level: float | None) -> dict[str, Array]:
    """Mean over posterior draws, and equal-tailed quantiles of them, some rows at a time."""
    coefficients, sigmas = draws
    step = max(AT_ONCE // len(sigmas), 1)
    parts = []
    for first in range(0, len(design), step):
        lines = coefficients @ design[first : first + step].T
        values = function(lines, np.broadcast_to(sigmas[:, None], lines.shape)).value
        tails = [] if level is None else list(np.quantile(values, [0.5 - level / 2, 0.5 + level / 2], axis=0))
        parts.append(np.stack([values.mean(axis=0), *tails]))
    return dict(zip(("mean", "lower", "upper"), np.concatenate(parts, axis=1), strict=False))
