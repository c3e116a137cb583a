"""Normal-inverse-Wishart with one covariance shared by all components."""

from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np

from em_vs_bayes.model.priors.base import Array, Conjugate, Size, Values
from em_vs_bayes.model.priors.checks import (
    degrees,
    fill,
    finite,
    positive,
    scale_matrix,
)
from em_vs_bayes.model.priors.gaussian_factor import GaussianFactor
from em_vs_bayes.model.priors.inverse_wishart import InverseWishart
from em_vs_bayes.model.priors.sums import centred, log_scaled_normal, outer, shrunk


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TiedNormalInverseWishart(Conjugate):
    r"""Sigma ~ IW(df, scale), mu_k | Sigma ~ N(mean_k, Sigma / kappa_k) independently for k = 1..K.

    Made by ``NormalInverseWishart.tied``. Update: kappa and mean as for one component; df' = df + sum n_k and
    scale' adds every component's scatter. The joint mode is Sigma = scale / (df + d + 1 + K). Source: Murphy
    (2012), section 4.6.3.3, with K means.

    Parameters
    ----------
    mean : (K, d)
    kappa : (K,)
        Positive.
    df : float
        More than d - 1.
    scale : (d, d)
        Positive definite.
    """

    mean: Values
    kappa: Values
    df: Values
    scale: Values

    def _check(self) -> None:
        shapes = self.mean.shape, self.kappa.shape, self.df.shape, self.scale.shape
        if self.mean.ndim != 2 or shapes[1:] != (self.mean.shape[:1], (), self.mean.shape[1:] * 2):
            raise ValueError(f"mean, kappa, df, scale: got shapes {shapes}, wants (K, d), (K,), () and (d, d)")
        finite("mean", self.mean)
        positive("kappa", self.kappa)
        scale_matrix("scale", self.scale)
        degrees(self.df, self.scale.shape[-1])

    def broadcast(self, components: int, features: int) -> Self:
        fill("mean", self.mean, components=components, features=features)
        return self

    @classmethod
    def flat(cls, components: int, features: int) -> Self:
        """Constant density in (mu_1 .. mu_K, Sigma): df = -(d + 1 + K), everything else zero."""
        return cls._unchecked(
            mean=np.zeros((components, features)),
            kappa=np.zeros(components),
            df=-(features + 1.0 + components),
            scale=np.zeros((features, features)),
        )

    def update(self, n: Array, s1: Array, s2: Array) -> Self:
        """Posterior after raw sums ``n`` (K,), ``s1`` (K, d), ``s2`` (K, d, d), about ``mean``'s origin."""
        average, within = centred(n, s1, s2)
        mean, weight = shrunk(self.mean, self.kappa, n, average)
        deviation = average - self.mean
        scatter = within + weight[:, None, None] * outer(deviation, deviation, full=True)
        return self._unchecked(mean=mean, kappa=self.kappa + n, df=self.df + n.sum(), scale=self.scale + scatter.sum(0))

    def mode(self) -> tuple[Array, Array]:
        """mu (K, d) and the shared Sigma (d, d) at the joint mode; NaN for a flat prior without data."""
        components, d = self.mean.shape
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.mean, self.scale / (self.df + d + 1 + components)

    def expected(self) -> tuple[Array, Array]:
        """Means of mu (K, d), NaN where df <= d, and of Sigma (d, d), NaN where df <= d + 1."""
        mean = np.where(self.df > self.mean.shape[-1], self.mean, np.nan)
        return mean, self.covariances().expected()[0]

    def draw(self, rng: np.random.Generator, size: Size = None) -> tuple[Array, Array]:
        """Draws of mu (*size, K, d) and Sigma (*size, d, d)."""
        self._require_proper("draw")
        root = self.covariances().draw_roots(rng, size)
        turned = np.swapaxes(root, -1, -2)
        z = rng.standard_normal(root.shape[:-3] + self.mean.shape)
        with np.errstate(over="ignore", invalid="ignore"):  # not finite where a draw left floating point
            mu = self.mean + (turned @ z[..., None])[..., 0] / np.sqrt(self.kappa)[:, None]
            sigma = turned @ root
        return mu, (sigma / 2 + np.swapaxes(sigma, -1, -2) / 2)[..., 0, :, :]

    def expected_potentials(self) -> tuple[Array, Array, Array]:
        """c (K,), m (K, d), W (K, d, d) as for ``NormalInverseWishart``; every W_k is the same."""
        self._require_proper("expected_potentials")
        sigma, d = self.covariances(), self.mean.shape[-1]
        c = (sigma.expected_log_det_precision() - d / self.kappa - d * np.log(2 * np.pi)) / 2
        return c, self.mean, np.broadcast_to(sigma.expected_root(), (*self.mean.shape, d))

    def log_density(self, mu: Any, covariance: Any) -> float:
        """Log density at means (K, d) and the shared covariance (d, d)."""
        base = self.covariances().log_density(np.asarray(covariance)[None])
        if base == -np.inf:
            return base
        root = np.linalg.cholesky(covariance)
        z = np.linalg.solve(root, (mu - self.mean).T).T
        log_det = -2 * np.log(np.diagonal(root)).sum()
        return base + log_scaled_normal(self.kappa, log_det, (z**2).sum(-1), self.mean.shape[-1])

    def expected_log_density(self, other: Self) -> float:
        sigma, d = self.covariances(), self.mean.shape[-1]
        z = (self.mean - other.mean) @ sigma.expected_root()[0].T
        quadratic = (z**2).sum(-1) + d / self.kappa
        normal = log_scaled_normal(other.kappa, sigma.expected_log_det_precision(), quadratic, d)
        return normal + sigma.expected_log_density(other.covariances())

    def covariances(self) -> InverseWishart:
        """The marginal of the shared covariance, with K = 1."""
        return InverseWishart._unchecked(df=self.df[None], scale=self.scale[None])

    def covariances_given(self, n: Array, s1: Array, s2: Array, means: GaussianFactor) -> InverseWishart:
        """Sigma | mu, y, or its CAVI factor, with K = 1: IW(df + sum n + K, scale + all scatter)."""
        own = self.kappa[:, None, None] * means.about(self.mean, full=True)
        prior = InverseWishart._unchecked(df=self.df[None] + len(self.kappa), scale=self.scale[None] + own.sum(0))
        return prior.update_given(n, means.scatter(n, s1, s2))

    def kl_given(self, means: GaussianFactor, covariances: InverseWishart) -> float:
        """E[log q(mu) q(Sigma) - log p(mu, Sigma)] for independent factors; fixed means enter p too."""
        quadratic = (covariances.expected_precision() * means.about(self.mean, full=True)).sum((-1, -2))
        log_det, d = covariances.expected_log_det_precision(), self.mean.shape[-1]
        expected = log_scaled_normal(self.kappa, log_det, quadratic, d)
        return covariances.kl(self.covariances()) - means.entropy() - expected
