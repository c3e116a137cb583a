"""The one driver: it runs any method on any program, and keeps history, progress and status."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.random import MT19937, PCG64, PCG64DXSM, SFC64, Philox

from em_vs_bayes.common.arguments import affordable, brief
from em_vs_bayes.common.blas import one_thread
from em_vs_bayes.common.contract import Array
from em_vs_bayes.common.interrupts import Watch
from em_vs_bayes.common.progress import Progress
from em_vs_bayes.common.status import Status
from em_vs_bayes.common.values import plain
from em_vs_bayes.methods import METHODS
from em_vs_bayes.methods.ascent import Interrupted
from em_vs_bayes.methods.base import Method, Outcome, Run
from em_vs_bayes.program.program import Program

ANEW = "anew"  # in a checkpoint: the state of the generator, from which the fit begins again
SPAWNS = "seed_sequence"  # beside it: what children of the generator are made of
MOST_KEPT = 1_000_000  # numbers that a fit keeps of where its starts ended
ROUNDS = 10  # times that a method may go on from where it had ended, at most


def make_method(name: str, options: Mapping[str, Any]) -> Method:
    """The method with its options; unknown names are refused with the nearest known one."""
    if not isinstance(name, str) or name not in METHODS:
        raise ValueError(f"method={brief(name)} is unknown; wants {', '.join(map(repr, METHODS))}.")
    kind = METHODS[name]
    known = [f.name for f in fields(kind)]  # type: ignore[arg-type]
    for option in options:
        if option not in known:
            near = get_close_matches(option, known, 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise TypeError(
                f"{option}={brief(options[option])} is not an option of method={brief(name)}; it has {known}.{hint}"
            )
    return kind(**{option: plain(value) for option, value in options.items()})


def used(method: Method) -> dict[str, Any]:
    """The options of a method as it uses them."""
    return {f.name: getattr(method, f.name) for f in fields(method)}  # type: ignore[arg-type]


def require_memory(method: Method, program: Program) -> None:
    """Refuse draws that no machine holds."""
    own = used(method)
    draws, chains = own.get("draws", 0), own.get("chains", 1)
    numbers = 3.0 * draws * chains * program.tables.theta.size  # raw, relabelled, and in the user's parameters
    affordable(f"draws={draws} of {program.tables.theta.size} parameters in {chains} chain(s)", numbers)


@dataclass(frozen=True, slots=True)
class Driven:
    """What the loop leaves: the outcome, its history and what a resumed run needs."""

    outcome: Outcome
    history: dict[str, Any]
    checkpoint: dict[str, Any]


def drive(
    method: Method, program: Program, start: Any, rng: np.random.Generator, title: str, progressbar: bool
) -> Driven:
    """Run a method to its end. Ctrl-C ends it with what there is, status ``interrupted``."""
    with one_thread(program.tables.theta.size):
        return _driven(method, program, start, rng, title, progressbar)


def _driven(
    method: Method, program: Program, start: Any, rng: np.random.Generator, title: str, progressbar: bool
) -> Driven:
    began = _state(rng)
    try:
        return loop(method, program, method.init(program, start, rng), title, progressbar)
    except Interrupted as stop:
        driven = loop(method, program, [Run(stop.states[0])], title, progressbar, interrupted=True)
        return replace(driven, checkpoint={ANEW: began})  # the other starts are part of the run that was not stopped
    except KeyboardInterrupt:
        note = (
            "Interrupted before the first iteration: the parameters are neutral ones, not estimates. "
            "fit.resume() begins anew."
        )
        theta = program.with_fixed(program.neutral())
        return Driven(Outcome(theta, Status.INTERRUPTED, notes=(note,)), {"objective": np.empty(0)}, {ANEW: began})


def loop(
    method: Method, program: Program, runs: list[Run], title: str, progressbar: bool, *, interrupted: bool = False
) -> Driven:
    """Step each candidate until it is finished and keep the best, and what lies beyond it."""
    ended: list[tuple[Status, Any, list[dict[str, float]]]] = []
    seen: list[Any] = []  # where other starts were when they were given up
    left = ROUNDS
    notes: tuple[str, ...] = ()
    with Progress(title, shown=progressbar) as bar:
        while True:
            for run in runs:
                if not run.goes_on or (run.spare and any(status.good for status, _, _ in ended)):
                    seen.append(run.state)
                    continue
                state, records = run.state, run.records or [method.record(run.state)]
                status = Status.INTERRUPTED if interrupted else method.finished(state)
                try:
                    while status is None:
                        state = method.step(program, state)
                        records.append(method.record(state))
                        status = method.finished(state)
                        bar.show(*method.progress(state))
                except KeyboardInterrupt:
                    status, interrupted = Status.INTERRUPTED, True
                ended.append((status, state, records))
                if interrupted:
                    break
            best = max(ended, key=lambda end: (end[0].good, end[2][-1]["objective"]))
            if interrupted:
                break
            try:
                beyond = method.beyond(program, best[1], best[0])
            except KeyboardInterrupt:
                interrupted = True
                break
            if not beyond.runs:
                notes = beyond.notes
                break
            if left == 0:
                best = best if beyond.optimum else (Status.SADDLE, *best[1:])
                break
            if beyond.optimum:
                seen.append(best[1])
            runs, left = [Run(run.state, [*best[2], *run.records]) for run in beyond.runs], left - 1
            ended = [end for end in ended if end is not best]
    status, state, records = best
    status = Status.INTERRUPTED if interrupted and not status.good else status
    with Watch(holds=True):
        history = {name: np.array([r.get(name, np.nan) for r in records]) for name in records[-1]}
        outcome = method.outcome(program, state, status)
        ends = _ends(method, [s for _, s, _ in ended] + seen)
        outcome = replace(outcome, notes=(*outcome.notes, *notes), attrs={**outcome.attrs, **ends})
        return Driven(outcome, history, method.checkpoint(state))


def _ends(method: Method, states: list[Any]) -> dict[str, Any]:
    """Where several starts ended, finished or not: what says whether there is one maximum (`modes`)."""
    if len(states) < 2:
        return {}
    thetas = [theta for theta in (method.checkpoint(state).get("theta") for state in states) if theta is not None]
    if len(thetas) < len(states) or sum(theta.size for theta in thetas) > MOST_KEPT:
        return {}
    return {
        "end_heights": np.array([method.record(state)["objective"] for state in states]),
        "end_thetas": np.array(thetas),
    }


def _state(rng: np.random.Generator) -> Any:
    """Where a generator is, and what it would spawn, as the bytes of its JSON."""
    sequence = rng.bit_generator.seed_seq
    own = dict(sequence.state) if isinstance(sequence, np.random.SeedSequence) else {}
    text = json.dumps({**rng.bit_generator.state, SPAWNS: own}, default=lambda array: array.tolist())
    return np.frombuffer(text.encode(), dtype=np.uint8).copy()


def generator_at(state: Array) -> np.random.Generator:
    """The generator that was there."""
    found = json.loads(state.tobytes())
    kinds = {kind.__name__: kind for kind in (MT19937, PCG64, PCG64DXSM, SFC64, Philox)}
    own = found.pop(SPAWNS, {})  # files of older versions have none
    bits = kinds[found["bit_generator"]](np.random.SeedSequence(**own))
    bits.state = found
    return np.random.Generator(bits)
