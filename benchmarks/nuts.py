"""NUTS: what a gradient costs, effective draws per second, and seconds to 400 effective draws.

The rival in this process is nutpie on the same posterior written in PyMC, four chains one after the other.
"""

from typing import Any, NamedTuple

import numpy as np

from benchmarks.cases import POSTERIORS, SOON, Posterior
from benchmarks.measure import max_rhat, min_ess, probe, seconds
from benchmarks.show import at_least, at_most, table
from em_vs_bayes.common.contract import Array
from em_vs_bayes.program.compile import compile as compile_program

DRAWS, TUNE = 1000, 300
FEW = 10  # draws of the short run, whose time is that of everything but sampling
FACTOR = 2.0  # times nutpie's published min ESS per second
ENOUGH = 400.0
TARGET = {"1d": 1.0, "2d": 2.0, "hmm": 2.0}  # seconds to ENOUGH
SHORT = {"1d": (100, 100), "2d": (110, 100), "hmm": (100, 100)}  # draws and tune that are enough
CHAINS: dict[str, Any] = {"chains": 4, "cores": 1}


class Sampled(NamedTuple):
    """One sampler on one posterior: seconds of the whole call, seconds of sampling alone, draws, gradients."""

    whole: float
    sampling: float
    draws: Array
    gradients: int


def run() -> None:
    _gradients()
    _effective()
    _enough()


def _gradients() -> None:
    rows = []
    for make in POSTERIORS.values():
        case = make()
        program = compile_program(case.spec, case.y)
        theta = program.theta_of(case.spec.fit(case.y, "em", objective="map", seed=1, progressbar=False).params)
        density, x, pot = program.density(theta), program.unconstrain(theta), program.potentials(theta)
        rows.append(
            (case.name, *(f"{1e6 * _each(call, v):.1f} µs" for call, v in ((program.expect, pot), (density, x))))
        )
    table(
        "NUTS, cost of a gradient",
        ("model", "E-step alone", "log posterior and gradient"),
        rows,
        "Called from Python; processor time.",
    )


def _each(call: Any, value: Array, times: int = 400) -> float:
    """Seconds of one call, best of a few rounds."""
    return min(seconds(lambda: [call(value) for _ in range(times)])[0] for _ in range(7)) / times


def _ours(case: Posterior) -> Sampled:
    def fit(draws: int) -> tuple[float, Any]:
        options = {**CHAINS, "tune": TUNE, "draws": draws, "seed": 1, "progressbar": False}
        return min((seconds(lambda: case.spec.fit(case.y, "nuts", **options)) for _ in range(3)), key=lambda r: r[0])

    (short, _), (whole, long) = fit(FEW), fit(DRAWS)
    sampling = (whole - short) * DRAWS / (DRAWS - FEW)
    return Sampled(whole, sampling, np.asarray(long.draws), int(long.sample_stats["n_steps"].sum()))


def _nutpie(name: str, case: Posterior) -> tuple[Sampled, float]:
    import nutpie

    from benchmarks.pymc_models import MODELS, parameters

    compiling, model = seconds(lambda: nutpie.compile_pymc_model(MODELS[name](case.y)))

    def sample(draws: int) -> tuple[float, Any]:
        options = {**CHAINS, "tune": TUNE, "draws": draws, "seed": 1, "progress_bar": False, "save_warmup": False}
        return min((seconds(lambda: nutpie.sample(model, **options)) for _ in range(3)), key=lambda r: r[0])

    (short, _), (whole, long) = sample(FEW), sample(DRAWS)
    steps = int(np.asarray(long["sample_stats"]["n_steps"]).sum())
    sampling = (whole - short) * DRAWS / (DRAWS - FEW)
    return Sampled(whole, sampling, parameters(name, long["posterior"]), steps), compiling


def _effective() -> None:
    rows = []
    for name, make in POSTERIORS.items():
        case = make()
        ours, (theirs, compiling) = _ours(case), _nutpie(name, case)
        ess = min_ess(ours.draws)
        rows.append(
            _row(case.name + ", em_vs_bayes", ours, at_least(ess / ours.sampling, FACTOR * case.published, "/s"), "")
        )
        rows.append(
            _row("  nutpie on PyMC", theirs, f"{min_ess(theirs.draws) / theirs.sampling:,.0f}/s", f"{compiling:.1f} s")
        )
    table(
        f"NUTS, 4 chains x ({TUNE} tune + {DRAWS} draws), chains one after the other",
        (
            "model",
            "min ESS",
            "R-hat",
            "gradients",
            "per gradient",
            "ESS/s of sampling",
            "ESS/s, all counted",
            "compiling",
        ),
        rows,
        f"Processor time. Sampling: the time of {DRAWS} draws less that of {FEW}. All counted: mode and "
        "warm-up, too, but neither imports nor compiling.",
    )


def _row(name: str, run: Sampled, rate: str, compiling: str) -> tuple[str, ...]:
    ess = min_ess(run.draws)
    return (
        name,
        f"{ess:,.0f}",
        f"{max_rhat(run.draws):.3f}",
        f"{run.gradients:,}",
        f"{1e6 * run.sampling / run.gradients:.0f} µs",
        rate,
        f"{ess / run.whole:,.0f}/s",
        compiling,
    )


def _enough() -> None:
    rows = []
    for name, make in SOON.items():
        draws, tune = SHORT[name]
        found = [
            probe("effective", name, "nuts", draws, tune, preload)
            for preload in ("nutpie", "nothing")
            for _ in range(3)
        ]
        ready, bare = (min(found[i : i + 3], key=lambda run: run["cpu"]) for i in (0, 3))
        rows.append(
            (
                make().name,
                f"4 x ({tune} + {draws})",
                at_least(ready["ess"], ENOUGH, ""),
                at_most(ready["cpu"], TARGET[name], "s"),
                f"{bare['cpu']:.2f} s",
            )
        )
    table(
        "NUTS, seconds to 400 effective draws in a fresh process with compiled kernels on disk",
        ("model", "tune + draws", "min ESS", "after imports", "nutpie's import counted"),
        rows,
        "Processor time of spec.fit, from data to relabelled draws. The peers' times leave out their imports, too.",
    )
