"""Forward and backward recursions of a Markov chain on probabilities, scaled rarely.

A row holds one value per state, padded with zeros to P = 4, 8, ... so that four states fill a vector register. Row i of
``b`` is exp(log density - largest log density of the row): at most 1, and 1 somewhere. A row of ``alpha`` may be
multiplied by any power of two and so may ``v``: posterior probabilities are ratios in which the powers cancel, and only
the log evidence counts them (Rabiner 1989, section V.A, divides at every step instead).

With c_t = sum_i alpha_t[i] beta_t[i] the posterior probability of a transition is alpha_t[i] A_ij v_{t+1}[j] / c_t,
where v = b beta. A is constant, so sums of alpha_t[i] v_{t+1}[j] / c_t are kept and A multiplies them once at the end.

Where is this safe? Values and products below 1e-308 are lost. If every A_ij is at least `DENSE`, the next row gives
each state more than DENSE times the largest mass of this one, beside which what was lost is nothing, whatever the
densities. With smaller or structurally zero A_ij a lost state may be one that later data call for. Then the recursions
are careful: they add up what may have been lost, which no later row makes more, for A and b are at most 1. Once every
state has `SURE` times as much, it is rounding: what comes later cannot tell the lost mass of a state from the rest.
Where it never comes to that and the lost mass might matter, they return False, and the caller starts again in
logarithms (`chain_log`).
"""

import numpy as np

from em_vs_bayes.kernels.chain_four import (
    FAINT,
    FOUR,
    LOW,
    ONE,
    RAISE,
    ZERO,
    backward_four,
    forward_four,
)
from em_vs_bayes.kernels.fours import (
    fades,
    load,
    spread,
    store,
    total,
)
from em_vs_bayes.kernels.jit import lean, lean_unit

DENSE = 1e-30
HARDLY = 1e-100  # products with transitions below may be lost wherever they are
NOTHING = 1e-290  # transitions below count as zeros: what they carry is lost
LOST = 1e-300  # above what underflow takes from a row
DROPPED = 1e-285  # above what transitions below NOTHING would have carried
SURE = 1e17
LOG_RAISE = 100.0 * float(np.log(2.0))


@lean
def padded(K):
    """The length of a row: K rounded up to a multiple of four."""
    return (K + 3) // 4 * 4


@lean
def _covered(s, K, lost):
    """Whether every state has so much that what was lost is rounding."""
    covered = True
    for k in range(K):
        covered = covered and s[k] >= SURE * lost
    return covered


@lean
def first_row(initial, b, o, P, careful, alpha, lost):
    """alpha = initial b at offset o; lost[0] is what may be missing. Returns its sum, and whether that is enough."""
    o, mass, faint = np.uint64(o), 0.0, False
    for k in range(np.uint64(P)):
        value = initial[k] * b[o + k]
        faint |= initial[k] > 0.0 and value < FAINT
        alpha[o + k] = value
        mass += value
    lost[0] = LOST if careful and faint else 0.0
    return mass, not mass < FAINT


@lean_unit
def forward(A, b, o, rows, K, P, careful, lossy, before, alpha, s, lost):
    """Rows of alpha = (row before) A b, from offset o on; the row before is there, and its sum is ``before``.

    Parameters
    ----------
    careful, lossy : bool
        Whether a transition is below `DENSE`, and below `HARDLY` but not zero.
    s : (P,)
        Scratch.
    lost : (2,)
        The first number is the mass that may have been lost so far; updated.

    Returns
    -------
    raised : int
        How many times a row was multiplied by `RAISE`.
    sum : float
        Of the last row.
    safe : bool
    """
    K, P, o = np.uint64(K), np.uint64(P), np.uint64(o)
    if P == FOUR and not careful:
        return forward_four(A, b, o, rows, K, before, alpha)
    raised, mass, faint, missing, least = 0, before, False, lost[0], spread(FAINT)
    for i in range(np.uint64(rows)):
        row = o + i * P
        last = row - P
        sums = spread(0.0)
        for c in range(ZERO, P, FOUR):
            ahead = spread(alpha[last]) * load(A, c)
            for j in range(ONE, K):
                ahead = ahead + spread(alpha[last + j]) * load(A, j * P + c)
            here = ahead * load(b, row + c)
            if careful:
                faint |= fades(ahead, here, least)
                store(s, c, ahead)
            store(alpha, row + c, here)
            sums = sums + here
        mass = total(sums)
        if careful:
            missing += DROPPED if lossy else 0.0
            if missing > 0.0 and _covered(s, K, missing):
                missing = 0.0
            missing += LOST if faint else 0.0
            faint = False
            if missing * SURE > mass:
                return raised, mass, False
        if mass < LOW:
            if not mass > FAINT:
                return raised, mass, False
            for k in range(P):
                alpha[row + k] *= RAISE
            mass *= RAISE
            missing *= RAISE
            raised += 1
    lost[0] = missing
    return raised, mass, True


@lean
def last_row(b, o, P, weight, alpha, v, lost):
    """The last row of a sequence, where beta = 1: alpha becomes posterior probabilities times weight, v = b."""
    o, mass = np.uint64(o), 0.0
    for k in range(np.uint64(P)):
        mass += alpha[o + k]
    for k in range(np.uint64(P)):
        alpha[o + k] *= weight / mass
        v[k] = b[o + k]
    lost[1] = LOST


@lean_unit
def backward(At, b, o, rows, K, P, careful, lossy, weight, alpha, v, u, pairs, lost):
    """Rows from the last to the first: alpha becomes posterior probabilities times weight.

    Parameters
    ----------
    At : (K P,)
        The transposed transition matrix, rows padded.
    careful, lossy : bool
        As in `forward`.
    v : (P,)
        b beta of the row after the last; overwritten by that of the first.
    u : (P,)
        Scratch.
    pairs : (K P,)
        weight alpha_t[i] v_{t+1}[j] / c_t is added.
    lost : (2,)
        The second number is what any element of v may lack; updated.

    Returns
    -------
    safe : bool
    """
    K, P, o = np.uint64(K), np.uint64(P), np.uint64(o)
    if P == FOUR and not careful:
        backward_four(At, b, o, rows, K, weight, alpha, v, pairs)
        return True
    faint, missing, least = False, lost[1], spread(FAINT)
    for i in range(rows - 1, -1, -1):
        row = o + np.uint64(i) * P
        sums = spread(0.0)
        for c in range(ZERO, P, FOUR):
            beta = spread(v[0]) * load(At, c)
            for j in range(ONE, K):
                beta = beta + spread(v[j]) * load(At, j * P + c)
            store(u, c, beta)
            sums = sums + load(alpha, row + c) * beta
        c_t = total(sums)
        if careful:
            missing += DROPPED if lossy else 0.0
            if missing > 0.0 and _covered(u, K, missing):
                missing = 0.0
            if not c_t > missing * SURE:
                return False
        share = spread(weight / c_t)
        sums = spread(0.0)
        for c in range(ZERO, P, FOUR):
            after = load(v, c) * share
            for j in range(K):
                m = j * P + c
                store(pairs, m, load(pairs, m) + spread(alpha[row + j]) * after)
            beta = load(u, c)
            here = beta * load(b, row + c)
            if careful:
                faint |= fades(beta, here, least)
            store(v, c, here)
            sums = sums + here
        for c in range(ZERO, P, FOUR):
            store(alpha, row + c, load(alpha, row + c) * load(u, c) * share)
        missing += LOST if faint else 0.0
        faint = False
        if total(sums) < LOW:
            for k in range(P):
                v[k] *= RAISE
            missing *= RAISE
    lost[1] = missing
    return True


@lean
def weigh(alpha, o, At, z, P, out):
    """out = probabilities, up to a factor, of the states of a row given the next row's state z (-1: no next row)."""
    o = np.uint64(o)
    for k in range(np.uint64(P)):
        out[k] = alpha[o + k] * (At[np.uint64(z) * np.uint64(P) + k] if z >= 0 else 1.0)
