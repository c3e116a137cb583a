"""Coordinate-ascent variational inference with the exact evidence lower bound.

    q(theta) <- update(prior, E_q(z)[statistics]),   ELBO = evidence(expected potentials) - KL(q || prior)

Attias (2000); Beal (2003), theorem 2.2; Bishop (2006), section 10.2 for Gaussian mixtures.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from em_vs_bayes.common.arguments import positive_integer, tolerance
from em_vs_bayes.common.contract import Array
from em_vs_bayes.common.status import Status
from em_vs_bayes.common.threads import processors
from em_vs_bayes.methods import starts
from em_vs_bayes.methods.ascent import (
    EMPTY,
    FINISHERS,
    Climb,
    alike,
    emptied,
    hopeless,
    screened,
    twins,
    unfinished,
)
from em_vs_bayes.methods.base import Beyond, Method, Outcome, Run
from em_vs_bayes.methods.em import sorted_components
from em_vs_bayes.program.identified import astray, far_off, words_astray
from em_vs_bayes.program.program import Program


@dataclass(frozen=True, slots=True)
class State:
    """Factors, the statistics that made them, those under them, and their ELBO."""

    factors: tuple[Any, ...]
    made_from: Array
    stats: Array
    climb: Climb
    seed: int  # of the draws that the outcome takes from q
    past: tuple[float, ...] = ()
    astray: tuple[int, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class VI(Method):
    """Options of ``method="vi"``.

    Parameters
    ----------
    n_init : int, optional
        Starts; as for EM.
    max_iter : int
    tol : float
        Stop when Aitken's estimate of what the ELBO can still gain is below this many nats.
    draws : int
        Independent draws from q kept in ``idata``.
    cores : int
        Threads that share the rows of each E-step, or the sequences (one sequence is one thread's); for large data. No
        more are started than there are processors.
    """

    n_init: int | None = None
    max_iter: int = 5000
    tol: float = 1e-13
    draws: int = 2000
    cores: int = 1

    def __post_init__(self) -> None:
        positive_integer("max_iter", self.max_iter)
        positive_integer("draws", self.draws)
        positive_integer("cores", self.cores, most=10**4)
        if self.n_init is not None:
            positive_integer("n_init", self.n_init, most=10**6)
        tolerance(self.tol)

    def init(self, program: Program, start: Any, rng: np.random.Generator) -> list[Run]:
        program.require_conjugate()
        n = self.n_init or starts.enough(program, start)
        seed = int(rng.integers(2**31))

        def make(attempt: int) -> State:
            theta = starts.start(program, start, rng, attempt)
            _, stats = program.expect(program.potentials(theta), min(self.cores, processors()))
            if far_off(program, stats):  # its own sums would lose the rows that are seen
                neutral = program.with_fixed(program.neutral())
                _, stats = program.expect(program.potentials(neutral), min(self.cores, processors()))
            state = self._at(program, program.factors(theta, stats), stats, seed)
            return replace(state, past=(state.climb.objective,))

        best = screened(
            make,
            lambda state: self.step(program, state, screening=True) if self.finished(state) is None else state,
            lambda state: (not state.astray, not _symmetric(program, state), state.climb.objective),
            n,
        )
        return [
            Run(state, [{"objective": value} for value in state.past], spare=hopeless(state.climb, best[0].climb))
            for state in best[:FINISHERS]
        ]

    def _at(self, program: Program, factors: tuple[Any, ...], made_from: Array, seed: int) -> State:
        evidence, stats = program.expect(program.expected_potentials(factors), min(self.cores, processors()))
        climb = Climb(evidence - program.kl(factors))
        return State(factors, made_from, stats, climb, seed, astray=astray(program, stats))

    def step(self, program: Program, state: State, *, screening: bool = False) -> State:
        new = self._at(program, program.update_factors(state.factors, state.stats), state.stats, state.seed)
        elbo = new.climb.objective
        return replace(new, climb=state.climb.then(elbo), past=(*state.past, elbo) if screening else ())

    def record(self, state: State) -> dict[str, float]:
        return {"objective": state.climb.objective}

    def finished(self, state: State) -> Status | None:
        if state.astray:
            return Status.UNBOUNDED
        return state.climb.verdict(self.tol, self.max_iter)

    def beyond(self, program: Program, state: State, status: Status) -> Beyond:
        return Beyond()

    def progress(self, state: State) -> tuple[float, str]:
        return state.climb.iteration / self.max_iter, f"ELBO {state.climb.objective:.6g}"

    def checkpoint(self, state: State) -> dict[str, Array]:
        return {"stats": state.made_from, "climb": state.climb.to_array(), "seed": np.array([state.seed])}

    def restore(self, program: Program, checkpoint: dict[str, Array], records: list[dict[str, float]]) -> Run:
        stats = checkpoint["stats"]
        factors = program.factors(program.with_fixed(program.neutral()), stats)
        climb = Climb.from_array(checkpoint["climb"])
        return Run(replace(self._at(program, factors, stats, int(checkpoint["seed"][0])), climb=climb), records)

    def outcome(self, program: Program, state: State, status: Status) -> Outcome:
        mean, centre = program.factor_mean(state.factors)
        theta = np.where(np.isfinite(mean), mean, centre)
        draws, dropped = self._draws(
            program, state, np.random.default_rng(state.seed), wide=not np.isfinite(mean).all()
        )
        stats = {"log_q": program.factor_log_density(state.factors, draws)[None]} if len(draws) else {}
        order = np.arange(program.k)
        if program.order.names:
            theta, order = sorted_components(program, theta)
            mean = program.permuted(mean, order)
            draws = program.permuted(draws, np.broadcast_to(order, (len(draws), program.k)))
        absent = without_mean(program, mean)
        if absent and status is Status.CONVERGED:
            status = Status.NO_MEAN
        if state.astray:
            absent = (words_astray(program, tuple(np.sort(np.argsort(order)[list(state.astray)]))), *absent)
        same = alike(program, theta, state.stats, order)
        notes = (*absent, *emptied(program, state.stats, order, "those of the prior"), *same, *dropped)
        if status is Status.MAX_ITER:
            notes = (*notes, unfinished(state.climb, ""))
        kept = draws[None] if len(draws) else None
        return Outcome(theta, status, draws=kept, sample_stats=stats, notes=notes, elbo=state.climb.objective)

    def _draws(
        self, program: Program, state: State, rng: np.random.Generator, *, wide: bool
    ) -> tuple[Array, tuple[str, ...]]:
        """Draws from q within floating point, which those of a wide factor may leave, and a note of how many did."""
        draws = program.factor_draws(state.factors, rng, self.draws)
        finite = np.isfinite(draws).all(axis=1)
        if wide:
            finite &= [_usable(program, draw) for draw in draws]
        if finite.all():
            return draws, ()
        return draws[finite], (f"{(~finite).sum()} of {len(draws)} draws left floating point, and are not kept.",)


def _symmetric(program: Program, state: State) -> bool:
    """Whether components with rows of their own have one emission. Empty ones do, and may: they are the prior's."""
    mean, centre = program.factor_mean(state.factors)
    rows = program.latent.occupancy(state.stats)
    pairs = twins(program, np.where(np.isfinite(mean), mean, centre))
    return any(rows[list(pair)].max() >= EMPTY for pair in pairs)


def _usable(program: Program, theta: Array) -> bool:
    try:
        return bool(np.isfinite(program.potentials(theta)).all())
    except ValueError:
        return False


def without_mean(program: Program, mean: Array) -> tuple[str, ...]:
    """A note that names what has no posterior mean, by component or state."""
    words = []
    for name, value in program.public(np.where(np.isfinite(mean), mean, np.nan)).items():
        known = np.isfinite(value)
        if known.all():
            continue
        if program.spec.parameter_dims()[name][:1] == (program.spec.leading,):
            which = np.flatnonzero(~known.reshape(len(known), -1).all(axis=1))
            words.append(f"{name} ({program.spec.leading} {', '.join(map(str, which))})")
        else:
            words.append(name)
    if not words:
        return ()
    return (
        f"The posterior mean does not exist of {'; of '.join(words)}: too few rows, and a prior with too few degrees "
        "of freedom (or too small a shape). In its place stands the location of a mean, and the inverse "
        "of the expected precision of a spread.",
    )
