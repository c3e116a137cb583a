"""Whether the likelihood of a regression with Student t errors has no bound where sigma falls to 0.

On a line through some exact responses each of them is worth 1 / sigma, and each that is off it, or known to lie off it,
sigma^df: with m rows on and k off, the likelihood goes like sigma^(k df - m) (Fernandez & Steel 1999, Biometrika 86,
153-167). Normal errors are the limit: all must be on. Where m = k df it has a limit there, which may be its supremum.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from math import ceil, comb, log, log1p

import numpy as np
from numpy.typing import NDArray

from em_vs_bayes.common.contract import Array
from em_vs_bayes.model.emissions.recession import Known

ON = 1e-11  # of a response and the terms of its line: closer to each other it is on it
NEAR = 1e-7  # the same, of limits and what a linear program says of them
SUBSETS = 1000  # of rows through which lines are laid one and all; where there are more, through some
TRIES = 200  # of random ones, and fewer where
MISSED = 1e-4  # is the probability that none of them is on a line that would do
SAMPLE = 400  # rows on which a line is tried first
SHOWN = 2000  # censored rows at most that a line is bent for
EVEN = 1e-9  # of all weight: m - k df closer to 0 is 0


def gain(known: Known, df: float) -> float:
    """The greatest m - k df of all lines tried; below 0 where the likelihood falls to 0 with sigma.

    Those are the lines through all subsets of exact rows where these are few, otherwise through random ones: a line
    through a share of df / (1 + df) of them, which all it could take, is soon met.
    """
    sizes = np.abs(known.x).max(axis=0, initial=0.0)
    known = replace(known, x=known.x / np.where(sizes > 0.0, sizes, 1.0))
    exact = known.exact
    x, y, weights = known.x[exact], known.low[exact], known.weights[exact]
    total, best = float(weights.sum()), -np.inf
    passed = _Censored(known)
    for line, open_ in _lines(x, y, weights, df / (1.0 + df)):
        on = _on(x, y, line) & (np.abs(x @ open_) <= ON * known.x.shape[1]).all(axis=1)
        own = float(weights[on].sum())
        most = own - df * (total - own)
        if most < -EVEN * total or most <= best:
            continue
        best = max(best, most - df * passed.by(line, open_))
        if best > EVEN * total:
            return best
    return 0.0 if abs(best) <= EVEN * total else best


def _on(x: Array, y: Array, line: Array) -> NDArray[np.bool_]:
    """Which responses are on a line but for rounding."""
    return np.asarray(np.abs(y - x @ line) <= ON * (np.abs(y) + np.abs(x * line).sum(axis=1)))


class _Censored:
    """Censored rows that lines pass by."""

    def __init__(self, known: Known) -> None:
        censored = ~known.exact
        self.x, self.low, self.high = known.x[censored], known.low[censored], known.high[censored]
        self.weights = known.weights[censored]
        ends = np.abs(np.concatenate([known.low, known.high]))
        self.size = float(ends[np.isfinite(ends)].max(initial=0.0)) or 1.0

    def by(self, line: Array, open_: Array) -> float:
        """Weight of the rows that a line passes by, bent by what is open of it to pass by few."""
        if open_.shape[1]:
            line = line + open_ @ self._bent(line, open_)
        z = self.x @ line
        beyond = np.maximum(self.low - z, z - self.high)
        return float(self.weights[beyond > NEAR * max(self.size, np.abs(z).max(initial=0.0))].sum())

    def _bent(self, line: Array, open_: Array) -> Array:
        """z (q,) at which the distances of line + open_ @ z from what is known add up to least."""
        from scipy.optimize import linprog  # a fifth of a second that only such data pay for

        some = np.unique(np.linspace(0, len(self.x) - 1, min(len(self.x), SHOWN)).astype(int))
        at, moves = self.x[some] @ line, self.x[some] @ open_
        rows = np.vstack([-moves, moves])
        room = np.concatenate([at - self.low[some], self.high[some] - at])
        bound = np.isfinite(room)
        q, slack = open_.shape[1], int(bound.sum())
        found = linprog(
            np.r_[np.zeros(q), np.ones(slack)],
            A_ub=np.hstack([rows[bound], -np.eye(slack)]),
            b_ub=room[bound] / self.size,
            bounds=[(None, None)] * q + [(0.0, None)] * slack,
        )
        return np.zeros(q) if found.x is None else self.size * np.asarray(found.x[:q])


def _lines(x: Array, y: Array, weights: Array, share: float) -> Iterator[tuple[Array, Array]]:
    """Lines (p,) through some rows, and a basis (p, q) of the directions which that leaves open."""
    n, p = x.shape
    if not n:
        return
    if p == 0 or not np.any(x):
        yield np.zeros(p), np.eye(p)
        return
    if n <= (p + 1) / share + 1 and sum(comb(n, r) for r in range(1, p + 1)) <= SUBSETS:
        for r in range(min(p, n), 0, -1):
            for rows in combinations(range(n), r):
                yield _through(x[list(rows)], y[list(rows)])
        return
    rng = np.random.default_rng(0)
    shares = np.cumsum(weights) / weights.sum()

    def drawn(size: int) -> NDArray[np.int64]:
        return np.minimum(np.searchsorted(shares, rng.random(size)), n - 1)

    some = drawn(SAMPLE)
    for _ in range(min(TRIES, ceil(log(MISSED) / log1p(-min(share**p, 0.999))))):
        own = _independent(x, drawn(4 * p))
        line, open_ = _through(x[own], y[own])
        if np.mean(_on(x[some], y[some], line)) > 0.7 * share:
            yield line, open_


def _independent(x: Array, rows: NDArray[np.int64]) -> list[int]:
    """Of these rows those that are no combination of the ones before."""
    basis, taken = np.empty((0, x.shape[1])), list[int]()
    for row in rows:
        rest = x[row] - (x[row] @ basis.T) @ basis
        rest = rest - (rest @ basis.T) @ basis
        length = float(np.linalg.norm(rest))
        if length > 1e-7 * np.linalg.norm(x[row]):
            basis, taken = np.vstack([basis, rest / length]), [*taken, row]
        if len(taken) == x.shape[1]:
            break
    return taken


def _through(x: Array, y: Array) -> tuple[Array, Array]:
    """The shortest line through rows, and what they leave open."""
    u, values, vectors = np.linalg.svd(x, full_matrices=True)
    rank = int((values > 1e-11 * values.max(initial=0.0)).sum())
    line = vectors[:rank].T @ ((u[:, :rank].T @ y) / values[:rank])
    return line, vectors[rank:].T
