"""Split and merge: where a climb with many components has two in one cluster, another has two clusters in one.

Ueda, Nakano, Ghahramani & Hinton (2000, Neural Computation 12): merge the two that overlap most, split a third in two,
climb from there, and keep what is higher. Here a partition of the rows stands for the parameters, so that any family
of emissions can be regrouped.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from em_vs_bayes.common import partitions
from em_vs_bayes.common.contract import Array
from em_vs_bayes.methods.starts import from_labels, structured
from em_vs_bayes.program.program import Program

MERGED, SPLIT = 3, 3  # pairs that overlap most, and components that two centres fit best, tried with each other
FEWEST = 4  # rows that are split
SLACK = 0.1  # nats a row that a partition may lie below the maximum: it lacks what overlaps
TRIED = 3  # of the partitions are climbed from
FIRST = 15  # iterations, after which a climb must be higher


def can(program: Program) -> bool:
    """Whether there are so many components that starts may miss the maximum, and they may change places."""
    return bool(
        program.k > partitions.MANY
        and not program.exogs
        and not (program.data.labels >= 0).any()
        and not structured(program)
    )


def starts(program: Program, theta: Array, level: float) -> list[Array]:
    """Parameters (P,) of the most promising partitions, best first.

    Parameters
    ----------
    level : float
        The log-likelihood at ``theta``.
    """
    found = [(program.log_likelihood(at), i, at) for i, at in enumerate(_regrouped(program, theta))]
    least = level - SLACK * program.total_weight
    return [at for height, _, at in sorted(found, key=lambda one: (-one[0], one[1]))[:TRIED] if height > least]


def _regrouped(program: Program, theta: Array) -> Iterator[Array]:
    shares = program.probabilities(theta)
    labels = shares.argmax(axis=1)
    lengths = np.maximum(np.linalg.norm(shares, axis=0), 1e-300)  # of a component without rows: it overlaps none
    overlap = (shares / lengths).T @ (shares / lengths)
    first, second = np.triu_indices(program.k, 1)
    order = np.argsort(-overlap[first, second], kind="stable")
    merged = [(int(first[o]), int(second[o])) for o in order[:MERGED]]
    empty = int(np.bincount(labels, minlength=program.k).argmin())  # takes no rows from others
    merged += [(int(np.argmax(overlap[empty] * (np.arange(program.k) != empty))), empty)]
    halves = _halves(program, labels)
    for kept, gone in dict.fromkeys(merged):
        for split in [k for k in halves if k not in (kept, gone)][:SPLIT]:
            new = np.where(labels == gone, kept, labels)
            new[halves[split]] = gone
            yield from_labels(program, new)


def _halves(program: Program, labels: NDArray[np.int64]) -> dict[int, NDArray[np.int64]]:
    """One half of the rows of each component, those first of which two centres leave the least of what one leaves."""
    features = program.seeds()
    centre, spread = np.nanmean(features, axis=0), np.nanstd(features, axis=0)
    features = np.nan_to_num((features - centre) / np.where(spread > 0, spread, 1.0), nan=0.0)
    rng, gains, halves = np.random.default_rng(0), {}, {}
    for k in range(program.k):
        rows = np.flatnonzero(labels == k)
        if len(rows) < FEWEST:
            continue
        own = features[rows]
        half = partitions.partition(own, 2, rng, partitions.LLOYD) == 1
        if half.all() or not half.any():
            continue
        between = own[half].mean(axis=0) - own[~half].mean(axis=0)
        gains[k] = half.mean() * (~half).sum() * float(between @ between)
        halves[k] = rows[half]
    return {k: halves[k] for k in sorted(gains, key=lambda k: -gains[k])}
