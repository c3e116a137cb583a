"""The distribution of a regression's errors, (y* - x'b) / sigma: what expectations, residuals and figures ask of it.

Any location and scale, symmetric with one mode, is worked on in the same way. With f its density, s = -f' / f its score
and P the probability of an interval, what limits let through moves with them by f(a) / P and f(b) / P alone:

    dE[Z | a < Z < b] / da = (E - a) f(a) / P,      dC / da = (C - (a - E) (s(a) - E[s])) f(a) / P,
    C = Cov[Z, s(Z) | a < Z < b],                   E[s(Z) | a < Z < b] = (f(a) - f(b)) / P,

likewise at b with the other sign. C is by how much E[y* | between fixed limits] moves with the line.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np
from scipy.special import log_ndtr, ndtri_exp

from em_vs_bayes.common.contract import Array
from em_vs_bayes.kernels.student_interval import log_constant
from em_vs_bayes.model.emissions.moments import LOG_ROOT_2PI, between, student_between


class Given(NamedTuple):
    """Z given a < Z < b, elementwise.

    Parameters
    ----------
    log_p : ndarray
        log P(a < Z < b).
    mean : ndarray
    spread : ndarray
        Cov[Z, s(Z)]: of a normal the variance.
    at_a, at_b : ndarray
        f(a) / P and f(b) / P: 0 at an infinite limit.
    """

    log_p: Array
    mean: Array
    spread: Array
    at_a: Array
    at_b: Array


class Law(ABC):
    """Standardised errors; implement these, get `density`. All is elementwise."""

    @property
    @abstractmethod
    def log_peak(self) -> float:
        """log f(0)."""

    @abstractmethod
    def fall(self, z: Array) -> Array:
        """log f(0) - log f(z)."""

    @abstractmethod
    def score(self, z: Array) -> Array:
        """-d log f(z) / dz."""

    @abstractmethod
    def log_below(self, z: Array) -> Array:
        """log P(Z < z), exact in the lower tail; log P(Z > z) is that of -z."""

    @abstractmethod
    def given(self, a: Any, b: Any) -> Given:
        """Of limits that broadcast against each other; a < b."""

    @abstractmethod
    def normal(self, z: Array) -> Array:
        """The standard normal quantile of P(Z < z)."""

    @abstractmethod
    def has_mean(self, ends: tuple[float, float]) -> bool:
        """Whether Z has one between such limits."""

    @abstractmethod
    def draw(self, size: int, rng: np.random.Generator) -> Array: ...

    @final
    def density(self, z: Array) -> Array:
        """f(z)."""
        return np.asarray(np.exp(self.log_peak - self.fall(z)))


@final
@dataclass(frozen=True, slots=True)
class Normal(Law):
    """The standard normal."""

    @property
    def log_peak(self) -> float:
        return -LOG_ROOT_2PI

    def fall(self, z: Array) -> Array:
        return 0.5 * z**2

    def score(self, z: Array) -> Array:
        return z

    def log_below(self, z: Array) -> Array:
        return np.asarray(log_ndtr(z))

    def given(self, a: Any, b: Any) -> Given:
        inside = between(a, b)
        return Given(inside.log_p, inside.mean, inside.variance, inside.at_a, inside.at_b)

    def normal(self, z: Array) -> Array:
        return z

    def has_mean(self, ends: tuple[float, float]) -> bool:
        return True

    def draw(self, size: int, rng: np.random.Generator) -> Array:
        return rng.standard_normal(size)


@final
@dataclass(frozen=True, slots=True)
class Student(Law):
    """The Student t distribution.

    Parameters
    ----------
    nu : float
        Degrees of freedom.
    """

    nu: float

    @property
    def log_peak(self) -> float:
        return float(log_constant(self.nu))

    def fall(self, z: Array) -> Array:
        return np.asarray(0.5 * (self.nu + 1.0) * np.log1p(z * (z / self.nu)))

    def score(self, z: Array) -> Array:
        return np.asarray((self.nu + 1.0) * z / (self.nu + z**2))

    def log_below(self, z: Array) -> Array:
        return np.asarray(np.where(np.isneginf(z), -np.inf, self.given(-np.inf, z).log_p))

    def given(self, a: Any, b: Any) -> Given:
        return Given(*student_between(a, b, self.nu))

    def normal(self, z: Array) -> Array:
        return np.asarray(-np.sign(z) * ndtri_exp(self.log_below(-np.abs(z))))

    def has_mean(self, ends: tuple[float, float]) -> bool:
        """With few degrees of freedom where both limits are finite."""
        return self.nu > 1.0 or bool(np.isfinite(ends).all())

    def draw(self, size: int, rng: np.random.Generator) -> Array:
        return rng.standard_t(self.nu, size)


def law_of(degrees: float | None) -> Law:
    """That of so many degrees of freedom; None: the normal."""
    return Normal() if degrees is None else Student(degrees)
