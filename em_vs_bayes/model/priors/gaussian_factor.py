"""The Gaussian factor of component means: what conditional updates given the covariances return."""

from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np

from em_vs_bayes.common.arguments import brief
from em_vs_bayes.model.priors.base import (
    Array,
    Size,
    Value,
    Values,
    leading,
)
from em_vs_bayes.model.priors.checks import finite
from em_vs_bayes.model.priors.sums import centred, outer


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class GaussianFactor(Value):
    r"""mu_k ~ N(mean_k, covariance_k), where fixed elements have zero variance.

    A precision P and a linear term h give mean = P^-1 h and covariance = P^-1; conditioning on fixed elements
    F leaves P_AA and h_A - P_AF mu_F for the free ones A. Source: Murphy (2012), Machine Learning, section
    4.3.

    Parameters
    ----------
    mean : (K, d)
    covariance : (K, d, d)
    """

    mean: Values
    covariance: Values

    def _check(self) -> None:
        finite("mean", self.mean)
        finite("covariance", self.covariance)
        if self.mean.ndim != 2 or self.covariance.shape != self.mean.shape + self.mean.shape[-1:]:
            got = f"mean {self.mean.shape} and covariance {self.covariance.shape}"
            raise ValueError(f"mean and covariance: got {got}, wants (K, d) and (K, d, d)")

    @classmethod
    def at(cls, mean: Array) -> Self:
        """Means (K, d) known exactly: what ECM and Gibbs condition on."""
        return cls(mean, np.zeros(np.shape(mean) + np.shape(mean)[-1:]))

    @classmethod
    def from_precision(cls, precision: Array, linear: Array, free: Array | None, values: Array | None) -> Self:
        """The factor with ``precision`` (K, d, d), or diagonal (K, d), and ``linear`` = precision @ mean.

        ``free`` (K, d) is False where an element is fixed at its entry of ``values`` (K, d), read only there.
        Errors: ValueError where a component has neither data nor a proper prior, or ``values`` is missing.
        """
        d = linear.shape[-1]
        if precision.ndim == linear.ndim:
            precision = precision[..., None] * np.eye(d)
        if free is not None:
            if values is None:
                raise ValueError("values: got None, wants (K, d) with the fixed means where free is False")
            held = np.where(free, 0.0, values)
            linear = np.where(free, linear - (precision @ held[..., None])[..., 0], held)
            both = free[..., :, None] & free[..., None, :]
            precision = np.where(both, precision, np.eye(d))
        try:
            root = np.linalg.inv(np.linalg.cholesky(precision))
        except np.linalg.LinAlgError:
            raise ValueError(
                f"precision: got {brief(precision.tolist())}, wants positive definite matrices "
                "(a mean with neither data nor a proper prior has no posterior)"
            ) from None
        covariance = np.swapaxes(root, -1, -2) @ root
        mean = (covariance @ linear[..., None])[..., 0]
        if free is not None:
            mean, covariance = np.where(free, mean, values), np.where(both, covariance, 0.0)
        return cls(mean, covariance)

    def variances(self) -> Array:
        """(K, d) diagonal of the covariance."""
        return np.diagonal(self.covariance, axis1=-2, axis2=-1)

    def mode(self) -> Array:
        """(K, d) mode, which is the mean."""
        return self.mean

    def draw(self, rng: np.random.Generator, size: Size = None) -> Array:
        """Draws (*size, K, d); fixed elements are their values."""
        z = rng.standard_normal(leading(size) + self.mean.shape)
        return self.mean + np.where(self._free(), (self._root() @ z[..., None])[..., 0], 0.0)

    def entropy(self) -> float:
        """Entropy over the free elements, summed over components."""
        log_det = 2 * np.log(np.diagonal(self._root(), axis1=-2, axis2=-1)).sum()  # fixed elements contribute log 1
        return float((self._free().sum() * (1 + np.log(2 * np.pi)) + log_det) / 2)

    def log_density(self, mu: Any) -> float:
        """Log density at means (K, d), over the free elements; -inf where a fixed element differs."""
        deviation = np.asarray(mu, dtype=np.float64) - self.mean
        if (deviation[~self._free()] != 0).any():
            return -np.inf
        z = np.linalg.solve(self._root(), deviation[..., None])
        return -self.entropy() + float(self._free().sum() - (z**2).sum()) / 2

    def about(self, point: Array, *, full: bool) -> Array:
        """E[(mu - point)(mu - point)'], (K, d, d), or its diagonal (K, d)."""
        deviation = self.mean - point
        spread = self.covariance if full else self.variances()
        return outer(deviation, deviation, full=full) + spread

    def scatter(self, n: Array, s1: Array, s2: Array) -> Array:
        """E[sum (x - mu)(x - mu)'] from the raw sums of x; per dimension where s2 is (K, d)."""
        full = s2.ndim > s1.ndim
        average, within = centred(n, s1, s2)
        return within + (n[:, None, None] if full else n) * self.about(average, full=full)

    def _free(self) -> Array:
        return self.variances() > 0

    def _root(self) -> Array:
        """Cholesky factor of the covariance, with one on the diagonal of fixed elements."""
        return np.linalg.cholesky(
            self.covariance + np.where(self._free(), 0.0, 1.0)[..., None] * np.eye(self.mean.shape[-1])
        )


def update_given_joint(prior: Any, n: Array, s1: Array, precision: Array, free: Array | None = None,
                       values: Array | None = None) -> GaussianFactor:  # fmt: skip
    """mu | Sigma, y under a joint prior mu | Sigma ~ N(prior.mean, Sigma / prior.kappa).

    Precision (kappa + n) Lambda, linear term Lambda (kappa mean + s1), Lambda = Sigma^-1, or E[Sigma^-1]
    under CAVI.

    Parameters
    ----------
    prior : NormalInverseWishart, NormalInverseGamma or their tied and spherical forms, broadcast
    n : (K,), or (K, d) for diagonal precisions
    s1 : (K, d)
    precision : (K, d, d) or (d, d) full; (K, d) or (K, 1) diagonal
    free : (K, d) bool, optional
        False where a mean is fixed.
    values : (K, d), optional
        The fixed means, read where ``free`` is False.
    """
    total = prior.kappa + n
    weighted = (prior.kappa[:, None] if prior.kappa.ndim == 1 else prior.kappa) * prior.mean + s1
    if prior.kappa.ndim == 1:
        precision = np.broadcast_to(precision, s1.shape + s1.shape[-1:])
        linear = (precision @ weighted[..., None])[..., 0]
        return GaussianFactor.from_precision(total[:, None, None] * precision, linear, free, values)
    precision = np.broadcast_to(precision, s1.shape)
    return GaussianFactor.from_precision(total * precision, precision * weighted, free, values)
