"""What the verbs of a spec do: compile, drive, keep the time, and wrap what is left in a `Fit`."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import Any

import numpy as np

from em_vs_bayes.common.arguments import brief, generator, yes_or_no
from em_vs_bayes.common.compiling import announced
from em_vs_bayes.common.interrupts import Watch
from em_vs_bayes.common.status import Status
from em_vs_bayes.fit.record import Record
from em_vs_bayes.fit.results import Fit
from em_vs_bayes.methods.base import Outcome
from em_vs_bayes.methods.driving import Driven, drive, make_method, require_memory, used
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
        require_memory(chosen, program)
        compiled = perf_counter()
        driven = drive(chosen, program, _start(program, init), generator(seed), method, progressbar)
        seconds = {"compile": compiled - began, "fit": perf_counter() - compiled}
        with Watch(holds=True):
            return Fit.from_driven(program, method, driven, seconds, used(chosen), _begun(seed, init))


def _begun(seed: Any, init: Any) -> dict[str, Any]:
    """``seed`` and ``init`` as a fit keeps them: numbers, names and lists, as JSON has them."""
    if isinstance(init, Record):
        init = init.params
    if isinstance(init, Mapping):
        init = {str(name): np.asarray(value).tolist() for name, value in init.items()}
    if isinstance(seed, (np.random.Generator, np.random.BitGenerator, np.random.SeedSequence, np.random.RandomState)):
        seed = f"a {type(seed).__name__}"  # which has gone on since
    return {"seed": seed if seed is None or isinstance(seed, str) else np.asarray(seed).tolist(), "init": init}


def _start(program: Program, init: Any) -> Any:
    """A Fit becomes its parameters; names and dicts pass through."""
    if isinstance(init, Record):
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
