"""Transition rows whose stationary distribution starts every sequence: Dirichlet priors, but no conjugate update."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn, final

import numpy as np

from em_vs_bayes.blocks.probabilities import ProbabilityRows
from em_vs_bayes.contract import Array, Block, Maximum, Parameter, Params, Shapes
from em_vs_bayes.kernels import tables
from em_vs_bayes.kernels.stationary import add_slope
from em_vs_bayes.markov import stationary_distribution

WHY = "initial='stationary' ties the first state to the transition matrix, and no conjugate update is left"


@final
@dataclass(frozen=True, slots=True, eq=False)
class StationaryRows(Block):
    """A transition matrix (K, K) together with the starts of sequences.

    EM maximises numerically (a generalised M-step), Gibbs corrects Dirichlet draws by Metropolis-Hastings, row by row.

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
        """Quasi-Newton in log odds of the free elements, from ``params`` and the update that ignores the starts."""
        alpha = np.ones((self._k, self._k)) if flat_prior else np.asarray(self.rows.prior.alpha)
        free, starts = np.isnan(self.rows.fixed), np.ascontiguousarray(stats["starts"])
        counts = np.where(free, np.maximum(stats["transitions"] + alpha - 1.0, 0.0), 0.0)
        plain = self.rows.maximize(
            params, {self.rows.statistic: stats["transitions"]}, flat_prior=flat_prior, floor=floor
        )
        mass = 1.0 - np.nansum(self.rows.fixed, axis=1, keepdims=True)

        def matrix(x: Array) -> Array:
            odds = np.full(free.shape, -np.inf)
            odds[free] = x
            top = odds.max(axis=1, initial=-700.0, keepdims=True)
            share = np.exp(odds - top)
            return np.where(free, mass * share / np.maximum(share.sum(axis=1, keepdims=True), 1e-300), self.rows.fixed)

        def objective(x: Array) -> tuple[float, Array]:
            a = matrix(x)
            delta = stationary_distribution(a)
            with np.errstate(divide="ignore", invalid="ignore"):
                value = np.where(counts > 0, counts * np.log(a), 0.0).sum()
                value += np.where(starts > 0, starts * np.log(delta), 0.0).sum()
            slope = np.zeros(a.size)  # of the starts; a times that of the transitions is counts, and cannot overflow
            add_slope(np.ravel(a).copy(), 0, self._k, starts, 0, slope)
            if not (np.isfinite(value) and np.isfinite(slope).all()):  # a chain that all but falls apart
                return 1e300, np.zeros_like(x)
            within = np.where(free, counts + a * slope.reshape(a.shape), 0.0)
            total = within.sum(axis=1, keepdims=True) / np.where(mass > 0, mass, 1.0)
            return -float(value), -(within - a * total)[free]

        from scipy import optimize  # a fifth of a second that only stationary chains pay for

        best, highest = params[self.rows.name], -objective(_log_odds(params[self.rows.name], free))[0]
        for start in (best, plain.params[self.rows.name]):
            found = optimize.minimize(
                objective, _log_odds(start, free), jac=True, method="L-BFGS-B", options={"maxiter": 100, "ftol": 1e-15}
            )
            if -found.fun > highest:
                best, highest = matrix(found.x), -found.fun
        return Maximum({self.rows.name: best}, boundary=plain.boundary)

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


def _log_odds(probabilities: Array, free: Array) -> Array:
    """Coordinates of the free elements; a zero becomes a very small probability."""
    return np.asarray(np.log(np.maximum(probabilities, 1e-12))[free])
