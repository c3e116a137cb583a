"""Our prior families as PyMC variables, block by block, in the user's coordinates.

Each function writes one block's parameters into `Variables`: free random variables where the prior is a density of its
own, a Potential where fixed elements make it a term of several.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from em_vs_bayes.common.contract import Array
from em_vs_bayes.kernels import tables
from em_vs_bayes.model.blocks import (
    DiagonalGaussianBlock,
    FullGaussianBlock,
    ProbabilityBlock,
    ProbabilityRows,
    RateBlock,
    RegressionBlock,
    Renamed,
    StudentBlock,
)
from em_vs_bayes.model.blocks.stationary import StationaryRows
from em_vs_bayes.model.priors import Prior
from em_vs_bayes.pymc.gaussian import inverse_wishart, scaled_normal, scaled_normal_log_density
from em_vs_bayes.pymc.regression import write_regression, write_renamed
from em_vs_bayes.pymc.variables import Variables, standard_deviation_inverse_gamma


def add(block: Any, prefix: str, into: Variables) -> None:
    """Write the parameters of a block.

    Raises
    ------
    TypeError
        For a block that has no PyMC form yet.
    """
    for kind, write in WRITERS.items():
        if isinstance(block, kind):
            write(block, prefix, into)
            return
    raise TypeError(f"{type(block).__name__} has no PyMC form; known are {', '.join(k.__name__ for k in WRITERS)}.")


# --- probabilities ------------------------------------------------------------------------------------------------


def _probability_rows(block: ProbabilityRows, prefix: str, into: Variables) -> None:
    """Dirichlet rows; with fixed elements, the free ones of a row are its free mass times a Dirichlet of their own."""
    name, vector = prefix + block.name, len(block.dims) == 1
    alpha, fixed, dims = np.asarray(block.prior.alpha), block.fixed, into.dims[prefix + block.name]
    if np.isnan(fixed).all():
        into.public[name] = pm.Dirichlet(name, alpha[0] if vector else alpha, dims=dims)
        into.start[name] = lambda params: _interior(params[name])
        return
    rows = [_free_row(name if vector else f"{name}_{r}", name, r, alpha[r], fixed[r], into) for r in range(len(fixed))]
    into.public[name] = pm.Deterministic(name, rows[0] if vector else pt.stack(rows), dims=dims)


def _free_row(own: str, name: str, r: int, alpha: Array, fixed: Array, into: Variables) -> Any:
    free = np.flatnonzero(np.isnan(fixed))
    row = pt.as_tensor(np.where(np.isnan(fixed), 0.0, fixed))
    if free.size == 0:
        return row
    mass = 1.0 - float(np.nansum(fixed))
    share = pm.Dirichlet(own + "_free", alpha[free])
    pm.Potential(own + "_free_mass", pt.as_tensor(-(free.size - 1) * np.log(mass)))  # density of mass * share
    into.start[own + "_free"] = lambda params: _interior(np.atleast_2d(params[name])[r, free])
    return row[free].set(mass * share)


def _stationary_rows(block: StationaryRows, prefix: str, into: Variables) -> None:
    """A transition matrix, and ``initial`` as its stationary distribution: delta (I - A + U) = 1, U all ones."""
    _probability_rows(block.rows, prefix, into)
    transition = into.public[prefix + block.rows.name]
    k = len(block.rows.fixed)
    system = np.eye(k) - transition + np.ones((k, k))
    delta = pt.linalg.solve(system.T, np.ones(k))
    name = prefix + "initial"
    into.public[name] = pm.Deterministic(name, delta, dims=into.dims[name])


def _interior(probs: Array) -> Array:
    """Rows scaled to one and off the boundary, where the unconstrained coordinates would be infinite."""
    inside = np.maximum(np.asarray(probs, dtype=float), 1e-10)
    return np.asarray(inside / inside.sum(axis=-1, keepdims=True))


# --- one number per component -------------------------------------------------------------------------------------


def _rates(block: RateBlock, prefix: str, into: Variables) -> None:
    _scalars(block, prefix, into, pm.Gamma, {"alpha": "shape", "beta": "rate"}, (1e-10, np.inf))


def _probabilities(block: ProbabilityBlock, prefix: str, into: Variables) -> None:
    _scalars(block, prefix, into, pm.Beta, {"alpha": "a", "beta": "b"}, (1e-10, 1.0 - 1e-10))


def _scalars(
    block: Any, prefix: str, into: Variables, kind: Any, renamed: dict[str, str], interior: tuple[float, float]
) -> None:
    """``interior``: where a start may lie; on the boundary the unconstrained coordinates would be infinite."""
    name, fixed, prior = prefix + block.name, block.fixed, block.prior
    options: dict[str, Any] = {"dims": into.dims[name], "read": lambda params: np.clip(params[name], *interior)}
    if isinstance(prior, Prior):
        into.public[name] = into.named(name, prior, fixed, **options)
    else:
        arguments = {theirs: np.asarray(getattr(prior, ours)) for theirs, ours in renamed.items()}
        into.public[name] = into.elementwise(name, kind, arguments, fixed, **options)


# --- Gaussian blocks ----------------------------------------------------------------------------------------------


def _full(block: FullGaussianBlock, prefix: str, into: Variables) -> None:
    """Sigma ~ inverse-Wishart, and the means given it (joint prior) or on their own."""
    name = prefix + "covariances"
    dims = into.dims[name]
    spread = block.spread_prior if block.prior is None else block.prior
    k, d = block.fixed_means.shape
    if block.tied:
        covariances = _tied_covariances(block, spread, name, dims, into)
    else:
        free = np.isnan(block.fixed_covariances[:, 0, 0])
        df, scale = np.broadcast_to(spread.df, (k,)), np.broadcast_to(spread.scale, (k, d, d))
        if free.all():
            covariances = inverse_wishart(name, df, scale, dims)
            into.start[name] = lambda params: params[name]
        else:
            value = pt.as_tensor(np.where(free[:, None, None], 0.0, block.fixed_covariances))
            if free.any():
                value = value[free.nonzero()].set(inverse_wishart(name + "_free", df[free], scale[free]))
                into.start[name + "_free"] = lambda params: params[name][free]
            covariances = pm.Deterministic(name, value, dims=dims)
    into.public[name] = covariances
    means, fixed, options = _mean_options(block, prefix, into)
    if block.prior is None:
        into.public[means] = _independent_means(block, means, fixed, into, options)
    elif np.isnan(fixed).all():
        prior = _in_user_coordinates(block)
        into.public[means] = scaled_normal(means, prior.mean, prior.kappa, covariances, into.dims[means])
        into.start[means] = options["read"]
    else:
        prior = _in_user_coordinates(block)
        value = into.flat(means, fixed, dims=options["dims"], read=options["read"])
        pm.Potential(means + "_prior", scaled_normal_log_density(value, prior.mean, prior.kappa, covariances).sum())
        into.public[means] = value


def _tied_covariances(block: FullGaussianBlock, spread: Any, name: str, dims: Any, into: Variables) -> Any:
    k, d = block.fixed_means.shape
    if np.isnan(block.fixed_covariances).any():
        own = name.removesuffix("s")
        sigma = inverse_wishart(own, np.ravel(spread.df)[0], np.reshape(spread.scale, (d, d)), dims[1:])
        into.start[own] = lambda params: params[name][0]
    else:
        sigma = pt.as_tensor(block.fixed_covariances[0])
    return pm.Deterministic(name, pt.stack([sigma] * k), dims=dims)


def _diagonal(block: DiagonalGaussianBlock, prefix: str, into: Variables) -> None:
    """Variances (or the univariate Normal's sigma) and the means given them (joint prior) or on their own."""
    sd, spherical = block.kind == tables.SIGMA, block.kind == tables.SPHERICAL
    means, fixed, options = _mean_options(block, prefix, into)
    k, d = block.fixed_means.shape
    spread = _spread(block, prefix, into)
    variances = spread**2 if sd else spread
    if not sd:
        whole = pt.broadcast_to(variances[:, None] if spherical else variances, (k, d))
        name = prefix + "covariances"
        into.public[name] = pm.Deterministic(name, whole[..., None] * np.eye(d), dims=into.dims[name])
    if block.prior is None:
        into.public[means] = _independent_means(block, means, fixed, into, options)
        return
    prior = _in_user_coordinates(block)
    location, kappa = np.reshape(prior.mean, fixed.shape), np.reshape(_wide(prior.kappa, (k, d)), fixed.shape)
    scale = pt.sqrt((variances[:, None] if spherical else variances) / kappa)
    if np.isnan(fixed).all():
        into.public[means] = into.elementwise(means, pm.Normal, {"mu": location, "sigma": scale}, fixed, **options)
        return
    value = into.flat(means, fixed, dims=options["dims"], read=options["read"])
    pm.Potential(means + "_prior", pm.logp(pm.Normal.dist(location, scale), value).sum())
    into.public[means] = value


def _student(block: StudentBlock, prefix: str, into: Variables) -> None:
    """Scales and locations; the degrees of freedom are the emission's."""
    _diagonal(block.normal, prefix, into)


def _spread(block: DiagonalGaussianBlock, prefix: str, into: Variables) -> Any:
    """The random variable of the spread: ``sigmas``, or ``variances`` behind the public ``covariances``."""
    lead = into.dims[prefix + "means"][:1]
    if block.kind == tables.SIGMA:
        name, dims = prefix + "sigmas", lead
    else:
        name, dims = prefix + "variances", into.dims[prefix + "means"] if block.kind == tables.DIAG else lead
    fixed, prior = block.fixed_spread, block.spread_prior if block.prior is None else block.prior

    def read(params: Any) -> Array:
        if block.kind == tables.SIGMA:
            return np.asarray(params[name])
        variances = np.einsum("kii->ki", params[prefix + "covariances"])
        return variances if block.kind == tables.DIAG else variances[:, 0]

    if isinstance(prior, Prior):
        spread = into.named(name, prior, fixed, dims=dims, read=read)
    else:
        shape, rate = np.reshape(prior.shape, fixed.shape), np.reshape(prior.rate, fixed.shape)
        if block.kind == tables.SIGMA:
            arguments, kind = {"shape_": shape, "rate": rate}, standard_deviation_inverse_gamma
        else:
            arguments, kind = {"alpha": shape, "beta": rate}, pm.InverseGamma
        spread = into.elementwise(name, kind, arguments, fixed, dims=dims, read=read)
    if block.kind == tables.SIGMA:
        into.public[name] = spread
    return spread


def _mean_options(block: Any, prefix: str, into: Variables) -> tuple[str, Array, dict[str, Any]]:
    """Name, fixed values in the user's coordinates and shape, and what `Variables` wants to know."""
    name = prefix + "means"
    fixed = block.fixed_means + block.centre
    if len(into.dims[name]) == 1:
        fixed = fixed[:, 0]
    gap = float(np.sqrt(block.scale).mean()) / len(fixed)
    return name, fixed, {"dims": into.dims[name], "read": lambda params: np.asarray(params[name]), "gap": gap}


def _independent_means(block: Any, name: str, fixed: Array, into: Variables, options: dict[str, Any]) -> Any:
    if isinstance(block.mean_prior, Prior):
        return into.named(name, block.mean_prior, fixed, **options)
    prior = _in_user_coordinates(block)
    arguments = {"mu": np.reshape(prior.mean, fixed.shape), "sigma": np.reshape(prior.sd, fixed.shape)}
    return into.elementwise(name, pm.Normal, arguments, fixed, **options)


def _in_user_coordinates(block: Any) -> Any:
    """The prior that the means belong to, its mean no longer relative to the centre of the data."""
    return next(prior for names, prior in block.describe() if "means" in names)


def _wide(kappa: Array, shape: tuple[int, int]) -> Array:
    return np.broadcast_to(np.reshape(kappa, (shape[0], -1)), shape)


WRITERS = {
    ProbabilityRows: _probability_rows,
    StationaryRows: _stationary_rows,
    RateBlock: _rates,
    ProbabilityBlock: _probabilities,
    FullGaussianBlock: _full,
    DiagonalGaussianBlock: _diagonal,
    StudentBlock: _student,
    RegressionBlock: write_regression,
    Renamed: write_renamed,
}
