"""Laplace approximation: a normal at the posterior mode in unconstrained coordinates, as draws.

Tierney & Kadane (1986). The mode is that of the unconstrained density (Jacobian included). Pareto k-hat of the
importance ratios says how far to trust it (Yao et al. 2018; Vehtari et al. 2024).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from em_vs_bayes.common.arguments import positive_integer
from em_vs_bayes.common.contract import Array
from em_vs_bayes.common.status import Status
from em_vs_bayes.methods.base import (
    Beyond,
    Method,
    Outcome,
    Run,
    not_resumable,
)
from em_vs_bayes.methods.em import climbed, inside_the_order
from em_vs_bayes.methods.mode import Whitening, settled
from em_vs_bayes.program.program import INSIDE, Density, Program

AT_ONCE = 500  # draws of a step


@dataclass(frozen=True, slots=True)
class State:
    """The approximation, once it is made, the generator for its draws, and those made: whitened, and log p at them."""

    density: Density
    theta: Array
    rng: np.random.Generator
    map: Whitening | None = None
    drawn: tuple[tuple[Array, Array], ...] = ()

    @property
    def count(self) -> int:
        """Draws made."""
        return sum(len(u) for u, _ in self.drawn)


@final
@dataclass(frozen=True, slots=True)
class Laplace(Method):
    """Options of ``method="laplace"``.

    Parameters
    ----------
    draws : int
    """

    draws: int = 2000

    def __post_init__(self) -> None:
        positive_integer("draws", self.draws)

    def init(self, program: Program, start: Any, rng: np.random.Generator) -> list[Run]:
        theta = near_mode(program, start, rng)
        return [Run(State(program.density(theta), theta, rng))]

    def step(self, program: Program, state: State) -> State:
        if state.map is None:
            return replace(state, map=settled(state.density, program.unconstrain(state.theta)))
        u = state.rng.standard_normal((min(AT_ONCE, self.draws - state.count), program.ndim))
        log_p = np.array([state.density(row)[0] for row in state.map.to_x(u)])
        return replace(state, drawn=(*state.drawn, (u, log_p)))

    def record(self, state: State) -> dict[str, float]:
        return {
            "objective": state.map.height
            if state.map
            else state.density(state.density.program.unconstrain(state.theta))[0]
        }

    def finished(self, state: State) -> Status | None:
        if state.map is None or state.count < self.draws:
            return None
        return Status.SUSPECT if state.map.repaired else Status.APPROXIMATED

    def beyond(self, program: Program, state: State, status: Status) -> Beyond:
        return Beyond()

    def progress(self, state: State) -> tuple[float, str]:
        return state.count / self.draws, "mode" if state.map is None else f"{state.count} draws"

    def checkpoint(self, state: State) -> dict[str, Array]:
        return {}

    def restore(self, program: Program, checkpoint: dict[str, Array], records: list[dict[str, float]]) -> Run:
        raise not_resumable("laplace")

    def outcome(self, program: Program, state: State, status: Status) -> Outcome:
        if state.map is None:
            return Outcome(state.theta, status)
        if not state.drawn:
            return Outcome(program.constrain(state.map.mode, state.theta), status, notes=("No draw was made.",))
        u, log_p = (np.concatenate(parts) for parts in zip(*state.drawn, strict=True))
        x = state.map.to_x(u)
        log_q = -0.5 * (u**2).sum(axis=1) - 0.5 * program.ndim * np.log(2.0 * np.pi) - state.map.log_det
        notes = (
            ["The information at the mode is not positive definite: a direction is flat or rises."]
            if state.map.repaired
            else []
        )
        return Outcome(
            None,
            status,
            draws=program.constrain(x, state.theta)[None],
            sample_stats={"lp": log_p[None], "log_q": log_q[None]},
            notes=tuple(notes),
            attrs={"mode": program.constrain(state.map.mode, state.theta)},
        )


def near_mode(program: Program, start: Any, rng: np.random.Generator) -> Array:
    """theta near the posterior mode: EM-MAP from ``start``, not run to the last digit."""
    program.require_known_priors("This method's direct road")
    if program.ndim == 0:
        raise ValueError("fixed leaves no parameter free: there is no posterior to explore. Use spec.at.")
    theta = program.inside(inside_the_order(program, climbed(program, start, rng)))
    # a probability of 1e-50 may be near the mode of theta: in x it is far out, where the density is flat and low
    density, inner = program.density(theta), (program.opened(theta, INSIDE), program.towards_neutral(theta))
    return max(theta, *inner, key=lambda point: density(program.unconstrain(point))[0])
