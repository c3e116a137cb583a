"""Priors of regressions: joint by default, independent or by name when the user says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from em_vs_bayes.common.arguments import brief
from em_vs_bayes.common.contract import Array, Context
from em_vs_bayes.model.emissions import design as designs
from em_vs_bayes.model.emissions.basis import basis_of
from em_vs_bayes.model.emissions.gaussian_priors import LARGEST, SMALLEST
from em_vs_bayes.model.priors import (
    GPrior,
    InverseGamma,
    Normal,
    NormalInverseGamma,
    Prior,
)

DEFAULT = 0.01  # rows that the default prior is worth
APART = 1e-2  # pivots of X'X, on unit diagonals, below which it gets coordinates of its own
OFFSET = 100.0  # of y, relative to its residuals: likewise
FARTHEST = 1e11  # of y, relative to its residuals: beyond, they have no digits
NEAR = 1e-3  # residual squares, as a share of y'y, below which they are summed themselves
OFFSETTABLE = 1e6  # of y, relative to its residuals: y'y then holds their squares to four digits


@dataclass(frozen=True, slots=True)
class Pooled:
    """One regression for all rows: coefficients (p,), residual variance (divisor n), X'X (p, p) and n.

    ``basis`` (p, p + 1): coordinates that keep more digits, None where there is no need; see `basis`. ``undetermined``:
    what rows alone do not tell, in words, where the user's priors do.
    """

    coefficients: Array
    variance: float
    products: Array
    total: float
    basis: Array | None = None
    undetermined: str = ""

    @property
    def second(self) -> Array:
        """X'X / n."""
        return self.products / self.total


@dataclass(frozen=True, slots=True)
class Rows:
    """A design matrix (n, p), what its columns are, and what messages call it."""

    matrix: Array
    design: designs.Design
    label: str


def pooled(values: Array, rows: Rows, context: Context, *, limited: bool = False, free: bool = True) -> Pooled:
    """Least squares over the rows with a response, case weights counted; a design that is no design is refused.

    From X'X where that is well enough conditioned, for it takes one pass; else from X itself. ``limited`` responses are
    known by their limits, which may be all the same: priors are then the user's to give. ``free``: nothing ties single
    coefficients, so that they may have a basis.
    """
    seen, given = ~np.isnan(values), context.weights
    if given is not None and (given == 0.0).any():
        seen &= given > 0.0  # as if the row were not there
    everywhere = bool(seen.all())
    x, y = (rows.matrix, values) if everywhere else (rows.matrix[seen], values[seen])
    own = None if given is None else given if everywhere else given[seen]
    total = float(len(y) if own is None else own.sum())
    _within_reach(y, f"{context.prefix}y")
    told, undetermined = _told_by_priors(context), ""
    with np.errstate(invalid="ignore", over="ignore"):  # infinities are refused below
        second = x.T @ x
    if not np.isfinite(second).all():
        designs.check_finite(rows.matrix, rows.design.names, rows.label)
    sure = designs.well_conditioned(second) and bool((np.diagonal(second) > SMALLEST**2).all())
    if not sure:
        for name, column in zip(rows.design.names, x.T, strict=True):
            _within_reach(column, f"{rows.label}, column {name!r},")
        try:
            designs.check_rank(x, rows.design.names, rows.label, turned=free)
        except ValueError as error:
            if "coefficients" not in told:
                raise
            undetermined = str(error)
    heavy = x if own is None else own[:, None] * x
    if own is not None:
        second = heavy.T @ x
        sure = sure and designs.well_conditioned(second)
    squares = _sum(y, y, own)
    if sure:
        products = heavy.T @ y
        coefficients = np.linalg.solve(second, products)
        left = squares - float(coefficients @ products)
    else:
        root = 1.0 if own is None else np.sqrt(own)
        coefficients = np.linalg.lstsq((root * x.T).T, root * y, rcond=None)[0]
    if not (sure and left > NEAR * squares):  # else the difference has digits enough for a scale
        residual = y - x @ coefficients
        left = _sum(residual, residual, own)
    variance = left / total
    if variance <= (1e-14 * np.abs(y).max(initial=1e-300)) ** 2:
        if limited and ("emission" in context.priors or {"coefficients", "sigmas"} <= set(context.priors)):
            return Pooled(coefficients, float(np.abs(y).max(initial=0.0)) ** 2 or 1.0, second, total)
        if limited:
            raise ValueError(
                f"A line goes through all that is known of {context.prefix}y: the likelihood has no maximum, default "
                f"priors no scale. Give priors for {context.name('coefficients')!r} and {context.name('sigmas')!r}."
            )
        exact = (
            f"{context.prefix}y is an exact linear function of the {x.shape[1]} predictor(s) in its {len(y)} row(s): "
            "there is no variance to estimate. Give more rows or fewer predictors."
        )
        if "sigmas" not in told:
            raise ValueError(exact)
        undetermined = undetermined or exact
        variance = float(np.average((y - np.average(y, weights=own)) ** 2, weights=own)) or squares / total or 1.0
    size = float(np.sqrt(squares / total))
    if size > (FARTHEST if free else OFFSETTABLE) * np.sqrt(variance):
        raise ValueError(
            f"{context.prefix}y is of size {size:.3g} and varies by {np.sqrt(variance):.1g} about its regression: sums "
            "of squares would lose those digits. Subtract an offset from y."
        )
    if undetermined:
        return Pooled(coefficients, variance, second, total, undetermined=undetermined)
    far = size > OFFSET * np.sqrt(variance) or not designs.well_conditioned(second, APART)
    return Pooled(coefficients, variance, second, total, basis_of(x, own, coefficients) if free and far else None)


def _told_by_priors(context: Context) -> set[str]:
    """Parameters of which the user's own priors tell enough, whatever the rows do: proper ones."""
    if isinstance(context.priors.get("emission"), NormalInverseGamma):
        return {"coefficients", "sigmas"}
    own = {name: context.priors[name] for name in ("coefficients", "sigmas") if name in context.priors}
    return {name for name, prior in own.items() if not (isinstance(prior, Prior) and prior.name.endswith("Flat"))}


def _within_reach(values: Array, name: str) -> None:
    size = float(np.abs(values).max(initial=0.0))
    if size < np.inf and (size > LARGEST or 0.0 < size < SMALLEST):
        raise ValueError(
            f"{name} ranges from {values.min():.3g} to {values.max():.3g}: squares of such numbers leave floating "
            "point. Give it in other units."
        )


def _sum(a: Array, b: Array, weights: Array | None) -> float:
    return float(a @ (b if weights is None else weights * b))


def regression_priors(context: Context, whole: Pooled, shape: tuple[int, int]) -> tuple[Any, Any, Any]:
    """(joint, coefficients, sigma) priors at the model's shape: either the first or the other two are None."""
    k, p = shape
    rate = whole.variance / k**2
    own = sorted(name for name in ("coefficients", "sigmas") if name in context.priors)
    joint = context.name("emission")
    if "emission" in context.priors and own:
        raise ValueError(
            f"priors has both {joint!r} (joint) and {[context.name(name) for name in own]}: give one or the other."
        )
    if not own:
        prior: Any = context.priors.get("emission")
        if prior is None:
            prior = NormalInverseGamma(mean=whole.coefficients, kappa=DEFAULT * whole.second, shape=2.0, rate=rate)
        if isinstance(prior, GPrior):
            prior = _fitted(lambda: prior.at(whole.products, rate), joint)
        if not isinstance(prior, NormalInverseGamma):
            raise TypeError(f"priors[{joint!r}] must be NormalInverseGamma or GPrior; got {brief(prior)}.")
        _check_vectors(prior, shape, joint, ("mean",))
        return _fitted(lambda: prior.regression(k, p), joint), None, None
    coefficients: Any = context.priors.get("coefficients")
    if coefficients is None:
        sd = 10.0 * np.sqrt(whole.variance * np.diagonal(np.linalg.inv(whole.second)))
        coefficients = Normal(whole.coefficients, sd)
    sigmas = context.priors.get("sigmas", InverseGamma(2.0, rate))
    for name, prior, family in (("coefficients", coefficients, Normal), ("sigmas", sigmas, InverseGamma)):
        if not isinstance(prior, (family, Prior)):
            wanted = f"{family.__name__} or evb.Prior(name, ...)"
            raise TypeError(f"priors[{context.name(name)!r}] must be {wanted}; got {brief(prior)}.")
    _check_vectors(coefficients, shape, context.name("coefficients"))
    if isinstance(coefficients, Normal):
        coefficients = _fitted(lambda: coefficients.broadcast(k, p), context.name("coefficients"))
    if isinstance(sigmas, InverseGamma):
        wide = _fitted(lambda: sigmas.broadcast(k, 1), context.name("sigmas"))
        sigmas = InverseGamma(wide.shape[:, 0], wide.rate[:, 0])
    return None, coefficients, sigmas


def _check_vectors(prior: Any, shape: tuple[int, int], name: str, of: tuple[str, ...] | None = None) -> None:
    """A vector is one value per predictor, even where there is but one and a value per component would fit."""
    arguments = (
        prior.arguments if isinstance(prior, Prior) else {f: getattr(prior, f) for f in prior.__dataclass_fields__}
    )
    for argument, value in arguments.items():
        if (of is None or argument in of) and np.ndim(value) == 1 and len(value) not in (1, shape[1]):
            raise ValueError(
                f"priors[{name!r}]: {argument} has shape {np.shape(value)}, wants ({shape[1]},), one value per "
                f"predictor, or (component, predictor) {shape}."
            )


def _fitted(shaped: Callable[[], Any], name: str) -> Any:
    try:
        return shaped()
    except ValueError as error:
        raise ValueError(f"priors[{name!r}]: {error}") from None
