"""Regression coefficients with one standard deviation per component: y ~ N(x'b_k, sigma_k^2).

The statistics are n and cross = sum (x, y) (x, y)' per component: X'X, X'y and y'y in one matrix. They may be
expectations over a response that is only partly seen. The parameter is the standard deviation, so modes and densities
are taken in sigma.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

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
from em_vs_bayes.model.blocks.elementwise import climbed, climbed_vectors
from em_vs_bayes.model.blocks.fixed import over_variances
from em_vs_bayes.model.priors import InverseGamma, Normal, NormalInverseGamma, Prior
from em_vs_bayes.model.priors.gaussian_factor import GaussianFactor
from em_vs_bayes.model.priors.regression_normal_inverse_gamma import (
    RegressionNormalInverseGamma,
    apply,
    quadratic,
    residual_squares,
    solve,
)

LOG_2PI = float(np.log(2.0 * np.pi))
WORSE = 1e-9  # of the sum of squares: beyond rounding
LAST = 1e-10  # of the sum of squares: what rounding may leave of a residual one


class MeanField(NamedTuple):
    """q(b) q(sigma^2): a Gaussian factor and an inverse-gamma."""

    coefficients: GaussianFactor
    variances: InverseGamma


@final
@dataclass(frozen=True, slots=True, eq=False)
class RegressionBlock(Block):
    """K vectors of p coefficients with K standard deviations.

    Parameters
    ----------
    prior : RegressionNormalInverseGamma, or None when the two below are given
    coefficient_prior : Normal (K, p) or Prior, or None
    sigma_prior : InverseGamma (K,) on the variance or Prior on sigma, or None
    leading : str
        Name of the leading dim.
    fixed_coefficients : ndarray (K, p); fixed_sigmas : ndarray (K,)
        NaN where free.
    pooled : ndarray (p,)
        Coefficients of one regression for all rows: where components start.
    scale : float
        Its residual variance.
    outer : RegressionNormalInverseGamma or None
        ``prior`` in the user's coordinates, where the block has others.
    """

    prior: Any
    coefficient_prior: Any
    sigma_prior: Any
    leading: str
    fixed_coefficients: Array
    fixed_sigmas: Array
    pooled: Array
    scale: float
    outer: Any = None

    @property
    def given_prior(self) -> Any:
        """The joint prior as the user has it."""
        return self.prior if self.outer is None else self.outer

    @property
    def _k(self) -> int:
        return int(self.fixed_coefficients.shape[0])

    @property
    def _p(self) -> int:
        return int(self.fixed_coefficients.shape[1])

    @property
    def _anything_fixed(self) -> bool:
        return bool((~np.isnan(self.fixed_coefficients)).any() or (~np.isnan(self.fixed_sigmas)).any())

    @property
    def _conjugate(self) -> bool:
        return self.prior is not None and not self._anything_fixed

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        lead = self.leading
        return (
            Parameter("coefficients", (self._k, self._p), (lead, "predictor"), "real"),
            Parameter("sigmas", (self._k,), (lead,), "positive"),
        )

    @property
    def statistics(self) -> Shapes:
        return (("n", (self._k,)), ("cross", (self._k, self._p + 1, self._p + 1)))

    @property
    def potentials(self) -> Shapes:
        return (("c", (self._k,)), ("W", (self._k, self._p + 1, self._p + 1)))

    def codes(self) -> dict[str, int]:
        if self.prior is not None:
            mean, spread = tables.JOINT, tables.JOINT
        else:
            mean = tables.ELEMENTWISE if isinstance(self.coefficient_prior, Prior) else tables.INDEPENDENT
            mean = tables.FLAT if self._flat else mean
            spread = tables.ELEMENTWISE if isinstance(self.sigma_prior, Prior) else tables.INDEPENDENT
        return {
            "code": tables.COEFFICIENTS,
            "rows": self._k,
            "size": self._p,
            "mean_prior": mean,
            "spread_prior": spread,
        }

    def hyper(self) -> Array:
        k, p = self._k, self._p
        mean, precision, log_det = np.zeros((k, p)), np.zeros((k, p, p)), np.zeros(k)
        shape, rate = np.zeros(k), np.zeros(k)
        if self.prior is not None:
            mean, precision, log_det = self.prior.mean, self.prior.kappa, self.prior.log_determinant()
            shape, rate = self.prior.shape, self.prior.rate
        else:
            if isinstance(self.coefficient_prior, Normal):
                mean, precision = self.coefficient_prior.mean, self._own_precision()
            if isinstance(self.sigma_prior, InverseGamma):
                shape, rate = self.sigma_prior.shape, self.sigma_prior.rate
        return np.concatenate([np.ravel(part) for part in (mean, precision, log_det, shape, rate)])

    def _own_precision(self) -> Array:
        """(K, p, p) of independent normal priors."""
        return np.asarray(self.coefficient_prior.sd**-2.0)[..., None] * np.eye(self._p)

    @property
    def _named(self) -> dict[str, Prior]:
        """Priors by name."""
        named = {"coefficients": self.coefficient_prior, "sigmas": self.sigma_prior}
        return {name: prior for name, prior in named.items() if isinstance(prior, Prior)}

    @property
    def _flat(self) -> bool:
        """Whether coefficients have a constant density: the limit of normal ones, drawn and maximised as they are."""
        return isinstance(self.coefficient_prior, Prior) and self.coefficient_prior.name == "Flat"

    def elementwise(self) -> dict[str, Any]:
        return {name: prior for name, prior in self._named.items() if not (name == "coefficients" and self._flat)}

    def fixed_values(self) -> Params:
        return {"coefficients": self.fixed_coefficients, "sigmas": self.fixed_sigmas}

    def neutral(self) -> Params:
        return self._with_fixed(np.tile(self.pooled, (self._k, 1)), np.full(self._k, np.sqrt(self.scale)))

    def _with_fixed(self, coefficients: Array, sigmas: Array) -> Params:
        return {
            "coefficients": np.where(np.isnan(self.fixed_coefficients), coefficients, self.fixed_coefficients),
            "sigmas": np.where(np.isnan(self.fixed_sigmas), sigmas, self.fixed_sigmas),
        }

    def describe(self) -> tuple[tuple[tuple[str, ...], Any], ...]:
        if self.prior is None:
            return ((("coefficients",), self.coefficient_prior), (("sigmas",), self.sigma_prior))
        q = self.given_prior
        return ((("coefficients", "sigmas"), NormalInverseGamma(q.mean, q.kappa, q.shape, q.rate)),)

    def steps(self) -> tuple[str, ...]:
        if self.prior is not None:  # fixed coefficients too: the free ones are integrated out given them
            return ("conjugate",)
        first = () if "coefficients" in self.elementwise() else ("means",)
        second = () if isinstance(self.sigma_prior, Prior) else ("spread",)
        return (*first, *second, *(("slice",) if self.elementwise() else ()))

    # --- EM -----------------------------------------------------------------------------------------------------

    def maximize(self, params: Params, stats: Params, *, flat_prior: bool, floor: float) -> Maximum:
        if not self._anything_fixed and (flat_prior or self.prior is not None):
            family = RegressionNormalInverseGamma.flat(self._k, self._p, "sd") if flat_prior else self.prior
            coefficients, sigmas = family.update(stats["n"], stats["cross"]).mode("sd")
            if flat_prior:
                coefficients, sigmas = self._no_worse(params["coefficients"], coefficients, sigmas, stats)
        else:
            coefficients = self._conditional_coefficients(params, stats, flat_prior)
            sigmas = self._conditional_sigmas(params["sigmas"], coefficients, stats, flat_prior)
        nothing = flat_prior & (stats["n"] <= 0.0)
        coefficients = np.where(nothing[:, None], params["coefficients"], coefficients)
        sigmas = np.where(np.isfinite(sigmas), sigmas, params["sigmas"])
        lowest = np.sqrt(floor * self.scale)
        low = ((sigmas < lowest) | self._through_all(sigmas, stats, flat_prior)) & np.isnan(self.fixed_sigmas)
        best = self._with_fixed(coefficients, np.where(low, lowest, sigmas))
        return Maximum(best, tuple(int(k) for k in np.flatnonzero(low)))

    def _no_worse(self, old: Array, new: Array, sigmas: Array, stats: Params) -> tuple[Array, Array]:
        """Coefficients (K, p) that fit no worse than the old ones, and their sigmas.

        Sums over one row, and next to nothing of others, have no digits to solve for more coefficients.
        """
        with np.errstate(all="ignore"):
            before, after = (residual_squares(b, stats["cross"]) for b in (old, new))
            worse = before < after * (1.0 - WORSE)
            if not worse.any():
                return new, sigmas
            return np.where(worse[:, None], old, new), np.where(worse, np.sqrt(before / stats["n"]), sigmas)

    def _through_all(self, sigmas: Array, stats: Params, flat_prior: bool) -> NDArray[np.bool_]:
        """Which components' lines go through all their rows, too few to say how far off they may be, but for rounding.

        What is left of sums of squares is then their last digits, and may lie above any floor.
        """
        few = stats["n"] < np.isnan(self.fixed_coefficients).sum(axis=1) + 1.0
        if not (flat_prior and few.any()):
            return np.zeros(self._k, dtype=bool)
        return few & (stats["n"] > 0.0) & (stats["n"] * sigmas**2 <= LAST * stats["cross"][:, -1, -1])

    def _conditional_coefficients(self, params: Params, stats: Params, flat_prior: bool) -> Array:
        tau = params["sigmas"] ** -2.0
        if "coefficients" in self.elementwise() and not flat_prior:
            xx, xy = tau[:, None, None] * stats["cross"][:, :-1, :-1], tau[:, None] * stats["cross"][:, :-1, -1]
            free = np.isnan(self.fixed_coefficients)
            return climbed_vectors(self.coefficient_prior, params["coefficients"], free, xx, xy)
        precision, linear = self._conditional_terms(tau, stats, flat_prior)
        free = np.isnan(self.fixed_coefficients)
        held = np.where(free, 0.0, self.fixed_coefficients)
        linear = np.where(free, linear - apply(precision, held), held)
        both = free[:, :, None] & free[:, None, :]
        return solve(np.where(both, precision, np.eye(self._p)), linear)

    def _conditional_terms(self, tau: Array, stats: Params, flat_prior: bool) -> tuple[Array, Array]:
        """Precision and precision times mean of the coefficients given sigma^-2, nothing fixed."""
        precision = tau[:, None, None] * stats["cross"][:, :-1, :-1]
        linear = tau[:, None] * stats["cross"][:, :-1, -1]
        if not flat_prior and self.prior is not None:
            shrink = tau[:, None, None] * self.prior.kappa
            precision, linear = precision + shrink, linear + apply(shrink, self.prior.mean)
        elif not flat_prior and isinstance(self.coefficient_prior, Normal):
            shrink = self._own_precision()
            precision, linear = precision + shrink, linear + apply(shrink, self.coefficient_prior.mean)
        return precision, linear

    def _conditional_sigmas(self, start: Array, coefficients: Array, stats: Params, flat_prior: bool) -> Array:
        squares = residual_squares(coefficients, stats["cross"])
        if flat_prior:
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.sqrt(squares / stats["n"])
        if isinstance(self.sigma_prior, Prior):
            return climbed("SIGMA", self.sigma_prior, start, np.isnan(self.fixed_sigmas), stats["n"], squares)
        if self.prior is not None:
            squares = squares + quadratic(self.prior.kappa, coefficients - self.prior.mean)
        return np.asarray(self._variances_given(stats["n"], squares).mode("sd"))

    def _variances_given(self, n: Array, squares: Array) -> InverseGamma:
        """sigma^2 given the coefficients; ``squares`` holds the joint prior's term already."""
        own = self.sigma_prior if self.prior is None else self.prior
        extra = 0.0 if self.prior is None else self._p
        return InverseGamma(own.shape + 0.5 * (n + extra), own.rate + 0.5 * squares)

    # --- CAVI ---------------------------------------------------------------------------------------------------

    def refuses_vi(self) -> str | None:
        odd = [f"the prior {prior!r} on {name!r} is not conjugate" for name, prior in self._named.items()]
        return "; ".join(odd) or None

    def factor(self, params: Params, stats: Params) -> Any:
        if self._conjugate:
            return self.prior.update(stats["n"], stats["cross"])
        return self._mean_field(params["sigmas"] ** -2.0, stats)

    def update(self, factor: Any, stats: Params) -> Any:
        if self._conjugate:
            return self.prior.update(stats["n"], stats["cross"])
        return self._mean_field(self._expected_precision(factor)[0], stats)

    def _mean_field(self, tau: Array, stats: Params) -> MeanField:
        terms = self._conditional_terms(tau, stats, False)
        q = GaussianFactor.from_precision(*terms, np.isnan(self.fixed_coefficients), self.fixed_coefficients)
        squares = residual_squares(q.mean, stats["cross"]) + _trace(stats["cross"][:, :-1, :-1], q.covariance)
        return MeanField(q, self._variances_given(stats["n"], squares + self._expected_prior_squares(q)))

    def _expected_prior_squares(self, q: GaussianFactor) -> Array | float:
        """E[(b - m)' kappa (b - m)] under a joint prior."""
        if self.prior is None:
            return 0.0
        return np.asarray(
            quadratic(self.prior.kappa, q.mean - self.prior.mean) + _trace(self.prior.kappa, q.covariance)
        )

    def _expected_precision(self, factor: MeanField) -> tuple[Array, Array]:
        """E[1 / sigma^2] and E[log 1 / sigma^2], (K,)."""
        q, known = factor.variances, ~np.isnan(self.fixed_sigmas)
        precision = np.where(known, self.fixed_sigmas**-2.0, q.expected_precision())
        log_precision = np.where(known, -2.0 * np.log(self.fixed_sigmas), q.expected_log_precision())
        return precision, log_precision

    def expected_potentials(self, factor: Any) -> Params:
        if self._conjugate:
            c, mean, w, upper = factor.expected_potentials()
        else:
            precision, log_precision = self._expected_precision(factor)
            q = factor.coefficients
            c, mean, w = 0.5 * (log_precision - LOG_2PI), q.mean, np.sqrt(precision)
            upper = w[:, None, None] * _lower_root(q.covariance)
        whole = np.zeros((self._k, self._p + 1, self._p + 1))
        whole[:, :-1, :-1] = upper
        whole[:, -1, :-1], whole[:, -1, -1] = -w[:, None] * mean, w
        return {"c": c, "W": whole}

    def kl(self, factor: Any) -> float:
        if self._conjugate:
            return float(factor.kl(self.prior))
        q, variances = factor.coefficients, factor.variances
        if self.prior is None:
            total = self.coefficient_prior.kl_given(q)
            base = self.sigma_prior
        else:
            precision, log_precision = self._expected_precision(factor)
            expected = self.prior.log_determinant() - self._p * LOG_2PI + self._p * log_precision
            expected = expected - precision * self._expected_prior_squares(q)
            total = -q.entropy() - 0.5 * float(expected.sum()) + self._log_density_of_fixed_coefficients()
            base = self.prior.variances()
        free = np.isnan(self.fixed_sigmas)
        if free.any():
            mine, own = (InverseGamma(f.shape[free], f.rate[free]) for f in (variances, base))
            total += float(mine.kl(own))
        return float(total)

    def _log_density_of_fixed_coefficients(self) -> float:
        fixed = ~np.isnan(self.fixed_coefficients)
        offsets = np.where(fixed, self.fixed_coefficients - self.prior.mean, 0.0)
        # the marginal's precision, with ones where nothing is fixed
        covariance = np.where(fixed[:, :, None] & fixed[:, None, :], np.linalg.inv(self.prior.kappa), np.eye(self._p))
        return over_variances(
            fixed.sum(axis=1).astype(float),
            quadratic(np.linalg.inv(covariance), offsets),
            -np.linalg.slogdet(covariance)[1],
            self.fixed_sigmas**2,
            self.prior.variances(),
        )

    def factor_mean(self, factor: Any) -> Params:
        if self._conjugate:
            coefficients, sigmas = factor.expected("sd")
            return {"coefficients": coefficients, "sigmas": sigmas}
        return self._with_fixed(factor.coefficients.mean, factor.variances.expected("sd"))

    def factor_centre(self, factor: Any) -> Params:
        if self._conjugate:
            return {"coefficients": factor.mean, "sigmas": factor.variances().expected_precision() ** -0.5}
        return self._with_fixed(factor.coefficients.mean, factor.variances.expected_precision() ** -0.5)

    def factor_draw(self, factor: Any, rng: np.random.Generator, size: int) -> Params:
        if self._conjugate:
            coefficients, sigmas = factor.draw(rng, size, "sd")
            return {"coefficients": coefficients, "sigmas": sigmas}
        sigmas = factor.variances.draw(rng, size, "sd")
        return self._with_fixed(factor.coefficients.draw(rng, size), sigmas)

    def factor_log_density(self, factor: Any, params: Params) -> Array:
        b, sigmas, free = params["coefficients"], params["sigmas"], np.isnan(self.fixed_sigmas)
        if not self._conjugate:
            own = densities.inverse_gamma(factor.variances, sigmas, free, sd=True)
            return own + densities.normal(factor.coefficients.mean, factor.coefficients.covariance, b)
        off = b - factor.mean
        squares = np.einsum("ski,kij,skj->sk", off, factor.kappa, off)
        given = 2.0 * self._p * np.log(sigmas) + squares / sigmas**2
        return np.asarray(densities.inverse_gamma(factor, sigmas, free, sd=True) - 0.5 * given.sum(axis=1))


def _trace(a: Array, b: Array) -> Array:
    """tr(A B) of symmetric matrices (K, p, p)."""
    return np.asarray((a * b).sum(axis=(1, 2)))


def _lower_root(covariance: Array) -> Array:
    """U lower triangular with U'U = covariance (zero rows and columns allowed): Cholesky in reversed order."""
    turned = covariance[:, ::-1, ::-1]
    zero = np.diagonal(turned, axis1=1, axis2=2) == 0.0
    lower = np.linalg.cholesky(turned + zero[:, :, None] * np.eye(turned.shape[-1]))
    lower = np.where(zero[:, :, None] | zero[:, None, :], 0.0, lower)
    return np.swapaxes(lower[:, ::-1, ::-1], -1, -2)
