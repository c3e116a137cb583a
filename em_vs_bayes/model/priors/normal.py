"""Independent normal priors on means, conjugate given the covariances."""

from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np

from em_vs_bayes.model.priors.base import (
    Array,
    Family,
    Size,
    Values,
    leading,
)
from em_vs_bayes.model.priors.checks import compatible, fill, finite, positive
from em_vs_bayes.model.priors.gaussian_factor import GaussianFactor

LOG_2PI = float(np.log(2 * np.pi))


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Normal(Family):
    r"""Independent normal prior on each element of the means.

    .. math:: p(\mu_{kj}) = N(\mu_{kj} \mid m_{kj}, s_{kj}^2)

    Given the precision matrix Lambda_k the posterior of mu_k has precision diag(1 / s^2) + n Lambda and
    linear term m / s^2 + Lambda sum x. Source: Gelman et al. (2013), section 3.5. A flat element has an
    infinite sd.

    Parameters
    ----------
    mean : float or array, broadcast to (K, d)
    sd : float or array, broadcast to (K, d)
        Standard deviations, positive.
    """

    mean: Values
    sd: Values

    def _check(self) -> None:
        finite("mean", self.mean)
        positive("sd", self.sd)
        compatible(mean=self.mean, sd=self.sd)

    def broadcast(self, components: int, features: int) -> Self:
        mean = fill("mean", self.mean, components=components, features=features)
        return self._unchecked(mean=mean, sd=fill("sd", self.sd, components=components, features=features))

    @classmethod
    def flat(cls, components: int, features: int) -> Self:
        return cls._unchecked(mean=np.zeros((components, features)), sd=np.full((components, features), np.inf))

    def update_given(self, n: Array, s1: Array, precision: Array, free: Array | None = None,
                     values: Array | None = None) -> GaussianFactor:  # fmt: skip
        """Posterior of the means given ``precision``: Sigma^-1, or E[Sigma^-1] under CAVI.

        Parameters
        ----------
        n : (K,), or (K, d) for diagonal precisions
        s1 : (K, d)
        precision : (K, d, d) or (d, d) full; (K, d) or (K, 1) diagonal. ``n`` tells them apart.
        free : (K, d) bool, optional
            False where a mean is fixed; fixed elements are conditioned on exactly.
        values : (K, d), optional
            The fixed means, read where ``free`` is False.
        """
        own = 1 / self.sd**2
        if n.ndim == s1.ndim:
            precision = np.broadcast_to(precision, s1.shape)
            total, data = own + n * precision, precision * s1
        else:
            precision = np.broadcast_to(precision, s1.shape + s1.shape[-1:])
            total = own[..., None] * np.eye(s1.shape[-1]) + n[:, None, None] * precision
            data = (precision @ s1[..., None])[..., 0]
        return GaussianFactor.from_precision(total, own * self.mean + data, free, values)

    def kl_given(self, means: GaussianFactor) -> float:
        """KL(means || prior) over the free elements: the prior conditions on fixed ones."""
        free = means.variances() > 0
        second = means.about(self.mean, full=False)
        return -means.entropy() - float(np.where(free, self._log_elements(second), 0.0).sum())

    def mode(self) -> Array:
        """(K, d) mode."""
        return self.mean

    def expected(self) -> Array:
        """(K, d) mean."""
        return self.mean

    def draw(self, rng: np.random.Generator, size: Size = None) -> Array:
        """Draws (*size, K, d)."""
        self._require_proper("draw")
        return rng.normal(self.mean, self.sd, leading(size) + np.broadcast(self.mean, self.sd).shape)

    def log_density(self, mu: Any) -> float:
        """Log density at means (K, d)."""
        return float(self._log_elements((np.asarray(mu, dtype=np.float64) - self.mean) ** 2).sum())

    def expected_log_density(self, other: Self) -> float:
        return float(other._log_elements((self.mean - other.mean) ** 2 + self.sd**2).sum())

    def _log_elements(self, square: Array) -> Array:
        """E[log p] of each element from its E[(mu - mean)^2]; a flat element contributes zero."""
        flat = np.isinf(self.sd)
        sd = np.where(flat, 1.0, self.sd)
        return np.where(flat, 0.0, -square / (2 * sd**2) - np.log(sd) - LOG_2PI / 2)
