"""Normal-inverse-gamma with one variance per component, shared by its dimensions."""

from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np

from em_vs_bayes.model.priors.base import Array, Conjugate, Size, Values
from em_vs_bayes.model.priors.checks import fill, finite, positive
from em_vs_bayes.model.priors.gaussian_factor import GaussianFactor
from em_vs_bayes.model.priors.inverse_gamma import InverseGamma
from em_vs_bayes.model.priors.sums import centred, log_scaled_normal, shrunk


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SphericalNormalInverseGamma(Conjugate):
    r"""v_k ~ IG(shape_k, rate_k), mu_kj | v_k ~ N(mean_kj, v_k / kappa_kj).

    Made by ``NormalInverseGamma.spherical``. ``kappa`` is per dimension because missing values make the
    posterior so. Update: kappa and mean as in one dimension; shape' = shape + sum_j n_j / 2, and rate' adds
    every dimension's half sum of squares. The joint mode is v = rate / (shape + 1 + d / 2). Source: Murphy
    (2007), section 6.3, with d means.

    Parameters
    ----------
    mean, kappa : (K, d)
    shape, rate : (K,)
        All but the mean positive.
    """

    mean: Values
    kappa: Values
    shape: Values
    rate: Values

    def _check(self) -> None:
        shapes = self.mean.shape, self.kappa.shape, self.shape.shape, self.rate.shape
        if self.mean.ndim != 2 or shapes[1:] != (self.mean.shape, self.mean.shape[:1], self.mean.shape[:1]):
            raise ValueError(f"mean, kappa, shape, rate: got shapes {shapes}, wants (K, d), (K, d), (K,) and (K,)")
        finite("mean", self.mean)
        for name in ("kappa", "shape", "rate"):
            positive(name, getattr(self, name))

    def broadcast(self, components: int, features: int) -> Self:
        fill("mean", self.mean, components=components, features=features)
        return self

    @classmethod
    def flat(cls, components: int, features: int) -> Self:
        """Constant density in (mu, v): shape = -(1 + d / 2), everything else zero."""
        zeros = np.zeros((components, features))
        shape = np.full(components, -(1 + features / 2))
        return cls._unchecked(mean=zeros, kappa=zeros, shape=shape, rate=np.zeros(components))

    def update(self, n: Array, s1: Array, s2: Array) -> Self:
        """Posterior after raw sums ``n``, ``s1``, ``s2`` (K, d), about the origin of ``mean``."""
        average, within = centred(n, s1, s2)
        mean, weight = shrunk(self.mean, self.kappa, n, average)
        rate = self.rate + (within + weight * (average - self.mean) ** 2).sum(1) / 2
        return self._unchecked(mean=mean, kappa=self.kappa + n, shape=self.shape + n.sum(1) / 2, rate=rate)

    def mode(self) -> tuple[Array, Array]:
        """mu (K, d) and v (K,) at their joint mode; NaN for a flat prior without data."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.mean, self.rate / (self.shape + 1 + self.mean.shape[-1] / 2)

    def expected(self) -> tuple[Array, Array]:
        """Means of mu (K, d), NaN where shape <= 1/2, and of v (K,)."""
        return np.where(self.shape[:, None] > 0.5, self.mean, np.nan), self.variances().expected()[:, 0]

    def draw(self, rng: np.random.Generator, size: Size = None) -> tuple[Array, Array]:
        """Draws of mu (*size, K, d) and v (*size, K)."""
        self._require_proper("draw")
        v = self.variances().draw(rng, size)
        z = rng.standard_normal(v.shape[:-2] + self.mean.shape)
        return self.mean + np.sqrt(v / self.kappa) * z, v[..., 0]

    def expected_potentials(self) -> tuple[Array, Array, Array]:
        """c, m, w (K, d): E[log N(x; mu, v)] = c - (w (x - m))^2 / 2."""
        self._require_proper("expected_potentials")
        v = self.variances()
        c = (v.expected_log_precision() - 1 / self.kappa - np.log(2 * np.pi)) / 2
        return c, self.mean, np.broadcast_to(np.sqrt(v.expected_precision()), self.mean.shape)

    def log_density(self, mu: Any, variances: Any) -> float:
        """Log density at means (K, d) and variances (K,)."""
        v = np.asarray(variances, dtype=np.float64)[:, None]
        base = self.variances().log_density(v)
        if base == -np.inf:
            return base
        return base + log_scaled_normal(self.kappa, -np.log(v), (mu - self.mean) ** 2 / v, 1)

    def expected_log_density(self, other: Self) -> float:
        v = self.variances()
        quadratic = v.expected_precision() * (self.mean - other.mean) ** 2 + 1 / self.kappa
        normal = log_scaled_normal(other.kappa, v.expected_log_precision(), quadratic, 1)
        return normal + v.expected_log_density(other.variances())

    def variances(self) -> InverseGamma:
        """The marginal of the variances, (K, 1)."""
        return InverseGamma._unchecked(shape=self.shape[:, None], rate=self.rate[:, None])

    def variances_given(self, n: Array, s1: Array, s2: Array, means: GaussianFactor) -> InverseGamma:
        """v | mu, y, or its CAVI factor, (K, 1), where ``means`` is a factor of its own."""
        own = (self.kappa * means.about(self.mean, full=False)).sum(1, keepdims=True)
        shape = self.shape[:, None] + self.mean.shape[-1] / 2
        prior = InverseGamma._unchecked(shape=shape, rate=self.rate[:, None] + own / 2)
        return prior.update_given(n, means.scatter(n, s1, s2))

    def kl_given(self, means: GaussianFactor, variances: InverseGamma) -> float:
        """E[log q(mu) q(v) - log p(mu, v)] for independent factors; fixed means enter p too."""
        quadratic = variances.expected_precision() * means.about(self.mean, full=False)
        expected = log_scaled_normal(self.kappa, variances.expected_log_precision(), quadratic, 1)
        return variances.kl(self.variances()) - means.entropy() - expected
