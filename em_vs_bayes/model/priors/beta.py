"""Beta distributions over probabilities of success: Bernoulli emissions."""

from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np
from scipy.special import betaln, xlog1py, xlogy

from em_vs_bayes.model.priors.base import (
    Array,
    Conjugate,
    Size,
    Values,
    leading,
)
from em_vs_bayes.model.priors.checks import compatible, fill, positive
from em_vs_bayes.model.priors.dirichlet import Dirichlet


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Beta(Conjugate):
    r"""Beta prior on a probability.

    .. math:: p(\theta) = \theta^{a - 1} (1 - \theta)^{b - 1} / B(a, b)

    Update: (a + successes, b + failures). It is the first element of a Dirichlet(a, b), whose mode and
    expectations it shares. Source: Gelman et al. (2013), Bayesian Data Analysis, section 2.4.

    Parameters
    ----------
    a, b : float or array, broadcast to (K,)
        Prior successes and failures, positive.
    """

    a: Values
    b: Values

    def _check(self) -> None:
        positive("a", self.a)
        positive("b", self.b)
        compatible(a=self.a, b=self.b)

    def broadcast(self, components: int) -> Self:
        a = fill("a", self.a, components=components)
        return self._unchecked(a=a, b=fill("b", self.b, components=components))

    @classmethod
    def flat(cls, components: int) -> Self:
        return cls(np.ones(components), np.ones(components))

    def update(self, successes: Array, failures: Array) -> Self:
        """Posterior after ``successes`` and ``failures`` (K,)."""
        return self._unchecked(a=self.a + successes, b=self.b + failures)

    def mode(self) -> Array:
        """(K,) mode (a - 1) / (a + b - 2), at 0 or 1 where a or b is below one; 1/2 where both are one."""
        return self._as_dirichlet().mode()[..., 0]

    def mode_on_boundary(self) -> bool:
        """Whether some probability is 0 or 1 at the mode."""
        return self._as_dirichlet().mode_on_boundary()

    def expected(self) -> Array:
        """(K,) mean a / (a + b)."""
        return self.a / (self.a + self.b)

    def draw(self, rng: np.random.Generator, size: Size = None) -> Array:
        """Draws (*size, K)."""
        return rng.beta(self.a, self.b, leading(size) + np.broadcast(self.a, self.b).shape)

    def expected_potentials(self) -> Array:
        """(K, 2): E[log theta] and E[log(1 - theta)]."""
        return self._as_dirichlet().expected_potentials()

    def log_normalizer(self) -> float:
        """Sum over components of log B(a, b)."""
        return float(betaln(self.a, self.b).sum())

    def log_density(self, probabilities: Any) -> float:
        """Log density at probabilities (K,)."""
        p = np.asarray(probabilities, dtype=np.float64)
        if (p < 0).any() or (p > 1).any():
            return -np.inf
        return float((xlogy(self.a - 1, p) + xlog1py(self.b - 1, -p)).sum()) - self.log_normalizer()

    def expected_log_density(self, other: Self) -> float:
        eta = self.expected_potentials()
        return float(((other.a - 1) * eta[..., 0] + (other.b - 1) * eta[..., 1]).sum()) - other.log_normalizer()

    def _as_dirichlet(self) -> Dirichlet:
        return Dirichlet._unchecked(alpha=np.stack(np.broadcast_arrays(self.a, self.b), axis=-1))
