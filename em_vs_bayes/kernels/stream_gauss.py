"""Gaussian streams on complete rows: log potentials and weighted sums of x and x x', a block at a time.

Potentials are evaluated as |W x - b|^2 with b = W m, never as an expanded quadratic form: its terms would cancel where
a component is narrow against its distance from the centre. Statistics are products of columns, formed once for all
components, times the responsibilities.
"""

import numpy as np

from em_vs_bayes.kernels.jit import inner
from em_vs_bayes.kernels.stream_block import BLOCK, FEATURES, START, STRIDE, gram, lane

SECOND = STRIDE + STRIDE  # lanes of z, after the one at STRIDE
THIRD = SECOND + STRIDE


@inner
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


@inner
def prepare_diag(pot, o, d, K, bias):
    """From c[K, d], m[K, d], w[K, d] at pot[o]: bias[o + k] = sum_j c_kj and, in place of m, w m."""
    for k in range(K):
        total = 0.0
        for j in range(d):
            total += pot[o + k * d + j]
        bias[o + k] = total
    for i in range(o + K * d, o + 2 * K * d):
        bias[i] = pot[i] * pot[i + K * d]


@inner
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


@inner
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


@inner
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


@inner
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


@inner
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


@inner
def add_full(pot, o, first, d, K, work):
    """logp += c_k - |W_k x - b_k|^2 / 2."""
    for k in range(K):
        add_quadratic(pot, o + K + K * d + k * d * d, o + K + k * d, work.bias[o + k], first, d, k, work)


@inner
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


@inner
def add_diag(pot, o, first, d, K, work):
    """logp += sum_j c_kj - (w_kj x_j - b_kj)^2 / 2."""
    x, out = work.x, work.logp
    whole = d - d % 4
    for k in range(K):
        t = lane(k)
        c = work.bias[o + k]
        b = o + K * d + k * d
        w = b + K * d
        for j in range(0, whole, 4):
            x0, x1, x2, x3 = lane(first + j), lane(first + j + 1), lane(first + j + 2), lane(first + j + 3)
            w0, w1, w2, w3 = pot[w + j], pot[w + j + 1], pot[w + j + 2], pot[w + j + 3]
            b0, b1, b2, b3 = work.bias[b + j], work.bias[b + j + 1], work.bias[b + j + 2], work.bias[b + j + 3]
            for q in range(BLOCK):
                z0 = w0 * x[x0 + q] - b0
                z1 = w1 * x[x1 + q] - b1
                z2 = w2 * x[x2 + q] - b2
                z3 = w3 * x[x3 + q] - b3
                out[t + q] += c - 0.5 * (z0 * z0 + z1 * z1 + z2 * z2 + z3 * z3)
            c = 0.0
        for j in range(whole, d):
            x0, w0, b0 = lane(first + j), pot[w + j], work.bias[b + j]
            for q in range(BLOCK):
                z0 = w0 * x[x0 + q] - b0
                out[t + q] += c - 0.5 * (z0 * z0)
            c = 0.0


@inner
def _copy(x, i, out, to):
    """Lane ``to`` of out = column i."""
    a, t = lane(i), lane(to)
    for q in range(BLOCK):
        out[t + q] = x[a + q]


@inner
def product(x, i, j, out, to):
    """Lane ``to`` of out = column i times column j."""
    a, b, t = lane(i), lane(j), lane(to)
    for q in range(BLOCK):
        out[t + q] = x[a + q] * x[b + q]


@inner
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


@inner
def sum_diag(first, d, K, work, stats, at):
    """Add sum r x to stats[at + k d + j] and sum r x^2 to stats[at + K d + k d + j]."""
    gram(work.logp, K, work.x, lane(first), d, stats, at, d)
    for start in range(0, d, FEATURES):
        held = min(FEATURES, d - start)
        for j in range(held):
            product(work.x, first + start + j, first + start + j, work.feature, j)
        gram(work.logp, K, work.feature, START, held, stats, at + K * d + start, d)
