"""A fitted regression as its formulas want it: the design, what is known of each response, limits, coefficients."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from em_vs_bayes.common.contract import Array
from em_vs_bayes.data import read
from em_vs_bayes.data.intake import matched, table
from em_vs_bayes.fit.record import Record
from em_vs_bayes.model.emissions import design as designs
from em_vs_bayes.model.emissions import limits
from em_vs_bayes.model.emissions.laws import Law, law_of
from em_vs_bayes.model.regressions import CensoredRegression, Regression, TruncatedRegression


@final
@dataclass(frozen=True, eq=False)
class Fitted:
    """One regression, y* ~ N(x'b, sigma^2) or a Student t, and what its sample knows.

    Parameters
    ----------
    spec : Regression
    design : ndarray (n, p)
    names : tuple of str
        Of the columns of the design.
    low, high : ndarray (n,)
        Where each latent response lies; equal where it is exact.
    ends : tuple of two floats, or None
        Limits that hold for all rows, infinite where there is none; None where each row has its own.
    weights : ndarray (n,)
        Case weights.
    coefficients : ndarray (p,)
    sigma : float
        The point estimate.
    """

    spec: Regression
    design: Array
    names: tuple[str, ...]
    low: Array
    high: Array
    ends: tuple[float, float] | None
    weights: Array
    coefficients: Array
    sigma: float

    @property
    def truncated(self) -> bool:
        """Whether rows outside the limits never came into the sample."""
        return isinstance(self.spec, TruncatedRegression)

    @property
    def line(self) -> Array:
        """x'b (n,)."""
        return self.design @ self.coefficients

    def of_rows(self, rows: NDArray[np.int64]) -> Fitted:
        """The same regression and some of its rows."""
        columns = {name: getattr(self, name)[rows] for name in ("design", "low", "high", "weights")}
        return replace(self, **columns)

    def along(self, columns: Array) -> Fitted:
        """The same lines on another design: ``columns`` (n, q) with coefficients of 0, the line itself of 1."""
        whole = np.column_stack([columns, self.line])
        return replace(self, design=whole, coefficients=np.append(np.zeros(columns.shape[1]), 1.0))

    @property
    def seen(self) -> Fitted:
        """The same regression and the rows with a response."""
        return self.of_rows(np.flatnonzero(~np.isnan(self.low)))

    def limits(self, what: str) -> tuple[float, float]:
        """The limits of all rows; ValueError in words where each row has its own."""
        if self.ends is None:
            raise ValueError(
                f"{what} wants limits that hold for every row; those of CensoredRegression belong to the rows fitted. "
                "Use kind='latent', or Tobit(lower=, upper=)."
            )
        return self.ends

    @property
    def law(self) -> Law:
        """The distribution of (y* - x'b) / sigma."""
        return law_of(self.spec.degrees)

    def require_mean(self, what: str, ends: tuple[float, float]) -> None:
        """Refuse in words the mean of errors that have none."""
        if not self.law.has_mean(ends):
            raise ValueError(f"{what} does not exist: Student t errors with df={self.spec.degrees:g} have no mean.")


def regression_of(fit: Record, what: str) -> Fitted:
    """The fitted regression; ValueError in words where the fit is none."""
    spec, program = fit.spec, fit.program
    if not isinstance(spec, Regression):
        raise ValueError(f"{what} belongs to Tobit, CensoredRegression and TruncatedRegression; this fit is {spec!r}.")
    p = len(program.designs["design"].names)
    if isinstance(spec, TruncatedRegression):
        low = high = program.seen[:, p]
    else:
        low, high = program.seen[:, p], program.seen[:, p + 1]
    params = fit.params
    return Fitted(
        spec=spec,
        design=np.ascontiguousarray(program.seen[:, :p]),
        names=program.designs["design"].names,
        low=np.ascontiguousarray(low),
        high=np.ascontiguousarray(high),
        ends=None if isinstance(spec, CensoredRegression) else limits.ends(spec.lower, spec.upper),  # type: ignore[attr-defined]
        weights=program.case_weights,
        coefficients=params["coefficients"],
        sigma=float(params["sigma"]),
    )


def new_design(fit: Record, y: Any, exog: Any) -> Array:
    """Design (m, p) of new rows: a frame for a formula (the response may be absent), or ``exog`` as it is."""
    fitted = fit.program.designs["design"]
    formula = fit.spec.formula  # type: ignore[attr-defined]
    if formula is None:
        if y is not None:
            raise ValueError("A response plays no part in a prediction: without a formula, new rows are exog alone.")
        own = matched(table(exog, "exog").values, fit.program.names.get("exog"), "exog")
        matrix, given = designs.from_exog(own, read.rows(own), "exog")
        label = "exog"
    else:
        if exog is not None:
            raise ValueError(f"exog does not apply to {fit.spec!r}: new rows are a frame with the formula's columns.")
        pair = limits.interval_formula(formula)
        frame = table(y, "y").values
        matrix, given = designs.right_side(formula if pair is None else pair[0], frame, fitted)
        label = "The design"
    if given.names != fitted.names:
        raise ValueError(f"{label} has column(s) {list(given.names)}; the model was fitted to {list(fitted.names)}.")
    designs.check_finite(matrix, given.names, label)
    return matrix


def some_draws(fit: Record, at_most: int) -> tuple[Array, Array]:
    """Coefficients (S, p) and sigmas (S,) of evenly thinned posterior draws; of the estimate where there are none."""
    from em_vs_bayes.fit.states import some_draws as thetas

    public = fit.program.public(thetas(fit, at_most))
    return public["coefficients"], public["sigma"]
