"""Means with one variance per dimension: diagonal and spherical covariances, and the univariate Normal.

The same conditional form as `gaussian_full`, written elementwise. The univariate Normal's parameter is the standard
deviation, so its joint mode and its densities are taken in sigma; the others' in the variance.

Statistics may hold a ``count`` beside n: what rows count for in a variance, where their precisions are weighted (n, s1
and s2 then are sums with those weights; see `student`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma

from em_vs_bayes.common.contract import (
    Array,
    Block,
    Maximum,
    Parameter,
    Params,
    Shapes,
)
from em_vs_bayes.kernels import tables
from em_vs_bayes.model.blocks import densities
from em_vs_bayes.model.blocks.elementwise import climbed, uncentred
from em_vs_bayes.model.blocks.fixed import over_variances
from em_vs_bayes.model.priors import InverseGamma, Normal, Prior

LOG_2PI = float(np.log(2.0 * np.pi))


class MeanField(NamedTuple):
    """q(means) q(variances): Gaussian factors with variances (K, d) and an inverse-gamma."""

    mean: Array
    variance: Array
    spread: InverseGamma


@final
@dataclass(frozen=True, eq=False)
class DiagonalGaussianBlock(Block):
    """K mean vectors with variances (K, d), (K,) when spherical, or standard deviations (K,) for one dimension.

    Parameters
    ----------
    prior : NormalInverseGamma or SphericalNormalInverseGamma, or None when the two below are given
    mean_prior : Normal or Prior, or None
    spread_prior : InverseGamma (on the variance) or Prior (on the parameter), or None
    kind : int
        ``tables.DIAG``, ``tables.SPHERICAL`` or ``tables.SIGMA``.
    fixed_means : ndarray (K, d); fixed_spread : ndarray of the spread parameter's shape
        NaN where free; means relative to the centre.
    scale, centre : ndarray (d,)
        Variance of each feature, and what was subtracted.
    """

    prior: Any
    mean_prior: Any
    spread_prior: Any
    kind: int
    leading: str
    fixed_means: Array
    fixed_spread: Array
    scale: Array
    centre: Array

    @property
    def _k(self) -> int:
        return int(self.fixed_means.shape[0])

    @property
    def _d(self) -> int:
        return int(self.fixed_means.shape[1])

    @property
    def _sd(self) -> bool:
        return self.kind == tables.SIGMA

    @property
    def _spread_name(self) -> str:
        return "sigmas" if self._sd else "variances"

    @property
    def _shared(self) -> bool:
        """One variance for all dimensions of a component."""
        return self.kind == tables.SPHERICAL

    @property
    def _conjugate(self) -> bool:
        return self.prior is not None and not self._anything_fixed

    @cached_property
    def _free_means(self) -> NDArray[np.bool_]:
        return np.isnan(self.fixed_means)

    @cached_property
    def _free_spread(self) -> NDArray[np.bool_]:
        return np.isnan(self.fixed_spread)

    @cached_property
    def _anything_fixed(self) -> bool:
        return not (self._free_means.all() and self._free_spread.all())

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        lead = self.leading
        mean_dims = (lead,) if self._sd else (lead, "feature")
        spread_dims = (lead, "feature") if self.kind == tables.DIAG else (lead,)
        return (
            Parameter("means", (self._k, self._d), mean_dims, "real"),
            Parameter(self._spread_name, self.fixed_spread.shape, spread_dims, "positive"),
        )

    @property
    def statistics(self) -> Shapes:
        return tuple((name, (self._k, self._d)) for name in ("n", "s1", "s2"))

    @property
    def potentials(self) -> Shapes:
        return tuple((name, (self._k, self._d)) for name in ("c", "m", "w"))

    def codes(self) -> dict[str, int]:
        if self.prior is not None:
            mean, spread = tables.JOINT, tables.JOINT
        else:
            mean = tables.ELEMENTWISE if isinstance(self.mean_prior, Prior) else tables.INDEPENDENT
            spread = tables.ELEMENTWISE if isinstance(self.spread_prior, Prior) else tables.INDEPENDENT
        return {
            "code": tables.GAUSS,
            "rows": self._k,
            "size": self._d,
            "covariance": self.kind,
            "mean_prior": mean,
            "spread_prior": spread,
        }

    def hyper(self) -> Array:
        k, d = self._k, self._d
        mean, second = np.zeros((k, d)), np.zeros((k, d))
        shape, rate = np.zeros(self.fixed_spread.shape), np.zeros(self.fixed_spread.shape)
        if self.prior is not None:
            mean = self.prior.mean
            second = np.broadcast_to(np.reshape(self.prior.kappa, (k, -1)), (k, d))
            shape, rate = self.prior.shape, self.prior.rate
        else:
            if isinstance(self.mean_prior, Normal):
                mean, second = self.mean_prior.mean, self.mean_prior.sd**-2.0
            if isinstance(self.spread_prior, InverseGamma):
                shape, rate = self.spread_prior.shape, self.spread_prior.rate
        return np.concatenate([np.ravel(part) for part in (mean, second, shape, rate)])

    def elementwise(self) -> dict[str, Any]:
        named = {"means": self.mean_prior, self._spread_name: self.spread_prior}
        return {name: prior for name, prior in named.items() if isinstance(prior, Prior)}

    def fixed_values(self) -> Params:
        return {"means": self.fixed_means, self._spread_name: self.fixed_spread}

    def neutral(self) -> Params:
        spread = self.scale if self.kind == tables.DIAG else self.scale.mean()
        spread = np.broadcast_to(np.sqrt(spread) if self._sd else spread, self.fixed_spread.shape)
        spread = np.where(self._free_spread, spread, self.fixed_spread)
        return {"means": np.where(self._free_means, 0.0, self.fixed_means), self._spread_name: spread}

    def describe(self) -> tuple[tuple[tuple[str, ...], Any], ...]:
        if self.prior is not None:
            return ((("means", self._spread_name), uncentred(self.prior, self.centre)),)
        return ((("means",), uncentred(self.mean_prior, self.centre)), ((self._spread_name,), self.spread_prior))

    def steps(self) -> tuple[str, ...]:
        if self._conjugate:
            return ("conjugate",)
        first = () if isinstance(self.mean_prior, Prior) else ("means",)
        second = () if isinstance(self.spread_prior, Prior) else ("spread",)
        return (*first, *second, *(("slice",) if self.elementwise() else ()))

    # --- EM -----------------------------------------------------------------------------------------------------

    def maximize(self, params: Params, stats: Params, *, flat_prior: bool, floor: float) -> Maximum:
        old = params[self._spread_name]
        if self._conjugate and not flat_prior:
            means, spread = self._posterior(stats).mode(**self._in_sd())
            spread = self._trimmed(spread)
        else:
            means = self._conditional_means(params["means"], old, stats, flat_prior)
            spread = self._conditional_spread(old, means, stats, flat_prior)
        if not (np.isfinite(means).all() and np.isfinite(spread).all()):
            means = np.where(np.isfinite(means), means, params["means"])
            spread = np.where(np.isfinite(spread), spread, old)
        spread, floored = self._floored(spread, floor)
        if self._anything_fixed:
            spread = np.where(self._free_spread, spread, self.fixed_spread)
        return Maximum({"means": means, self._spread_name: spread}, floored)

    def _posterior(self, stats: Params) -> Any:
        after = self.prior.update(stats["n"], stats["s1"], stats["s2"])
        if "count" not in stats:
            return after
        return replace(after, shape=after.shape + 0.5 * (stats["count"] - stats["n"]))

    def _in_sd(self) -> dict[str, str]:
        return {} if self._shared else {"parameter": "sd" if self._sd else "variance"}

    def _variances(self, spread: Array) -> Array:
        """(K, d) variances from the spread parameter."""
        if self.kind == tables.DIAG:
            return spread
        return np.broadcast_to((spread**2 if self._sd else spread)[:, None], (self._k, self._d))

    def _floored(self, spread: Array, floor: float) -> tuple[Array, tuple[int, ...]]:
        lowest = floor * (self.scale if self.kind == tables.DIAG else self.scale.mean())
        lowest = np.sqrt(lowest) if self._sd else lowest
        low = (spread < lowest) & self._free_spread
        if not low.any():
            return spread, ()
        return np.where(low, lowest, spread), tuple(sorted({int(k) for k in np.nonzero(low)[0]}))

    def _conditional_means(self, start: Array, spread: Array, stats: Params, flat_prior: bool) -> Array:
        if isinstance(self.mean_prior, Prior) and not flat_prior:
            precision = 1.0 / self._variances(spread)
            sums = stats["s1"] * precision, stats["n"] * precision
            return climbed("MEAN", self.mean_prior, start, self._free_means, *sums, self.centre)
        with np.errstate(divide="ignore", invalid="ignore"):
            if not flat_prior:
                return self._means_given(1.0 / self._variances(spread), stats)[0]
            mean = stats["s1"] / stats["n"]
        return np.where(self._free_means, mean, self.fixed_means) if self._anything_fixed else mean

    def _means_given(self, precision: Array, stats: Params) -> tuple[Array, Array]:
        """Gaussian conditional of the means: mean and variance (K, d), variance 0 where fixed."""
        total, linear = stats["n"] * precision, stats["s1"] * precision
        if self.prior is not None:
            shrink = np.reshape(self.prior.kappa, (self._k, -1)) * precision
            total, linear = total + shrink, linear + shrink * self.prior.mean
        elif isinstance(self.mean_prior, Normal):
            weight = self.mean_prior.sd**-2.0
            total, linear = total + weight, linear + weight * self.mean_prior.mean
        free = self._free_means
        return np.where(free, linear / total, self.fixed_means), np.where(free, 1.0 / total, 0.0)

    def _counts_and_scatter(self, mean: Array, stats: Params, variance: Array | float = 0.0) -> tuple[Array, Array]:
        """Counts and E sum (x - mu)^2 in the spread parameter's shape; the joint prior's term is the caller's."""
        n = stats["n"]
        scatter = stats["s2"] - 2.0 * mean * stats["s1"] + n * (mean**2 + variance)
        scatter = np.maximum(scatter, 0.0)
        return self._pooled(stats.get("count", n)), self._pooled(scatter)

    def _pooled(self, values: Array) -> Array:
        return values if self.kind == tables.DIAG else values.sum(axis=1)

    def _spread_given(self, mean: Array, stats: Params, variance: Array | float = 0.0) -> InverseGamma:
        n, scatter = self._counts_and_scatter(mean, stats, variance)
        base = self._spread_base()
        if self.prior is not None:
            kappa = np.reshape(self.prior.kappa, (self._k, -1))
            n = n + self._pooled(np.ones((self._k, self._d)))
            scatter = scatter + self._pooled(kappa * ((mean - self.prior.mean) ** 2 + variance))
        return InverseGamma(base.shape + 0.5 * n, base.rate + 0.5 * scatter)

    def _spread_base(self) -> Any:
        """The inverse-gamma part of the prior, in the spread parameter's shape."""
        if self.prior is None:
            return self.spread_prior
        return InverseGamma(self._trimmed(self.prior.shape), self._trimmed(self.prior.rate))

    def _conditional_spread(self, start: Array, mean: Array, stats: Params, flat_prior: bool) -> Array:
        n, scatter = self._counts_and_scatter(mean, stats)
        if flat_prior:
            with np.errstate(divide="ignore", invalid="ignore"):
                variance = scatter / n
            return np.sqrt(variance) if self._sd else variance
        if isinstance(self.spread_prior, Prior):
            kind = "SIGMA" if self._sd else "VARIANCE"
            return climbed(kind, self.spread_prior, start, self._free_spread, n, scatter)
        posterior = self._spread_given(mean, stats)
        power = posterior.shape + (0.5 if self._sd else 1.0)
        return np.sqrt(posterior.rate / power) if self._sd else posterior.rate / power

    # --- CAVI ---------------------------------------------------------------------------------------------------

    def refuses_vi(self) -> str | None:
        odd = [f"the prior {prior!r} on {name!r} is not conjugate" for name, prior in self.elementwise().items()]
        return "; ".join(odd) or None

    def factor(self, params: Params, stats: Params) -> Any:
        if self._conjugate:
            return self._posterior(stats)
        return self._mean_field(1.0 / self._variances(params[self._spread_name]), stats)

    def update(self, factor: Any, stats: Params) -> Any:
        if self._conjugate:
            return self._posterior(stats)
        return self._mean_field(self._expected_precision(factor)[0], stats)

    def _mean_field(self, precision: Array, stats: Params) -> MeanField:
        mean, variance = self._means_given(precision, stats)
        return MeanField(mean, variance, self._spread_given(mean, stats, variance))

    def _expected_precision(self, factor: MeanField) -> tuple[Array, Array]:
        """E[1 / sigma^2] and E[log 1 / sigma^2], (K, d)."""
        q = factor.spread
        precision, log_precision = q.shape / q.rate, digamma(q.shape) - np.log(q.rate)
        known = ~self._free_spread
        fixed = self.fixed_spread**2 if self._sd else self.fixed_spread
        precision = np.where(known, 1.0 / fixed, precision)
        log_precision = np.where(known, -np.log(fixed), log_precision)
        if self.kind == tables.DIAG:
            return precision, log_precision
        return tuple(np.broadcast_to(v[:, None], (self._k, self._d)) for v in (precision, log_precision))  # type: ignore[return-value]

    def expected_potentials(self, factor: Any) -> Params:
        if self._conjugate:
            c, m, w = factor.expected_potentials()
            return {"c": c, "m": m, "w": w}
        precision, log_precision = self._expected_precision(factor)
        c = 0.5 * (log_precision - precision * factor.variance - LOG_2PI)
        return {"c": c, "m": factor.mean, "w": np.sqrt(precision)}

    def mean_uncertainty(self, factor: Any) -> Array:
        """E[(mu - E mu)^2 / variance] (K, d): what expected squares exceed those about the expected mean by."""
        if self._conjugate:
            return np.asarray(1.0 / factor.kappa)
        return self._expected_precision(factor)[0] * factor.variance

    def kl(self, factor: Any) -> float:
        if self._conjugate:
            return float(factor.kl(self.prior))
        precision, log_precision = self._expected_precision(factor)
        free = self._free_means
        total = -0.5 * float(np.sum(np.log(factor.variance[free]) + 1.0 + LOG_2PI))
        if self.prior is not None:
            kappa = np.broadcast_to(np.reshape(self.prior.kappa, (self._k, -1)), (self._k, self._d))
            second = (factor.mean - self.prior.mean) ** 2 + factor.variance
            total -= 0.5 * float(np.sum(np.log(kappa) - LOG_2PI + log_precision - kappa * precision * second))
            total += self._log_density_of_fixed_means(kappa)
        else:
            z2 = ((factor.mean - self.mean_prior.mean) ** 2 + factor.variance) / self.mean_prior.sd**2
            total += 0.5 * float(np.sum((LOG_2PI + 2.0 * np.log(self.mean_prior.sd) + z2)[free]))
        base, spread_free = self._spread_base(), self._free_spread
        if spread_free.any():
            pick = [InverseGamma(f.shape[spread_free], f.rate[spread_free]) for f in (factor.spread, base)]
            total += float(pick[0].kl(pick[1]))
        return total

    def _log_density_of_fixed_means(self, kappa: Array) -> float:
        fixed = ~self._free_means
        offsets = np.where(fixed, self.fixed_means - self.prior.mean, 0.0)
        return over_variances(
            self._pooled(fixed.astype(float)),
            self._pooled(kappa * offsets**2),
            self._pooled(np.where(fixed, np.log(kappa), 0.0)),
            self.fixed_spread**2 if self._sd else self.fixed_spread,
            self._spread_base(),
        )

    def factor_mean(self, factor: Any) -> Params:
        if self._conjugate:
            means, spread = factor.expected(**self._in_sd())
            return {"means": means, self._spread_name: self._trimmed(spread)}
        spread = factor.spread.expected(**({"parameter": "sd"} if self._sd else {}))
        return {
            "means": factor.mean,
            self._spread_name: np.where(self._free_spread, spread, self.fixed_spread),
        }

    def factor_centre(self, factor: Any) -> Params:
        if self._conjugate:
            variance = self._trimmed(1.0 / factor.variances().expected_precision())
            variance = variance[:, 0] if self._shared else variance
        else:
            variance = factor.spread.rate / factor.spread.shape
        spread = np.sqrt(variance) if self._sd else variance
        return {"means": factor.mean, self._spread_name: np.where(self._free_spread, spread, self.fixed_spread)}

    def factor_draw(self, factor: Any, rng: np.random.Generator, size: int) -> Params:
        if self._conjugate:
            means, spread = factor.draw(rng, size, **self._in_sd())
            return {"means": means, self._spread_name: self._trimmed(spread)}
        variance = factor.spread.draw(rng, size)
        spread = np.where(self._free_spread, np.sqrt(variance) if self._sd else variance, self.fixed_spread)
        means = factor.mean + np.sqrt(factor.variance) * rng.standard_normal((size, self._k, self._d))
        return {"means": means, self._spread_name: spread}

    def factor_log_density(self, factor: Any, params: Params) -> Array:
        means, spread = params["means"], params[self._spread_name]
        own = densities.inverse_gamma(
            factor if self._conjugate else factor.spread, spread, self._free_spread, sd=self._sd
        )
        if not self._conjugate:
            covariance = factor.variance[:, :, None] * np.eye(self._d)
            return own + densities.normal(factor.mean, covariance, means)
        variance = spread**2 if self._sd else spread
        variance = variance if self.kind == tables.DIAG else variance[..., None]
        kappa = np.reshape(factor.kappa, (self._k, -1))
        given = np.log(variance) + kappa * (means - factor.mean) ** 2 / variance
        return np.asarray(own - 0.5 * given.sum(axis=(1, 2)))

    def _trimmed(self, spread: Array) -> Array:
        """The univariate Normal keeps its spread as (K,)."""
        return spread[..., 0] if self._sd else spread
