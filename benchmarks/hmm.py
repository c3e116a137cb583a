"""Hidden Markov models: milliseconds per EM iteration against hmmlearn, from the same start, and what sampling costs.

The samplers' rivals are published figures (Stan, JAGS, NumPyro, nutpie on PyMC; 2 cores, x86-64): reference points,
not rivals in this process.
"""

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import em_vs_bayes as evb
from benchmarks.cases import chain, three_states
from benchmarks.measure import free, max_rhat, min_ess, per_iteration, seconds
from benchmarks.show import at_least, at_most, ms, table
from em_vs_bayes.common.contract import Array
from em_vs_bayes.model.spec import Spec
from em_vs_bayes.program.compile import compile as compile_program

DEFAULT, BEST = 10.0, 2.5  # times faster than hmmlearn's default, and than the fastest peer
DYNAMAX = {"10k": 1.21, "100k diag": 42, "100k full": 27, "1M": 133, "many diag": 60, "many full": 35, "poisson": 14}
FEW = 10  # draws of the short run, whose time is that of everything but sampling


class Case(NamedTuple):
    """One row of the table: T rows in equal sequences, K states, d columns; d = 0 are counts."""

    name: str
    rows: int
    sequences: int
    states: int
    columns: int
    covariance: str = "diag"


CASES = (
    Case("10k", 10_000, 1, 3, 1),
    Case("100k diag", 100_000, 1, 5, 2),
    Case("100k full", 100_000, 1, 5, 2, "full"),
    Case("1M", 1_000_000, 1, 3, 1),
    Case("many diag", 200_000, 1000, 4, 2),
    Case("many full", 200_000, 1000, 4, 2, "full"),
    Case("poisson", 100_000, 1, 4, 0),
)


def run() -> None:
    logging.getLogger("hmmlearn").setLevel(logging.ERROR)  # tol=-inf is meant
    table(
        "Hidden Markov models, EM, per iteration of the whole public road (start-up differenced away)",
        ("T, sequences, K, d", "em_vs_bayes", "hmmlearn", "hmmlearn, scaling", "over default", "over the best peer"),
        [_iteration(case) for case in CASES],
        "Processor time, one thread. The best peer is hmmlearn's scaling here or dynamax as published.",
    )
    _gradients()
    _effective()


def _iteration(case: Case) -> tuple[str, ...]:
    y, lengths, start = chain(*case[1:5])
    spec: Spec = evb.HMM(evb.emissions.Poisson(), case.states)
    if case.columns:
        spec = evb.GaussianHMM(case.states, covariance=case.covariance)

    def ours(iterations: int) -> int:
        options = {"n_init": 1, "accelerate": None, "max_iter": iterations, "tol": 0.0, "progressbar": False}
        return spec.fit(y, "em", lengths=lengths, init=start, **options).n_iter

    default, scaling = (_hmmlearn(case, y, lengths, start, way) for way in ("log", "scaling"))
    many = 12 if case.rows < 1_000_000 else 5
    contestants = {"ours": ours, "default": default, "scaling": scaling}
    took = per_iteration(contestants, 2, many, turns=3 if case.rows < 1_000_000 else 2)
    best = min(took["scaling"], took["default"], 1e-3 * DYNAMAX[case.name])
    kind = f"{case.columns} {case.covariance}" if case.columns else "counts"
    return (
        f"{case.rows:,}, {case.sequences:,}, {case.states}, {kind}",
        ms(took["ours"]),
        ms(took["default"]),
        ms(took["scaling"]),
        at_least(took["default"] / took["ours"], DEFAULT),
        at_least(best / took["ours"], BEST),
    )


def _hmmlearn(case: Case, y: Array, lengths: Any, start: dict[str, Any], way: str) -> Callable[[int], int]:
    from hmmlearn import hmm

    def fit(iterations: int) -> int:
        options = {"n_iter": iterations, "tol": -np.inf, "init_params": "", "implementation": way}
        if case.columns:
            model = hmm.GaussianHMM(case.states, case.covariance, **options)
            model.means_ = start["means"]
            spread = start["covariances"]
            model.covars_ = spread if case.covariance == "full" else np.diagonal(spread, axis1=1, axis2=2)
        else:
            model = hmm.PoissonHMM(case.states, **options)
            model.lambdas_ = start["rates"][:, None]
        model.startprob_, model.transmat_ = start["initial"], start["transition"]
        rows = y.reshape(len(y), -1)
        return model.fit(rows if case.columns else rows.astype(int), lengths).monitor_.iter

    return fit


class Chain(NamedTuple):
    """A posterior to sample, and its peers' min bulk ESS per second and gradient's seconds."""

    name: str
    spec: Spec
    y: Array
    nuts: float
    gibbs: float
    gradient: float


def _posteriors() -> tuple[Chain, ...]:
    priors, fixed = evb.priors, {"sigmas": [1.0, 1.0], "initial": [0.5, 0.5]}
    two = {"means": priors.Normal([3.0, 10.0], 1.0), "transition": priors.Dirichlet(1.0)}
    example = evb.HMM(evb.emissions.Normal(), 2, priors=two, fixed=fixed, ordered="means")
    long, short = three_states(), evb.datasets.load("hmm_example", as_frame=False).ravel()
    return (
        Chain("T=1000, K=3", long.spec, long.y, long.published, 128.0, 0.45e-3),
        Chain("hmm_example, T=100", example, short, 1353.0, 16617.0, np.nan),
    )


def _gradients() -> None:
    case = _posteriors()[0]
    program = compile_program(case.spec, case.y)
    theta = program.theta_of(case.spec.fit(case.y, "em", objective="map", seed=1, progressbar=False).params)
    density, x = program.density(theta), program.unconstrain(theta)
    density(x)
    took = min(seconds(lambda: [density(x) for _ in range(400)])[0] for _ in range(7)) / 400
    rows = [(case.name, at_most(1e6 * took, 1e6 * case.gradient / 8, "µs"), f"{1e6 * case.gradient:.0f} µs")]
    table("Log posterior and gradient", ("model", "em_vs_bayes", "Stan, published"), rows, "Called from Python.")


def _effective() -> None:
    rows = []
    for case in _posteriors():
        for method, published, factor, draws in (("nuts", case.nuts, 4.0, 1000), ("gibbs", case.gibbs, 5.0, 5000)):

            def fit(draws: int, case: Chain = case, method: str = method) -> tuple[float, Any]:
                options = {"chains": 4, "cores": 1, "tune": 400, "draws": draws, "seed": 1, "progressbar": False}
                runs = [seconds(lambda: case.spec.fit(case.y, method, **options)) for _ in range(4)]
                return min(runs[1:], key=lambda run: run[0])

            (short, _), (whole, made) = fit(FEW), fit(draws)
            sampled = free(np.asarray(made.draws))
            ess = min_ess(sampled)
            rows.append(
                (
                    f"{case.name}, {method}",
                    f"{ess:,.0f}",
                    f"{max_rhat(sampled):.3f}",
                    at_least(ess / ((whole - short) * draws / (draws - FEW)), factor * published, "/s"),
                    f"{ess / whole:,.0f}/s",
                    f"{published:,.0f}/s",
                )
            )
    table(
        "Sampling, min bulk ESS of four chains one after the other",
        ("model", "min ESS", "R-hat", "per second of sampling", "mode and warm-up counted", "best peer, published"),
        rows,
        f"Processor time, neither imports nor compiling. Sampling: the time of all draws less that of {FEW}.",
    )
