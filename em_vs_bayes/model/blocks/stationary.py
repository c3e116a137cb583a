"""Transition rows whose stationary distribution starts every sequence: Dirichlet priors, but no conjugate update."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn, final

import numpy as np

from em_vs_bayes.common.contract import (
    Array,
    Block,
    Maximum,
    Parameter,
    Params,
    Shapes,
)
from em_vs_bayes.kernels import tables
from em_vs_bayes.kernels.stationary_mode import maximum
from em_vs_bayes.model.blocks.probabilities import ProbabilityRows

WHY = "initial='stationary' ties the first state to the transition matrix, and no conjugate update is left"


@final
@dataclass(frozen=True, slots=True, eq=False)
class StationaryRows(Block):
    """A transition matrix (K, K) together with the starts of sequences.

    EM maximises by Newton's method (a generalised M-step), Gibbs corrects Dirichlet draws by Metropolis-Hastings, row
    by row.

    Parameters
    ----------
    rows : ProbabilityRows
        The prior and fixed elements of the transition matrix.
    """

    rows: ProbabilityRows

    @property
    def _k(self) -> int:
        return int(np.shape(self.rows.prior.alpha)[0])

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return self.rows.parameters

    @property
    def statistics(self) -> Shapes:
        return (("starts", (self._k,)), ("transitions", (self._k, self._k)))

    @property
    def potentials(self) -> Shapes:
        return self.statistics

    def codes(self) -> dict[str, int]:
        return {"code": tables.STATIONARY, "rows": self._k, "size": self._k, "mean_prior": tables.JOINT}

    def hyper(self) -> Array:
        return self.rows.hyper()

    def elementwise(self) -> dict[str, Any]:
        return {}

    def fixed_values(self) -> Params:
        return self.rows.fixed_values()

    def neutral(self) -> Params:
        return self.rows.neutral()

    def describe(self) -> tuple[tuple[tuple[str, ...], Any], ...]:
        return self.rows.describe()

    def steps(self) -> tuple[str, ...]:
        return ("conjugate",)

    def maximize(self, params: Params, stats: Params, *, flat_prior: bool, floor: float) -> Maximum:
        """Newton's method in log odds of the free elements, from ``params`` or the update that ignores the starts."""
        name = self.rows.name
        plain = self.rows.maximize(
            params, {self.rows.statistic: stats["transitions"]}, flat_prior=flat_prior, floor=floor
        )
        free = np.isnan(self.rows.fixed)
        prior = 0.0 if flat_prior else np.asarray(self.rows.prior.alpha) - 1.0
        best = np.array(params[name], dtype=float)
        maximum(
            np.where(free, np.maximum(stats["transitions"] + prior, 0.0), 0.0).ravel(),
            np.array(stats["starts"], dtype=float),
            free.ravel(),
            1.0 - np.nansum(self.rows.fixed, axis=1),
            best.reshape(-1),
            np.array(plain.params[name], dtype=float).reshape(-1),
        )
        return Maximum({name: best})

    def refuses_vi(self) -> str:
        return WHY

    def factor(self, params: Params, stats: Params) -> NoReturn:
        raise ValueError(WHY)

    def update(self, factor: Any, stats: Params) -> NoReturn:
        raise ValueError(WHY)

    def expected_potentials(self, factor: Any) -> NoReturn:
        raise ValueError(WHY)

    def kl(self, factor: Any) -> NoReturn:
        raise ValueError(WHY)

    def factor_mean(self, factor: Any) -> NoReturn:
        raise ValueError(WHY)

    def factor_centre(self, factor: Any) -> NoReturn:
        raise ValueError(WHY)

    def factor_draw(self, factor: Any, rng: np.random.Generator, size: int) -> NoReturn:
        raise ValueError(WHY)

    def factor_log_density(self, factor: Any, params: Params) -> NoReturn:
        raise ValueError(WHY)
