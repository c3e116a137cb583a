"""Multivariate normal observations with full, tied, diagonal or spherical covariances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from em_vs_bayes.common.arguments import brief
from em_vs_bayes.common.contract import (
    Array,
    Block,
    Context,
    Emission,
    Params,
    Stream,
)
from em_vs_bayes.common.values import broadcast, plain_fields
from em_vs_bayes.data import read
from em_vs_bayes.kernels import tables
from em_vs_bayes.model.blocks import DiagonalGaussianBlock, FullGaussianBlock
from em_vs_bayes.model.emissions.gaussian_priors import Moments, gaussian_priors, moments
from em_vs_bayes.model.priors import InverseGamma, InverseWishart, NormalInverseGamma, NormalInverseWishart

COVARIANCES = {"full": tables.FULL, "tied": tables.TIED, "diag": tables.DIAG, "spherical": tables.SPHERICAL}


@final
@dataclass(frozen=True, slots=True)
class MvNormal(Emission):
    """A multivariate normal distribution per component.

    Parameters
    ----------
    covariance : {"full", "tied", "diag", "spherical"}
        One free matrix per component; one matrix for all; one variance per feature; one variance per component.

    Notes
    -----
    Fitted parameters: ``means (component, feature)``, ``covariances (component, feature, feature_to)``: whole matrices
    for every structure. Missing values (NaN) are integrated out exactly, pattern by pattern.

    Default prior (Fraley & Raftery 2007), m and S the mean and covariance of y: NormalInverseWishart(mean=m,
    kappa=0.01, df=d + 2, scale=S / K^(2/d)); for diagonal and spherical covariances NormalInverseGamma(mean=m,
    kappa=0.01, shape=2, rate=variance / K^(2/d)).
    """

    covariance: str = "full"

    def __post_init__(self) -> None:
        plain_fields(self)
        if not isinstance(self.covariance, str) or self.covariance not in COVARIANCES:
            raise ValueError(f"covariance must be one of {', '.join(COVARIANCES)}; got {brief(self.covariance)}.")

    @property
    def _full(self) -> bool:
        return self.covariance in ("full", "tied")

    def streams(self, y: Any, n_components: int, context: Context) -> tuple[Stream, ...]:
        name = context.prefix + "y"
        values = read.matrix(y, name)
        if context.like is not None and len(context.like["y"]) != values.shape[1]:
            raise ValueError(
                f"{name} has {values.shape[1]} column(s); the model was fitted to {len(context.like['y'])}."
            )
        seen = moments(values, name, context, shared=self.covariance == "spherical")
        build = self._full_block if self._full else self._diagonal_block
        kind = tables.GAUSS_FULL if self._full else tables.GAUSS_DIAG
        return (Stream(kind, values, seen.centre, values.shape[1], build(n_components, seen, context)),)

    def _full_block(self, k: int, seen: Moments, context: Context) -> Block:
        d, tied = len(seen.centre), self.covariance == "tied"
        scale = _positive(seen, k)
        prior, mean_prior, spread_prior = gaussian_priors(
            context,
            seen,
            (k, d),
            joint=NormalInverseWishart,
            shaped=lambda p: p.tied(k, d) if tied else p.broadcast(k, d),
            default=NormalInverseWishart(mean=seen.centre, kappa=0.01, df=d + 2.0, scale=scale),
            spread=("covariances", (InverseWishart,), InverseWishart(d + 2.0, scale)),
            spread_shape=(1 if tied else k, d),
        )
        fixed = broadcast(context.fixed.get("covariances"), (k, d, d), context.prefix + "covariances")
        _check_fixed_covariances(fixed, tied, context.prefix)
        means = broadcast(context.fixed.get("means"), (k, d), context.prefix + "means") - seen.centre
        return FullGaussianBlock(
            prior, mean_prior, spread_prior, tied, context.leading, means, fixed, seen.variance, seen.centre
        )

    def _diagonal_block(self, k: int, seen: Moments, context: Context) -> Block:
        d, spherical = len(seen.centre), self.covariance == "spherical"
        rate = seen.variance / k ** (2.0 / d)
        if spherical:
            rate = rate.mean()
        spread_shape = (k,) if spherical else (k, d)
        prior, mean_prior, spread_prior = gaussian_priors(
            context,
            seen,
            (k, d),
            joint=NormalInverseGamma,
            shaped=lambda p: p.spherical(k, d) if spherical else p.broadcast(k, d),
            default=NormalInverseGamma(mean=seen.centre, kappa=0.01, shape=2.0, rate=rate),
            spread=("covariances", (InverseGamma,), InverseGamma(2.0, rate)),
            spread_shape=spread_shape,
        )
        fixed = broadcast(context.fixed.get("covariances"), (k, d, d), context.prefix + "covariances")
        _check_fixed_covariances(fixed, False, context.prefix)
        _check_fixed_structure(fixed, spherical, context.prefix)
        variances = np.einsum("kii->ki", fixed)
        return DiagonalGaussianBlock(
            prior,
            mean_prior,
            spread_prior,
            COVARIANCES[self.covariance],
            context.leading,
            broadcast(context.fixed.get("means"), (k, d), context.prefix + "means") - seen.centre,
            variances[:, 0].copy() if spherical else variances.copy(),
            seen.variance,
            seen.centre,
        )

    def public(self, params: Params, centre: Mapping[str, Array]) -> Params:
        means = params["means"] + centre["y"]
        k, d = means.shape[-2:]
        if self.covariance == "full":
            covariances = params["covariances"]
        elif self.covariance == "tied":
            covariances = np.repeat(params["covariances"][..., None, :, :], k, axis=-3)
        else:
            variances = params["variances"]
            if self.covariance == "spherical":
                variances = np.repeat(variances[..., None], d, axis=-1)
            covariances = variances[..., None] * np.eye(d)
        return {"means": means, "covariances": covariances}

    def internal(self, params: Mapping[str, Any], centre: Mapping[str, Array]) -> Params:
        means = np.asarray(params["means"], dtype=float)
        covariances = np.asarray(params["covariances"], dtype=float)
        d = len(centre["y"])
        if means.ndim == 0 or means.shape[-1] != d:
            raise ValueError(f"params['means'] has shape {means.shape}; the model wants (..., {d}).")
        means = means - centre["y"]
        if self.covariance == "full":
            return {"means": means, "covariances": covariances}
        if self.covariance == "tied":
            return {"means": means, "covariances": covariances[..., 0, :, :] if covariances.ndim > 2 else covariances}
        variances = np.einsum("...ii->...i", covariances)
        return {"means": means, "variances": variances[..., 0] if self.covariance == "spherical" else variances}

    def dims(self) -> dict[str, tuple[str, ...]]:
        return {"means": ("feature",), "covariances": ("feature", "feature_to")}

    def seeds(self, y: Any) -> Array:
        return read.matrix(y)

    def simulate(self, params: Mapping[str, Array], z: Any, rng: np.random.Generator) -> Array:
        root = np.linalg.cholesky(params["covariances"])
        noise = rng.standard_normal((len(z), params["means"].shape[1]))
        return params["means"][z] + np.einsum("nij,nj->ni", root[z], noise)

    def symbolic_log_density(self, y: Any, params: Mapping[str, Any], n_components: int) -> Any:
        from em_vs_bayes.model.symbolic.gaussian import mvnormal_log_density

        return mvnormal_log_density(read.matrix(y), params["means"], params["covariances"], n_components)

    def to_dict(self) -> dict[str, Any]:
        return {"emission": "MvNormal", "covariance": self.covariance}


def _positive(seen: Moments, n_components: int) -> Array:
    """The default prior scale: S / K^(2/d), its diagonal alone where S is singular."""
    d = len(seen.centre)
    root = np.sqrt(seen.variance)
    correlation = seen.covariance / root / root[:, None]
    singular = np.linalg.eigvalsh(correlation)[0] < 1e-10
    return (np.diag(seen.variance) if singular else seen.covariance) / n_components ** (2.0 / d)


def _check_fixed_covariances(fixed: Array, tied: bool, prefix: str) -> None:
    name = prefix + "covariances"
    known = ~np.isnan(fixed)
    whole = known.all(axis=(1, 2))
    if not np.array_equal(known.any(axis=(1, 2)), whole):
        raise ValueError(
            f"fixed[{name!r}]: a component's covariance is fixed whole or not at all; some elements are NaN."
        )
    if tied and whole.any() and not (whole.all() and np.ptp(fixed, axis=0).max() == 0):
        raise ValueError(f"fixed[{name!r}]: a tied covariance is one matrix for all components.")
    for k in np.flatnonzero(whole):
        if not np.allclose(fixed[k], fixed[k].T) or np.linalg.eigvalsh(fixed[k])[0] <= 0:
            raise ValueError(
                f"fixed[{name!r}][{k}] must be symmetric positive definite; got {brief(fixed[k].tolist())}."
            )


def _check_fixed_structure(fixed: Array, spherical: bool, prefix: str) -> None:
    """What a diagonal or spherical covariance cannot hold is refused, not dropped."""
    variances = np.einsum("kii->ki", fixed)
    kept = np.where(np.eye(fixed.shape[-1]) > 0, fixed, 0.0)
    known = ~np.isnan(fixed)
    if np.any(fixed[known] != kept[known]) or (spherical and np.any(np.ptp(variances[known[:, 0, 0]], axis=1) > 0)):
        wanted = "a multiple of the identity" if spherical else "diagonal"
        raise ValueError(
            f"fixed[{prefix + 'covariances'!r}] must be {wanted} for this covariance; got {brief(fixed.tolist())}."
        )
