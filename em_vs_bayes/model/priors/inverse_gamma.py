"""Inverse-gamma distributions over variances."""

from dataclasses import dataclass
from typing import Any, Literal, Self, final

import numpy as np
from scipy.special import digamma, gammaln, poch

from em_vs_bayes.model.priors.base import (
    Array,
    Family,
    Size,
    Values,
    leading,
)
from em_vs_bayes.model.priors.checks import compatible, fill, one_of, positive
from em_vs_bayes.model.priors.gaussian_factor import GaussianFactor
from em_vs_bayes.model.priors.sums import pool

type Parameter = Literal["variance", "sd"]


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class InverseGamma(Family):
    r"""Inverse-gamma prior on a variance v, conjugate given the mean.

    .. math:: p(v) = \frac{b^a}{\Gamma(a)} v^{-(a + 1)} e^{-b / v}

    Update given the scatter S = sum E[(x - mu)^2] about the mean: (a + n / 2, b + S / 2). Where the model's
    own parameter is the standard deviation s, ``parameter="sd"`` puts mode, mean and density in s (log
    Jacobian log 2 s). E[1/v] = a / b, E[log 1/v] = digamma(a) - log b. Source: Gelman et al. (2013), section
    2.6.

    Parameters
    ----------
    shape, rate : float or array, broadcast to (K, d)
        a and b, positive; d = 1 where the dimensions of a component share one variance.
    """

    shape: Values
    rate: Values

    def _check(self) -> None:
        positive("shape", self.shape)
        positive("rate", self.rate)
        compatible(shape=self.shape, rate=self.rate)

    def broadcast(self, components: int, features: int) -> Self:
        shape = fill("shape", self.shape, components=components, features=features)
        return self._unchecked(shape=shape, rate=fill("rate", self.rate, components=components, features=features))

    @classmethod
    def flat(cls, components: int, features: int, parameter: Parameter = "variance") -> Self:
        """Constant density in the variances, or in the standard deviations (there the constant is log 2)."""
        one_of("parameter", parameter, ("variance", "sd"))
        zeros = np.zeros((components, features))
        return cls._unchecked(shape=zeros - (1.0 if parameter == "variance" else 0.5), rate=zeros)

    def update_given(self, n: Array, scatter: Array) -> Self:
        """Posterior given the mean, from ``n`` and ``scatter`` (K, d); a shared variance pools its axis."""
        n, scatter = np.broadcast_arrays(n, scatter)
        shape = self.shape + pool(n, self.shape.shape) / 2
        return self._unchecked(shape=shape, rate=self.rate + pool(scatter, self.rate.shape) / 2)

    def mode(self, parameter: Parameter = "variance") -> Array:
        """(K, d) mode: b / (a + 1) in the variance, sqrt(b / (a + 1/2)) in the standard deviation."""
        one_of("parameter", parameter, ("variance", "sd"))
        with np.errstate(divide="ignore", invalid="ignore"):
            if parameter == "variance":
                return self.rate / (self.shape + 1)
            return np.sqrt(self.rate / (self.shape + 0.5))

    def expected(self, parameter: Parameter = "variance") -> Array:
        """(K, d) mean; infinite where a <= 1 (a <= 1/2 for the standard deviation)."""
        one_of("parameter", parameter, ("variance", "sd"))
        power = 1.0 if parameter == "variance" else 0.5
        exists = self.shape > power
        a = np.where(exists, self.shape, 2.0)
        return np.where(exists, self.rate**power / poch(a - power, power), np.inf)

    def draw(self, rng: np.random.Generator, size: Size = None, parameter: Parameter = "variance") -> Array:
        """Draws (*size, K, d)."""
        one_of("parameter", parameter, ("variance", "sd"))
        self._require_proper("draw")
        shape = leading(size) + np.broadcast(self.shape, self.rate).shape
        with np.errstate(divide="ignore", over="ignore"):  # infinite where a draw left floating point
            variance = self.rate / rng.standard_gamma(np.broadcast_to(self.shape, shape))
        return variance if parameter == "variance" else np.sqrt(variance)

    def expected_precision(self) -> Array:
        """(K, d) E[1 / v]."""
        self._require_proper("expected_precision")
        return self.shape / self.rate

    def expected_log_precision(self) -> Array:
        """(K, d) E[log 1 / v]."""
        self._require_proper("expected_log_precision")
        return digamma(self.shape) - np.log(self.rate)

    def expected_potentials(self, means: GaussianFactor) -> tuple[Array, Array, Array]:
        """c, m, w (K, d): E[log N(x; mu, v)] = c - (w (x - m))^2 / 2, for independent factors."""
        precision = self.expected_precision()
        c = (self.expected_log_precision() - precision * means.variances() - np.log(2 * np.pi)) / 2
        return c, means.mean, np.broadcast_to(np.sqrt(precision), means.mean.shape)

    def log_normalizer(self) -> float:
        """Sum of log Gamma(a) - a log b; zero for an improper member."""
        return float((gammaln(self.shape) - self.shape * np.log(self.rate)).sum()) if self.proper else 0.0

    def log_density(self, value: Any, parameter: Parameter = "variance") -> float:
        """Log density at variances or standard deviations (K, d)."""
        one_of("parameter", parameter, ("variance", "sd"))
        value = np.asarray(value, dtype=np.float64)
        if not (value > 0).all():
            return -np.inf
        variance = value if parameter == "variance" else value**2
        total = float((-(self.shape + 1) * np.log(variance) - self.rate / variance).sum()) - self.log_normalizer()
        return total if parameter == "variance" else total + float(np.log(2 * value).sum())

    def expected_log_density(self, other: Self) -> float:
        terms = (other.shape + 1) * self.expected_log_precision() - other.rate * self.expected_precision()
        return float(terms.sum()) - other.log_normalizer()
