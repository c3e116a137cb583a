"""Dirichlet distributions over rows of probabilities: mixture weights, initial states, transitions."""

from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np
from scipy.special import digamma, gammaln, xlogy

from em_vs_bayes.model.priors.base import Array, Conjugate, Size, Values
from em_vs_bayes.model.priors.checks import fill, positive


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Dirichlet(Conjugate):
    r"""Dirichlet prior on each row of probabilities.

    .. math:: p(\pi) = \frac{\Gamma(\sum_j \alpha_j)}{\prod_j \Gamma(\alpha_j)} \prod_j \pi_j^{\alpha_j - 1}

    The density is with respect to the first C - 1 probabilities of a row. Update: alpha + counts.
    E[log pi_j] = digamma(alpha_j) - digamma(sum alpha). Source: Bishop (2006), B.16-B.21.

    Parameters
    ----------
    alpha : float or array, broadcast to (R, C)
        Concentrations, positive.
    """

    alpha: Values

    def _check(self) -> None:
        positive("alpha", self.alpha)

    def broadcast(self, rows: int, columns: int) -> Self:
        return self._unchecked(alpha=fill("alpha", self.alpha, rows=rows, columns=columns))

    @classmethod
    def flat(cls, rows: int, columns: int) -> Self:
        return cls(np.ones((rows, columns)))

    def update(self, counts: Array) -> Self:
        """Posterior after ``counts`` (R, C) of each category."""
        return self._unchecked(alpha=self.alpha + counts)

    def mode(self) -> Array:
        """(R, C) mode: alpha - 1, clipped at zero, over its sum. See ``mode_on_boundary``.

        A row without an alpha above one has no interior mode unless all are one (then the centre of the
        simplex); its mass goes to the categories with alpha = 1, or else to the first of the largest alpha.
        """
        excess = np.maximum(self.alpha - 1, 0)
        largest = self.alpha.max(-1, keepdims=True)
        corner = np.arange(self.alpha.shape[-1]) == self.alpha.argmax(-1)[..., None]
        excess = np.where(largest < 1, corner, np.where(largest == 1, self.alpha == 1, excess))
        return excess / excess.sum(-1, keepdims=True)

    def mode_on_boundary(self) -> bool:
        """Whether some probability is zero at the mode (its alpha is at most one)."""
        return bool((self.mode() == 0).any())

    def expected(self) -> Array:
        """(R, C) mean."""
        return self.alpha / self.alpha.sum(-1, keepdims=True)

    def draw(self, rng: np.random.Generator, size: Size = None) -> Array:
        """Draws (*size, R, C)."""
        rows = [rng.dirichlet(row, size) for row in self.alpha.reshape(-1, self.alpha.shape[-1])]
        draws = np.stack(rows, axis=-2)
        return draws.reshape(draws.shape[:-2] + self.alpha.shape)

    def expected_potentials(self) -> Array:
        """(R, C) E[log pi]."""
        return digamma(self.alpha) - digamma(self.alpha.sum(-1, keepdims=True))

    def log_normalizer(self) -> float:
        """Sum over rows of log B(alpha)."""
        return float(gammaln(self.alpha).sum() - gammaln(self.alpha.sum(-1)).sum())

    def log_density(self, probabilities: Any) -> float:
        """Log density at rows of probabilities (R, C)."""
        p = np.asarray(probabilities, dtype=np.float64)
        if (p < 0).any() or (np.abs(p.sum(-1) - 1) > 1e-8).any():
            return -np.inf
        return float(xlogy(self.alpha - 1, p).sum()) - self.log_normalizer()

    def expected_log_density(self, other: Self) -> float:
        return float(((other.alpha - 1) * self.expected_potentials()).sum()) - other.log_normalizer()
