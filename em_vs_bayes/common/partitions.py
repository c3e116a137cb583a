"""Partitions of rows into clusters: what iterative methods start from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from em_vs_bayes.common.contract import Array

SUBSAMPLE = 20_000  # rows on which centres are sought; all rows are then assigned
LLOYD = 20  # rounds of k-means
MANY = 6  # clusters above which k-means++ is greedy; with few, starts are the more varied without


def partition(
    features: Array, k: int, rng: np.random.Generator, lloyd: int, *, farthest: bool = False
) -> NDArray[np.int64]:
    """Labels (n,): k-means++ (greedy for more than `MANY`), ``lloyd`` rounds of k-means; with none, random centres.

    Greedy: of a few candidates for a centre, that which leaves the smallest sum of squares (Arthur & Vassilvitskii
    2007, section 6). With many clusters one candidate soon falls where a centre is already. Or ``farthest``: each
    centre is the row farthest from those before it (Gonzalez 1985), which misses no cluster that is clear of others.
    """
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
    tries = 2 + int(np.log(k)) if lloyd and k > MANY else 1
    for _ in range(1, k):
        weight = nearest if lloyd else (nearest > 0).astype(float)
        if farthest:
            picks = nearest.argmax(keepdims=True)
        else:
            picks = rng.choice(len(sample), size=tries, p=weight / weight.sum() if weight.sum() > 0 else None)
        left = np.minimum(nearest[:, None], _squared(sample, sample[picks]))
        best = int(left.sum(axis=0).argmin())
        centres, nearest = np.vstack([centres, sample[picks[best]]]), left[:, best]
    for _ in range(lloyd):
        labels = (0.5 * (centres**2).sum(axis=1) - sample @ centres.T).argmin(axis=1)  # rounds need no last digits
        rows = np.bincount(labels, minlength=k)[:, None]
        sums = np.stack([np.bincount(labels, column, minlength=k) for column in sample.T], axis=1)
        moved = np.where(rows > 0, sums / np.maximum(rows, 1), centres)
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


def windows(features: Array, starts: NDArray[np.int64], k: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Labels (n,): k-means of the means of features over windows of one length, drawn from 2 to a part of a sequence.

    States that last differ in what is usual in a stretch of time, even where every single value occurs in each.

    Parameters
    ----------
    starts : ndarray (sequences + 1,)
        Where sequences start, and n.
    """
    length = round(_stretch(starts, k, rng))
    piece = np.cumsum(times(starts) % length == 0) - 1
    seen = ~np.isnan(features)
    total, count = np.zeros((2, piece[-1] + 1, features.shape[1]))
    np.add.at(total, piece, np.where(seen, features, 0.0))
    np.add.at(count, piece, seen)
    means = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    return np.asarray(partition(means, k, rng, LLOYD)[piece])


def segments(starts: NDArray[np.int64], k: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Labels (n,): stretches of geometric length, each of a random cluster, whatever the data."""
    cut = rng.random(starts[-1]) * _stretch(starts, k, rng) < 1.0
    cut[starts[:-1]] = True
    piece = np.cumsum(cut) - 1
    return shuffled(piece[-1] + 1, k, rng)[piece]


def shuffled(n: int, k: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Labels (n,): random ones, each there at least once if n allows it. All clusters of rows are alike."""
    labels = np.asarray(rng.integers(k, size=n))
    labels[rng.permutation(n)[:k]] = np.arange(min(n, k))
    return labels


def times(starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The time (n,) of each row within its sequence: 0, 1, ..."""
    return np.asarray(np.arange(starts[-1]) - np.repeat(starts[:-1], np.diff(starts)))


def _stretch(starts: NDArray[np.int64], k: int, rng: np.random.Generator) -> float:
    """A length from 2 to what lets a sequence of the usual length visit each state twice, even on the log scale."""
    longest = max(2.0, float(np.median(np.diff(starts))) / (2 * k))
    return float(np.exp(rng.uniform(np.log(2.0), np.log(longest))))


def _squared(x: Array, centres: Array) -> Array:
    """Squared distances (n, k), exact differences rather than expanded squares."""
    columns, out, apart = np.ascontiguousarray(x.T), np.zeros((len(centres), len(x))), np.empty(len(x))
    for total, centre in zip(out, centres, strict=True):
        for column, there in zip(columns, centre, strict=True):
            np.subtract(column, there, out=apart)
            total += np.multiply(apart, apart, out=apart)
    return out.T
