"""A block whose parameters stand under other names and shapes: one regression for all rows is that of one component."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from em_vs_bayes.common.contract import (
    Array,
    Block,
    Maximum,
    Parameter,
    Params,
    Shapes,
)
from em_vs_bayes.model.priors import Prior


@final
@dataclass(frozen=True, slots=True, eq=False)
class Renamed(Block):
    """The same numbers, prior and updates as ``inner``.

    Parameters
    ----------
    inner : Block
    own : tuple of Parameter
        What the parameters of ``inner`` are called here, in its order; shapes of the same sizes.
    """

    inner: Block
    own: tuple[Parameter, ...]

    def _pairs(self) -> zip[tuple[Parameter, Parameter]]:
        return zip(self.inner.parameters, self.own, strict=True)

    def _inwards(self, params: Mapping[str, Any]) -> Params:
        return {theirs.name: np.reshape(params[mine.name], theirs.shape) for theirs, mine in self._pairs()}

    def _outwards(self, params: Mapping[str, Any], leading: tuple[int, ...] = ()) -> Params:
        return {mine.name: np.reshape(params[theirs.name], leading + mine.shape) for theirs, mine in self._pairs()}

    @property
    def _names(self) -> dict[str, str]:
        return {theirs.name: mine.name for theirs, mine in self._pairs()}

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return self.own

    @property
    def statistics(self) -> Shapes:
        return self.inner.statistics

    @property
    def potentials(self) -> Shapes:
        return self.inner.potentials

    def codes(self) -> dict[str, int]:
        return self.inner.codes()

    def hyper(self) -> Array:
        return self.inner.hyper()

    def elementwise(self) -> dict[str, Any]:
        priors = self.inner.elementwise()
        return {m.name: _reshaped(priors[t.name], t.shape, m.shape) for t, m in self._pairs() if t.name in priors}

    def fixed_values(self) -> Params:
        return self._outwards(self.inner.fixed_values())

    def neutral(self) -> Params:
        return self._outwards(self.inner.neutral())

    def describe(self) -> tuple[tuple[tuple[str, ...], Any], ...]:
        return tuple((tuple(self._names[name] for name in names), prior) for names, prior in self.inner.describe())

    def steps(self) -> tuple[str, ...]:
        return self.inner.steps()

    def maximize(self, params: Params, stats: Params, *, flat_prior: bool, floor: float) -> Maximum:
        best = self.inner.maximize(self._inwards(params), stats, flat_prior=flat_prior, floor=floor)
        unbounded = tuple(self._names[name] for name in best.unbounded)
        return replace(best, params=self._outwards(best.params), unbounded=unbounded)

    def refuses_vi(self) -> str | None:
        reason = self.inner.refuses_vi() or ""
        for inner, own in self._names.items():
            reason = reason.replace(f"on {inner!r}", f"on {own!r}")
        return reason or None

    def factor(self, params: Params, stats: Params) -> Any:
        return self.inner.factor(self._inwards(params), stats)

    def update(self, factor: Any, stats: Params) -> Any:
        return self.inner.update(factor, stats)

    def expected_potentials(self, factor: Any) -> Params:
        return self.inner.expected_potentials(factor)

    def kl(self, factor: Any) -> float:
        return self.inner.kl(factor)

    def factor_mean(self, factor: Any) -> Params:
        return self._outwards(self.inner.factor_mean(factor))

    def factor_centre(self, factor: Any) -> Params:
        return self._outwards(self.inner.factor_centre(factor))

    def factor_draw(self, factor: Any, rng: np.random.Generator, size: int) -> Params:
        return self._outwards(self.inner.factor_draw(factor, rng, size), (size,))

    def factor_log_density(self, factor: Any, params: Params) -> Array:
        inner = {t.name: np.reshape(params[m.name], (-1, *t.shape)) for t, m in self._pairs()}
        return self.inner.factor_log_density(factor, inner)


def _reshaped(prior: Prior, theirs: tuple[int, ...], mine: tuple[int, ...]) -> Prior:
    """A density by name whose arguments fit the shape here; numbers fit any."""
    arguments = {k: np.reshape(v, mine) if np.shape(v) == theirs else v for k, v in prior.arguments.items()}
    return Prior(prior.name, **arguments)
