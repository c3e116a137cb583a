"""Gaussian streams on complete rows: log potentials and weighted sums of x and x x', a block at a time.

Potentials are evaluated as |W x - b|^2 with b = W m, never as an expanded quadratic form: its terms would cancel where
a component is narrow against its distance from the centre. Statistics of full covariances are products of columns,
formed once for all components, times the responsibilities; those of diagonal ones need no products in memory.
"""

import math

import numpy as np

from em_vs_bayes.kernels.jit import inner, lean, spliced
from em_vs_bayes.kernels.stream_block import (
    BLOCK,
    FEATURES,
    START,
    STRIDE,
    fetch_ahead,
    gram,
    lane,
)

SECOND = STRIDE + STRIDE  # lanes of z, after the one at STRIDE
THIRD = SECOND + STRIDE
ROOT_HALF = math.sqrt(0.5)


@lean
def prepare_full(pot, o, d, K, bias):
    """From c[K], m[K, d], W[K, d, d] at pot[o]: bias[o + k] = c_k and, in place of m, W m."""
    for k in range(K):
        bias[o + k] = pot[o + k]
        m = o + K + k * d
        w = o + K + K * d + k * d * d
        for i in range(d):
            total = 0.0
            for j in range(i + 1):
                total += pot[w + i * d + j] * pot[m + j]
            bias[m + i] = total


@lean
def prepare_diag(pot, o, d, K, bias):
    """From c[K, d], m[K, d], w[K, d] at pot[o]: bias[o + k] = sum_j c_kj; for m, w: (w m, w) / sqrt(2)."""
    for k in range(K):
        total = 0.0
        for j in range(d):
            total += pot[o + k * d + j]
        bias[o + k] = total
    for m in range(o + K * d, o + 2 * K * d):
        w = m + K * d
        bias[w] = pot[w] * ROOT_HALF
        bias[m] = pot[m] * bias[w]


@lean
def _corner(x, first, n, W, w, ld, bias, b, c, out, k):
    """out[k] += c - |W x - b|^2 / 2 for the leading n <= 4 rows of a lower triangular W."""
    t, x0 = lane(k), lane(first)
    w00, b0 = W[w], bias[b]
    if n == 1:
        for q in range(BLOCK):
            z0 = w00 * x[x0 + q] - b0
            out[t + q] += c - 0.5 * (z0 * z0)
        return
    x1 = lane(first + 1)
    w10, w11, b1 = W[w + ld], W[w + ld + 1], bias[b + 1]
    if n == 2:
        for q in range(BLOCK):
            z0 = w00 * x[x0 + q] - b0
            z1 = w10 * x[x0 + q] + w11 * x[x1 + q] - b1
            out[t + q] += c - 0.5 * (z0 * z0 + z1 * z1)
        return
    x2 = lane(first + 2)
    w20, w21, w22, b2 = W[w + 2 * ld], W[w + 2 * ld + 1], W[w + 2 * ld + 2], bias[b + 2]
    if n == 3:
        for q in range(BLOCK):
            z0 = w00 * x[x0 + q] - b0
            z1 = w10 * x[x0 + q] + w11 * x[x1 + q] - b1
            z2 = w20 * x[x0 + q] + w21 * x[x1 + q] + w22 * x[x2 + q] - b2
            out[t + q] += c - 0.5 * (z0 * z0 + z1 * z1 + z2 * z2)
        return
    x3 = lane(first + 3)
    w30, w31, w32, w33, b3 = W[w + 3 * ld], W[w + 3 * ld + 1], W[w + 3 * ld + 2], W[w + 3 * ld + 3], bias[b + 3]
    for q in range(BLOCK):
        z0 = w00 * x[x0 + q] - b0
        z1 = w10 * x[x0 + q] + w11 * x[x1 + q] - b1
        z2 = w20 * x[x0 + q] + w21 * x[x1 + q] + w22 * x[x2 + q] - b2
        z3 = w30 * x[x0 + q] + w31 * x[x1 + q] + w32 * x[x2 + q] + w33 * x[x3 + q] - b3
        out[t + q] += c - 0.5 * (z0 * z0 + z1 * z1 + z2 * z2 + z3 * z3)


@lean
def _open(x, first, W, w, ld, bias, b, z):
    """z = W[:, 0] x - b: four rows, the first column."""
    x0 = lane(first)
    z1, z2, z3 = STRIDE, SECOND, THIRD
    w0, w1, w2, w3 = W[w], W[w + ld], W[w + 2 * ld], W[w + 3 * ld]
    b0, b1, b2, b3 = bias[b], bias[b + 1], bias[b + 2], bias[b + 3]
    for q in range(BLOCK):
        value = x[x0 + q]
        z[q] = w0 * value - b0
        z[z1 + q] = w1 * value - b1
        z[z2 + q] = w2 * value - b2
        z[z3 + q] = w3 * value - b3


@lean
def _column(x, first, W, w, ld, z):
    """z += W[:, j] x_j: four rows, one column."""
    x0 = lane(first)
    z1, z2, z3 = STRIDE, SECOND, THIRD
    w0, w1, w2, w3 = W[w], W[w + ld], W[w + 2 * ld], W[w + 3 * ld]
    for q in range(BLOCK):
        value = x[x0 + q]
        z[q] += w0 * value
        z[z1 + q] += w1 * value
        z[z2 + q] += w2 * value
        z[z3 + q] += w3 * value


@lean
def _tile(x, first, W, w, ld, z):
    """z += W x: four rows, four columns."""
    x0, x1, x2, x3 = lane(first), lane(first + 1), lane(first + 2), lane(first + 3)
    z1, z2, z3 = STRIDE, SECOND, THIRD
    w00, w01, w02, w03 = W[w], W[w + 1], W[w + 2], W[w + 3]
    w10, w11, w12, w13 = W[w + ld], W[w + ld + 1], W[w + ld + 2], W[w + ld + 3]
    w += 2 * ld
    w20, w21, w22, w23 = W[w], W[w + 1], W[w + 2], W[w + 3]
    w30, w31, w32, w33 = W[w + ld], W[w + ld + 1], W[w + ld + 2], W[w + ld + 3]
    for q in range(BLOCK):
        v0, v1, v2, v3 = x[x0 + q], x[x1 + q], x[x2 + q], x[x3 + q]
        z[q] += w00 * v0 + w01 * v1 + w02 * v2 + w03 * v3
        z[z1 + q] += w10 * v0 + w11 * v1 + w12 * v2 + w13 * v3
        z[z2 + q] += w20 * v0 + w21 * v1 + w22 * v2 + w23 * v3
        z[z3 + q] += w30 * v0 + w31 * v1 + w32 * v2 + w33 * v3


@lean
def _close(x, first, W, w, ld, z, out, k):
    """out[k] -= |z + W x|^2 / 2: the four rows end in a triangle."""
    t, x0, x1, x2, x3 = lane(k), lane(first), lane(first + 1), lane(first + 2), lane(first + 3)
    l1, l2, l3 = STRIDE, SECOND, THIRD
    w00, w10, w11 = W[w], W[w + ld], W[w + ld + 1]
    w20, w21, w22 = W[w + 2 * ld], W[w + 2 * ld + 1], W[w + 2 * ld + 2]
    w30, w31, w32, w33 = W[w + 3 * ld], W[w + 3 * ld + 1], W[w + 3 * ld + 2], W[w + 3 * ld + 3]
    for q in range(BLOCK):
        v0, v1, v2, v3 = x[x0 + q], x[x1 + q], x[x2 + q], x[x3 + q]
        z0 = z[q] + w00 * v0
        z1 = z[l1 + q] + w10 * v0 + w11 * v1
        z2 = z[l2 + q] + w20 * v0 + w21 * v1 + w22 * v2
        z3 = z[l3 + q] + w30 * v0 + w31 * v1 + w32 * v2 + w33 * v3
        out[t + q] -= 0.5 * (z0 * z0 + z1 * z1 + z2 * z2 + z3 * z3)


@spliced
def add_full(pot, o, first, d, K, work):
    """logp += c_k - |W_k x - b_k|^2 / 2."""
    for k in range(K):
        add_quadratic(pot, o + K + K * d + k * d * d, o + K + k * d, work.bias[o + k], first, d, k, work)


@lean
def add_quadratic(W, w, b, c, first, d, k, work):
    """logp_k += c - |W x - b|^2 / 2, four rows of W after four; the first group takes the odd ones."""
    head = (d - 1) % 4 + 1
    _corner(work.x, first, head, W, w, d, work.bias, b, c, work.logp, k)
    for i in range(head, d, 4):
        row = w + i * d
        _open(work.x, first, W, row, d, work.bias, b + i, work.z)
        for j in range(1, head):
            _column(work.x, first + j, W, row + j, d, work.z)
        for j in range(head, i, 4):
            _tile(work.x, first + j, W, row + j, d, work.z)
        _close(work.x, first + i, W, row + i, d, work.z, work.logp, k)


@lean
def _square1(x, x0, v, w, b, c, out, t):
    """out[t] += c - (w x - b)^2: one column."""
    w0, b0 = v[w], v[b]
    for q in range(BLOCK):
        z0 = w0 * x[x0 + q] - b0
        out[t + q] += c - z0 * z0


@lean
def _square2(x, x0, v, w, b, c, out, t):
    """Two columns."""
    x1 = x0 + STRIDE
    w0, w1, b0, b1 = v[w], v[w + 1], v[b], v[b + 1]
    for q in range(BLOCK):
        z0 = w0 * x[x0 + q] - b0
        z1 = w1 * x[x1 + q] - b1
        out[t + q] += c - (z0 * z0 + z1 * z1)


@lean
def _square5(x, x0, v, w, b, c, out, t):
    """Five columns: enough that multiplying takes longer than reading and writing ``out``."""
    x1, x2, x3 = x0 + STRIDE, x0 + SECOND, x0 + THIRD
    x4 = x3 + STRIDE
    w0, w1, w2, w3, w4 = v[w], v[w + 1], v[w + 2], v[w + 3], v[w + 4]
    b0, b1, b2, b3, b4 = v[b], v[b + 1], v[b + 2], v[b + 3], v[b + 4]
    for q in range(BLOCK):
        z0 = w0 * x[x0 + q] - b0
        z1 = w1 * x[x1 + q] - b1
        z2 = w2 * x[x2 + q] - b2
        z3 = w3 * x[x3 + q] - b3
        z4 = w4 * x[x4 + q] - b4
        out[t + q] += c - (z0 * z0 + z1 * z1 + z2 * z2 + z3 * z3 + z4 * z4)


@spliced
def add_diag(o, first, d, K, work):
    """logp += sum_j c_kj - (w_kj x_j - b_kj)^2 / 2: a few columns for all components, then the next few."""
    x, bias, out = work.x, work.bias, work.logp
    fives, twos = d - d % 5, d - d % 5 % 2
    for j in range(0, fives, 5):
        for k in range(K):
            b = o + K * d + k * d + j
            _square5(x, lane(first + j), bias, b + K * d, b, bias[o + k] if j == 0 else 0.0, out, lane(k))
    for j in range(fives, twos, 2):
        for k in range(K):
            b = o + K * d + k * d + j
            _square2(x, lane(first + j), bias, b + K * d, b, bias[o + k] if j == 0 else 0.0, out, lane(k))
    for j in range(twos, d):
        for k in range(K):
            b = o + K * d + k * d + j
            _square1(x, lane(first + j), bias, b + K * d, b, bias[o + k] if j == 0 else 0.0, out, lane(k))


@lean
def _copy(x, i, out, to):
    """Lane ``to`` of out = column i."""
    a, t = lane(i), lane(to)
    for q in range(BLOCK):
        out[t + q] = x[a + q]


@lean
def product(x, i, j, out, to):
    """Lane ``to`` of out = column i times column j."""
    a, b, t = lane(i), lane(j), lane(to)
    for q in range(BLOCK):
        out[t + q] = x[a + q] * x[b + q]


@spliced
def sum_full(first, d, K, work, stats, at):
    """Add sum r x and sum r x x' to packed rows of F = d + d (d + 1) / 2 at stats[at + k F]: x, then x x' by rows.

    ``unpack_full`` turns them into s1 and s2 when the data have been read.
    """
    F = d + d * (d + 1) // 2
    done, held = np.int64(0), np.int64(0)
    for i in range(-1, d):
        for j in range(d if i < 0 else i + 1):
            if i < 0:
                _copy(work.x, first + j, work.feature, held)
            else:
                product(work.x, first + i, first + j, work.feature, held)
            held += 1
            if held == FEATURES:
                gram(work.logp, K, work.feature, START, held, stats, at + done, F)
                done += held
                held = np.int64(0)
    gram(work.logp, K, work.feature, START, held, stats, at + done, F)


@inner
def unpack_full(d, K, stats, at):
    """Packed sums at stats[at] -> s1[K, d], s2[K, d, d] (symmetric) at the same place."""
    F = d + d * (d + 1) // 2
    packed = np.empty(K * F)
    for i in range(K * F):
        packed[i] = stats[at + i]
    for k in range(K):
        s1 = at + k * d
        s2 = at + K * d + k * d * d
        f = k * F
        for i in range(d):
            stats[s1 + i] = packed[f]
            f += 1
        for i in range(d):
            for j in range(i + 1):
                stats[s2 + i * d + j] = stats[s2 + j * d + i] = packed[f]
                f += 1


@lean
def _moments1(r, r0, x, x0, out, at, square):
    """out[at] += sum_b r[b] x[b], out[square] += sum_b r[b] x[b]^2: one component."""
    s0 = t0 = 0.0
    for q in range(BLOCK):
        v = x[x0 + q]
        rv0 = r[r0 + q] * v
        s0 += rv0
        t0 += rv0 * v
    out[at] += s0
    out[square] += t0


@lean
def _moments2(r, r0, x, x0, out, at, square, ld):
    """Two components, ld apart in out. Each r x is added as it is: adders are free while multipliers are not."""
    r1 = r0 + STRIDE
    s0 = s1 = t0 = t1 = 0.0
    for q in range(BLOCK):
        v = x[x0 + q]
        rv0, rv1 = r[r0 + q] * v, r[r1 + q] * v
        s0 += rv0
        s1 += rv1
        t0 += rv0 * v
        t1 += rv1 * v
    out[at] += s0
    out[at + ld] += s1
    out[square] += t0
    out[square + ld] += t1


@spliced
def sum_diag(first, d, K, work, stats, at):
    """Add sum r x to stats[at + k d + j] and sum r x^2 to stats[at + K d + k d + j].

    Nothing here waits for memory, so that meanwhile the next block can be on its way.
    """
    for j in range(d):
        x0 = lane(first + j)
        for k in range(0, K - 1, 2):
            s = at + k * d + j
            _moments2(work.logp, lane(k), work.x, x0, stats, s, s + K * d, d)
            fetch_ahead(first + j, k, k + 2, K, work)
        if K % 2 == 1:
            s = at + (K - 1) * d + j
            _moments1(work.logp, lane(K - 1), work.x, x0, stats, s, s + K * d)
            fetch_ahead(first + j, K - 1, K, K, work)
