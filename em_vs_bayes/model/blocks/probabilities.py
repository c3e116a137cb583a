"""Rows of probabilities with Dirichlet priors: mixture weights, category probabilities, transition matrices.

Fixed elements condition the prior on them: the free elements of a row are (1 - sum of the fixed) times a Dirichlet of
their own alphas. A row's structural zero is an element fixed at 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from em_vs_bayes.common.contract import (
    Array,
    Block,
    Maximum,
    Parameter,
    Params,
    Shapes,
)
from em_vs_bayes.kernels import tables
from em_vs_bayes.model.priors import Dirichlet


@final
@dataclass(frozen=True, eq=False)
class ProbabilityRows(Block):
    """R rows of C probabilities.

    Parameters
    ----------
    name : str
    prior : Dirichlet, alpha (R, C)
    dims : tuple of str
        Of the parameter; one name when R = 1 and the parameter is the vector itself.
    fixed : ndarray (R, C)
        NaN where free.
    statistic, potential : str
        The names under which counts and log probabilities travel.
    """

    name: str
    prior: Dirichlet
    dims: tuple[str, ...]
    fixed: Array
    statistic: str = "counts"

    @cached_property
    def _shape(self) -> tuple[int, int]:
        rows, columns = np.shape(self.prior.alpha)
        return rows, columns

    @cached_property
    def _free(self) -> NDArray[np.bool_]:
        """Which elements are free (R, C)."""
        return np.isnan(self.fixed)

    @cached_property
    def _all_free(self) -> bool:
        return bool(self._free.all())

    @cached_property
    def _any_free(self) -> bool:
        return bool(self._free.any())

    @cached_property
    def _mass(self) -> Array:
        """What is left for the free elements of each row (R,)."""
        return 1.0 - np.nansum(self.fixed, axis=1)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        shape = self._shape if len(self.dims) == 2 else self._shape[1:]
        return (Parameter(self.name, shape, self.dims, "simplex"),)

    @property
    def statistics(self) -> Shapes:
        return ((self.statistic, self._shape),)

    @property
    def potentials(self) -> Shapes:
        return ((self.statistic, self._shape),)

    def codes(self) -> dict[str, int]:
        rows, columns = self._shape
        return {
            "code": tables.DIRICHLET,
            "rows": rows,
            "size": columns,
            "mean_prior": tables.JOINT,
        }

    def hyper(self) -> Array:
        return np.ravel(self.prior.alpha)

    def elementwise(self) -> dict[str, Any]:
        return {}

    def fixed_values(self) -> Params:
        return {self.name: self.fixed if len(self.dims) == 2 else self.fixed[0]}

    def neutral(self) -> Params:
        return {self.name: self._shaped(self._rows(np.ones(self._shape)))}

    def describe(self) -> tuple[tuple[tuple[str, ...], Any], ...]:
        return (((self.name,), self.prior),)

    def steps(self) -> tuple[str, ...]:
        return ("conjugate",)

    def maximize(self, params: Params, stats: Params, *, flat_prior: bool, floor: float) -> Maximum:
        if not self._any_free:
            return Maximum(params)
        alpha = 1.0 if flat_prior else np.asarray(self.prior.alpha)
        counts = stats[self.statistic].reshape(self._shape)
        probs = self._rows(np.maximum(alpha - 1.0 + counts, 0.0), params[self.name].reshape(self._shape))
        return Maximum({self.name: self._shaped(probs)})

    def refuses_vi(self) -> None:
        return None

    def factor(self, params: Params, stats: Params) -> Array:
        return np.asarray(self.prior.alpha) + stats[self.statistic].reshape(self._shape)

    def update(self, factor: Array, stats: Params) -> Array:
        return self.factor({}, stats)

    def expected_potentials(self, factor: Array) -> Params:
        out = np.empty(self._shape)
        with np.errstate(divide="ignore"):
            for r, (free, mass) in enumerate(self._free_rows()):
                out[r] = np.log(self.fixed[r])
                if free.sum() == 1:
                    out[r, free] = np.log(mass)
                elif free.any():
                    out[r, free] = np.log(mass) + Dirichlet(factor[r : r + 1, free]).expected_potentials()[0]
        return {self.statistic: out}

    def kl(self, factor: Array) -> float:
        return sum(
            Dirichlet(factor[r : r + 1, free]).kl(Dirichlet(np.asarray(self.prior.alpha)[r : r + 1, free]))
            for r, (free, _) in enumerate(self._free_rows())
            if free.sum() > 1
        )

    def factor_mean(self, factor: Array) -> Params:
        return {self.name: self._shaped(self._rows(factor))}

    def factor_centre(self, factor: Array) -> Params:
        return self.factor_mean(factor)

    def factor_draw(self, factor: Array, rng: np.random.Generator, size: int) -> Params:
        out = np.empty((size, *self._shape))
        for r, (free, mass) in enumerate(self._free_rows()):
            out[:, r] = self.fixed[r]
            if free.any():
                out[:, r, free] = mass * rng.dirichlet(factor[r, free], size)
        return {self.name: out if len(self.dims) == 2 else out[:, 0]}

    def factor_log_density(self, factor: Array, params: Params) -> Array:
        probs = params[self.name].reshape(-1, *self._shape)
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = (factor - 1.0) * np.log(probs)
        alone = self._free & (self._free.sum(axis=1, keepdims=True) == 1)
        return np.asarray(np.where(self._free & ~alone, terms, 0.0).sum(axis=(1, 2)))

    def _free_rows(self) -> list[tuple[NDArray[np.bool_], float]]:
        return list(zip(self._free, self._mass.tolist(), strict=True))

    def _rows(self, weights: Array, *others: Array) -> Array:
        """Rows proportional to ``weights`` on the free elements; to the first of ``others`` where that is nothing.

        Uniform where those are nothing either.
        """
        share = weights if self._all_free else np.where(self._free, weights, 0.0)
        total = share.sum(axis=1, keepdims=True)
        if not total.all():
            other = self._rows(*others) if others else np.ones(self._shape)
            share = np.where(self._free, np.where(total == 0, other, share), 0.0)
            total = np.maximum(share.sum(axis=1, keepdims=True), 1.0 * ~self._free.any(axis=1, keepdims=True))
        probs = share / total
        return probs if self._all_free else np.where(self._free, self._mass[:, None] * probs, self.fixed)

    def _shaped(self, probs: Array) -> Array:
        return probs if len(self.dims) == 2 else probs[0]
