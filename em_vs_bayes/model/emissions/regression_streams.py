"""What emissions of a response given predictors share: the stream of a design and a response, and its lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from em_vs_bayes.common.contract import Array, Context, Stream
from em_vs_bayes.common.values import broadcast, scalars_per_component
from em_vs_bayes.data import read
from em_vs_bayes.kernels import tables
from em_vs_bayes.model.blocks import RegressionBlock
from em_vs_bayes.model.emissions import design as designs
from em_vs_bayes.model.emissions.basis import along, turned
from em_vs_bayes.model.emissions.regression_priors import (
    DEFAULT,
    Pooled,
    Rows,
    pooled,
    regression_priors,
)


def response_and_rows(formula: str | None, y: Any, context: Context, emission: str) -> tuple[Array, Rows]:
    """Response (n,) and design: by a formula of the frame y, or y itself with ``exog``."""
    if formula is not None:
        like = context.like and context.like["design"]
        values, matrix, design = designs.from_formula(formula, y, like)  # type: ignore[arg-type]
        return values, Rows(matrix, design, "The design")
    values = read.vector(y, context.prefix + "y", emission)
    return values, Rows(*designs.from_exog(context.exog, len(values), "exog"), "exog")


def response(formula: str | None, y: Any) -> Any:
    """The response alone: all of y, unless a formula names it among the columns."""
    return y if formula is None else designs.from_formula(formula, y, None)[0]


def side_by_side(matrix: Array, *others: Array) -> Array:
    """Columns of a design matrix and of what follows it, as kernels want them: each column on its own."""
    n, p = matrix.shape
    columns = np.empty((n, p + len(others)), order="F")
    columns[:, :p] = matrix
    for j, other in enumerate(others):
        columns[:, p + j] = other
    return columns


def regression_stream(
    kind: int, columns: Array, values: Array, rows: Rows, n_components: int, context: Context
) -> Stream:
    """A stream of ``kind`` whose first columns are the design, with the block of its coefficients.

    Parameters
    ----------
    columns : ndarray (n, p + ...)
    values : ndarray (n,)
        A number for each response, NaN where missing: priors are scaled to them.
    """
    matrix, design, like = rows.matrix, rows.design, context.like and context.like["design"]
    if like is not None and like.names != design.names:  # type: ignore[union-attr]
        raise ValueError(
            f"{rows.label} has column(s) {list(design.names)}; the model was fitted to {list(like.names)}."  # type: ignore[union-attr]
        )
    p = matrix.shape[1]
    if p == 0:
        raise ValueError(
            f"{rows.label} has no columns: a regression wants at least one, if only the intercept of 'y ~ 1'."
        )
    shape = (n_components, p)
    fixed = broadcast(context.fixed.get("coefficients"), shape, context.name("coefficients"))
    whole, summed = Pooled(np.zeros(p), 1.0, np.eye(p), 1.0), False  # a stand-in: nothing is fitted to these rows
    if context.like is not None:
        designs.check_finite(matrix, design.names, rows.label)
    else:
        if context.fitting and np.isnan(values).all():
            raise ValueError(f"{context.prefix}y has no observed value.")
        try:
            limited = kind == tables.CENSORED
            free = not {"coefficients", "sigmas"} & set(context.priors) and bool(np.isnan(fixed).all())
            whole = pooled(values, Rows(columns[:, :p], design, rows.label), context, limited=limited, free=free)
            summed = True
        except ValueError:
            if context.fitting:
                raise
            designs.check_finite(matrix, design.names, rows.label)  # where parameters are given, that is enough
    prior, coefficient_prior, sigma_prior = regression_priors(context, whole, shape)
    block = RegressionBlock(
        prior,
        coefficient_prior,
        sigma_prior,
        context.leading,
        fixed,
        scalars_per_component(context.fixed.get("sigmas"), n_components, context.name("sigmas"), 1e-300, np.inf),
        whole.coefficients,
        whole.variance,
    )
    stream = Stream(kind, columns, np.zeros(columns.shape[1]), p + 1, block, design=design)
    stream = replace(stream, undetermined=whole.undetermined)
    if context.like is not None:
        return _in_basis(stream, context.like.get("basis"))
    if whole.basis is None:
        return replace(stream, products=whole.products) if summed else stream
    inner = along(prior, whole.basis)
    if "emission" not in context.priors:  # the default, whose precision is a share of X'X
        inner = replace(inner, mean=np.zeros(shape), kappa=np.tile(DEFAULT * np.eye(p), (n_components, 1, 1)))
    block = replace(block, prior=inner, outer=prior, pooled=np.zeros(p))
    return _in_basis(replace(stream, block=block), whole.basis)  # X'X is known but for rounding, and summed anew


def _in_basis(stream: Stream, basis: Array | None) -> Stream:
    if basis is None:
        return stream
    return replace(stream, columns=turned(stream.columns, stream.kind, basis), basis=basis, seen=stream.columns)


def drawn_lines(params: Mapping[str, Array], z: Any, rng: np.random.Generator, df: float | None = None) -> Array:
    """Responses (n,) given components ``z``, at the design ``params["exog"]``; with t errors where ``df`` is given."""
    lines, sigmas = lines_of(params, z)
    if df is None:
        return rng.normal(lines, sigmas)
    return np.asarray(lines + sigmas * rng.standard_t(df, size=len(lines)))


def lines_of(params: Mapping[str, Array], z: Any) -> tuple[Array, Array]:
    """Mean (n,) and standard deviation (n,) of the response of each row given its component."""
    if "exog" not in params:
        raise ValueError("A regression is simulated at a design: params must have 'exog', an array (n, p).")
    matrix = np.asarray(params["exog"], dtype=float)
    if len(matrix) != len(z):
        raise ValueError(f"exog has {len(matrix)} row(s); {len(z)} are to be simulated.")
    return np.einsum("np,np->n", matrix, params["coefficients"][z]), params["sigmas"][z]


def symbolic_lines(params: Mapping[str, Any]) -> tuple[Any, Any]:
    """PyTensor: means (n, K) and standard deviations (K,)."""
    import pytensor.tensor as pt

    from em_vs_bayes.model.symbolic.products import product

    return product(params["exog"], pt.as_tensor(params["coefficients"]).T), pt.as_tensor(params["sigmas"])
