"""Blocked Gibbs sampling: latent variables given parameters, parameters given statistics (Diebolt & Robert 1994).

    z ~ p(z | y, theta),   theta ~ draw(update(prior, statistics(y, z)))

The whole sweep is compiled; chains run in threads. Non-conjugate priors take slice steps (Neal 2003), missing values
are drawn. Where censoring or truncation hides much, sweeps also move theta with the latent response integrated out
(van Dyk & Park 2008), about where `slowest` finds its mode.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from em_vs_bayes.common.arguments import positive_integer
from em_vs_bayes.common.contract import Array
from em_vs_bayes.common.status import Status
from em_vs_bayes.common.threads import processors
from em_vs_bayes.methods import starts
from em_vs_bayes.methods.base import Beyond, Method, Outcome, Run
from em_vs_bayes.methods.em import EM, best_start
from em_vs_bayes.methods.slowest import where_slow
from em_vs_bayes.program.program import Program

TRIES = 5  # partitions a chain chooses its start from: one of each kind


@dataclass(slots=True)
class Chain:
    """One chain: where it is and the draws it has kept. The kernel writes theta, pot and z in place."""

    rng: np.random.Generator
    theta: Array
    pot: Array
    z: NDArray[np.int64]
    kept: list[Array]
    done: int = 0
    broken: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """All chains, how many sweeps a tenth of a second holds, and what `where_slow` said."""

    chains: tuple[Chain, ...]
    chunk: int
    centre: Array
    root: Array
    height: float = float("nan")  # log posterior density, averaged over chains


@final
@dataclass(frozen=True, slots=True)
class Gibbs(Method):
    """Options of ``method="gibbs"``.

    Parameters
    ----------
    draws : int
        Draws kept, per chain.
    tune : int
        Sweeps discarded before them.
    chains : int
    cores : int, optional
        Threads; by default as many as there are processors, which is also the most, at most ``chains``. Further chains
        wait their turn.
    thin : int
        Sweeps per kept draw.
    """

    draws: int = 1000
    tune: int = 500
    chains: int = 4
    cores: int | None = None
    thin: int = 1

    def __post_init__(self) -> None:
        for name in ("draws", "chains", "thin"):
            positive_integer(name, getattr(self, name), most=10**4 if name == "chains" else 10**9)
        positive_integer("tune", self.tune, least=0)
        if self.cores is not None:
            positive_integer("cores", self.cores, most=10**4)

    def init(self, program: Program, start: Any, rng: np.random.Generator) -> list[Run]:
        program.require_known_priors("method='gibbs'")
        program.require_draws()
        chains = []
        for child in rng.spawn(self.chains):
            theta = _chain_start(program, start, child)
            if program.order.names and not program.order.exchangeable:
                theta = _sorted_values(program, theta)
            theta = program.inside(theta)
            chains.append(
                Chain(
                    child,
                    np.ascontiguousarray(theta),
                    program.potentials(theta),
                    np.zeros(program.copies.n, np.int64),
                    [],
                )
            )
        return [Run(State(tuple(chains), 10, *where_slow(program, start)))]

    def step(self, program: Program, state: State) -> State:
        began = perf_counter()
        workers = min(self.cores or processors(), processors(), self.chains)
        if workers == 1:
            for chain in state.chains:
                self._advance(program, chain, state)
        else:
            with ThreadPoolExecutor(workers) as pool:
                list(pool.map(lambda chain: self._advance(program, chain, state), state.chains))
        seconds = perf_counter() - began
        grow = 2.0 if seconds < 0.05 else 0.5 if seconds > 0.4 else 1.0
        heights = [program.log_likelihood(c.theta) + program.log_prior(c.theta) for c in state.chains if not c.broken]
        height = float(np.mean(heights)) if heights else float("nan")
        return State(state.chains, max(1, min(int(state.chunk * grow), 100_000)), state.centre, state.root, height)

    def _advance(self, program: Program, chain: Chain, state: State) -> None:
        if chain.broken:
            return
        burning = max(self.tune - chain.done, 0)
        if burning:
            count = min(burning, state.chunk)
            got = program.gibbs_sweeps(chain.rng, chain.theta, chain.pot, chain.z, 1, count, state.centre, state.root)
            chain.done += count
            chain.broken = len(got) < 1
            return
        kept = sum(map(len, chain.kept))
        count = min(self.draws - kept, max(state.chunk // self.thin, 1))
        if count:
            got = program.gibbs_sweeps(
                chain.rng, chain.theta, chain.pot, chain.z, count, self.thin, state.centre, state.root
            )
            chain.kept.append(got)
            chain.done += count * self.thin
            chain.broken = len(got) < count

    def record(self, state: State) -> dict[str, float]:
        return {"objective": state.height, "sweeps": float(min(c.done for c in state.chains))}

    def finished(self, state: State) -> Status | None:
        if any(c.broken for c in state.chains):
            return Status.FAILED
        done = all(sum(map(len, c.kept)) >= self.draws for c in state.chains)
        return Status.SAMPLED if done else None

    def beyond(self, program: Program, state: State, status: Status) -> Beyond:
        return Beyond()

    def progress(self, state: State) -> tuple[float, str]:
        total = self.tune + self.draws * self.thin
        return sum(c.done for c in state.chains) / (total * self.chains), f"{self.chains} chains"

    def checkpoint(self, state: State) -> dict[str, Array]:
        saved: dict[str, Any] = {"centre": state.centre, "root": state.root}
        for c, chain in enumerate(state.chains):
            text = json.dumps(chain.rng.bit_generator.state)
            saved[f"{c}/rng"] = np.frombuffer(text.encode(), dtype=np.uint8).copy()
            saved[f"{c}/theta"], saved[f"{c}/done"] = chain.theta, np.array([chain.done])
            saved[f"{c}/kept"] = np.concatenate(chain.kept) if chain.kept else np.empty((0, chain.theta.size))
        return saved

    def restore(self, program: Program, checkpoint: dict[str, Array], records: list[dict[str, float]]) -> Run:
        chains = []
        for c in range(self.chains):
            rng = np.random.default_rng()
            rng.bit_generator.state = json.loads(checkpoint[f"{c}/rng"].tobytes())
            theta, kept = checkpoint[f"{c}/theta"].copy(), checkpoint[f"{c}/kept"]
            z = np.zeros(program.copies.n, np.int64)
            done = int(checkpoint[f"{c}/done"][0])
            chains.append(Chain(rng, theta, program.potentials(theta), z, [kept] if len(kept) else [], done))
        return Run(State(tuple(chains), 10, checkpoint["centre"], checkpoint["root"]), records)

    def outcome(self, program: Program, state: State, status: Status) -> Outcome:
        lengths = [sum(map(len, c.kept)) for c in state.chains]
        shortest = min(lengths)
        broken = [f"chain {c} within {chain.done} sweeps" for c, chain in enumerate(state.chains) if chain.broken]
        cause = "the posterior may be improper"
        if program.truncates:
            cause += ", or truncation hides all but one row in ten million (use nuts)"
        notes = (f"Sampling broke off in {', '.join(broken)}: {cause}.",) if broken else ()
        if shortest == 0:
            return Outcome(state.chains[0].theta.copy(), status, notes=(*notes, "No draw was kept: still tuning."))
        draws = np.stack([np.concatenate(c.kept)[:shortest] for c in state.chains])
        attrs = {"tuning_steps": self.tune, "thin": self.thin}
        return Outcome(None, status, draws=draws, exchange=True, notes=notes, attrs=attrs)


def _chain_start(program: Program, start: Any, rng: np.random.Generator) -> Array:
    """Where one chain starts: what was given, or the best of a partition of each kind after a little EM.

    Chains still start in different places, but not in those that only a bad partition leads to, and that a sampler of
    well separated components would never leave.
    """
    if isinstance(start, dict) or program.k == 1:
        return starts.start(program, start, rng)
    return best_start(EM(n_init=TRIES, covariance_floor=1e-4), program, start, rng).theta


def _sorted_values(program: Program, theta: Array) -> Array:
    """Each ordered parameter sorted on its own: a feasible start under a truncating order."""
    theta = theta.copy()
    for name, where, _ in program.tables.theta.items():
        if name in program.order.names:
            theta[where] = np.sort(theta[where])
    return theta
