"""Normal-inverse-gamma over regression coefficients: a mean vector and a precision matrix for each component."""

from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np

from em_vs_bayes.model.priors.base import (
    Array,
    Conjugate,
    Size,
    Values,
    leading,
)
from em_vs_bayes.model.priors.checks import (
    fill,
    fill_matrices,
    finite,
    one_of,
    positive,
    scale_matrix,
)
from em_vs_bayes.model.priors.inverse_gamma import InverseGamma, Parameter

LOG_2PI = float(np.log(2 * np.pi))
WELL = 1e-4  # least pivot of a unit-diagonal matrix that is solved without looking for what it leaves open


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RegressionNormalInverseGamma(Conjugate):
    r"""v_k ~ IG(shape_k, rate_k), b_k | v_k ~ N(mean_k, v_k kappa_k^{-1}), for y ~ N(x'b_k, v_k).

    Update (O'Hagan & Forster, 2004, section 11.3): kappa' = kappa + X'X, mean' = kappa'^{-1} (kappa mean + X'y),
    shape' = shape + n / 2, rate' = rate + |y - X mean'|^2 / 2 + (mean' - mean)' kappa (mean' - mean) / 2.
    The joint mode is b = mean with v = rate / (shape + 1 + p / 2); where the model's own parameter is the standard
    deviation (``parameter="sd"``), sd^2 = rate / (shape + 1/2 + p / 2).

    Parameters
    ----------
    mean : (K, p)
    kappa : (K, p, p)
        Symmetric positive definite: precisions in units of 1 / v.
    shape, rate : (K,)
        Positive.
    """

    mean: Values
    kappa: Values
    shape: Values
    rate: Values

    def _check(self) -> None:
        finite("mean", self.mean)
        scale_matrix("kappa", self.kappa)
        positive("shape", self.shape)
        positive("rate", self.rate)
        if self.mean.ndim != 2 or self.kappa.shape != self.mean.shape + self.mean.shape[-1:]:
            raise ValueError(
                f"mean and kappa: got {self.mean.shape} and {self.kappa.shape}, wants (K, p) and (K, p, p)"
            )

    def broadcast(self, components: int, predictors: int) -> Self:
        matrix = {"components": components, "predictors": predictors, "predictors_to": predictors}
        return self._unchecked(
            mean=fill("mean", self.mean, components=components, predictors=predictors),
            kappa=fill_matrices("kappa", self.kappa, **matrix),
            shape=fill("shape", self.shape, components=components),
            rate=fill("rate", self.rate, components=components),
        )

    @classmethod
    def flat(cls, components: int, predictors: int, parameter: Parameter = "variance") -> Self:
        """Constant density in (b, v), or in (b, sd); there the constant is log 2."""
        one_of("parameter", parameter, ("variance", "sd"))
        shape = -(1.0 if parameter == "variance" else 0.5) - predictors / 2
        return cls._unchecked(
            mean=np.zeros((components, predictors)),
            kappa=np.zeros((components, predictors, predictors)),
            shape=np.full(components, shape),
            rate=np.zeros(components),
        )

    def update(self, n: Array, cross: Array) -> Self:
        """Posterior after n (K,) and cross = sum (x, y) (x, y)' (K, p + 1, p + 1)."""
        xx, xy = cross[:, :-1, :-1], cross[:, :-1, -1]
        kappa = self.kappa + xx
        mean = solve(kappa, apply(self.kappa, self.mean) + xy)
        squares = residual_squares(mean, cross) + quadratic(self.kappa, mean - self.mean)
        return self._unchecked(mean=mean, kappa=kappa, shape=self.shape + n / 2, rate=self.rate + squares / 2)

    def mode(self, parameter: Parameter = "variance") -> tuple[Array, Array]:
        """b (K, p) and v (or sd) (K,) at their joint mode; NaN for a flat prior without data."""
        one_of("parameter", parameter, ("variance", "sd"))
        power = (1.0 if parameter == "variance" else 0.5) + self.mean.shape[-1] / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            v = self.rate / (self.shape + power)
        return self.mean, v if parameter == "variance" else np.sqrt(v)

    def expected(self, parameter: Parameter = "variance") -> tuple[Array, Array]:
        """Means of b (K, p), NaN where shape <= 1/2, and of v (or sd) (K,)."""
        return np.where(self.shape[:, None] > 0.5, self.mean, np.nan), self.variances().expected(parameter)

    def draw(self, rng: np.random.Generator, size: Size = None,
             parameter: Parameter = "variance") -> tuple[Array, Array]:  # fmt: skip
        """Draws of b (*size, K, p) and v (or sd) (*size, K)."""
        self._require_proper("draw")
        sd = self.variances().draw(rng, size, "sd")
        noise = rng.standard_normal(leading(size) + self.mean.shape)
        b = self.mean + sd[..., None] * apply(np.swapaxes(self.root(), -1, -2), noise)
        one_of("parameter", parameter, ("variance", "sd"))
        return b, sd if parameter == "sd" else sd**2

    def root(self) -> Array:
        """U (K, p, p) lower triangular with U'U = kappa^-1."""
        return np.linalg.inv(np.linalg.cholesky(self.kappa))

    def expected_potentials(self) -> tuple[Array, Array, Array, Array]:
        """c (K,), mean (K, p), w (K,), U (K, p, p): E[log N(y; x'b, v)] = c - (w (y - x'mean))^2 / 2 - |U x|^2 / 2."""
        self._require_proper("expected_potentials")
        v = self.variances()
        return (v.expected_log_precision() - LOG_2PI) / 2, self.mean, np.sqrt(v.expected_precision()), self.root()

    def log_density(self, b: Any, value: Any, parameter: Parameter = "variance") -> float:
        """Log density at coefficients (K, p) and variances, or standard deviations, (K,)."""
        base = self.variances().log_density(value, parameter)
        if base == -np.inf:
            return base
        precision = 1 / np.asarray(value) ** (1 if parameter == "variance" else 2)
        return base + self._log_normal(np.log(precision), precision * quadratic(self.kappa, b - self.mean))

    def expected_log_density(self, other: Self) -> float:
        v, p = self.variances(), self.mean.shape[-1]
        # where the two are equal the trace is p, to the last bit
        same = np.array_equal(self.kappa, other.kappa)
        trace = float(p) if same else np.einsum("kij,kji->k", np.linalg.inv(self.kappa), other.kappa)
        squares = v.expected_precision() * quadratic(other.kappa, self.mean - other.mean) + trace
        normal = other._log_normal(v.expected_log_precision(), squares)
        return normal + v.expected_log_density(other.variances())

    def variances(self) -> InverseGamma:
        """The marginal of the variances."""
        return InverseGamma._unchecked(shape=self.shape, rate=self.rate)

    def log_determinant(self) -> Array:
        """(K,) log |kappa|."""
        return np.linalg.slogdet(self.kappa)[1]

    def _log_normal(self, log_precision: Array, squares: Array) -> float:
        """Sum of log N(b; mean, v kappa^-1); a flat component is written with the constant one."""
        flat = (self.kappa == 0).all(axis=(1, 2))
        p = self.mean.shape[-1]
        constant = np.where(flat, 0.0, self._log_det_or_zero() - p * LOG_2PI)
        return float((constant + p * log_precision - squares).sum() / 2)

    def _log_det_or_zero(self) -> Array:
        with np.errstate(divide="ignore"):
            log_det = self.log_determinant()
        return np.where(np.isfinite(log_det), log_det, 0.0)


def apply(matrix: Array, vector: Array) -> Array:
    """Matrices (..., p, p) times vectors (..., p)."""
    return (matrix @ vector[..., None])[..., 0]


def quadratic(matrix: Array, vector: Array) -> Array:
    """vector' matrix vector, (...)."""
    return np.asarray((vector * apply(matrix, vector)).sum(axis=-1))


def residual_squares(b: Array, cross: Array) -> Array:
    """|y - X b|^2 (K,) from cross (K, p + 1, p + 1)."""
    v = np.concatenate([-b, np.ones((*b.shape[:-1], 1))], axis=-1)
    return np.maximum(quadratic(cross, v), 0.0)


def solve(precision: Array, linear: Array) -> Array:
    """precision^-1 linear (K, p), on unit diagonals; of least norm where a component does not determine it."""
    scale = np.sqrt(np.diagonal(precision, axis1=-2, axis2=-1))
    scale = np.where(scale > 0, scale, 1.0)
    scaled, right = precision / (scale[..., :, None] * scale[..., None, :]), linear / scale
    if well_conditioned(scaled, WELL):
        return np.linalg.solve(scaled, right[..., None])[..., 0] / scale
    return apply(np.linalg.pinv(scaled, rcond=1e-13, hermitian=True), right) / scale


def well_conditioned(matrix: Array, least: float) -> bool:
    """Whether the pivots (of the Cholesky factor) of matrices (..., p, p) with unit diagonals all exceed ``least``."""
    try:
        return bool(np.diagonal(np.linalg.cholesky(matrix), axis1=-2, axis2=-1).min() > least)
    except np.linalg.LinAlgError:
        return False
