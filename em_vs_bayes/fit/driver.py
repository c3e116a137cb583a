"""The one driver: it runs any method on any program, and keeps history, progress, time and status."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from time import perf_counter
from typing import Any

import numpy as np
from numpy.random import MT19937, PCG64, PCG64DXSM, SFC64, Philox

from em_vs_bayes.common.arguments import affordable, brief, generator, yes_or_no
from em_vs_bayes.common.blas import one_thread
from em_vs_bayes.common.compiling import announced
from em_vs_bayes.common.contract import Array
from em_vs_bayes.common.interrupts import Watch
from em_vs_bayes.common.progress import Progress
from em_vs_bayes.common.status import Status
from em_vs_bayes.common.values import plain
from em_vs_bayes.fit.results import Fit
from em_vs_bayes.methods import METHODS
from em_vs_bayes.methods.ascent import Interrupted
from em_vs_bayes.methods.base import Method, Outcome, Run, not_resumable
from em_vs_bayes.model.spec import Spec
from em_vs_bayes.program.compile import AS_USUAL
from em_vs_bayes.program.compile import compile as compile_program
from em_vs_bayes.program.feasible import require_possible
from em_vs_bayes.program.given import in_order
from em_vs_bayes.program.program import Program


def fit(
    spec: Spec,
    y: Any,
    method: str,
    *,
    exog: Any,
    lengths: Any,
    weights: Any,
    labels: Any,
    seed: Any,
    init: Any,
    progressbar: bool,
    options: Mapping[str, Any],
) -> Fit:
    """Compile, drive, wrap. See `Spec.fit`."""
    chosen = make_method(method, options)
    yes_or_no("progressbar", progressbar)
    began = perf_counter()
    with announced(progressbar), np.errstate(**AS_USUAL):
        program = compile_program(spec, y, exog=exog, lengths=lengths, weights=weights, labels=labels)
        require_possible(program)
        _require_memory(chosen, program)
        compiled = perf_counter()
        driven = drive(chosen, program, _start(program, init), generator(seed), method, progressbar)
        seconds = {"compile": compiled - began, "fit": perf_counter() - compiled}
        with Watch(holds=True):
            return Fit.from_driven(program, method, driven, seconds, _used(chosen), _begun(seed, init))


def _begun(seed: Any, init: Any) -> dict[str, Any]:
    """``seed`` and ``init`` as a fit keeps them: numbers, names and lists, as JSON has them."""
    if isinstance(init, Fit):
        init = init.params
    if isinstance(init, Mapping):
        init = {str(name): np.asarray(value).tolist() for name, value in init.items()}
    if isinstance(seed, (np.random.Generator, np.random.BitGenerator, np.random.SeedSequence, np.random.RandomState)):
        seed = f"a {type(seed).__name__}"  # which has gone on since
    return {"seed": seed if seed is None or isinstance(seed, str) else np.asarray(seed).tolist(), "init": init}


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


def _start(program: Program, init: Any) -> Any:
    """A Fit becomes its parameters; names and dicts pass through."""
    if isinstance(init, Fit):
        spec, old = program.spec, init.program.names
        if init.spec.parameter_dims() != spec.parameter_dims() or init.spec.size != spec.size:
            raise ValueError(f"init is a fit of {init.spec!r}; its parameters do not fit {spec!r}.")
        for name, own in program.names.items():
            if own != old.get(name, own) and set(own) == set(old[name]):
                raise ValueError(
                    f"init is a fit to {name} with columns {list(old[name])}; {name} has them in another order, "
                    f"{list(own)}."
                )
        return dict(init.params)
    return init


ANEW = "anew"  # in a checkpoint: the state of the generator, from which the fit begins again
SPAWNS = "seed_sequence"  # beside it: what children of the generator are made of
MOST_KEPT = 1_000_000  # numbers that a fit keeps of where its starts ended
ROUNDS = 10  # times that a method may go on from where it had ended, at most


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


def _generator(state: Array) -> np.random.Generator:
    """The generator that was there."""
    found = json.loads(state.tobytes())
    kinds = {kind.__name__: kind for kind in (MT19937, PCG64, PCG64DXSM, SFC64, Philox)}
    own = found.pop(SPAWNS, {})  # files of older versions have none
    bits = kinds[found["bit_generator"]](np.random.SeedSequence(**own))
    bits.state = found
    return np.random.Generator(bits)


def resume(fit: Fit, progressbar: bool, options: Mapping[str, Any]) -> Fit:
    """Go on where a fit stopped. See `Fit.resume`."""
    if not fit.checkpoint:
        raise not_resumable(fit.method)
    method = make_method(fit.method, {**fit.options, **options})
    yes_or_no("progressbar", progressbar)
    _require_memory(method, fit.program)
    began = perf_counter()
    if ANEW in fit.checkpoint:
        init = fit.attrs.get("init")
        start = {name: np.array(value) for name, value in init.items()} if isinstance(init, Mapping) else init
        driven = drive(method, fit.program, start, _generator(fit.checkpoint[ANEW]), fit.method, progressbar)
    else:
        names = list(fit.history)
        records = [dict(zip(names, row, strict=True)) for row in zip(*fit.history.values(), strict=True)]
        run = method.restore(fit.program, dict(fit.checkpoint), records)
        driven = loop(method, fit.program, [run], fit.method, progressbar)
    seconds = {**{k: v for k, v in fit.seconds.items() if k != "total"}, "resumed": perf_counter() - began}
    begun = {name: fit.attrs.get(name) for name in ("seed", "init")}
    with Watch(holds=True):
        return Fit.from_driven(fit.program, fit.method, driven, seconds, _used(method), begun)


def _used(method: Method) -> dict[str, Any]:
    return {f.name: getattr(method, f.name) for f in fields(method)}  # type: ignore[arg-type]


def _require_memory(method: Method, program: Program) -> None:
    """Refuse draws that no machine holds."""
    used = _used(method)
    draws, chains = used.get("draws", 0), used.get("chains", 1)
    numbers = 3.0 * draws * chains * program.tables.theta.size  # raw, relabelled, and in the user's parameters
    affordable(f"draws={draws} of {program.tables.theta.size} parameters in {chains} chain(s)", numbers)


def at(spec: Spec, y: Any, params: Mapping[str, Any], *, exog: Any, lengths: Any) -> Fit:
    """The model at given parameters. See `Spec.at`."""
    program = compile_program(spec, y, exog=exog, lengths=lengths, fitting=False)
    theta = program.theta_of(params)
    params = in_order(program, params)
    for name, value in program.public(theta).items():
        if name not in params or name in program.latent.derived:
            continue
        if not np.allclose(value, params[name], rtol=1e-9, atol=1e-9 * (1.0 + np.abs(value).max())):
            raise ValueError(
                f"params[{name!r}] has values that {spec!r} cannot hold (its covariance structure or fixed values); "
                f"got {brief(np.asarray(params[name]).tolist())}."
            )
    outcome = Outcome(theta, Status.GIVEN)
    return Fit.from_driven(program, "given", Driven(outcome, {"objective": np.empty(0)}, {}), {}, {}, {})


def log_prior(spec: Spec, params: Mapping[str, Any], y: Any, exog: Any = None) -> float:
    """Log prior density at ``params``. See `Spec.log_prior`."""
    if not isinstance(params, Mapping):
        raise TypeError(f"params must be a dict of parameter name -> value; got {brief(params)}.")
    if y is None:
        if lacks := [name for name in spec.model_emission.dims() if name not in params]:
            raise ValueError(f"params must have {list(spec.parameter_dims())}; missing {lacks}.")
        if "predictor" in {dim for dims in spec.parameter_dims().values() for dim in dims}:
            raise ValueError("log_prior needs y (and exog) for a regression: they say how many predictors there are.")
        y = spec.model_emission.simulate(
            {n: np.asarray(v, dtype=float) for n, v in params.items()},
            np.arange(8 * spec.size) % spec.size,
            np.random.default_rng(0),
        )
        _require_own_priors(spec)
    program = compile_program(spec, y, exog=exog)
    return program.log_prior(program.theta_of(params))


def _require_own_priors(spec: Spec) -> None:
    """Without data, defaults that are scaled to the data are unknown."""
    covered = set(spec.priors)
    needs = [
        name
        for name in spec.parameter_dims()
        if name not in spec.latent_dims
        and name not in covered
        and not any(c.endswith("emission") and name.startswith(c[: -len("emission")]) for c in covered)
    ]
    if needs:
        raise ValueError(
            f"log_prior needs y: the default prior of {needs} is scaled to the data. "
            "Pass log_prior(params, y) or give priors."
        )
