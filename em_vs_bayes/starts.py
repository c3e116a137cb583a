"""Where iterative methods start: k-means++ partitions, random partitions, given parameters."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from em_vs_bayes.contract import Array
from em_vs_bayes.feasible import impossible
from em_vs_bayes.identified import imagined
from em_vs_bayes.program import OPEN, Program

SUBSAMPLE = 20_000  # rows on which centres are sought; all rows are then assigned
PERMUTED = 4  # components whose names are tried in every order: 24
NAMED = ("kmeans++", "random")
MOST_IMAGINED = 1e10  # hidden rows per seen one: beyond, what the seen ones say is lost in the sums' rounding


def start(program: Program, init: Any, rng: np.random.Generator, attempt: int = 0) -> Array:
    """theta for one start.

    Parameters
    ----------
    init : None, "kmeans++", "random", dict of parameters, or anything with ``params``
        None alternates k-means++ (even attempts) and random centres (odd ones): k-means alone misses elongated
        clusters. Regressions start from random lines (`lines`) instead of centres.

    Raises
    ------
    ValueError, TypeError
        For an unknown name, or parameters that do not fit the spec.
    """
    if isinstance(init, str) and init not in NAMED:
        raise ValueError(
            f"init={init!r} is unknown; wants {', '.join(map(repr, NAMED))}, a Fit or a dict of parameters."
        )
    if isinstance(init, Mapping):
        theta = program.theta_of(init)
        if (theta == 0.0).any() and impossible(program, theta):
            raise ValueError("init: the data have probability zero at these parameters; start from positive ones.")
        if imagined(program, theta) > MOST_IMAGINED:
            raise ValueError(
                "init: at these parameters truncation would hide all but one row in ten thousand million: nothing can "
                "climb from there. Start nearer to the data, or leave init out."
            )
        return theta
    if init is not None and not isinstance(init, str):
        raise TypeError(f"init must be a Fit, a dict of parameters or one of {NAMED}; got {type(init).__name__}.")
    if not program.spec.leading:  # one of everything: nothing to name
        return program.with_fixed(program.neutral())
    lloyd = 20 if init == "kmeans++" or (init is None and attempt % 2 == 0) else 0
    if program.exogs and init != "kmeans++" and (len(program.streams.kind) == 1 or attempt % 2 == 0):
        clusters = lines(program.first_regression(), program.k, rng)
    else:
        clusters = partition(program.seeds(), program.k, rng, lloyd)
    if (program.data.labels >= 0).any():
        return from_labels(program, _named_by(program.data.labels, clusters))
    theta = from_labels(program, clusters)
    if not structured(program):
        return theta
    return from_labels(program, np.argsort(best_names(program, clusters, theta))[clusters])


def enough(program: Program, init: Any) -> int:
    """Starts that a climbing method makes by default: fewer where each takes long, one where all are the same."""
    if program.k == 1 or isinstance(init, dict):
        return 1
    return 10 if program.n * program.k * len(program.data.columns) <= 1_000_000 else 4


def _named_by(known: NDArray[np.int64], clusters: NDArray[np.int64]) -> NDArray[np.int64]:
    """Clusters take the names of the known components that they hold most of: a chain would not swap them back."""
    seen = known >= 0
    k = int(max(clusters.max(), known.max())) + 1
    shared = np.zeros((k, k))
    np.add.at(shared, (clusters[seen], known[seen]), 1.0)
    return optimize.linear_sum_assignment(-shared)[1][clusters]


def structured(program: Program) -> bool:
    """Whether fixed values of the latent structure tell components or states apart, such as zeros of a chain."""
    fixed, latent, k = program.tables.fixed, program.placed[program.n_latent].theta, program.k
    turned = np.roll(np.arange(k), 1)
    swapped = np.r_[np.arange(k)[:2][::-1], np.arange(2, k)]  # the two generate all permutations
    moved = (program.permuted(fixed, order)[:latent] for order in (turned, swapped))
    return any(not np.array_equal(m, fixed[:latent], equal_nan=True) for m in moved)


def best_names(program: Program, clusters: NDArray[np.int64], theta: Array) -> NDArray[np.int64]:
    """The permutation of ``theta`` under which the data are most probable: what is fixed says which state is which.

    Up to `PERMUTED` components all permutations compete, else the order of the clusters' mean times and no change. The
    latent structure's free probabilities are even meanwhile.
    """
    k, latent = program.k, program.placed[program.n_latent].theta
    even = program.with_fixed(program.neutral())[:latent]

    def height(order: NDArray[np.int64]) -> float:
        moved = program.permuted(theta, order)
        moved[:latent] = even
        return program.log_likelihood(program.with_fixed(moved))

    orders = [np.arange(k)]
    if k <= PERMUTED:
        orders = [np.array(order) for order in permutations(range(k))]
    elif program.latent.sequential:
        starts = program.data.starts
        time = np.arange(program.n) - np.repeat(starts[:-1], np.diff(starts))
        rows = np.bincount(clusters, minlength=k)
        orders.append(np.argsort(np.bincount(clusters, time, minlength=k) / np.maximum(rows, 1), kind="stable"))
    return max(orders, key=height)


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
        _, stats = known.expect(pot)
        theta = program.with_fixed(program.maximize(theta, stats, flat_prior=flat, floor=1e-4).theta)
    theta = program.opened(theta)
    if (program.tables.fixed == 0.0).any() and impossible(program, theta):  # rows where their cluster cannot be
        theta = (1.0 - OPEN) * theta + OPEN * program.with_fixed(program.neutral())  # parameter spaces are convex
    return theta


def partition(features: Array, k: int, rng: np.random.Generator, lloyd: int) -> NDArray[np.int64]:
    """Labels (n,): k-means++ (Arthur & Vassilvitskii 2007), ``lloyd`` rounds of k-means; with none, random centres."""
    n = len(features)
    picked = np.arange(n) if n <= SUBSAMPLE else rng.choice(n, SUBSAMPLE, replace=False)
    centre, spread = np.nanmean(features[picked], axis=0), np.nanstd(features[picked], axis=0)
    spread = np.where(spread > 0, spread, 1.0)

    def standardised(rows: Array) -> Array:
        """Comparable scales; a missing value sits at the mean."""
        return np.nan_to_num((rows - centre) / spread, nan=0.0)

    sample = standardised(features[picked])
    centres = sample[rng.integers(len(sample))][None, :]
    nearest = _squared(sample, centres)[:, 0]
    for _ in range(1, k):
        weight = nearest if lloyd else (nearest > 0).astype(float)
        pick = rng.choice(len(sample), p=weight / weight.sum() if weight.sum() > 0 else None)
        centres = np.vstack([centres, sample[pick]])
        nearest = np.minimum(nearest, _squared(sample, centres[-1:])[:, 0])
    for _ in range(lloyd):
        labels = _squared(sample, centres).argmin(axis=1)
        moved = np.array([sample[labels == j].mean(axis=0) if (labels == j).any() else centres[j] for j in range(k)])
        if np.array_equal(moved, centres):
            break
        centres = moved
    blocks = (features[start : start + SUBSAMPLE] for start in range(0, n, SUBSAMPLE))
    return np.concatenate([_squared(standardised(block), centres).argmin(axis=1) for block in blocks])


def lines(columns: Array, k: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Labels (n,): k regressions, each through a few random rows, then rounds of nearest line and least squares.

    The regression clustering of Spaeth (1979, Computing 22), from elemental subsets: clusters of rows would only cut
    the lines across. Rows without a response get random labels.

    Parameters
    ----------
    columns : ndarray (n, p + 1)
        Design and response.
    """
    x, y = columns[:, :-1], columns[:, -1]
    n, p = x.shape
    seen = np.flatnonzero(~np.isnan(y))
    labels: NDArray[np.int64] = np.asarray(rng.integers(k, size=n))
    picked = [rng.choice(seen, size=min(p + 1, len(seen)), replace=False) for _ in range(k)]
    for _ in range(10):
        fits = [np.linalg.lstsq(x[rows], y[rows], rcond=None)[0] for rows in picked]
        nearest = np.stack([np.abs(y[seen] - x[seen] @ b) for b in fits], axis=1).argmin(axis=1)
        if np.array_equal(nearest, labels[seen]):
            break
        labels[seen] = nearest
        own = [seen[nearest == j] for j in range(k)]
        picked = [
            rows if len(rows) >= p else rng.choice(seen, size=min(p + 1, len(seen)), replace=False) for rows in own
        ]
    return labels


def _squared(x: Array, centres: Array) -> Array:
    """Squared distances (n, k), exact differences rather than expanded squares."""
    return np.stack([((x - c) ** 2).sum(axis=1) for c in centres], axis=1)
