"""Truncated regression: rows whose response lies outside limits never came into the sample."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from em_vs_bayes.common.contract import (
    Array,
    Context,
    Emission,
    Params,
    Stream,
)
from em_vs_bayes.common.values import plain_fields
from em_vs_bayes.data import read
from em_vs_bayes.kernels import tables
from em_vs_bayes.model.emissions import limits
from em_vs_bayes.model.emissions.basis import inwards, outwards
from em_vs_bayes.model.emissions.formula import check_formula
from em_vs_bayes.model.emissions.normal_intervals import log_above, log_below, log_between, log_density
from em_vs_bayes.model.emissions.regression_streams import (
    lines_of,
    regression_stream,
    response,
    response_and_rows,
    side_by_side,
    symbolic_lines,
)


@final
@dataclass(frozen=True, slots=True)
class TruncatedRegression(Emission):
    """A linear regression per component in a sample that only has rows with lower < y < upper.

    Parameters
    ----------
    formula : str, optional
        As in `LinearRegression`.
    lower : float, optional
        Lower limit of the sample; None: none.
    upper : float, optional
        Upper limit; None: none. One of the two is wanted.

    Notes
    -----
    Fitted parameters: ``coefficients (component, predictor)``, ``sigmas (component,)``, of the population that the
    sample was truncated from. Default prior: as `LinearRegression`.
    """

    formula: str | None = None
    lower: float | None = None
    upper: float | None = None

    def __post_init__(self) -> None:
        plain_fields(self)
        limits.check_limits(self.lower, self.upper)
        if self.lower is None and self.upper is None:
            raise ValueError("TruncatedRegression wants a limit: lower= or upper=.")
        if self.formula is not None:
            check_formula(self.formula)

    @property
    def by_name(self) -> bool:
        return self.formula is not None

    @property
    def takes_exog(self) -> bool:
        return self.formula is None

    def streams(self, y: Any, n_components: int, context: Context) -> tuple[Stream, ...]:
        values, rows = response_and_rows(self.formula, y, context, "TruncatedRegression")
        low, high = limits.ends(self.lower, self.upper)
        outside = (values < low) | (values > high)
        if outside.any():
            i = int(np.argmax(outside))
            raise ValueError(
                f"{context.prefix}y has {outside.sum()} value(s) outside ({low:g}, {high:g}) (first: row {i}, "
                f"{values[i]:g}): a truncated sample has none. Drop those rows, or use a censored regression."
            )
        at_limit = (values == low) | (values == high)
        if at_limit.sum() > 1:
            warnings.warn(
                f"{context.prefix}y has {at_limit.sum()} value(s) exactly at a limit, where a truncated sample of a "
                "continuous response has none: if they stand for values beyond it, this is censoring (Tobit).",
                UserWarning,
                stacklevel=2,
            )
        columns = side_by_side(rows.matrix, values, np.full(len(values), low), np.full(len(values), high))
        return (regression_stream(tables.TRUNCATED, columns, values, rows, n_components, context),)

    def observed(self, y: Any) -> Any:
        return response(self.formula, y)

    def public(self, params: Params, centre: Mapping[str, Array]) -> Params:
        return outwards(params, centre)

    def internal(self, params: Mapping[str, Any], centre: Mapping[str, Array]) -> Params:
        return inwards(params, centre, self.dims())

    def dims(self) -> dict[str, tuple[str, ...]]:
        return {"coefficients": ("predictor",), "sigmas": ()}

    def seeds(self, y: Any) -> Array:
        return read.vector(self.observed(y), "y", "TruncatedRegression")[:, None]

    def simulate(self, params: Mapping[str, Array], z: Any, rng: np.random.Generator) -> Array:
        from scipy.stats import truncnorm

        lines, sigmas = lines_of(params, z)
        a, b = ((end - lines) / sigmas for end in limits.ends(self.lower, self.upper))
        return np.asarray(lines + sigmas * truncnorm.rvs(a, b, random_state=rng))

    def symbolic_log_density(self, y: Any, params: Mapping[str, Any], n_components: int) -> Any:
        import pytensor.tensor as pt

        values = read.vector(self.observed(y), "y", "TruncatedRegression")[:, None]
        seen = ~np.isnan(values)
        lines, sigmas = symbolic_lines(params)
        density = log_density(np.where(seen, values, 0.0), lines, sigmas)
        if self.lower is None:
            density = density - log_below(self.upper, lines, sigmas)
        elif self.upper is None:
            density = density - log_above(self.lower, lines, sigmas)
        else:
            density = density - log_between(self.lower, self.upper, lines, sigmas)
        return density if seen.all() else pt.where(seen, density, 0.0)

    def to_dict(self) -> dict[str, Any]:
        return {"emission": "TruncatedRegression", "formula": self.formula, "lower": self.lower, "upper": self.upper}
