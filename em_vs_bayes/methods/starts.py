"""Where iterative methods start: partitions of many kinds, or given parameters."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations, permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from em_vs_bayes.common import partitions
from em_vs_bayes.common.arguments import as_floats, brief
from em_vs_bayes.common.contract import Array, Params
from em_vs_bayes.program.feasible import impossible
from em_vs_bayes.program.given import left_out
from em_vs_bayes.program.program import OPEN, Program

PERMUTED = 4  # components whose names are tried in every order: 24
SWAPPED = 12  # and in which pairs of names are swapped
NAMED = ("kmeans++", "random")
ENOUGH = ((30, 50_000), (10, 1_000_000), (4, np.inf))  # starts, for at most so many rows x components x columns


def start(program: Program, init: Any, rng: np.random.Generator, attempt: int = 0) -> Array:
    """theta for one start.

    Parameters
    ----------
    init : None, "kmeans++", "random", dict of parameters, or anything with ``params``
        None takes kinds of partition in turn, for each misses what another finds: k-means++, farthest-first centres
        (many clusters), random centres (elongated ones), random lines (regressions), windows and segments of time
        (states with the same values in other proportions), random labels. The names ask for k-means++
        or random centres; random lines are the
        "random" of regressions. What a dict leaves out is that of a usual start.

    Raises
    ------
    ValueError, TypeError
        For an unknown name, or parameters that do not fit the spec.
    """
    if isinstance(init, str) and init not in NAMED:
        raise ValueError(
            f"init={brief(init)} is unknown; wants {', '.join(map(repr, NAMED))}, a Fit or a dict of parameters."
        )
    if isinstance(init, Mapping):
        usual = None
        if left_out(program, init):
            usual = like_given(program, init, program.public(start(program, None, rng, attempt)))
        try:
            theta = program.theta_of(init, usual)
        except (TypeError, ValueError) as error:
            raise type(error)(f"init: {error}") from None
        if impossible(program, theta):
            raise ValueError("init: the data have probability zero at these parameters; start from others.")
        return theta
    if init is not None and not isinstance(init, str):
        raise TypeError(f"init must be a Fit, a dict of parameters or one of {NAMED}; got {type(init).__name__}.")
    if not program.spec.leading:  # one of everything: nothing to name
        return program.with_fixed(program.neutral())
    kinds = _kinds(program, init)
    clusters = _partition(program, kinds[attempt % len(kinds)], rng)
    if (program.data.labels >= 0).any():
        return from_labels(program, _named_by(program.data.labels, clusters))
    theta = from_labels(program, clusters)
    if not structured(program):
        return theta
    return from_labels(program, np.argsort(best_names(program, clusters, theta))[clusters])


def like_given(program: Program, given: Mapping[str, Any], usual: Params) -> Params:
    """``usual`` parameters, components or states in the order of those ``given`` that they are most like."""
    dims, leading, k = program.spec.parameter_dims(), program.spec.leading, program.k
    distance = np.zeros((k, k))
    for name, value in usual.items():
        mine = as_floats(given[name]) if name in given else np.empty(0)
        if mine is None:
            raise TypeError(f"init[{name!r}] must hold numbers; got {brief(given[name])}.")
        if dims[name][:1] != (leading,) or dims[name][1:] == (f"{leading}_to",) or mine.shape != value.shape:
            continue
        theirs, mine = value.reshape(k, -1), mine.reshape(k, -1)
        scale = np.vstack([theirs, mine]).std(axis=0)
        apart = (mine[:, None] - theirs[None]) / np.where(scale > 0, scale, 1.0)
        distance += (np.where(np.isfinite(apart), apart, 0.0) ** 2).mean(axis=2)
    if not distance.any():
        return usual
    from scipy import optimize

    order = optimize.linear_sum_assignment(distance)[1]
    theta = program.permuted(program.with_fixed(program.internal(usual)), order)
    return program.public(theta)


def enough(program: Program, init: Any) -> int:
    """Starts that a climbing method makes by default: fewer where each takes long, one where all are the same."""
    if program.k == 1 or isinstance(init, dict):
        return 1
    size = program.n * program.k * len(program.data.columns)
    return next(n for n, most in ENOUGH if size <= most)


def _kinds(program: Program, init: str | None) -> tuple[str, ...]:
    """The kinds of partition that starts take in turn."""
    lines = ("lines",) if program.exogs else ()
    centres = not lines or len(program.streams.kind) > 1  # there are columns besides those of a regression
    if init is not None:
        return (*lines, *(("random",) if centres else ())) if init == "random" else (init,)
    near = ("kmeans++", "farthest", *NAMED) if program.k > partitions.MANY else NAMED
    rows = (*lines, *(near if centres else ()))
    if program.latent.sequential:
        return (*rows, "windows", "segments", "shuffled")
    return (*rows, *rows, "shuffled")


def _partition(program: Program, kind: str, rng: np.random.Generator) -> NDArray[np.int64]:
    """Labels (n,) by a partition of a kind."""
    k = program.k
    match kind:
        case "lines":
            return partitions.lines(program.first_regression(), k, rng)
        case "windows":
            return partitions.windows(program.seeds(), program.data.starts, k, rng)
        case "segments":
            return partitions.segments(program.data.starts, k, rng)
        case "shuffled":
            return partitions.shuffled(program.n, k, rng)
    lloyd = 0 if kind == "random" else partitions.LLOYD
    return partitions.partition(program.seeds(), k, rng, lloyd, farthest=kind == "farthest")


def _named_by(known: NDArray[np.int64], clusters: NDArray[np.int64]) -> NDArray[np.int64]:
    """Clusters take the names of the known components that they hold most of: a chain would not swap them back."""
    from scipy import optimize  # a fifth of a second that only known labels pay for

    seen = known >= 0
    k = int(max(clusters.max(), known.max())) + 1
    shared = np.zeros((k, k))
    np.add.at(shared, (clusters[seen], known[seen]), 1.0)
    return optimize.linear_sum_assignment(-shared)[1][clusters]


def structured(program: Program) -> bool:
    """Whether fixed values tell components or states apart, such as zeros of a chain or one known rate."""
    fixed, k = program.tables.fixed, program.k
    if k == 1:
        return False
    turned = np.roll(np.arange(k), 1)
    swapped = np.r_[np.arange(k)[:2][::-1], np.arange(2, k)]  # the two generate all permutations
    moved = (program.permuted(fixed, order) for order in (turned, swapped))
    return any(not np.array_equal(m, fixed, equal_nan=True) for m in moved)


def best_names(program: Program, clusters: NDArray[np.int64], theta: Array) -> NDArray[np.int64]:
    """The permutation of ``theta`` under which the data are most probable: what is fixed says which state is which.

    Up to `PERMUTED` components all permutations compete, else the order of the clusters' mean times and no change, and
    up to `SWAPPED` what swaps of two make of the better. The latent structure's free probabilities are even meanwhile.
    """
    k, latent = program.k, program.latent_end
    even = program.with_fixed(program.neutral())[:latent]

    def height(order: NDArray[np.int64]) -> float:
        moved = program.permuted(theta, order)
        moved[:latent] = even
        return program.log_likelihood(program.with_fixed(moved))

    orders = [np.arange(k)]
    if k <= PERMUTED:
        orders = [np.array(order) for order in permutations(range(k))]
    elif program.latent.sequential:
        time = partitions.times(program.data.starts)
        rows = np.bincount(clusters, minlength=k)
        orders.append(np.argsort(np.bincount(clusters, time, minlength=k) / np.maximum(rows, 1), kind="stable"))
    best = max(orders, key=height)
    if PERMUTED < k <= SWAPPED:
        top = height(best)
        for pair in combinations(range(k), 2):
            turned = best.copy()
            turned[list(pair)] = best[list(pair[::-1])]
            if (there := height(turned)) > top:
                best, top = turned, there
    return best


def from_labels(program: Program, labels: NDArray[np.int64]) -> Array:
    """theta that maximises the complete-data posterior of an assignment."""
    theta = program.neutral()
    if program.k == 1:
        labels = np.zeros_like(labels)
    known = program.with_labels(labels)
    flat = bool(program.tables.unknown)  # a density that only PyMC knows cannot be maximised here
    for _ in range(2):
        pot = program.potentials(theta)
        pot[: program.placed[program.n_latent].pot] = 0.0  # labels may take a step that the model forbids
        pot[pot == -np.inf] = 0.0  # or put a row where fixed values exclude it: its state is known all the same
        _, stats = known.expect(pot)
        if not np.isfinite(stats).all():  # truncation hides more rows there than can be counted
            break
        theta = program.with_fixed(program.maximize(theta, stats, flat_prior=flat, floor=1e-4).theta)
    theta = program.opened(theta)
    if program.spec.fixed and impossible(program, theta):  # rows where their cluster cannot be
        theta = (1.0 - OPEN) * theta + OPEN * program.with_fixed(program.neutral())  # parameter spaces are convex
    return theta
