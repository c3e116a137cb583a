"""Censored regression: y* ~ N(x'b_k, sigma_k^2) or a Student t, of which only an interval is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from em_vs_bayes.common.arguments import brief
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
from em_vs_bayes.model.emissions import design as designs
from em_vs_bayes.model.emissions import limits, normal_intervals
from em_vs_bayes.model.emissions.basis import inwards, outwards
from em_vs_bayes.model.emissions.degrees import checked_df, given_df, shown
from em_vs_bayes.model.emissions.formula import check_formula
from em_vs_bayes.model.emissions.regression_priors import Rows
from em_vs_bayes.model.emissions.regression_streams import (
    drawn_lines,
    regression_stream,
    response,
    response_and_rows,
    side_by_side,
    symbolic_lines,
)
from em_vs_bayes.model.emissions.student_intervals import Intervals


@final
@dataclass(frozen=True, slots=True)
class CensoredRegression(Emission):
    """A linear regression per component whose response is censored.

    Parameters
    ----------
    formula : str, optional
        As in `LinearRegression`; y is then the frame. Where no limit is given, the response is ``censored(a, b)``, of
        the columns that hold the ends of each row's interval.
    lower : float, optional
        Where the response is cut off from below (Tobin 1958): a value at a limit says that the latent response is there
        or beyond.
    upper : float, optional
        Where it is cut off from above. Without either limit, y is (n, 2), the interval of each row: equal ends are an
        exact response, an infinite end is no limit, and a row with both is missing.
    df : float, optional
        As in `LinearRegression`: degrees of freedom of Student t errors. None: normal errors.

    Notes
    -----
    Fitted parameters: ``coefficients (component, predictor)``, ``sigmas (component,)``, of the latent response; with
    ``df`` sigma is the scale, not the standard deviation. A missing response (NaN) is integrated out.

    Default prior: as `LinearRegression`, with the limit in the place of a response known on one side and the middle in
    that of one known on both.
    """

    formula: str | None = None
    lower: float | None = None
    upper: float | None = None
    df: float | None = None

    def __post_init__(self) -> None:
        plain_fields(self)
        object.__setattr__(self, "df", checked_df(self.df))
        limits.check_limits(self.lower, self.upper)
        if self.formula is None:
            return
        pair = limits.interval_formula(self.formula)
        if self._limited and pair is not None:
            raise ValueError(f"formula={brief(self.formula)} has the intervals; leave lower and upper out.")
        if not self._limited and pair is None:
            raise ValueError(
                f"formula={brief(self.formula)} wants the response censored(lower, upper) of the columns of the ends, "
                "or else a limit: lower= or upper=."
            )
        for one in pair or (self.formula,):
            check_formula(one)

    def __repr__(self) -> str:
        return shown(self)

    @property
    def _limited(self) -> bool:
        return self.lower is not None or self.upper is not None

    @property
    def by_name(self) -> bool:
        return self.formula is not None

    @property
    def takes_exog(self) -> bool:
        return self.formula is None

    @property
    def ends(self) -> tuple[str, ...]:
        return () if self._limited else ("lower", "upper")

    def _read(self, y: Any, context: Context) -> tuple[Array, Array, Rows]:
        """Ends (n,), and the design."""
        name, like = context.prefix + "y", context.like and context.like["design"]
        if self._limited:
            values, rows = response_and_rows(self.formula, y, context, "CensoredRegression")
            return *limits.censored(values, self.lower, self.upper, name), rows
        pair = self.formula and limits.interval_formula(self.formula)
        if not pair:
            low, high = limits.intervals(y, name)
            return low, high, Rows(*designs.from_exog(context.exog, len(low), "exog"), "exog")
        low, matrix, design = designs.from_formula(pair[0], y, like, finite=False)  # type: ignore[arg-type]
        high = _upper_ends(pair[1], y)
        return *limits.checked_intervals(low, high, name), Rows(matrix, design, "The design")

    def streams(self, y: Any, n_components: int, context: Context) -> tuple[Stream, ...]:
        low, high, rows = self._read(y, context)
        if self.df is None:
            kind, columns = tables.CENSORED, side_by_side(rows.matrix, low, high)
        else:
            kind, columns = tables.ROBUST, side_by_side(rows.matrix, low, high, np.full(len(low), self.df))
        values = limits.representative(low, high)
        return (regression_stream(kind, columns, values, rows, n_components, context),)

    def observed(self, y: Any) -> Any:
        if self._limited:
            return read.vector(response(self.formula, y), "y", "CensoredRegression")
        if self.formula is None:
            return np.column_stack(limits.intervals(y, "y"))
        low, high, _ = self._read(y, Context())
        return np.column_stack([low, high])

    def public(self, params: Params, centre: Mapping[str, Array]) -> Params:
        return outwards(params, centre)

    def internal(self, params: Mapping[str, Any], centre: Mapping[str, Array]) -> Params:
        return inwards(params, centre, self.dims())

    def dims(self) -> dict[str, tuple[str, ...]]:
        return {"coefficients": ("predictor",), "sigmas": ()}

    def seeds(self, y: Any) -> Array:
        low, high = self._limits_of(self.observed(y))
        return limits.representative(low, high)[:, None]

    def _limits_of(self, seen: Array) -> tuple[Array, Array]:
        """Ends of what `observed` returns."""
        if not self._limited:
            return seen[:, 0], seen[:, 1]
        low, high = limits.ends(self.lower, self.upper)
        return limits.censored(np.clip(seen, low, high), self.lower, self.upper, "y")

    def simulate(self, params: Mapping[str, Array], z: Any, rng: np.random.Generator) -> Array:
        """Responses cut off at the limits; intervals are those of exact responses, for nothing says how they came."""
        latent = drawn_lines(params, z, rng, self.df)
        if self._limited:
            return np.clip(latent, *limits.ends(self.lower, self.upper))
        return np.column_stack([latent, latent])

    def symbolic_log_density(self, y: Any, params: Mapping[str, Any], n_components: int) -> Any:
        import pytensor.tensor as pt

        low, high = self._limits_of(self.observed(y))
        lines, sigmas = symbolic_lines(params)
        density = pt.zeros((len(low), n_components))
        law = normal_intervals if self.df is None else Intervals(self.df)
        kinds: tuple[tuple[Any, Any, tuple[Array, ...]], ...] = (
            (low == high, law.log_density, (low,)),
            (np.isneginf(low), law.log_below, (high,)),
            (np.isposinf(high), law.log_above, (low,)),
            (np.isfinite(low) & np.isfinite(high) & (low != high), law.log_between, (low, high)),
        )
        for rows, term, given in kinds:
            i = np.flatnonzero(rows)
            if i.size:
                density = density[i].set(term(*(end[i][:, None] for end in given), lines[i], sigmas))
        return density

    def to_dict(self) -> dict[str, Any]:
        own = {"emission": "CensoredRegression", "formula": self.formula, "lower": self.lower, "upper": self.upper}
        return own | given_df(self.df)


def _upper_ends(formula: str, y: Any) -> Array:
    """(n,); a column that holds no numbers may be a status, as other packages have them."""
    try:
        return designs.from_formula(formula, y, None, finite=False)[0]
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"{error} censored(lower, upper) wants the two ends of each response: equal where it is exact, -inf or inf "
            "in the place of an end that a status calls unknown."
        ) from None
