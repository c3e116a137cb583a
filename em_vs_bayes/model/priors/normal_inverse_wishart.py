"""Normal-inverse-Wishart: the joint conjugate prior of a mean vector and a covariance matrix."""

from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np

from em_vs_bayes.model.priors.base import Array, Conjugate, Size, Values
from em_vs_bayes.model.priors.checks import (
    compatible,
    degrees,
    fill,
    fill_matrices,
    finite,
    positive,
    scale_matrix,
)
from em_vs_bayes.model.priors.gaussian_factor import GaussianFactor
from em_vs_bayes.model.priors.inverse_wishart import InverseWishart
from em_vs_bayes.model.priors.sums import centred, log_scaled_normal, outer, shrunk
from em_vs_bayes.model.priors.tied_normal_inverse_wishart import TiedNormalInverseWishart


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class NormalInverseWishart(Conjugate):
    r"""Sigma ~ IW(df, scale), mu | Sigma ~ N(mean, Sigma / kappa).

    Update from n rows with mean xbar and scatter S about it (Murphy, 2012, section 4.6.3.3; Gelman et al.,
    2013, section 3.6): kappa' = kappa + n, df' = df + n, mean' = (kappa mean + n xbar) / kappa', scale' =
    scale + S + (kappa n / kappa') (xbar - mean)(xbar - mean)'. The joint mode is mu = mean, Sigma = scale /
    (df + d + 2).

    Parameters
    ----------
    mean : float or array, broadcast to (K, d)
    kappa : float or array, broadcast to (K,)
        Positive: the prior mean counts as so many rows.
    df : float or array, broadcast to (K,)
        More than d - 1.
    scale : float, (d, d) or (K, d, d)
        Positive definite; a number stands for that multiple of the identity.
    """

    mean: Values
    kappa: Values
    df: Values
    scale: Values

    def _check(self) -> None:
        finite("mean", self.mean)
        positive("kappa", self.kappa)
        scale_matrix("scale", self.scale)
        degrees(self.df, self.scale.shape[-1] if self.scale.ndim else 1)
        compatible(kappa=self.kappa, df=self.df)

    def broadcast(self, components: int, features: int) -> Self:
        degrees(self.df, features)
        return self._unchecked(
            mean=fill("mean", self.mean, components=components, features=features),
            kappa=fill("kappa", self.kappa, components=components),
            df=fill("df", self.df, components=components),
            scale=fill_matrices("scale", self.scale, components=components, features=features, features_to=features),
        )

    def tied(self, components: int, features: int) -> TiedNormalInverseWishart:
        """The same prior for one covariance for all components: ``df`` a number, ``scale`` one matrix."""
        degrees(self.df, features)
        return TiedNormalInverseWishart(
            mean=fill("mean", self.mean, components=components, features=features),
            kappa=fill("kappa", self.kappa, components=components),
            df=fill("df", self.df),
            scale=fill_matrices("scale", self.scale, features=features, features_to=features),
        )

    @classmethod
    def flat(cls, components: int, features: int) -> Self:
        """Constant density in (mu, Sigma): df = -(d + 2), everything else zero."""
        return cls._unchecked(
            mean=np.zeros((components, features)),
            kappa=np.zeros(components),
            df=np.full(components, -(features + 2.0)),
            scale=np.zeros((components, features, features)),
        )

    def update(self, n: Array, s1: Array, s2: Array) -> Self:
        """Posterior after raw sums ``n`` (K,), ``s1`` (K, d), ``s2`` (K, d, d), about ``mean``'s origin."""
        average, within = centred(n, s1, s2)
        mean, weight = shrunk(self.mean, self.kappa, n, average)
        deviation = average - self.mean
        between = weight[:, None, None] * outer(deviation, deviation, full=True)
        return self._unchecked(mean=mean, kappa=self.kappa + n, df=self.df + n, scale=self.scale + within + between)

    def mode(self) -> tuple[Array, Array]:
        """mu (K, d) and Sigma (K, d, d) at the joint mode; NaN for a flat prior without data."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.mean, self.scale / (self.df + self.mean.shape[-1] + 2)[:, None, None]

    def expected(self) -> tuple[Array, Array]:
        """Means of mu (K, d), NaN where df <= d, and of Sigma (K, d, d), NaN where df <= d + 1."""
        exists = self.df[:, None] > self.mean.shape[-1]
        return np.where(exists, self.mean, np.nan), self.covariances().expected()

    def draw(self, rng: np.random.Generator, size: Size = None) -> tuple[Array, Array]:
        """Draws of mu (*size, K, d) and Sigma (*size, K, d, d)."""
        self._require_proper("draw")
        root = self.covariances().draw_roots(rng, size)
        turned = np.swapaxes(root, -1, -2)
        z = rng.standard_normal(root.shape[:-1])
        with np.errstate(over="ignore", invalid="ignore"):  # not finite where a draw left floating point
            mu = self.mean + (turned @ z[..., None])[..., 0] / np.sqrt(self.kappa)[:, None]
            sigma = turned @ root
        return mu, sigma / 2 + np.swapaxes(sigma, -1, -2) / 2

    def expected_potentials(self) -> tuple[Array, Array, Array]:
        """c (K,), m (K, d), W (K, d, d) lower triangular: E[log N(x; mu, Sigma)] = c - |W (x - m)|^2 / 2.

        c = E[log|Lambda|] / 2 - d / (2 kappa) - (d / 2) log 2 pi and W'W = df scale^-1 (Bishop, 2006,
        10.64-10.65).
        """
        self._require_proper("expected_potentials")
        sigma, d = self.covariances(), self.mean.shape[-1]
        c = (sigma.expected_log_det_precision() - d / self.kappa - d * np.log(2 * np.pi)) / 2
        return c, self.mean, sigma.expected_root()

    def log_density(self, mu: Any, covariances: Any) -> float:
        """Log density at means (K, d) and covariances (K, d, d)."""
        base = self.covariances().log_density(covariances)
        if base == -np.inf:
            return base
        root = np.linalg.cholesky(covariances)
        z = np.linalg.solve(root, (mu - self.mean)[..., None])[..., 0]
        log_det = -2 * np.log(np.diagonal(root, axis1=-2, axis2=-1)).sum(-1)
        return base + log_scaled_normal(self.kappa, log_det, (z**2).sum(-1), self.mean.shape[-1])

    def expected_log_density(self, other: Self) -> float:
        sigma, d = self.covariances(), self.mean.shape[-1]
        z = (sigma.expected_root() @ (self.mean - other.mean)[..., None])[..., 0]
        quadratic = (z**2).sum(-1) + d / self.kappa
        normal = log_scaled_normal(other.kappa, sigma.expected_log_det_precision(), quadratic, d)
        return normal + sigma.expected_log_density(other.covariances())

    def covariances(self) -> InverseWishart:
        """The marginal of the covariances."""
        return InverseWishart._unchecked(df=self.df, scale=self.scale)

    def covariances_given(self, n: Array, s1: Array, s2: Array, means: GaussianFactor) -> InverseWishart:
        """Sigma | mu, y, or its CAVI factor, where ``means`` is a factor of its own (some means fixed).

        IW(df + n + 1, scale + scatter about mu + kappa E[(mu - mean)(mu - mean)']).
        """
        prior = InverseWishart._unchecked(
            df=self.df + 1,
            scale=self.scale + self.kappa[:, None, None] * means.about(self.mean, full=True),
        )
        return prior.update_given(n, means.scatter(n, s1, s2))

    def kl_given(self, means: GaussianFactor, covariances: InverseWishart) -> float:
        """E[log q(mu) q(Sigma) - log p(mu, Sigma)] for independent factors; fixed means enter p too."""
        quadratic = (covariances.expected_precision() * means.about(self.mean, full=True)).sum((-1, -2))
        log_det, d = covariances.expected_log_det_precision(), self.mean.shape[-1]
        expected = log_scaled_normal(self.kappa, log_det, quadratic, d)
        return covariances.kl(self.covariances()) - means.entropy() - expected
