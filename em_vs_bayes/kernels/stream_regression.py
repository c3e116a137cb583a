"""Regression streams, y ~ N(x'b_k, sigma_k^2): log potentials and weighted sums of (x, y) (x, y)', a block at a time.

The columns are x_1 ... x_p, y; d = p + 1. The log potential c_k - |W_k (x, y)|^2 / 2 is that of a full Gaussian with
mean zero: the last row of W_k, (-w b', w), makes w (y - x'b), and the rows above it, U with U'U = w^2 V, what CAVI
subtracts for coefficients of posterior covariance V. At a point they are zero, and only the last row is worked.

pot: c[K], W[K, d, d] (lower triangular). stats: n[K], cross[K, d, d] (symmetric): X'X, X'y and y'y in one matrix.
A row whose y is missing adds nothing.
"""

import numpy as np

from em_vs_bayes.kernels.jit import inner, spliced
from em_vs_bayes.kernels.stream_block import (
    BLOCK,
    FEATURES,
    START,
    combine,
    gram,
    lane,
)
from em_vs_bayes.kernels.stream_gauss import add_quadratic, product


@inner
def prepare_regression(pot, o, d, K, bias):
    """bias[o + k] = c_k, then d zeros: the means that `add_quadratic` subtracts."""
    for k in range(K):
        bias[o + k] = pot[o + k]
    for i in range(d):
        bias[o + K + i] = 0.0


@inner
def at_a_point(pot, o, d, K):
    """Whether all rows of every W_k but the last are zero."""
    for k in range(K):
        w = o + K + k * d * d
        for i in range(w, w + (d - 1) * d):
            if pot[i] != 0.0:
                return False
    return True


@spliced
def add_regression(pot, o, first, d, K, work):
    """logp += c_k - |W_k (x, y)|^2 / 2."""
    z, out, zero = work.z, work.logp, np.int64(0)
    plain = at_a_point(pot, o, d, K)
    for k in range(K):
        c, w = work.bias[o + k], o + K + k * d * d
        if not plain:
            add_quadratic(pot, w, o + K, c, first, d, k, work)
            continue
        for q in range(BLOCK):
            z[q] = 0.0
        combine(work.x, first, d, pot, w + (d - 1) * d, z, zero)
        t = lane(k)
        for q in range(BLOCK):
            out[t + q] += c - 0.5 * (z[q] * z[q])


@spliced
def restore_missing(data, first, d, K, start, rows, work):
    """For rows whose y is missing: logp = what it was before the stream."""
    for b in range(rows):
        pattern = data.pattern[start + b]
        if pattern != 0 and not data.observed[pattern, first + d - 1]:
            q = np.uint64(b)
            for k in range(K):
                work.logp[lane(k) + q] = work.kept[lane(k) + q]


@inner
def blank_missing(data, first, d, start, rows, work):
    """x = 0 where y is missing, so that the row drops out of all sums of products."""
    for b in range(rows):
        pattern = data.pattern[start + b]
        if pattern != 0 and not data.observed[pattern, first + d - 1]:
            q = np.uint64(b)
            for j in range(d):
                work.x[lane(first + j) + q] = 0.0


@spliced
def sum_regression(first, d, K, work, stats, at):
    """Add sum r v v', v = (x, y), to packed lower triangles of F = d (d + 1) / 2 at stats[at + k F]."""
    F = d * (d + 1) // 2
    done, held = np.int64(0), np.int64(0)
    for i in range(d):
        for j in range(i + 1):
            product(work.x, first + i, first + j, work.feature, held)
            held += 1
            if held == FEATURES:
                gram(work.logp, K, work.feature, START, held, stats, at + done, F)
                done += held
                held = np.int64(0)
    gram(work.logp, K, work.feature, START, held, stats, at + done, F)


@inner
def unpack_regression(d, K, stats, at):
    """Packed sums at stats[at] -> cross[K, d, d] at the same place."""
    F = d * (d + 1) // 2
    packed = np.empty(K * F)
    for i in range(K * F):
        packed[i] = stats[at + i]
    for k in range(K):
        f = k * F
        cross = at + k * d * d
        for i in range(d):
            for j in range(i + 1):
                stats[cross + i * d + j] = stats[cross + j * d + i] = packed[f]
                f += 1
