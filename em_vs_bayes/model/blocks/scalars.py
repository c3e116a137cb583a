"""One number per component with a conjugate prior: rates (gamma) and success probabilities (beta).

A prior that is not conjugate but has a density the kernels know still serves EM (numerical M-step), Gibbs (slice
steps) and NUTS; CAVI is refused in words.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from scipy.special import xlog1py, xlogy

from em_vs_bayes.common.contract import (
    Array,
    Block,
    Maximum,
    Parameter,
    Params,
    Shapes,
)
from em_vs_bayes.common.saddlepoint import digamma_error, gamma_log_density
from em_vs_bayes.kernels import tables
from em_vs_bayes.model.blocks.elementwise import climbed
from em_vs_bayes.model.priors import Beta, Gamma, Prior


@dataclass(frozen=True, slots=True, eq=False)
class ScalarBlock(Block):
    """K numbers whose log likelihood is ``t . eta(theta)`` with two statistics each."""

    name: str
    prior: Any
    leading: str
    fixed: Array

    @abstractmethod
    def _family(self, stats: Array | None) -> Any:
        """The prior (None: the flat member) as its conjugate family, both columns (K,)."""

    @abstractmethod
    def _most_likely(self, t: Array) -> Array:
        """(K,) maximum of t . eta(theta): infinite where nothing bounds it, NaN without any row."""

    @abstractmethod
    def _natural(self, value: Array) -> Array:
        """eta(theta), (..., 2)."""

    @abstractmethod
    def _expected(self, factor: Any) -> Array:
        """What CAVI reads in the place of eta, (K, 2)."""

    @staticmethod
    @abstractmethod
    def _kind() -> str:
        """What the two statistics are to `elementwise.climbed`."""

    @property
    def _conjugate(self) -> bool:
        return not isinstance(self.prior, Prior)

    @property
    def _k(self) -> int:
        return len(self.fixed)

    @property
    def statistics(self) -> Shapes:
        return (("t", (self._k, 2)),)

    @property
    def potentials(self) -> Shapes:
        return (("eta", (self._k, 2)),)

    def hyper(self) -> Array:
        if not self._conjugate:
            return np.zeros(2 * self._k)
        first, second = self._columns(self.prior)
        return np.column_stack([first, second]).ravel()

    def elementwise(self) -> dict[str, Any]:
        return {} if self._conjugate else {self.name: self.prior}

    def fixed_values(self) -> Params:
        return {self.name: self.fixed}

    def neutral(self) -> Params:
        middle = 0.5 if self.parameters[0].support == "unit" else 1.0
        return {self.name: np.where(np.isnan(self.fixed), middle, self.fixed)}

    def describe(self) -> tuple[tuple[tuple[str, ...], Any], ...]:
        return (((self.name,), self.prior),)

    def steps(self) -> tuple[str, ...]:
        return ("conjugate",) if self._conjugate else ("slice",)

    @staticmethod
    @abstractmethod
    def _columns(family: Any) -> tuple[Array, Array]:
        """The family's two hyperparameters."""

    def maximize(self, params: Params, stats: Params, *, flat_prior: bool, floor: float) -> Maximum:
        t, free = stats["t"], np.isnan(self.fixed)
        if flat_prior or self._conjugate:
            with np.errstate(divide="ignore", invalid="ignore"):
                after = None if flat_prior else self._family(self.prior).update(t[:, 0], t[:, 1])
                value = self._most_likely(t) if after is None else np.asarray(after.mode())
        else:
            value = climbed(self._kind(), self.prior, params[self.name], free, t[:, 0], t[:, 1])
        value = value if free.all() else np.where(free, value, self.fixed)
        if np.isfinite(value).all():
            return Maximum({self.name: value})
        runs = tuple(int(k) for k in np.flatnonzero(np.isinf(value)))
        value = np.where(np.isfinite(value), value, params[self.name])
        return Maximum({self.name: value}, floored=runs, unbounded=(self.name,) if runs else ())

    def refuses_vi(self) -> str | None:
        if self._conjugate:
            return None
        return f"the prior {self.prior!r} on {self.name!r} is not conjugate"

    def factor(self, params: Params, stats: Params) -> Any:
        return self._family(self.prior).update(stats["t"][:, 0], stats["t"][:, 1])

    def update(self, factor: Any, stats: Params) -> Any:
        return self.factor({}, stats)

    def expected_potentials(self, factor: Any) -> Params:
        eta = self._expected(factor).copy()
        known = ~np.isnan(self.fixed)
        eta[known] = self._natural(self.fixed[known])
        return {"eta": eta}

    def kl(self, factor: Any) -> float:
        free = np.isnan(self.fixed)
        if not free.any():
            return 0.0
        return float(self._subset(factor, free).kl(self._subset(self._family(self.prior), free)))

    def _subset(self, family: Any, free: Any) -> Any:
        first, second = self._columns(family)
        return type(family)(first[free], second[free])

    def factor_mean(self, factor: Any) -> Params:
        return {self.name: np.where(np.isnan(self.fixed), factor.expected(), self.fixed)}

    def factor_centre(self, factor: Any) -> Params:
        return self.factor_mean(factor)

    def factor_draw(self, factor: Any, rng: np.random.Generator, size: int) -> Params:
        return {self.name: np.where(np.isnan(self.fixed), factor.draw(rng, size), self.fixed)}

    def factor_log_density(self, factor: Any, params: Params) -> Array:
        with np.errstate(all="ignore"):  # of elements fixed at an edge
            each = self._log_density(factor, params[self.name])
        return np.asarray(np.where(np.isnan(self.fixed), each, 0.0).sum(axis=1))

    @staticmethod
    @abstractmethod
    def _log_density(family: Any, value: Array) -> Array:
        """Log density of each element (S, K) under the family, up to a constant."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class RateBlock(ScalarBlock):
    """Rates with gamma priors. eta = (log rate, -rate): a Poisson count gives t = (y, 1), a waiting time t = (1, y).

    Where ``counts`` are large, t . eta would cancel against log y!; eta then holds the rate in the place of its
    logarithm, and what is to be added to the log density there (`kernels.saddle`).
    """

    counts: bool = False

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return (Parameter(self.name, (self._k,), (self.leading,), "positive"),)

    def codes(self) -> dict[str, int]:
        kind = tables.JOINT if self._conjugate else tables.ELEMENTWISE
        form = tables.RATE_EXCESS if self.counts else tables.NATURAL
        return {"code": tables.GAMMA, "rows": self._k, "size": 1, "covariance": form, "mean_prior": kind}

    def _family(self, stats: Any) -> Gamma:
        return Gamma.flat(self._k) if stats is None else stats

    def _most_likely(self, t: Array) -> Array:
        return np.asarray(t[:, 0] / t[:, 1])

    def _natural(self, value: Array) -> Array:
        if self.counts:
            return np.stack([value, np.zeros_like(value)], axis=-1)
        with np.errstate(divide="ignore"):  # a rate fixed at 0
            return np.stack([np.log(value), -value], axis=-1)

    def _expected(self, factor: Any) -> Array:
        if not self.counts:
            return np.asarray(factor.expected_potentials())
        mean, below = factor.expected(), digamma_error(factor.shape)
        return np.stack([mean * np.exp(below), mean * np.expm1(below)], axis=-1)

    @staticmethod
    def _kind() -> str:
        return "RATE"

    @staticmethod
    def _columns(family: Any) -> tuple[Array, Array]:
        return np.asarray(family.shape), np.asarray(family.rate)

    @staticmethod
    def _log_density(family: Any, value: Array) -> Array:
        return gamma_log_density(family.shape, family.rate, value)


@final
@dataclass(frozen=True, slots=True, eq=False)
class ProbabilityBlock(ScalarBlock):
    """Success probabilities with beta priors. eta = (log p, log(1 - p)); an outcome gives t = (y, 1 - y)."""

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return (Parameter(self.name, (self._k,), (self.leading,), "unit"),)

    def codes(self) -> dict[str, int]:
        kind = tables.JOINT if self._conjugate else tables.ELEMENTWISE
        return {"code": tables.BETA, "rows": self._k, "size": 1, "mean_prior": kind}

    def _family(self, stats: Any) -> Beta:
        return Beta.flat(self._k) if stats is None else stats

    def _most_likely(self, t: Array) -> Array:
        return np.asarray(t[:, 0] / (t[:, 0] + t[:, 1]))

    def _natural(self, value: Array) -> Array:
        with np.errstate(divide="ignore"):  # a probability fixed at 0 or 1
            return np.stack([np.log(value), np.log1p(-value)], axis=-1)

    @staticmethod
    def _kind() -> str:
        return "PROBABILITY"

    @staticmethod
    def _columns(family: Any) -> tuple[Array, Array]:
        return np.asarray(family.a), np.asarray(family.b)

    def _expected(self, factor: Any) -> Array:
        return np.asarray(factor.expected_potentials())

    @staticmethod
    def _log_density(family: Any, value: Array) -> Array:
        return np.asarray(xlogy(family.a - 1.0, value) + xlog1py(family.b - 1.0, -value))
