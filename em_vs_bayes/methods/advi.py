"""Automatic differentiation variational inference through PyMC, for any prior (Kucukelbir et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from em_vs_bayes.common.arguments import brief, is_number, positive_integer
from em_vs_bayes.common.contract import Array
from em_vs_bayes.common.status import Status
from em_vs_bayes.methods.base import (
    Beyond,
    Method,
    Outcome,
    Run,
    not_resumable,
)
from em_vs_bayes.program.program import Program


@dataclass(frozen=True, slots=True)
class State:
    """What ADVI will start from, or what it left."""

    start: Any
    seed: int
    theta: Array
    result: Any = None


@final
@dataclass(frozen=True, slots=True)
class ADVI(Method):
    """Options of ``method="advi"``.

    Parameters
    ----------
    n_steps : int
        Stochastic gradient steps.
    learning_rate : float
        Of Adam.
    draws : int
        Draws kept from the approximation.
    """

    n_steps: int = 20_000
    learning_rate: float = 0.02
    draws: int = 2000

    def __post_init__(self) -> None:
        positive_integer("n_steps", self.n_steps)
        positive_integer("draws", self.draws)
        if not is_number(self.learning_rate) or not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be positive; got {brief(self.learning_rate)}.")

    def init(self, program: Program, start: Any, rng: np.random.Generator) -> list[Run]:
        from em_vs_bayes.methods import starts

        theta = starts.start(program, start, rng)
        return [Run(State(start, int(rng.integers(2**31)), theta))]

    def step(self, program: Program, state: State) -> State:
        from em_vs_bayes.methods.pymc_chains import advi

        return replace(state, result=advi(program, self, state.theta, state.seed))

    def record(self, state: State) -> dict[str, float]:
        return {"objective": float("nan") if state.result is None else float(state.result[1][-1])}

    def finished(self, state: State) -> Status | None:
        return None if state.result is None else Status.APPROXIMATED

    def beyond(self, program: Program, state: State, status: Status) -> Beyond:
        return Beyond()

    def progress(self, state: State) -> tuple[float, str]:
        return float(state.result is not None), "ADVI"

    def checkpoint(self, state: State) -> dict[str, Array]:
        return {}

    def restore(self, program: Program, checkpoint: dict[str, Array], records: list[dict[str, float]]) -> Run:
        raise not_resumable("advi")

    def outcome(self, program: Program, state: State, status: Status) -> Outcome:
        if state.result is None:
            return Outcome(state.theta, status, notes=("ADVI was interrupted before it gave an approximation.",))
        theta, elbo = state.result
        return Outcome(
            None,
            status,
            draws=theta,
            elbo=float(np.mean(elbo[-200:])),
            exchange=True,
            attrs={"elbo_history": elbo, "inference_library": "pymc"},
        )
