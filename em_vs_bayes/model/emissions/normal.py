"""Univariate normal observations, parametrised by mean and standard deviation."""

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
from em_vs_bayes.common.values import broadcast, scalars_per_component
from em_vs_bayes.data import read
from em_vs_bayes.kernels import tables
from em_vs_bayes.model.blocks import DiagonalGaussianBlock
from em_vs_bayes.model.emissions.gaussian_priors import Moments, gaussian_priors, moments
from em_vs_bayes.model.priors import InverseGamma, NormalInverseGamma


@final
@dataclass(frozen=True, slots=True)
class Normal(Emission):
    """A normal distribution per component.

    Notes
    -----
    Fitted parameters: ``means (component,)``, ``sigmas (component,)`` (standard deviations).

    Default prior, with m and v the mean and variance of y (Fraley & Raftery 2007 in one dimension):
    NormalInverseGamma(mean=m, kappa=0.01, shape=2, rate=v / K^2).
    """

    def streams(self, y: Any, n_components: int, context: Context) -> tuple[Stream, ...]:
        name = context.prefix + "y"
        values = read.vector(y, name, "Normal")[:, None]
        seen = moments(values, name, context)
        block = normal_block(seen, n_components, context)
        return (Stream(tables.GAUSS_DIAG, values, seen.centre, 1, block),)

    def public(self, params: Params, centre: Mapping[str, Array]) -> Params:
        return {"means": params["means"][..., 0] + centre["y"][0], "sigmas": params["sigmas"]}

    def internal(self, params: Mapping[str, Any], centre: Mapping[str, Array]) -> Params:
        means = np.asarray(params["means"], dtype=float) - centre["y"][0]
        return {"means": means[..., None], "sigmas": np.asarray(params["sigmas"], dtype=float)}

    def dims(self) -> dict[str, tuple[str, ...]]:
        return {"means": (), "sigmas": ()}

    def seeds(self, y: Any) -> Array:
        return read.vector(y, "y", "Normal")[:, None]

    def simulate(self, params: Mapping[str, Array], z: Any, rng: np.random.Generator) -> Array:
        return rng.normal(params["means"][z], params["sigmas"][z])

    def symbolic_log_density(self, y: Any, params: Mapping[str, Any], n_components: int) -> Any:
        import pymc as pm
        import pytensor.tensor as pt

        values = read.vector(y, "y", "Normal")[:, None]
        seen = ~np.isnan(values)
        density = pm.logp(pm.Normal.dist(params["means"], params["sigmas"]), np.where(seen, values, 0.0))
        return density if seen.all() else pt.where(seen, density, 0.0)

    def to_dict(self) -> dict[str, Any]:
        return {"emission": "Normal"}


def normal_block(seen: Moments, n_components: int, context: Context) -> DiagonalGaussianBlock:
    """Means and standard deviations (K,), with the priors and fixed values of the context."""
    default = NormalInverseGamma(mean=seen.centre, kappa=0.01, shape=2.0, rate=seen.variance / n_components**2)
    prior, mean_prior, spread_prior = gaussian_priors(
        context,
        seen,
        (n_components, 1),
        joint=NormalInverseGamma,
        shaped=lambda p: p.broadcast(n_components, 1),
        default=default,
        spread=("sigmas", (InverseGamma,), InverseGamma(2.0, seen.variance[0] / n_components**2)),
        spread_shape=(n_components,),
    )
    fixed_means = broadcast(context.fixed.get("means"), (n_components,), context.prefix + "means")[:, None]
    return DiagonalGaussianBlock(
        prior,
        mean_prior,
        spread_prior,
        tables.SIGMA,
        context.leading,
        fixed_means - seen.centre,
        scalars_per_component(context.fixed.get("sigmas"), n_components, context.prefix + "sigmas", 1e-300, np.inf),
        seen.variance,
        seen.centre,
    )
