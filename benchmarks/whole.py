"""Whole calls, with default threads, on data of ten seeds that nobody chose: median and worst.

The other sections time loops, with one thread, on data of one seed each. What a user waits for is everything around
the loop as well (starts, checks of the data, checks of the result), with whatever threads libraries start by
themselves; and a check may be slow on half of all data and never be met by the benchmark's. So the seeds come from the
machine's entropy, and are printed: ``python -m benchmarks.whole SEED`` runs the ten that follow from one again.
"""

import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

import em_vs_bayes as evb
from benchmarks.measure import ROOT
from benchmarks.show import at_least, at_most, console, ms, table
from benchmarks.tobit import olsen
from em_vs_bayes.common.contract import Array

SEEDS = 10
LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


class Case(NamedTuple):
    """Whole calls of ours and of the peer on the same data; both return what they reached, higher being better."""

    name: str
    data: Callable[[np.random.Generator], Any]
    ours: Callable[[Any, int], float]
    peer: Callable[[Any, int], float] | None
    target: float  # how many times faster at the median; without a peer, seconds
    slack: float  # how far below the peer's maximum ours may end


def _tobit(n: int) -> Callable[[np.random.Generator], tuple[Array, Array]]:
    def made(rng: np.random.Generator) -> tuple[Array, Array]:
        x = np.column_stack([np.ones(n), rng.normal(size=(n, 9))])
        b = np.append(0.4, 0.6 * rng.normal(size=9))
        return x, np.maximum(x @ b + 1.5 * rng.normal(size=n), 0.0)

    return made


def _our_tobit(data: Any, seed: int) -> float:
    x, y = data
    return evb.Tobit(lower=0).fit(y, exog=x, seed=seed, progressbar=False).log_likelihood


def _clusters(k: int, d: int, n: int, spread: float) -> Callable[[np.random.Generator], Array]:
    def made(rng: np.random.Generator) -> Array:
        return np.asarray(spread * rng.normal(size=(k, d))[rng.integers(k, size=n)] + rng.normal(size=(n, d)))

    return made


def _our_mixture(k: int) -> Callable[[Any, int], float]:
    return lambda y, seed: evb.GaussianMixture(k).fit(y, seed=seed, progressbar=False).log_likelihood


def _their_mixture(k: int, starts: int) -> Callable[[Any, int], float]:
    from sklearn.mixture import GaussianMixture

    def fitted(y: Any, seed: int) -> float:
        peer = GaussianMixture(k, n_init=starts, tol=1e-8, max_iter=1000, random_state=seed).fit(y)
        return float(peer.score(y) * len(y))

    return fitted


def _our_quakes(y: Any, seed: int) -> float:
    spec = evb.HMM(evb.emissions.Poisson(), 2, initial="stationary", ordered="rates")
    return spec.fit(y, seed=seed, progressbar=False).log_likelihood


def _three_states(rng: np.random.Generator) -> Array:
    """10,000 rows of a chain with three overlapping states."""
    step, z = rng.random(10_000), np.zeros(10_000, dtype=np.int64)
    jump = rng.integers(3, size=10_000)
    for t in range(1, 10_000):
        z[t] = jump[t] if step[t] < 0.15 else z[t - 1]
    return np.asarray((np.array([-2.0, 0.0, 2.0])[z] + rng.normal(size=10_000))[:, None])


CHAIN = {
    "initial": np.full(3, 1 / 3),
    "transition": np.full((3, 3), 0.1) + 0.7 * np.eye(3),
    "means": np.array([[-1.0], [0.5], [1.5]]),
    "covariances": np.ones((3, 1, 1)),
}
STEPS = 20  # iterations of each side


def _our_chain(y: Any, seed: int) -> float:
    options = {"max_iter": STEPS, "tol": 0.0, "accelerate": None, "progressbar": False}
    return evb.GaussianHMM(3, covariance="diag").fit(y, init=CHAIN, seed=seed, **options).log_likelihood


def _their_chain(y: Any, _: int) -> float:
    from hmmlearn.hmm import GaussianHMM

    peer = GaussianHMM(3, n_iter=STEPS, tol=-np.inf, init_params="", covars_prior=0.0, implementation="scaling")
    peer.startprob_, peer.transmat_, peer.means_ = CHAIN["initial"], CHAIN["transition"], CHAIN["means"]
    peer.covars_ = CHAIN["covariances"][:, :, 0]
    return float(peer.fit(y).score(y))


def _cases() -> list[Case]:
    quakes = evb.datasets.load("quakes")["count"]
    return [
        Case("Tobit, n = 100,000 (L-BFGS)", _tobit(100_000), _our_tobit, lambda d, _: olsen(*d), 2.0, 1e-3),
        Case("Tobit, n = 1,000,000 (L-BFGS)", _tobit(1_000_000), _our_tobit, lambda d, _: olsen(*d), 2.0, 1e-3),
        Case(
            "3 clusters, n = 2000 (scikit-learn, ten starts)",
            _clusters(3, 2, 2000, 3.0),
            _our_mixture(3),
            _their_mixture(3, 10),
            1.0,
            1e-2,
        ),
        Case(
            "30 clusters, n = 6000 (scikit-learn, one start)",
            _clusters(30, 10, 6000, 5.0),
            _our_mixture(30),
            _their_mixture(30, 1),
            0.5,
            1.0,
        ),
        Case(
            f"HMM, T = 10,000, K = 3, {STEPS} iterations (hmmlearn, scaling)",
            _three_states,
            _our_chain,
            _their_chain,
            2.0,
            1e-3,
        ),
        Case("earthquakes, two states, stationary", lambda _: quakes, _our_quakes, None, 0.3, 0.0),
    ]


def _timed(call: Callable[[Any, int], float], data: Any, seed: int) -> tuple[float, float]:
    began = perf_counter()
    reached = call(data, seed)
    return perf_counter() - began, reached


def _row(case: Case, seeds: list[int]) -> tuple[str, ...]:
    times: list[tuple[float, float]] = []
    short = 0
    case.ours(case.data(np.random.default_rng(0)), 0)  # reads kernels from the disk
    for seed in seeds:
        data = case.data(np.random.default_rng(seed))
        took, reached = _timed(case.ours, data, seed % 2**31)
        theirs, best = _timed(case.peer, data, seed % 2**31) if case.peer else (np.nan, -np.inf)
        times.append((took, theirs))
        short += reached < best - case.slack
    ours, peer = np.array(times).T
    ours_said, peer_said = (f"{ms(float(np.median(t)))}, {ms(float(t.max()))}" for t in (ours, peer))
    if case.peer is None:
        return case.name, ours_said, "", at_most(float(np.median(ours)), case.target, "s"), ""
    ratio = peer / ours
    verdict = f"{at_least(float(np.median(ratio)), case.target)}, worst {ratio.min():.2g}x"
    return case.name, ours_said, peer_said, verdict, f"{short} of {len(seeds)}"


def main(entropy: int | None) -> None:
    """Print the table for ten seeds out of one, or out of the machine's entropy."""
    source = np.random.SeedSequence(entropy)
    seeds = [int(s) for s in source.generate_state(SEEDS)]
    console.print(f"entropy {source.entropy}; threads as libraries choose them on {os.cpu_count()} processors")
    warnings.simplefilter("ignore")  # the peers', of too few iterations
    logging.getLogger("hmmlearn").setLevel(logging.ERROR)
    table(
        f"Whole calls, {SEEDS} seeds that nobody chose: median, worst",
        ("case (peer)", "em_vs_bayes", "peer", "ratio at the median", "ended lower"),
        [_row(case, seeds) for case in _cases()],
        "Time on the wall.",
    )


def run() -> None:
    """In a process of its own, whose threads nobody has limited."""
    free = {name: value for name, value in os.environ.items() if name not in LIMITS}
    subprocess.run([sys.executable, "-m", "benchmarks.whole"], check=True, cwd=ROOT, env=free)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else None)
