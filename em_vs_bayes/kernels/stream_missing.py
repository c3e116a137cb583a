"""Gaussian streams on rows with missing values: the exact marginal of the potential, one row at a time.

With the observed columns o first and the missing ones m last, W_k has an orthogonal rotation to a lower triangle T
(T'T = W'W with permuted columns). Its blocks hold all that is needed:

    T = [A 0]    marginal potential   c + |m|/2 log 2 pi - sum log diag C - |A (x_o - m_o)|^2 / 2
        [B C]    E[x_m | x_o]         m_m + G (x_o - m_o),  G = -C^-1 B
                 Cov[x_m | x_o]       V = C^-1 C^-T  (the inverse of Lambda_mm = C'C)

They are derived once for each (pattern, component) and kept in a table of limited size.
"""

from math import log, pi, sqrt
from typing import NamedTuple

import numpy as np

from em_vs_bayes.kernels.jit import inner, spliced, unit
from em_vs_bayes.kernels.smallmatrix import invert_lower
from em_vs_bayes.kernels.stream_block import BLOCK, START, gram, lane
from em_vs_bayes.kernels.tables import GAUSS_FULL

TABLE = 2**21  # float64 in the table of conditionals: 16 MiB, unless a single pattern needs more
HALF_LOG_2PI = 0.5 * log(2.0 * pi)


class Conditionals(NamedTuple):
    """What the patterns of missing values make of W, for all GAUSS_FULL streams and components."""

    pattern: np.ndarray  # (slots,) int64: the pattern a slot holds; pattern i may be in slot i % slots only
    at: np.ndarray  # (S,) int64: where a stream starts in a slot: constant[K], T with G for B [K, d, d], V[K, d, d]
    value: np.ndarray  # (slots, size)
    order: np.ndarray  # (p,) int64: columns of the stream at hand, observed ones first
    u: np.ndarray  # (3 p,): deviations of the observed columns; expected missing values; scratch


@inner
def allocate_conditionals(data, streams, K):
    """An empty table; of size 0 where nothing is missing."""
    S, p = streams.kind.size, data.columns.shape[0]
    at = np.zeros(S, np.int64)
    size = 0
    for s in range(S):
        at[s] = size
        if streams.kind[s] == GAUSS_FULL:
            size += K + 2 * K * streams.size[s] ** 2
    slots = 0
    if data.pattern.size > 0:
        slots = min(data.observed.shape[0], max(1, TABLE // max(1, size)))
    pattern = np.empty(slots, np.int64)
    for slot in range(slots):
        pattern[slot] = -1
    return Conditionals(
        pattern,
        at,
        np.empty((slots, size)),
        np.empty(p, np.int64),
        np.empty(3 * p),
    )


@inner
def _observed_first(observed, first, d, order):
    """Fill order[0:d] with the stream's columns, observed ones first; return how many are observed."""
    n = 0
    for j in range(d):
        if observed[first + j]:
            order[n] = j
            n += 1
    m = n
    for j in range(d):
        if not observed[first + j]:
            order[m] = j
            m += 1
    return n


@inner
def _rotate(pot, w, d, order, columns, out, to):
    """T lower triangular with T'T = W'W, columns of W taken in ``order``: modified Gram-Schmidt from the last one."""
    for j in range(d):
        for i in range(d):
            columns[j, i] = pot[w + i * d + order[j]]
    for i in range(d - 1, -1, -1):
        total = 0.0
        for a in range(d):
            total += columns[i, a] * columns[i, a]
        norm = sqrt(total)
        out[to + i * d + i] = norm
        for j in range(i):
            total = 0.0
            for a in range(d):
                total += columns[i, a] * columns[j, a]
            out[to + i * d + j] = total / norm
            for a in range(d):
                columns[j, a] -= columns[i, a] * (total / (norm * norm))


@inner
def _derive(pot, o, d, K, n, order, out, to):
    """Constant, T (G in place of B) and V of every component of one stream, for n observed columns of d."""
    m = d - n
    columns = np.empty((d, d))
    C = np.empty(m * m)
    for k in range(K):
        T = to + K + k * d * d
        V = to + K + K * d * d + k * d * d
        _rotate(pot, o + K + K * d + k * d * d, d, order, columns, out, T)
        constant = pot[o + k] + m * HALF_LOG_2PI
        for i in range(m):
            constant -= log(out[T + (n + i) * d + n + i])
            for j in range(m):
                C[i * m + j] = out[T + (n + i) * d + n + j] if j <= i else 0.0
        out[to + k] = constant
        invert_lower(C, 0, m, C, 0)
        for i in range(m):
            for j in range(m):
                total = 0.0
                for a in range(min(i, j) + 1):
                    total += C[i * m + a] * C[j * m + a]
                out[V + (n + i) * d + n + j] = total
        for j in range(n):
            for i in range(m - 1, -1, -1):
                total = 0.0
                for a in range(i + 1):
                    total += C[i * m + a] * out[T + (n + a) * d + j]
                out[T + (n + i) * d + j] = -total


@inner
def _slot(data, streams, pot, K, pattern, conditionals):
    """The slot that holds this pattern, filled if it held another."""
    slot = pattern % conditionals.pattern.size
    if conditionals.pattern[slot] != pattern:
        conditionals.pattern[slot] = pattern
        for s in range(streams.kind.size):
            if streams.kind[s] == GAUSS_FULL:
                first, d = streams.col[s], streams.size[s]
                n = _observed_first(data.observed[pattern], first, d, conditionals.order)
                _derive(pot, streams.pot[s], d, K, n, conditionals.order, conditionals.value[slot], conditionals.at[s])
    return slot


@unit
def add_full_missing(data, streams, s, pot, K, start, rows, work, conditionals):
    """For rows where stream s misses a value: logp = what it was before the stream + the marginal potential."""
    first, d, o = streams.col[s], streams.size[s], streams.pot[s]
    order, u = conditionals.order, conditionals.u
    for b in range(rows):
        pattern = data.pattern[start + b]
        if pattern == 0:
            continue
        value = conditionals.value[_slot(data, streams, pot, K, pattern, conditionals)]
        n = _observed_first(data.observed[pattern], first, d, order)
        if n == d:
            continue
        q = np.uint64(b)
        for k in range(K):
            m = o + K + k * d
            T = conditionals.at[s] + K + k * d * d
            square = 0.0
            for i in range(n):
                u[i] = work.x[lane(first + order[i]) + q] - pot[m + order[i]]
                z = 0.0
                for j in range(i + 1):
                    z += value[T + i * d + j] * u[j]
                square += z * z
            work.logp[lane(k) + q] = work.kept[lane(k) + q] + value[conditionals.at[s] + k] - 0.5 * square


@spliced
def add_diag_missing(data, first, d, pot, o, K, start, rows, work):
    """For rows with a missing value: logp = what it was before the stream + the terms of the observed columns."""
    for b in range(rows):
        pattern = data.pattern[start + b]
        if pattern == 0:
            continue
        observed = data.observed[pattern]
        q = np.uint64(b)
        for k in range(K):
            total = 0.0
            for j in range(d):
                if observed[first + j]:
                    i = o + k * d + j
                    z = pot[i + 2 * K * d] * (work.x[lane(first + j) + q] - pot[i + K * d])
                    total += pot[i] - 0.5 * z * z
            work.logp[lane(k) + q] = work.kept[lane(k) + q] + total


@inner
def _expect_missing(value, T, n, d, order, pot, m, work, first, q, u):
    """u[0:n] = x_o - m_o and u[d + i] = E[x_i | x_o] for the missing columns i = n ... d - 1 of the order."""
    for j in range(n):
        u[j] = work.x[lane(first + order[j]) + q] - pot[m + order[j]]
    for i in range(n, d):
        total = pot[m + order[i]]
        for j in range(n):
            total += value[T + i * d + j] * u[j]
        u[d + i] = total


@unit
def sum_full_missing(data, streams, s, pot, K, start, rows, work, conditionals, stats):
    """Add to the packed sums what the missing columns contribute (their zeros have contributed nothing so far)."""
    first, d, o = streams.col[s], streams.size[s], streams.pot[s]
    order, u = conditionals.order, conditionals.u
    at, F = streams.stat[s] + K, d + d * (d + 1) // 2
    for b in range(rows):
        pattern = data.pattern[start + b]
        if pattern == 0:
            continue
        value = conditionals.value[_slot(data, streams, pot, K, pattern, conditionals)]
        n = _observed_first(data.observed[pattern], first, d, order)
        if n == d:
            continue
        q = np.uint64(b)
        for k in range(K):
            r = work.logp[lane(k) + q]
            if r == 0.0:
                continue
            m = o + K + k * d
            T = conditionals.at[s] + K + k * d * d
            V = T + K * d * d
            _expect_missing(value, T, n, d, order, pot, m, work, first, q, u)
            for i in range(n):
                u[d + i] = work.x[lane(first + order[i]) + q]
            for i in range(n, d):
                a = order[i]
                stats[at + k * F + a] += r * u[d + i]
                for j in range(i + 1):
                    c = order[j]
                    product = u[d + i] * u[d + j]
                    if j >= n:
                        product += value[V + i * d + j]
                    high, low = max(a, c), min(a, c)
                    stats[at + k * F + d + high * (high + 1) // 2 + low] += r * product


@unit
def draw_full_missing(data, streams, s, pot, K, start, rows, work, conditionals, rng, z):
    """Draw the missing columns of stream s into work.x from their conditional given the observed ones and z."""
    if data.pattern.size == 0:
        return
    first, d, o = streams.col[s], streams.size[s], streams.pot[s]
    order, u = conditionals.order, conditionals.u
    for b in range(rows):
        pattern, k = data.pattern[start + b], z[b]
        if pattern == 0 or k < 0:
            continue
        value = conditionals.value[_slot(data, streams, pot, K, pattern, conditionals)]
        n = _observed_first(data.observed[pattern], first, d, order)
        if n == d:
            continue
        q = np.uint64(b)
        m = o + K + k * d
        T = conditionals.at[s] + K + k * d * d
        _expect_missing(value, T, n, d, order, pot, m, work, first, q, u)
        for i in range(n, d):  # C^-1 times standard normals, by forward substitution
            total = rng.standard_normal()
            for j in range(n, i):
                total -= value[T + i * d + j] * u[2 * d + j]
            u[2 * d + i] = total / value[T + i * d + i]
            work.x[lane(first + order[i]) + q] = u[d + i] + u[2 * d + i]


@inner
def count_observed(data, first, d, K, start, rows, work, stats, at):
    """Add sum of r over the rows that observe column j to stats[at + k d + j]."""
    z, one = work.z, np.int64(1)
    for j in range(d):
        for q in range(BLOCK):
            z[q] = 1.0
        for b in range(rows):
            pattern = data.pattern[start + b]
            if pattern != 0 and not data.observed[pattern, first + j]:
                z[np.uint64(b)] = 0.0
        gram(work.logp, K, z, START, one, stats, at + j, d)
