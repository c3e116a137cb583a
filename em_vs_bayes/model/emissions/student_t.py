"""Univariate Student t observations with known degrees of freedom: normal ones with heavy tails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
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
from em_vs_bayes.model.blocks import DiagonalGaussianBlock, StudentBlock
from em_vs_bayes.model.emissions.gaussian_priors import Moments, moments
from em_vs_bayes.model.emissions.normal import normal_block

NORMAL_IQR = 1.3489795003921634  # interquartile range of a standard normal
FENCE = 3.0  # interquartile ranges beyond the quartiles: where starts look no farther
LARGEST_DF = 1e6


@final
@dataclass(frozen=True, slots=True)
class StudentT(Emission):
    """A Student t distribution per component.

    Parameters
    ----------
    df : float
        Degrees of freedom, known and the same for every component; positive, at most 1e6. Small ones have heavy tails
        (1 is the Cauchy distribution), large ones come close to `Normal`.

    Notes
    -----
    Fitted parameters: ``means (component,)``, the locations, which are medians too, and means where df > 1; ``sigmas
    (component,)``, the scales: the standard deviation is sigma sqrt(df / (df - 2)) where df > 2, else infinite.

    Default prior, as for `Normal` but from quartiles, which far rows do not move: with m the median of y and s its
    interquartile range over 1.349, that of a standard normal, NormalInverseGamma(mean=m, kappa=0.01, shape=2,
    rate=s^2 / K^2). Where the quartiles coincide, s is the standard deviation.
    """

    df: float = 4.0

    def __post_init__(self) -> None:
        plain_fields(self)
        given: Any = self.df
        if isinstance(given, bool) or not isinstance(given, (int, float, np.integer, np.floating)):
            raise TypeError(f"StudentT(df=...) must be a number; got {brief(given)}.")
        if not 0.0 < given <= LARGEST_DF:
            raise ValueError(
                f"StudentT(df=...) must be positive, at most {LARGEST_DF:g} (then use Normal); got {brief(given)}."
            )
        object.__setattr__(self, "df", float(given))

    def streams(self, y: Any, n_components: int, context: Context) -> tuple[Stream, ...]:
        name = context.prefix + "y"
        values = read.vector(y, name, "StudentT")[:, None]
        seen = _robust(moments(values, name, context), values, context)
        normal: DiagonalGaussianBlock = normal_block(seen, n_components, context)
        block = StudentBlock(normal, np.full(n_components, self.df))
        return (Stream(tables.STUDENT, values, seen.centre, 1, block),)

    def public(self, params: Params, centre: Mapping[str, Array]) -> Params:
        return {"means": params["means"][..., 0] + centre["y"][0], "sigmas": params["sigmas"]}

    def internal(self, params: Mapping[str, Any], centre: Mapping[str, Array]) -> Params:
        means, sigmas = (np.asarray(params[name], dtype=float) for name in self.dims())
        return {"means": (means - centre["y"][0])[..., None], "sigmas": sigmas, "df": np.full(sigmas.shape, self.df)}

    def dims(self) -> dict[str, tuple[str, ...]]:
        return {"means": (), "sigmas": ()}

    def seeds(self, y: Any) -> Array:
        """Far rows count as rows at the fence: else each would be a cluster of its own."""
        values = read.vector(y, "y", "StudentT")[:, None]
        low, high = np.nanquantile(values, [0.25, 0.75])
        reach = FENCE * (high - low)
        return np.clip(values, low - reach, high + reach) if reach > 0.0 else values

    def simulate(self, params: Mapping[str, Array], z: Any, rng: np.random.Generator) -> Array:
        return np.asarray(params["means"][z] + params["sigmas"][z] * rng.standard_t(self.df, size=len(z)))

    def symbolic_log_density(self, y: Any, params: Mapping[str, Any], n_components: int) -> Any:
        import pymc as pm
        import pytensor.tensor as pt

        values = read.vector(y, "y", "StudentT")[:, None]
        seen = ~np.isnan(values)
        df = pt.constant(self.df, dtype="float64")  # a plain number would become float32, and lose half its digits
        own = pm.StudentT.dist(nu=df, mu=params["means"], sigma=params["sigmas"])
        density = pm.logp(own, np.where(seen, values, 0.0))
        return density if seen.all() else pt.where(seen, density, 0.0)

    def to_dict(self) -> dict[str, Any]:
        return {"emission": "StudentT", "df": self.df}


def _robust(seen: Moments, values: Array, context: Context) -> Moments:
    """The median, and the variance of a normal distribution with the same quartiles."""
    known = ~np.isnan(values[:, 0])
    if context.like is not None or not known.any():
        return seen
    weights = None if context.weights is None else context.weights[known]
    low, median, high = np.quantile(values[known, 0], [0.25, 0.5, 0.75], weights=weights, method="inverted_cdf")
    variance = np.array([((high - low) / NORMAL_IQR) ** 2]) if high > low else seen.variance
    return replace(seen, centre=np.array([median]), variance=variance)
