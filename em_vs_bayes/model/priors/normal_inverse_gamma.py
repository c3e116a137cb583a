"""Normal-inverse-gamma: the joint conjugate prior of a mean and a variance, dimension by dimension."""

from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np

from em_vs_bayes.model.priors.base import Array, Conjugate, Size, Values
from em_vs_bayes.model.priors.checks import (
    fill,
    fill_matrices,
    finite,
    one_of,
    positive,
    scale_matrix,
)
from em_vs_bayes.model.priors.gaussian_factor import GaussianFactor
from em_vs_bayes.model.priors.inverse_gamma import InverseGamma, Parameter
from em_vs_bayes.model.priors.regression_normal_inverse_gamma import RegressionNormalInverseGamma
from em_vs_bayes.model.priors.spherical_normal_inverse_gamma import SphericalNormalInverseGamma
from em_vs_bayes.model.priors.sums import centred, log_scaled_normal, shrunk


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class NormalInverseGamma(Conjugate):
    r"""v ~ IG(shape, rate), mu | v ~ N(mean, v / kappa), independently for each component and dimension.

    Update from n values with mean xbar and sum of squares S about it (Murphy, 2007, section 6.3):
    kappa' = kappa + n, shape' = shape + n / 2, mean' = (kappa mean + n xbar) / kappa',
    rate' = rate + S / 2 + (kappa n / kappa') (xbar - mean)^2 / 2.
    The joint mode is mu = mean with v = rate / (shape + 3/2); where the model's own parameter is the standard
    deviation (``parameter="sd"``), sd^2 = rate / (shape + 1).

    Parameters
    ----------
    mean, kappa, shape, rate : float or array, broadcast to (K, d)
        All but the mean positive. For a regression ``kappa`` may be a matrix: see `regression`.
    """

    mean: Values
    kappa: Values
    shape: Values
    rate: Values

    def _check(self) -> None:
        finite("mean", self.mean)
        for name in ("shape", "rate"):
            positive(name, getattr(self, name))
        if not (self.kappa > 0).all():  # a precision matrix of regression coefficients has what signs it has
            scale_matrix("kappa", self.kappa)

    def broadcast(self, components: int, features: int) -> Self:
        names = ("mean", "kappa", "shape", "rate")
        dims = {"components": components, "features": features}
        positive("kappa", self.kappa)
        return self._unchecked(**{name: fill(name, getattr(self, name), **dims) for name in names})

    def spherical(self, components: int, features: int) -> SphericalNormalInverseGamma:
        """The same prior for one variance per component; all but ``mean`` are per component."""
        kappa = fill("kappa", self.kappa, components=components)
        return SphericalNormalInverseGamma(
            mean=fill("mean", self.mean, components=components, features=features),
            kappa=np.repeat(kappa[:, None], features, axis=1),
            shape=fill("shape", self.shape, components=components),
            rate=fill("rate", self.rate, components=components),
        )

    def regression(self, components: int, predictors: int) -> RegressionNormalInverseGamma:
        """The same prior for regression coefficients: N(mean, v kappa^-1), one variance per component.

        ``mean`` broadcasts to (K, p), ``shape`` and ``rate`` to (K,); ``kappa`` is the prior precision in units of
        1 / v: a number (times the identity), (p, p), or (K, p, p).
        """
        matrices = {"components": components, "predictors": predictors, "predictors_to": predictors}
        if self.kappa.ndim == 1:
            raise ValueError(f"kappa: got shape {self.kappa.shape}, wants a number or matrices (..., p, p)")
        scale_matrix("kappa", self.kappa)
        return RegressionNormalInverseGamma(
            mean=fill("mean", self.mean, components=components, predictors=predictors),
            kappa=fill_matrices("kappa", self.kappa, **matrices),
            shape=fill("shape", self.shape, components=components),
            rate=fill("rate", self.rate, components=components),
        )

    @classmethod
    def flat(cls, components: int, features: int, parameter: Parameter = "variance") -> Self:
        """Constant density in (mu, v), or in (mu, sd); there the constant is log 2."""
        one_of("parameter", parameter, ("variance", "sd"))
        zeros = np.zeros((components, features))
        shape = zeros - (1.5 if parameter == "variance" else 1.0)
        return cls._unchecked(mean=zeros, kappa=zeros, shape=shape, rate=zeros)

    def update(self, n: Array, s1: Array, s2: Array) -> Self:
        """Posterior after raw sums ``n``, ``s1``, ``s2`` (K, d), about the origin of ``mean``."""
        average, within = centred(n, s1, s2)
        mean, weight = shrunk(self.mean, self.kappa, n, average)
        rate = self.rate + (within + weight * (average - self.mean) ** 2) / 2
        return self._unchecked(mean=mean, kappa=self.kappa + n, shape=self.shape + n / 2, rate=rate)

    def mode(self, parameter: Parameter = "variance") -> tuple[Array, Array]:
        """mu and v (or sd), (K, d), at their joint mode; NaN for a flat prior without data."""
        one_of("parameter", parameter, ("variance", "sd"))
        with np.errstate(divide="ignore", invalid="ignore"):
            if parameter == "variance":
                return self.mean, self.rate / (self.shape + 1.5)
            return self.mean, np.sqrt(self.rate / (self.shape + 1))

    def expected(self, parameter: Parameter = "variance") -> tuple[Array, Array]:
        """Means of mu, NaN where shape <= 1/2, and of v (or sd), (K, d)."""
        return np.where(self.shape > 0.5, self.mean, np.nan), self.variances().expected(parameter)

    def draw(self, rng: np.random.Generator, size: Size = None,
             parameter: Parameter = "variance") -> tuple[Array, Array]:  # fmt: skip
        """Draws of mu and v (or sd), (*size, K, d)."""
        self._require_proper("draw")
        sd = self.variances().draw(rng, size, "sd")
        mu = self.mean + sd / np.sqrt(self.kappa) * rng.standard_normal(sd.shape)
        one_of("parameter", parameter, ("variance", "sd"))
        return mu, sd if parameter == "sd" else sd**2

    def expected_potentials(self) -> tuple[Array, Array, Array]:
        """c, m, w (K, d): E[log N(x; mu, v)] = c - (w (x - m))^2 / 2."""
        self._require_proper("expected_potentials")
        v = self.variances()
        c = (v.expected_log_precision() - 1 / self.kappa - np.log(2 * np.pi)) / 2
        return c, self.mean, np.sqrt(v.expected_precision())

    def log_density(self, mu: Any, value: Any, parameter: Parameter = "variance") -> float:
        """Log density at means (K, d) and variances, or standard deviations, (K, d)."""
        base = self.variances().log_density(value, parameter)
        if base == -np.inf:
            return base
        precision = 1 / np.asarray(value) ** (1 if parameter == "variance" else 2)
        return base + log_scaled_normal(self.kappa, np.log(precision), precision * (mu - self.mean) ** 2, 1)

    def expected_log_density(self, other: Self) -> float:
        v = self.variances()
        quadratic = v.expected_precision() * (self.mean - other.mean) ** 2 + 1 / self.kappa
        normal = log_scaled_normal(other.kappa, v.expected_log_precision(), quadratic, 1)
        return normal + v.expected_log_density(other.variances())

    def variances(self) -> InverseGamma:
        """The marginal of the variances."""
        return InverseGamma._unchecked(shape=self.shape, rate=self.rate)

    def variances_given(self, n: Array, s1: Array, s2: Array, means: GaussianFactor) -> InverseGamma:
        """v | mu, y, or its CAVI factor, where ``means`` is a factor of its own (some means fixed)."""
        rate = self.rate + self.kappa * means.about(self.mean, full=False) / 2
        return InverseGamma._unchecked(shape=self.shape + 0.5, rate=rate).update_given(n, means.scatter(n, s1, s2))

    def kl_given(self, means: GaussianFactor, variances: InverseGamma) -> float:
        """E[log q(mu) q(v) - log p(mu, v)] for independent factors; fixed means enter p too."""
        quadratic = variances.expected_precision() * means.about(self.mean, full=False)
        expected = log_scaled_normal(self.kappa, variances.expected_log_precision(), quadratic, 1)
        return variances.kl(self.variances()) - means.entropy() - expected
