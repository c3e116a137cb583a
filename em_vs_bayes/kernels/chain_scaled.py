"""Forward and backward recursions of a Markov chain on probabilities, scaled rarely.

A row holds one value per state, padded with zeros to P = 4, 8, ... so that four states fill a vector register. Row i of
``b`` is exp(log density - largest log density of the row): at most 1, and 1 somewhere. A row of ``alpha`` may be
multiplied by any power of two and so may ``v``: posterior probabilities are ratios in which the powers cancel, and only
the log evidence counts them (Rabiner 1989, section V.A, divides at every step instead).

With c_t = sum_i alpha_t[i] beta_t[i] the posterior probability of a transition is alpha_t[i] A_ij v_{t+1}[j] / c_t,
where v = b beta. A is constant, so sums of alpha_t[i] v_{t+1}[j] / c_t are kept and A multiplies them once at the end.

Where is this safe? A value below 1e-308 is lost. If every A_ij is at least `DENSE`, the next row gives each state more
than DENSE times the largest mass of this one, beside which what was lost is nothing, whatever the densities. With
smaller or structurally zero A_ij a lost state may be one that later data call for: then the recursions watch for values
under `FAINT`, and return False. The caller starts again in logarithms (`chain_log`).
"""

import numpy as np

from em_vs_bayes.kernels.jit import inner, unit

DENSE = 1e-30
FAINT = 1e-200
LOW = 2.0**-100  # a row whose sum is below is multiplied by RAISE
RAISE = 2.0**100
LOG_RAISE = 100.0 * float(np.log(2.0))

FOUR = np.uint64(4)
ONE, TWO, THREE = np.uint64(1), np.uint64(2), np.uint64(3)
ZERO = np.uint64(0)


@inner
def padded(K):
    """The length of a row: K rounded up to a multiple of four."""
    return (K + 3) // 4 * 4


@inner
def first_row(initial, b, o, P, careful, alpha):
    """alpha = initial b at offset o. Returns its sum, and whether nothing was lost."""
    o, total, faint = np.uint64(o), 0.0, False
    for k in range(np.uint64(P)):
        value = initial[k] * b[o + k]
        if careful:
            faint |= initial[k] > 0.0 and value < FAINT
        alpha[o + k] = value
        total += value
    return total, not (total < FAINT or faint)


@unit
def forward(A, b, o, rows, K, P, careful, total, alpha):
    """Rows of alpha = (row before) A b, from offset o on; the row before is there, and its sum is ``total``.

    Returns
    -------
    raised : int
        How many times a row was multiplied by `RAISE`.
    total : float
        Sum of the last row.
    safe : bool
    """
    K, P, o = np.uint64(K), np.uint64(P), np.uint64(o)
    raised, faint = 0, False
    for i in range(np.uint64(rows)):
        row = o + i * P
        before = row - P
        total = 0.0
        for c in range(ZERO, P, FOUR):
            s0 = s1 = s2 = s3 = 0.0
            for j in range(K):
                value = alpha[before + j]
                m = j * P + c
                s0 += value * A[m]
                s1 += value * A[m + ONE]
                s2 += value * A[m + TWO]
                s3 += value * A[m + THREE]
            q = row + c
            a0, a1, a2, a3 = s0 * b[q], s1 * b[q + ONE], s2 * b[q + TWO], s3 * b[q + THREE]
            if careful:
                faint |= (s0 > 0.0 and a0 < FAINT) or (s1 > 0.0 and a1 < FAINT)
                faint |= (s2 > 0.0 and a2 < FAINT) or (s3 > 0.0 and a3 < FAINT)
            alpha[q], alpha[q + ONE], alpha[q + TWO], alpha[q + THREE] = a0, a1, a2, a3
            total += (a0 + a1) + (a2 + a3)
        if total < LOW:
            if not total > FAINT:
                return raised, total, False
            for k in range(P):
                alpha[row + k] *= RAISE
            total *= RAISE
            raised += 1
    return raised, total, not faint


@inner
def last_row(b, o, P, weight, alpha, v):
    """The last row of a sequence, where beta = 1: alpha becomes posterior probabilities times weight, v = b."""
    o, total = np.uint64(o), 0.0
    for k in range(np.uint64(P)):
        total += alpha[o + k]
    for k in range(np.uint64(P)):
        alpha[o + k] *= weight / total
        v[k] = b[o + k]


@unit
def backward(At, b, o, rows, K, P, careful, weight, alpha, v, u, pairs):
    """Rows from the last to the first: alpha becomes posterior probabilities times weight.

    Parameters
    ----------
    At : (K P,)
        The transposed transition matrix, rows padded.
    v : (P,)
        b beta of the row after the last; overwritten by that of the first.
    u : (P,)
        Scratch.
    pairs : (K P,)
        weight alpha_t[i] v_{t+1}[j] / c_t is added.

    Returns
    -------
    safe : bool
    """
    K, P, o = np.uint64(K), np.uint64(P), np.uint64(o)
    faint = False
    for i in range(rows - 1, -1, -1):
        row = o + np.uint64(i) * P
        c_t = 0.0
        for c in range(ZERO, P, FOUR):
            s0 = s1 = s2 = s3 = 0.0
            for j in range(K):
                value = v[j]
                m = j * P + c
                s0 += value * At[m]
                s1 += value * At[m + ONE]
                s2 += value * At[m + TWO]
                s3 += value * At[m + THREE]
            q = row + c
            u[c], u[c + ONE], u[c + TWO], u[c + THREE] = s0, s1, s2, s3
            c_t += alpha[q] * s0 + alpha[q + ONE] * s1 + alpha[q + TWO] * s2 + alpha[q + THREE] * s3
        share = weight / c_t
        total = 0.0
        for c in range(ZERO, P, FOUR):
            q = row + c
            v0, v1, v2, v3 = v[c] * share, v[c + ONE] * share, v[c + TWO] * share, v[c + THREE] * share
            for j in range(K):
                value = alpha[row + j]
                m = j * P + c
                pairs[m] += value * v0
                pairs[m + ONE] += value * v1
                pairs[m + TWO] += value * v2
                pairs[m + THREE] += value * v3
            s0, s1, s2, s3 = u[c], u[c + ONE], u[c + TWO], u[c + THREE]
            v0, v1, v2, v3 = s0 * b[q], s1 * b[q + ONE], s2 * b[q + TWO], s3 * b[q + THREE]
            if careful:
                faint |= (s0 > 0.0 and v0 < FAINT) or (s1 > 0.0 and v1 < FAINT)
                faint |= (s2 > 0.0 and v2 < FAINT) or (s3 > 0.0 and v3 < FAINT)
            v[c], v[c + ONE], v[c + TWO], v[c + THREE] = v0, v1, v2, v3
            total += (v0 + v1) + (v2 + v3)
        for c in range(P):
            alpha[row + c] *= u[c] * share
        if total < LOW:
            for c in range(P):
                v[c] *= RAISE
    return not faint


@inner
def weigh(alpha, o, At, z, P, out):
    """out = probabilities, up to a factor, of the states of a row given the next row's state z (-1: no next row)."""
    o = np.uint64(o)
    for k in range(np.uint64(P)):
        out[k] = alpha[o + k] * (At[np.uint64(z) * np.uint64(P) + k] if z >= 0 else 1.0)
