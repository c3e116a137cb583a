"""Linear regression: y ~ N(x'b_k, sigma_k^2) or a Student t, with the design given as a matrix or made by a formula."""

from __future__ import annotations

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
from em_vs_bayes.model.emissions.basis import inwards, outwards
from em_vs_bayes.model.emissions.degrees import checked_df, given_df, shown
from em_vs_bayes.model.emissions.formula import check_formula
from em_vs_bayes.model.emissions.regression_streams import (
    drawn_lines,
    regression_stream,
    response,
    response_and_rows,
    side_by_side,
    symbolic_lines,
)


@final
@dataclass(frozen=True, slots=True)
class LinearRegression(Emission):
    """A linear regression per component.

    Parameters
    ----------
    formula : str, optional
        ``"y ~ x1 + C(group)"``, read by formulaic; y is then the frame that has its columns, and new frames are encoded
        as the fitted one was. Without a formula the design is ``exog``, (n, p), used as it is: no intercept is added.
        Without either it is an intercept alone.
    df : float, optional
        Degrees of freedom of Student t errors, from 0.1 to 1e6, known and the same for every component: far responses
        count for less (Lange, Little & Taylor 1989). None: normal errors.

    Notes
    -----
    Fitted parameters: ``coefficients (component, predictor)``, ``sigmas (component,)``: standard deviations, or with
    ``df`` scales, the standard deviation being sigma sqrt(df / (df - 2)) where df > 2, else infinite. A missing
    response (NaN) is integrated out: its row says nothing here. Predictors must be finite.

    Default prior, with b and s^2 the coefficients and the residual variance (divisor n) of one regression for all rows:
    NormalInverseGamma(mean=b, kappa=0.01 X'X / n, shape=2, rate=s^2 / K^2), a g-prior worth a hundredth of a row. With
    an intercept alone it is that of `Normal`.
    """

    formula: str | None = None
    df: float | None = None

    def __post_init__(self) -> None:
        plain_fields(self)
        object.__setattr__(self, "df", checked_df(self.df))
        if self.formula is not None:
            check_formula(self.formula)

    def __repr__(self) -> str:
        return shown(self)

    @property
    def by_name(self) -> bool:
        return self.formula is not None

    @property
    def takes_exog(self) -> bool:
        return self.formula is None

    def streams(self, y: Any, n_components: int, context: Context) -> tuple[Stream, ...]:
        values, rows = response_and_rows(self.formula, y, context, "LinearRegression")
        if self.df is None:
            kind, columns = tables.REGRESSION, side_by_side(rows.matrix, values)
        else:
            kind, columns = tables.ROBUST, side_by_side(rows.matrix, values, values, np.full(len(values), self.df))
        return (regression_stream(kind, columns, values, rows, n_components, context),)

    def observed(self, y: Any) -> Any:
        return response(self.formula, y)

    def public(self, params: Params, centre: Mapping[str, Array]) -> Params:
        return outwards(params, centre)

    def internal(self, params: Mapping[str, Any], centre: Mapping[str, Array]) -> Params:
        return inwards(params, centre, self.dims())

    def dims(self) -> dict[str, tuple[str, ...]]:
        return {"coefficients": ("predictor",), "sigmas": ()}

    def seeds(self, y: Any) -> Array:
        return read.vector(self.observed(y), "y", "LinearRegression")[:, None]

    def simulate(self, params: Mapping[str, Array], z: Any, rng: np.random.Generator) -> Array:
        return drawn_lines(params, z, rng, self.df)

    def symbolic_log_density(self, y: Any, params: Mapping[str, Any], n_components: int) -> Any:
        import pymc as pm
        import pytensor.tensor as pt

        values = read.vector(self.observed(y), "y", "LinearRegression")[:, None]
        seen = ~np.isnan(values)
        lines, sigmas = symbolic_lines(params)
        if self.df is None:
            errors = pm.Normal.dist(lines, sigmas)
        else:  # a plain number would become float32, and lose half its digits
            errors = pm.StudentT.dist(nu=pt.constant(self.df, dtype="float64"), mu=lines, sigma=sigmas)
        density = pm.logp(errors, np.where(seen, values, 0.0))
        return density if seen.all() else pt.where(seen, density, 0.0)

    def to_dict(self) -> dict[str, Any]:
        return {"emission": "LinearRegression", "formula": self.formula, **given_df(self.df)}
