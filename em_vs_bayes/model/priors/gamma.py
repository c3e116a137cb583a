"""Gamma distributions over rates: Poisson and exponential emissions."""

from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np
from scipy.special import xlogy

from em_vs_bayes.common.saddlepoint import (
    HALF_LOG_2PI,
    deviance,
    digamma_error,
    draw_gamma,
    gamma_log_density,
    stirling_error,
)
from em_vs_bayes.model.priors.base import (
    Array,
    Conjugate,
    Size,
    Values,
    leading,
)
from em_vs_bayes.model.priors.checks import compatible, fill, positive


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Gamma(Conjugate):
    r"""Gamma prior on a rate.

    .. math:: p(\lambda) = \frac{b^a}{\Gamma(a)} \lambda^{a - 1} e^{-b \lambda}

    Update, for a likelihood lambda^A exp(-lambda B): (a + A, b + B). Poisson counts give A = sum y, B = n;
    exponential durations A = n, B = sum y. Source: Gelman et al. (2013), Bayesian Data Analysis, section 2.6.

    Parameters
    ----------
    shape, rate : float or array, broadcast to (K,)
        a and b, positive.
    """

    shape: Values
    rate: Values

    def _check(self) -> None:
        positive("shape", self.shape)
        positive("rate", self.rate)
        compatible(shape=self.shape, rate=self.rate)

    def broadcast(self, components: int) -> Self:
        shape = fill("shape", self.shape, components=components)
        return self._unchecked(shape=shape, rate=fill("rate", self.rate, components=components))

    @classmethod
    def flat(cls, components: int) -> Self:
        return cls._unchecked(shape=np.ones(components), rate=np.zeros(components))

    def update(self, a: Array, b: Array) -> Self:
        """Posterior after the statistics ``a`` and ``b`` (K,)."""
        return self._unchecked(shape=self.shape + a, rate=self.rate + b)

    def mode(self) -> Array:
        """(K,) mode (a - 1) / b, or zero where a < 1; NaN for a flat prior without data."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.maximum(self.shape - 1, 0) / self.rate

    def mode_on_boundary(self) -> bool:
        """Whether some rate is zero at the mode (its shape is at most one)."""
        return bool((self.mode() == 0).any())

    def expected(self) -> Array:
        """(K,) mean a / b."""
        return self.shape / self.rate

    def draw(self, rng: np.random.Generator, size: Size = None) -> Array:
        """Draws (*size, K)."""
        self._require_proper("draw")
        whole = leading(size) + np.broadcast(self.shape, self.rate).shape
        return draw_gamma(rng, self.shape, whole) / self.rate

    def expected_potentials(self) -> Array:
        """(K, 2): E[log lambda] and -E[lambda]."""
        self._require_proper("expected_potentials")
        mean = self.expected()
        return np.stack([np.log(mean) + digamma_error(self.shape), -mean], axis=-1)

    def log_density(self, rates: Any) -> float:
        """Log density at rates (K,)."""
        rates = np.asarray(rates, dtype=np.float64)
        if (rates < 0).any():
            return -np.inf
        if self.proper:
            return float(gamma_log_density(self.shape, self.rate, rates).sum())
        return float((xlogy(self.shape - 1, rates) - self.rate * rates).sum())

    def expected_log_density(self, other: Self) -> float:
        mean, below = self.expected(), digamma_error(self.shape)
        if not other.proper:
            return float(((other.shape - 1) * (np.log(mean) + below) - other.rate * mean).sum())
        peak = 0.5 * np.log(other.shape) - stirling_error(other.shape) - HALF_LOG_2PI - np.log(mean)
        return float((peak - deviance(other.shape, other.rate * mean) + (other.shape - 1) * below).sum())
