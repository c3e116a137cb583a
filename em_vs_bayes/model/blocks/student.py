"""Locations and scales of Student t distributions: those of a normal whose rows' precisions are weighted.

y | u ~ N(mean, sigma^2 / u), u ~ Gamma(df / 2, df / 2). Given the weights u everything is as for the univariate Normal,
with sums over r u in the place of sums over r, except that a row counts r in sigma, whatever its u: the statistics are
n = sum r u, s1 = sum r u y, s2 = sum r u y^2 and count = sum r. With expected weights the M-step is that of Lange,
Little & Taylor (1989, JASA 84), with drawn ones a Gibbs step, with those of the best q(u) a CAVI step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from scipy.special import gammaln

from em_vs_bayes.common.contract import (
    Array,
    Block,
    Maximum,
    Parameter,
    Params,
    Shapes,
)
from em_vs_bayes.kernels import tables
from em_vs_bayes.model.blocks.gaussian_diagonal import LOG_2PI, DiagonalGaussianBlock

NAMES = ("n", "s1", "s2", "count")


@final
@dataclass(frozen=True, slots=True, eq=False)
class StudentBlock(Block):
    """K locations and scales, with known degrees of freedom.

    Parameters
    ----------
    normal : DiagonalGaussianBlock
        Of kind ``tables.SIGMA``: parameters, priors and fixed values, and all that is done given weights.
    df : ndarray (K,)
    """

    normal: DiagonalGaussianBlock
    df: Array

    @property
    def _k(self) -> int:
        return int(self.df.size)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return (*self.normal.parameters, Parameter("df", (self._k,), (self.normal.leading,), "positive"))

    @property
    def statistics(self) -> Shapes:
        return tuple((name, (self._k, 1)) for name in NAMES)

    @property
    def potentials(self) -> Shapes:
        return tuple((name, (self._k,)) for name in ("c", "m", "v", "h", "g"))

    def codes(self) -> dict[str, int]:
        return self.normal.codes() | {"covariance": tables.STUDENT_SIGMA}

    def hyper(self) -> Array:
        return self.normal.hyper()

    def elementwise(self) -> dict[str, Any]:
        return self.normal.elementwise()

    def fixed_values(self) -> Params:
        return self.normal.fixed_values() | {"df": self.df}

    def neutral(self) -> Params:
        return self.normal.neutral() | {"df": self.df}

    def describe(self) -> tuple[tuple[tuple[str, ...], Any], ...]:
        return self.normal.describe()

    def steps(self) -> tuple[str, ...]:
        return self.normal.steps()

    def maximize(self, params: Params, stats: Params, *, flat_prior: bool, floor: float) -> Maximum:
        best = self.normal.maximize(params, stats, flat_prior=flat_prior, floor=floor)
        return replace(best, params=best.params | {"df": self.df})

    def refuses_vi(self) -> str | None:
        return self.normal.refuses_vi()

    def factor(self, params: Params, stats: Params) -> Any:
        return self.normal.factor(params, stats)

    def update(self, factor: Any, stats: Params) -> Any:
        return self.normal.update(factor, stats)

    def expected_potentials(self, factor: Any) -> Params:
        """With E[(y - mu)^2 / sigma^2] = w^2 (y - m)^2 + extra, the log normaliser of the best q(u) at each y."""
        normal = {name: value[:, 0] for name, value in self.normal.expected_potentials(factor).items()}
        extra = self.normal.mean_uncertainty(factor)[:, 0]
        half, total = 0.5 * (self.df + 1.0), self.df + extra
        log_root_precision = normal["c"] + 0.5 * (extra + LOG_2PI)
        constant = gammaln(half) - gammaln(0.5 * self.df) - 0.5 * np.log(np.pi * self.df)
        return {
            "c": constant - half * np.log1p(extra / self.df) + log_root_precision,
            "m": normal["m"],
            "v": normal["w"] / np.sqrt(total),
            "h": half,
            "g": 2.0 * half / total,
        }

    def kl(self, factor: Any) -> float:
        return self.normal.kl(factor)

    def factor_mean(self, factor: Any) -> Params:
        return self.normal.factor_mean(factor) | {"df": self.df}

    def factor_centre(self, factor: Any) -> Params:
        return self.normal.factor_centre(factor) | {"df": self.df}

    def factor_draw(self, factor: Any, rng: np.random.Generator, size: int) -> Params:
        drawn = self.normal.factor_draw(factor, rng, size)
        return drawn | {"df": np.broadcast_to(self.df, (size, self._k))}

    def factor_log_density(self, factor: Any, params: Params) -> Array:
        return self.normal.factor_log_density(factor, params)
