"""Linear regression: y ~ N(x'b_k, sigma_k^2), with the design given as a matrix or made by a formula."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from em_vs_bayes.blocks import RegressionBlock
from em_vs_bayes.contract import Array, Context, Emission, Params, Stream
from em_vs_bayes.emissions import design as designs
from em_vs_bayes.emissions import read
from em_vs_bayes.emissions.regression_priors import Pooled, pooled, regression_priors
from em_vs_bayes.kernels import tables
from em_vs_bayes.values import broadcast, scalars_per_component


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

    Notes
    -----
    Fitted parameters: ``coefficients (component, predictor)``, ``sigmas (component,)`` (standard deviations). A missing
    response (NaN) is integrated out: its row says nothing here. Predictors must be finite.

    Default prior, with b and s^2 the coefficients and the residual variance (divisor n) of one regression for all rows:
    NormalInverseGamma(mean=b, kappa=0.01 X'X / n, shape=2, rate=s^2 / K^2), a g-prior worth a hundredth of a row. With
    an intercept alone it is that of `Normal`.
    """

    formula: str | None = None

    def __post_init__(self) -> None:
        if self.formula is not None:
            designs.check_formula(self.formula)

    @property
    def takes_exog(self) -> bool:
        return self.formula is None

    def _read(self, y: Any, context: Context) -> tuple[Array, Array, designs.Design]:
        """Response (n,), design (n, p) and its columns."""
        name, like = context.prefix + "y", context.like and context.like["design"]
        if self.formula is not None:
            values, matrix, design = designs.from_formula(self.formula, y, like)  # type: ignore[arg-type]
            label = "The design"
        else:
            values = read.vector(y, name, "LinearRegression")
            matrix, design = designs.from_exog(context.exog, len(values), "exog")
            label = "exog"
        designs.check_finite(matrix, design.names, label)
        if like is not None and like.names != design.names:  # type: ignore[union-attr]
            raise ValueError(
                f"{label} has column(s) {list(design.names)}; the model was fitted to {list(like.names)}."  # type: ignore[union-attr]
            )
        return values, matrix, design

    def streams(self, y: Any, n_components: int, context: Context) -> tuple[Stream, ...]:
        values, matrix, design = self._read(y, context)
        if context.like is None:
            seen = ~np.isnan(values)
            designs.check_rank(matrix[seen], design.names, "exog" if self.formula is None else "The design")
            whole = pooled(values, matrix, context)
        else:  # the fitted block takes the place of this one
            whole = Pooled(np.zeros(matrix.shape[1]), 1.0, np.eye(matrix.shape[1]))
        shape = (n_components, matrix.shape[1])
        prior, coefficient_prior, sigma_prior = regression_priors(context, whole, shape)
        block = RegressionBlock(
            prior,
            coefficient_prior,
            sigma_prior,
            context.leading,
            broadcast(context.fixed.get("coefficients"), shape, context.prefix + "coefficients"),
            scalars_per_component(context.fixed.get("sigmas"), n_components, context.prefix + "sigmas", 1e-300, np.inf),
            whole.coefficients,
            whole.variance,
        )
        columns = np.column_stack([matrix, values])
        width = columns.shape[1]
        return (Stream(tables.REGRESSION, columns, np.zeros(width), width, block, design=design),)

    def observed(self, y: Any) -> Any:
        return y if self.formula is None else designs.from_formula(self.formula, y, None)[0]

    def public(self, params: Params, centre: Mapping[str, Array]) -> Params:
        return dict(params)

    def internal(self, params: Mapping[str, Any], centre: Mapping[str, Array]) -> Params:
        return {name: np.asarray(params[name], dtype=float) for name in self.dims()}

    def dims(self) -> dict[str, tuple[str, ...]]:
        return {"coefficients": ("predictor",), "sigmas": ()}

    def seeds(self, y: Any) -> Array:
        return read.vector(self.observed(y), "y", "LinearRegression")[:, None]

    def simulate(self, params: Mapping[str, Array], z: Any, rng: np.random.Generator) -> Array:
        if "exog" not in params:
            raise ValueError("A regression is simulated at a design: params must have 'exog', an array (n, p).")
        matrix = np.asarray(params["exog"], dtype=float)
        if len(matrix) != len(z):
            raise ValueError(f"exog has {len(matrix)} row(s); {len(z)} are to be simulated.")
        return rng.normal(np.einsum("np,np->n", matrix, params["coefficients"][z]), params["sigmas"][z])

    def symbolic_log_density(self, y: Any, params: Mapping[str, Any], n_components: int) -> Any:
        import pymc as pm
        import pytensor.tensor as pt

        values = read.vector(self.observed(y), "y", "LinearRegression")[:, None]
        seen = ~np.isnan(values)
        lines = pt.dot(params["exog"], pt.as_tensor(params["coefficients"]).T)
        density = pm.logp(pm.Normal.dist(lines, params["sigmas"]), np.where(seen, values, 0.0))
        return density if seen.all() else pt.where(seen, density, 0.0)

    def to_dict(self) -> dict[str, Any]:
        return {"emission": "LinearRegression", "formula": self.formula}
