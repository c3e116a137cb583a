"""Inverse-Wishart distributions over covariance matrices."""

from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np
from scipy.special import digamma, multigammaln

from em_vs_bayes.model.priors.base import (
    Array,
    Family,
    Size,
    Values,
    leading,
)
from em_vs_bayes.model.priors.checks import (
    compatible,
    degrees,
    fill,
    fill_matrices,
    scale_matrix,
)
from em_vs_bayes.model.priors.gaussian_factor import GaussianFactor
from em_vs_bayes.model.priors.sums import pool


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class InverseWishart(Family):
    r"""Inverse-Wishart prior on a covariance matrix, conjugate given the mean.

    .. math:: p(\Sigma) = \frac{|S|^{\nu/2}}{2^{\nu d/2} \Gamma_d(\nu/2)} |\Sigma|^{-(\nu + d + 1)/2}
        e^{-\frac12 \mathrm{tr}(S \Sigma^{-1})}

    The density is with respect to the lower triangle of Sigma. Update given the scatter about the mean: (nu +
    n, S + scatter). E[Lambda] = nu S^-1 and E[log|Lambda|] = sum_i digamma((nu - i + 1) / 2) + d log 2 -
    log|S| for Lambda = Sigma^-1 (Bishop, 2006, B.79-B.82; Gelman et al., 2013, appendix A; draws: Bartlett,
    1933).

    Parameters
    ----------
    df : float or array, broadcast to (K,)
        nu, more than d - 1.
    scale : float, (d, d) or (K, d, d)
        S, positive definite; a number is that multiple of the identity. K = 1: one shared covariance.
    """

    df: Values
    scale: Values

    def _check(self) -> None:
        scale_matrix("scale", self.scale)
        degrees(self.df, self.scale.shape[-1] if self.scale.ndim else 1)
        compatible(df=self.df, scale=self.scale[..., 0, 0] if self.scale.ndim else self.scale)

    def broadcast(self, components: int, features: int) -> Self:
        scale = fill_matrices("scale", self.scale, components=components, features=features, features_to=features)
        degrees(self.df, features)
        return self._unchecked(df=fill("df", self.df, components=components), scale=scale)

    @classmethod
    def flat(cls, components: int, features: int) -> Self:
        scale = np.zeros((components, features, features))
        return cls._unchecked(df=np.full(components, -(features + 1.0)), scale=scale)

    @property
    def _d(self) -> int:
        return self.scale.shape[-1]

    def update_given(self, n: Array, scatter: Array) -> Self:
        """Posterior given the means, from ``n`` (K,) and ``scatter`` (K, d, d) about them.

        See ``GaussianFactor.scatter``. One shared covariance (its own K = 1) pools the components.
        """
        df = self.df + pool(n, self.df.shape)
        return self._unchecked(df=df, scale=self.scale + pool(scatter, self.df.shape + scatter.shape[1:]))

    def mode(self) -> Array:
        """(K, d, d) mode S / (nu + d + 1)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.scale / (self.df + self._d + 1)[:, None, None]

    def expected(self) -> Array:
        """(K, d, d) mean S / (nu - d - 1); NaN where it does not exist (nu <= d + 1)."""
        excess = self.df - self._d - 1
        return self.scale / np.where(excess > 0, excess, np.nan)[:, None, None]

    def draw(self, rng: np.random.Generator, size: Size = None) -> Array:
        """Draws (*size, K, d, d), by Bartlett's decomposition."""
        root = self.draw_roots(rng, size)
        with np.errstate(over="ignore", invalid="ignore"):  # not finite where a draw left floating point
            sigma = np.swapaxes(root, -1, -2) @ root
        return sigma / 2 + np.swapaxes(sigma, -1, -2) / 2

    def draw_roots(self, rng: np.random.Generator, size: Size = None) -> Array:
        """Draws of W (*size, K, d, d) with W'W = Sigma; NaN where a draw left floating point."""
        self._require_proper("draw")
        shape = leading(size) + self.scale.shape
        bartlett = np.tril(rng.standard_normal(shape), -1)
        chi = np.sqrt(rng.chisquare(np.broadcast_to(self.df[:, None] - np.arange(self._d), shape[:-1])))
        bartlett[..., np.arange(self._d), np.arange(self._d)] = np.where(chi > 0.0, chi, np.nan)
        return np.asarray(np.linalg.solve(bartlett, np.swapaxes(np.linalg.cholesky(self.scale), -1, -2)))

    def expected_root(self) -> Array:
        """(K, d, d) W, lower triangular, with W'W = E[Sigma^-1] = nu S^-1."""
        self._require_proper("expected_root")
        return np.tril(np.sqrt(self.df)[:, None, None] * np.linalg.inv(np.linalg.cholesky(self.scale)))

    def expected_precision(self) -> Array:
        """(K, d, d) E[Sigma^-1]."""
        root = self.expected_root()
        return np.swapaxes(root, -1, -2) @ root

    def expected_log_det_precision(self) -> Array:
        """(K,) E[log|Sigma^-1|]."""
        self._require_proper("expected_log_det_precision")
        digammas = digamma((self.df[:, None] - np.arange(self._d)) / 2).sum(-1)
        return digammas + self._d * np.log(2) - _log_det(self.scale)

    def expected_potentials(self, means: GaussianFactor) -> tuple[Array, Array, Array]:
        """c (K,), m (K, d), W (K, d, d): E[log N(x; mu, Sigma)] = c - |W (x - m)|^2 / 2."""
        trace = (self.expected_precision() * means.covariance).sum((-1, -2))
        c = (self.expected_log_det_precision() - trace - self._d * np.log(2 * np.pi)) / 2
        return c, means.mean, np.broadcast_to(self.expected_root(), means.covariance.shape)

    def log_normalizer(self) -> float:
        """Sum over components of log (2^(nu d/2) Gamma_d(nu/2) |S|^(-nu/2)); 0 if improper."""
        if not self.proper:
            return 0.0
        d = self._d
        return float((self.df / 2 * (d * np.log(2) - _log_det(self.scale)) + multigammaln(self.df / 2, d)).sum())

    def log_density(self, covariances: Any) -> float:
        """Log density at covariances (K, d, d)."""
        sigma = np.asarray(covariances, dtype=np.float64)
        try:
            log_det = _log_det(sigma)
        except np.linalg.LinAlgError:
            return -np.inf
        trace = np.trace(np.linalg.solve(sigma, self.scale), axis1=-2, axis2=-1)
        return float((-(self.df + self._d + 1) / 2 * log_det - trace / 2).sum()) - self.log_normalizer()

    def expected_log_density(self, other: Self) -> float:
        trace = (self.expected_precision() * other.scale).sum((-1, -2))
        terms = (other.df + self._d + 1) / 2 * self.expected_log_det_precision() - trace / 2
        return float(terms.sum()) - other.log_normalizer()


def _log_det(matrices: Array) -> Array:
    return 2 * np.log(np.diagonal(np.linalg.cholesky(matrices), axis1=-2, axis2=-1)).sum(-1)
