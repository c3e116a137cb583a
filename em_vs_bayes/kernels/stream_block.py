"""A block of rows in working memory, and the two products that every stream is made of.

A quantity with one value per row of data is a *lane*: BLOCK float64 side by side, so the innermost loop of all
arithmetic runs over rows and fills the vector registers. Lanes lie in flat arrays, lane i at ``lane(i)``. They are
STRIDE apart, a little more than BLOCK: lanes a power of two apart would compete for the same few cache sets.
Indices into lanes are unsigned, which spares numba's test for negative ones, and the constant distance between lanes
lets LLVM see that they do not overlap. A block is always worked in full; lanes past the data's end have weight 0.
"""

from typing import NamedTuple

import numpy as np

from em_vs_bayes.kernels.jit import inner, lean
from em_vs_bayes.kernels.prefetch import prefetch
from em_vs_bayes.kernels.tables import GAUSS_FULL, REGRESSION, REGRESSIONS, STUDENT

ROWS = 256  # rows in a block
BLOCK = np.uint64(ROWS)
GAP = 8
STRIDE = np.uint64(ROWS + GAP)
START = np.uint64(0)
FEATURES = 64  # lanes of products that are held at once
LINE = 8  # float64 in a cache line


class Work(NamedTuple):
    """Working memory of one call: all that is needed for a block, whatever the number of rows of the data."""

    x: np.ndarray  # p lanes: centred columns
    logp: np.ndarray  # K lanes: log potentials, then responsibilities times case weights
    kept: np.ndarray  # K lanes, only with missing values: what logp was before a stream was added
    z: np.ndarray  # 4 lanes: a piece of W x - b
    feature: np.ndarray  # FEATURES lanes: products of columns
    row: np.ndarray  # 3 lanes: case weight; largest log potential; sum of exponentials
    hidden: np.ndarray  # 2 K lanes, with REGRESSIONS but REGRESSION: rows meant, and their sums of responses
    u: np.ndarray  # a lane per stream, only with STUDENT ones: drawn multipliers of precisions
    bias: np.ndarray  # like pot, with W m in the place of each mean m; see prepare_full and prepare_diag
    columns: np.ndarray  # the data's own
    ahead: np.ndarray  # one number: the row at which the next block starts, if blocks are read in order


@inner
def lane(i):
    """Where lane i starts."""
    return np.uint64(i) * STRIDE


@inner
def allocate(data, streams, pot, K):
    """Working memory for one call on this data."""
    features = multipliers = hidden = 0
    for s in range(streams.kind.size):
        d = streams.size[s]
        if streams.kind[s] == GAUSS_FULL:
            features = max(features, min(FEATURES, d + d * (d + 1) // 2))
        elif streams.kind[s] in REGRESSIONS:
            features = max(features, min(FEATURES, d * (d + 1) // 2))
            hidden = hidden if streams.kind[s] == REGRESSION else 2 * K
        elif streams.kind[s] == STUDENT:
            multipliers = streams.kind.size
    width = ROWS + GAP
    kept = K if data.pattern.size > 0 else 0
    return Work(
        np.empty(data.columns.shape[0] * width),
        np.empty(K * width),
        np.empty(kept * width),
        np.empty(4 * width),
        np.empty(features * width),
        np.empty(3 * width),
        np.empty(hidden * width),
        np.empty(multipliers * width),
        np.empty(pot.size),
        data.columns,
        np.zeros(1, np.int64),
    )


@lean
def load(data, start, stop, work):
    """Rows start, ..., stop - 1 (at most a block) transposed and centred into work.x, case weights into work.row.

    Where the data have missing values, NaN becomes 0 (the streams put it right); elsewhere NaN stays NaN.
    Lanes past the end hold 0 with weight 0. Returns the number of rows.
    """
    p = data.columns.shape[0]
    rows = min(ROWS, stop - start)
    work.ahead[0] = start + ROWS
    x = work.x
    top = np.uint64(start)
    for j in range(p):
        c0, t0, column = data.centre[j], lane(j), np.uint64(j)
        for b in range(np.uint64(rows)):
            x[t0 + b] = data.columns[column, top + b] - c0
    for j in range(p):
        t0 = lane(j)
        for unused in range(np.uint64(rows), BLOCK):
            x[t0 + unused] = 0.0
    if data.pattern.size > 0:
        for j in range(p):
            t0 = lane(j)
            for lane_q in range(BLOCK):
                value = x[t0 + lane_q]
                x[t0 + lane_q] = value if value == value else 0.0
    weight = work.row
    for i in range(rows):
        weight[i] = 1.0
    if data.weights.size > 0:
        for i in range(rows):
            weight[i] = data.weights[start + i]
    for i in range(rows, ROWS):
        weight[i] = 0.0
    return rows


@lean
def fetch_ahead(j, part, upto, parts, work):
    """Ask for parts ``part``, ..., ``upto`` - 1 out of ``parts`` of column j in the next block, if that is a whole one.

    In small parts, for few requests can wait at a time, between pieces of work that need no memory.
    """
    row, lines = work.ahead[0], ROWS // LINE
    if row + ROWS <= work.columns.shape[1]:
        for i in range(part * lines // parts, upto * lines // parts):
            prefetch(work.columns, j, row + i * LINE)


@lean
def keep(work):
    """Remember logp as it is before a stream is added."""
    for i in range(work.logp.size):
        work.kept[i] = work.logp[i]


@lean
def combine(x, first, n, c, at, out, to):
    """out[to] += sum_j c[at + j] x[first + j] over n lanes."""
    t = lane(to)
    whole = n - n % 4
    for j in range(0, whole, 4):
        x0 = lane(first + j)
        x1, x2, x3 = lane(first + j + 1), lane(first + j + 2), lane(first + j + 3)
        c0, c1, c2, c3 = c[at + j], c[at + j + 1], c[at + j + 2], c[at + j + 3]
        for b in range(BLOCK):
            out[t + b] += c0 * x[x0 + b] + c1 * x[x1 + b] + c2 * x[x2 + b] + c3 * x[x3 + b]
    for j in range(whole, n):
        x0 = lane(first + j)
        c0 = c[at + j]
        for b in range(BLOCK):
            out[t + b] += c0 * x[x0 + b]


@lean
def _add4(out, o, s0, s1, s2, s3):
    out[o] += s0
    out[o + 1] += s1
    out[o + 2] += s2
    out[o + 3] += s3


@lean
def gram(r, K, f, start, n, out, at, ld):
    """out[at + k ld + q] += sum_b r[k, b] f[q, b]: K lanes of r times n lanes of f from ``start`` on.

    In tiles of 3 x 4, the least that keeps the multipliers busy rather than the loads; what is left in narrower ones.
    """
    triples = K - (K % 3 if K % 3 != 1 or K == 1 else 4)  # 4 = 2 + 2: a tile of one row would wait for loads
    for q in range(0, n - 3, 4):
        f0 = start + lane(q)
        f1 = f0 + STRIDE
        f2 = f1 + STRIDE
        f3 = f2 + STRIDE
        for k in range(0, triples, 3):
            r0 = lane(k)
            r1 = r0 + STRIDE
            r2 = r1 + STRIDE
            s00 = s01 = s02 = s03 = 0.0
            s10 = s11 = s12 = s13 = 0.0
            s20 = s21 = s22 = s23 = 0.0
            for b in range(BLOCK):
                s00 += r[r0 + b] * f[f0 + b]
                s01 += r[r0 + b] * f[f1 + b]
                s02 += r[r0 + b] * f[f2 + b]
                s03 += r[r0 + b] * f[f3 + b]
                s10 += r[r1 + b] * f[f0 + b]
                s11 += r[r1 + b] * f[f1 + b]
                s12 += r[r1 + b] * f[f2 + b]
                s13 += r[r1 + b] * f[f3 + b]
                s20 += r[r2 + b] * f[f0 + b]
                s21 += r[r2 + b] * f[f1 + b]
                s22 += r[r2 + b] * f[f2 + b]
                s23 += r[r2 + b] * f[f3 + b]
            o = at + k * ld + q
            _add4(out, o, s00, s01, s02, s03)
            _add4(out, o + ld, s10, s11, s12, s13)
            _add4(out, o + 2 * ld, s20, s21, s22, s23)
        for k in range(triples, K - 1, 2):
            r0 = lane(k)
            r1 = r0 + STRIDE
            s00 = s01 = s02 = s03 = 0.0
            s10 = s11 = s12 = s13 = 0.0
            for b in range(BLOCK):
                s00 += r[r0 + b] * f[f0 + b]
                s01 += r[r0 + b] * f[f1 + b]
                s02 += r[r0 + b] * f[f2 + b]
                s03 += r[r0 + b] * f[f3 + b]
                s10 += r[r1 + b] * f[f0 + b]
                s11 += r[r1 + b] * f[f1 + b]
                s12 += r[r1 + b] * f[f2 + b]
                s13 += r[r1 + b] * f[f3 + b]
            o = at + k * ld + q
            _add4(out, o, s00, s01, s02, s03)
            _add4(out, o + ld, s10, s11, s12, s13)
        if K == 1:
            r0 = START
            s00 = s01 = s02 = s03 = 0.0
            for b in range(BLOCK):
                s00 += r[r0 + b] * f[f0 + b]
                s01 += r[r0 + b] * f[f1 + b]
                s02 += r[r0 + b] * f[f2 + b]
                s03 += r[r0 + b] * f[f3 + b]
            o = at + q
            _add4(out, o, s00, s01, s02, s03)
    for q in range(n - n % 4, n):
        f0 = start + lane(q)
        for k in range(K):
            r0 = lane(k)
            s00 = 0.0
            for b in range(BLOCK):
                s00 += r[r0 + b] * f[f0 + b]
            out[at + k * ld + q] += s00
