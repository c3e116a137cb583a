"""Means with full covariance matrices, one per component or one tied over all.

Three priors, one form. With the joint normal-inverse-Wishart prior and nothing fixed, one conjugate update does it.
With independent priors, or with some elements of the means fixed, the update is conditional: means given
covariances, then covariances given means (ECM, Meng & Rubin 1993; two factors under CAVI; two draws under Gibbs).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, final

import numpy as np

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
from em_vs_bayes.model.blocks.elementwise import climbed_vectors, uncentred
from em_vs_bayes.model.blocks.fixed import over_covariance
from em_vs_bayes.model.priors import (
    GaussianFactor,
    InverseWishart,
    Normal,
    NormalInverseWishart,
    Prior,
)
from em_vs_bayes.model.priors.tied_normal_inverse_wishart import TiedNormalInverseWishart

LOG_2PI = float(np.log(2.0 * np.pi))


class MeanField(NamedTuple):
    """q(means) q(covariances): Gaussian factors (K, d), (K, d, d) and an inverse-Wishart."""

    mean: Array
    covariance: Array
    spread: InverseWishart


@final
@dataclass(frozen=True, eq=False)
class FullGaussianBlock(Block):
    """K mean vectors with covariances (K, d, d), or (d, d) when tied.

    Parameters
    ----------
    prior : NormalInverseWishart, or None when the two below are given; mean relative to the data centre
    mean_prior : Normal or Prior, or None
    spread_prior : InverseWishart, or None
    tied : bool
    leading : str
        ``component`` or ``state``.
    fixed_means : ndarray (K, d)
        NaN where free, relative to the centre.
    fixed_covariances : ndarray (K, d, d)
        NaN where free; a component's matrix is fixed whole.
    scale : ndarray (d,)
        Variance of each feature in the data: the unit of the covariance floor.
    centre : ndarray (d,)
        Added back before a prior that is not conjugate is evaluated.
    """

    prior: Any
    mean_prior: Any
    spread_prior: Any
    tied: bool
    leading: str
    fixed_means: Array
    fixed_covariances: Array
    scale: Array
    centre: Array

    @property
    def _k(self) -> int:
        return int(self.fixed_means.shape[0])

    @property
    def _d(self) -> int:
        return int(self.fixed_means.shape[1])

    @property
    def _matrices(self) -> int:
        return 1 if self.tied else self._k

    @property
    def _conjugate(self) -> bool:
        """One update does it: a joint prior and no element that it would have to be conditioned on."""
        return self.prior is not None and not self._anything_fixed

    @cached_property
    def _anything_fixed(self) -> bool:
        return bool((~np.isnan(self.fixed_means)).any() or (~np.isnan(self.fixed_covariances)).any())

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        k, d = self._k, self._d
        lead = () if self.tied else (self.leading,)
        return (
            Parameter("means", (k, d), (self.leading, "feature"), "real"),
            Parameter("covariances", (d, d) if self.tied else (k, d, d), (*lead, "feature", "feature_to"), "spd"),
        )

    @property
    def statistics(self) -> Shapes:
        return (("n", (self._k,)), ("s1", (self._k, self._d)), ("s2", (self._k, self._d, self._d)))

    @property
    def potentials(self) -> Shapes:
        return (("c", (self._k,)), ("m", (self._k, self._d)), ("W", (self._k, self._d, self._d)))

    def codes(self) -> dict[str, int]:
        if self.prior is not None:
            mean, spread = tables.JOINT, tables.JOINT
        else:
            mean = tables.ELEMENTWISE if isinstance(self.mean_prior, Prior) else tables.INDEPENDENT
            spread = tables.INDEPENDENT
        return {
            "code": tables.GAUSS,
            "rows": self._k,
            "size": self._d,
            "covariance": tables.TIED if self.tied else tables.FULL,
            "mean_prior": mean,
            "spread_prior": spread,
        }

    def hyper(self) -> Array:
        k, d = self._k, self._d
        if self.prior is not None:
            mean, second = self.prior.mean, np.broadcast_to(self.prior.kappa[:, None], (k, d))
            spread = self.prior
        else:
            known = isinstance(self.mean_prior, Normal)
            mean = self.mean_prior.mean if known else np.zeros((k, d))
            second = self.mean_prior.sd**-2.0 if known else np.zeros((k, d))
            spread = self.spread_prior
        return np.concatenate([np.ravel(mean), np.ravel(second), np.ravel(spread.df), np.ravel(spread.scale)])

    def elementwise(self) -> dict[str, Any]:
        return {"means": self.mean_prior} if isinstance(self.mean_prior, Prior) else {}

    def fixed_values(self) -> Params:
        covariances = self.fixed_covariances[0] if self.tied else self.fixed_covariances
        return {"means": self.fixed_means, "covariances": covariances}

    def neutral(self) -> Params:
        covariances = np.broadcast_to(np.diag(self.scale), (self._k, self._d, self._d))
        covariances = np.where(np.isnan(self.fixed_covariances), covariances, self.fixed_covariances)
        means = np.where(np.isnan(self.fixed_means), 0.0, self.fixed_means)
        return {"means": means, "covariances": covariances[0] if self.tied else covariances}

    def describe(self) -> tuple[tuple[tuple[str, ...], Any], ...]:
        if self.prior is not None:
            return ((("means", "covariances"), uncentred(self.prior, self.centre)),)
        return ((("means",), uncentred(self.mean_prior, self.centre)), (("covariances",), self.spread_prior))

    def steps(self) -> tuple[str, ...]:
        if self._conjugate:
            return ("conjugate",)
        return ("slice", "spread") if isinstance(self.mean_prior, Prior) else ("means", "spread")

    # --- EM -----------------------------------------------------------------------------------------------------

    def maximize(self, params: Params, stats: Params, *, flat_prior: bool, floor: float) -> Maximum:
        n = stats["n"]
        old = self._stack(params["covariances"])
        if not self._anything_fixed and (flat_prior or self.prior is not None):
            family = self._flat if flat_prior else self.prior
            with np.errstate(divide="ignore", invalid="ignore"):
                means, covariances = family.update(n, stats["s1"], stats["s2"]).mode()
        else:
            means = self._conditional_means(params["means"], np.linalg.inv(old), stats, flat_prior)
            covariances = self._conditional_covariances(means, stats, flat_prior)
        means = np.where(np.isfinite(means), means, params["means"])
        covariances = self._stack(covariances)
        usable = np.isfinite(covariances).all(axis=(1, 2), keepdims=True)
        covariances, floored = self._floored(np.where(usable, covariances, old), floor)
        covariances = np.where(
            np.isnan(self.fixed_covariances[: self._matrices]), covariances, self.fixed_covariances[: self._matrices]
        )
        return Maximum({"means": means, "covariances": self._unstack(covariances)}, floored)

    @cached_property
    def _flat(self) -> Any:
        family = TiedNormalInverseWishart if self.tied else NormalInverseWishart
        return family.flat(self._k, self._d)

    def _floored(self, covariances: Array, floor: float) -> tuple[Array, tuple[int, ...]]:
        """Raise eigenvalues, in units of the features' variances, to ``floor``; say for which components."""
        unit = np.sqrt(self.scale)
        values, vectors = np.linalg.eigh(covariances / np.outer(unit, unit))
        low = np.flatnonzero(values[:, 0] < floor)
        if low.size == 0:
            return covariances, ()
        raised = np.maximum(values[low], floor)
        fixed_up = covariances.copy()
        fixed_up[low] = np.einsum("kij,kj,klj->kil", vectors[low], raised, vectors[low]) * np.outer(unit, unit)
        return fixed_up, tuple(int(k) for k in (range(self._k) if self.tied else low))

    def _conditional_means(self, start: Array, precision: Array, stats: Params, flat_prior: bool) -> Array:
        """argmax over the free means given covariances and the fixed means."""
        full = np.broadcast_to(precision, (self._k, self._d, self._d))
        if isinstance(self.mean_prior, Prior) and not flat_prior:
            free, linear = np.isnan(self.fixed_means), np.einsum("kij,kj->ki", full, stats["s1"])
            total = stats["n"][:, None, None] * full
            return climbed_vectors(self.mean_prior, start, free, total, linear, self.centre)
        mean, _ = self._means_given(full, stats, flat_prior, start)
        return mean

    def _means_given(self, precision: Array, stats: Params, flat_prior: bool, start: Array) -> tuple[Array, Array]:
        """Gaussian conditional of the means given (expected) precisions: mean (K, d) and covariance (K, d, d)."""
        k, d = self._k, self._d
        total, linear = stats["n"][:, None, None] * precision, np.einsum("kij,kj->ki", precision, stats["s1"])
        if not flat_prior and self.prior is not None:
            shrink = self.prior.kappa[:, None, None] * precision
            total = total + shrink
            linear = linear + np.einsum("kij,kj->ki", shrink, self.prior.mean)
        elif not flat_prior and isinstance(self.mean_prior, Normal):
            weight = self.mean_prior.sd**-2.0
            total = total + weight[:, :, None] * np.eye(d)
            linear = linear + weight * self.mean_prior.mean
        mean, covariance = np.where(np.isnan(self.fixed_means), start, self.fixed_means), np.zeros((k, d, d))
        for j in range(k):
            free = np.isnan(self.fixed_means[j])
            if not free.any() or total[j].max() <= 0:
                continue
            block = total[j][np.ix_(free, free)]
            rest = linear[j][free] - total[j][np.ix_(free, ~free)] @ self.fixed_means[j][~free]
            mean[j, free] = np.linalg.solve(block, rest)
            covariance[j][np.ix_(free, free)] = np.linalg.inv(block)
        return mean, covariance

    def _spread_given(self, means: GaussianFactor, stats: Params) -> InverseWishart:
        """Inverse-Wishart conditional of the covariances given the means."""
        sums = stats["n"], stats["s1"], stats["s2"]
        if self.prior is not None:
            return self.prior.covariances_given(*sums, means)
        return self.spread_prior.update_given(stats["n"], means.scatter(*sums))

    def _conditional_covariances(self, mean: Array, stats: Params, flat_prior: bool) -> Array:
        means = GaussianFactor.at(mean)
        if not flat_prior:
            return np.asarray(self._spread_given(means, stats).mode())
        flat = InverseWishart.flat(self._matrices, self._d)
        return flat.update_given(stats["n"], means.scatter(stats["n"], stats["s1"], stats["s2"])).mode()

    def _stack(self, covariances: Array) -> Array:
        return np.reshape(covariances, (self._matrices, self._d, self._d))

    def _unstack(self, covariances: Array) -> Array:
        return covariances[0] if self.tied else covariances

    # --- CAVI ---------------------------------------------------------------------------------------------------

    def refuses_vi(self) -> str | None:
        if isinstance(self.mean_prior, Prior):
            return f"the prior {self.mean_prior!r} on 'means' is not conjugate"
        return None

    def factor(self, params: Params, stats: Params) -> Any:
        if self._conjugate:
            return self.prior.update(stats["n"], stats["s1"], stats["s2"])
        precision = np.linalg.inv(np.broadcast_to(self._stack(params["covariances"]), (self._k, self._d, self._d)))
        return self._mean_field(precision, stats, params["means"])

    def update(self, factor: Any, stats: Params) -> Any:
        if self._conjugate:
            return self.prior.update(stats["n"], stats["s1"], stats["s2"])
        precision, _ = self._expected_precision(factor)
        return self._mean_field(precision, stats, factor.mean)

    def _mean_field(self, precision: Array, stats: Params, start: Array) -> MeanField:
        mean, covariance = self._means_given(precision, stats, False, start)
        return MeanField(mean, covariance, self._spread_given(GaussianFactor(mean, covariance), stats))

    def _expected_precision(self, factor: MeanField) -> tuple[Array, Array]:
        """E[Lambda] (K, d, d) and E log |Lambda| (K,); fixed covariances are known."""
        precision = np.broadcast_to(factor.spread.expected_precision(), (self._k, self._d, self._d)).copy()
        log_det = np.broadcast_to(factor.spread.expected_log_det_precision(), (self._k,)).copy()
        known = ~np.isnan(self.fixed_covariances[:, 0, 0])
        if known.any():
            precision[known] = np.linalg.inv(self.fixed_covariances[known])
            log_det[known] = np.linalg.slogdet(precision[known])[1]
        return precision, log_det

    def expected_potentials(self, factor: Any) -> Params:
        if self._conjugate:
            c, m, w = factor.expected_potentials()
            return {"c": c, "m": m, "W": w}
        precision, log_det = self._expected_precision(factor)
        c = 0.5 * (log_det - np.einsum("kij,kji->k", precision, factor.covariance) - self._d * LOG_2PI)
        # lower triangular W with W'W = precision: the reversed Cholesky factor
        flipped = np.linalg.cholesky(precision[:, ::-1, ::-1])
        return {"c": c, "m": factor.mean, "W": flipped[:, ::-1, ::-1].swapaxes(1, 2)}

    def kl(self, factor: Any) -> float:
        if self._conjugate:
            return float(factor.kl(self.prior))
        precision, log_det = self._expected_precision(factor)
        total = 0.0
        for k in range(self._k):
            free = np.isnan(self.fixed_means[k])
            if free.any():
                v = factor.covariance[k][np.ix_(free, free)]
                total -= 0.5 * (np.linalg.slogdet(v)[1] + free.sum() * (1.0 + LOG_2PI))
        if self.prior is not None:
            off = factor.mean - self.prior.mean
            second = off[:, :, None] * off[:, None, :] + factor.covariance
            quadratic = self.prior.kappa * np.einsum("kij,kji->k", precision, second)
            total -= 0.5 * float(np.sum(self._d * (np.log(self.prior.kappa) - LOG_2PI) + log_det - quadratic))
            total += self._log_density_of_fixed_means()
            base = self.prior
        else:
            free = np.isnan(self.fixed_means)
            variance = np.einsum("kii->ki", factor.covariance)
            z2 = ((factor.mean - self.mean_prior.mean) ** 2 + variance) / self.mean_prior.sd**2
            total += 0.5 * float(np.sum((LOG_2PI + 2.0 * np.log(self.mean_prior.sd) + z2)[free]))
            base = self.spread_prior
        free_spread = np.isnan(self.fixed_covariances[: self._matrices, 0, 0])
        if free_spread.any():
            q, p = factor.spread, InverseWishart(np.ravel(base.df), np.reshape(base.scale, (-1, self._d, self._d)))
            pick = [InverseWishart(f.df[free_spread], f.scale[free_spread]) for f in (q, p)]
            total += float(pick[0].kl(pick[1]))
        return total

    def _log_density_of_fixed_means(self) -> float:
        """0 where a tied covariance is free and components fix different features: that has no closed form."""
        fixed, total = ~np.isnan(self.fixed_means), 0.0
        df, scale = np.ravel(self.prior.df), np.reshape(self.prior.scale, (-1, self._d, self._d))
        for matrix in range(self._matrices):
            own = np.arange(self._k) if self.tied else np.array([matrix])
            own, known = own[fixed[own].any(axis=1)], self.fixed_covariances[matrix]
            free = bool(np.isnan(known[0, 0]))
            if free and (fixed[own] != fixed[own[:1]]).any():
                return 0.0
            for group in [own] if free and own.size else own[:, None]:
                some = fixed[group[0]]
                block = np.ix_(some, some)
                total += over_covariance(
                    (self.fixed_means - self.prior.mean)[group][:, some],
                    self.prior.kappa[group],
                    None if free else known[block],
                    float(df[matrix] - (~some).sum()),
                    scale[matrix][block],
                )
        return total

    def factor_mean(self, factor: Any) -> Params:
        if self._conjugate:
            means, covariances = factor.expected()
            return {"means": means, "covariances": covariances}
        spread = np.where(
            np.isnan(self.fixed_covariances[: self._matrices]),
            factor.spread.expected(),
            self.fixed_covariances[: self._matrices],
        )
        return {"means": factor.mean, "covariances": self._unstack(spread)}

    def factor_centre(self, factor: Any) -> Params:
        spread = factor.covariances() if self._conjugate else factor.spread
        covariances = np.linalg.inv(spread.expected_precision())
        known = self.fixed_covariances[: self._matrices]
        return {"means": factor.mean, "covariances": self._unstack(np.where(np.isnan(known), covariances, known))}

    def factor_draw(self, factor: Any, rng: np.random.Generator, size: int) -> Params:
        if self._conjugate:
            means, covariances = factor.draw(rng, size)
            return {"means": means, "covariances": covariances}
        spread = factor.spread.draw(rng, size)
        spread = np.where(
            np.isnan(self.fixed_covariances[: self._matrices]), spread, self.fixed_covariances[: self._matrices]
        )
        values, vectors = np.linalg.eigh(factor.covariance)
        root = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
        means = factor.mean + np.einsum("kij,skj->ski", root, rng.standard_normal((size, self._k, self._d)))
        return {"means": means, "covariances": spread[:, 0] if self.tied else spread}

    def factor_log_density(self, factor: Any, params: Params) -> Array:
        means = params["means"]
        covariances = params["covariances"].reshape(len(means), self._matrices, self._d, self._d)
        free = np.isnan(self.fixed_covariances[: self._matrices, 0, 0])
        if not self._conjugate:
            spread = densities.inverse_wishart(factor.spread, covariances, free)
            return spread + densities.normal(factor.mean, factor.covariance, means)
        off = means - factor.mean
        quadratic = np.einsum("ski,skij,skj->sk", off, densities.inverses(covariances), off)
        given = -0.5 * (np.linalg.slogdet(covariances)[1] + factor.kappa * quadratic).sum(axis=1)
        return np.asarray(densities.inverse_wishart(factor.covariances(), covariances, free) + given)
