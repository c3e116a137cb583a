"""The recursions of `chain_scaled` for up to four states whose transitions need no care, in registers.

A row is one register. What the next row waits for is short: a shuffle, and a multiplication and two additions. Even so
a step takes longer to end than to do; so where a sequence is held whole, `both` ways are gone at once, from its ends to
its middle and on from there, each past what the other has left behind.
"""

import numpy as np

from em_vs_bayes.kernels.fours import (
    lanes,
    load,
    spread,
    store,
    total,
)
from em_vs_bayes.kernels.jit import inlined, lean, lean_unit

FAINT = 1e-200  # times HARDLY: still a number
LOW = 2.0**-100  # a row whose sum is below is multiplied by RAISE
RAISE = 2.0**100

FOUR = np.uint64(4)
THIRD = np.uint64(12)
ONE = np.uint64(1)
ZERO = np.uint64(0)


@inlined
def _matrix(A, K):
    """The rows of A (K 4,), those that are not there being zero."""
    zero = spread(0.0)
    first = load(A, ZERO)
    second = load(A, FOUR) if K > 1 else zero
    third = load(A, FOUR + FOUR) if K > 2 else zero
    return first, second, third, load(A, THIRD) if K > 3 else zero


@inlined
def _product(x, rows):
    """x times the matrix of these rows. What waits for x is as short as can be: a shuffle and three operations."""
    a, b, c, d = lanes(x)
    return (a * rows[0] + b * rows[1]) + (c * rows[2] + d * rows[3])


@inlined
def _columnwise(rows, b):
    """The matrix of these rows with its columns multiplied by b."""
    return rows[0] * b, rows[1] * b, rows[2] * b, rows[3] * b


@lean
def forward_four(A, b, o, rows, K, before, alpha):
    """`forward` for up to four states that need no care: the row stays in a register."""
    matrix = _matrix(A, K)
    row, raised, mass = load(alpha, o - FOUR), 0, before
    for i in range(np.uint64(rows)):
        at = o + i * FOUR
        row = _product(row, _columnwise(matrix, load(b, at)))
        mass = total(row)
        if mass < LOW:
            if not mass > FAINT:
                return raised, mass, False
            row = row * spread(RAISE)
            mass *= RAISE
            raised += 1
        store(alpha, at, row)
    return raised, mass, True


@inlined
def _with_pairs(sums, from_, to):
    """The sums with from_[i] to[j] added."""
    a, b, c, d = lanes(from_)
    return sums[0] + a * to, sums[1] + b * to, sums[2] + c * to, sums[3] + d * to


@inlined
def _add_pairs(pairs, K, sums):
    store(pairs, ZERO, load(pairs, ZERO) + sums[0])
    if K > 1:
        store(pairs, FOUR, load(pairs, FOUR) + sums[1])
    if K > 2:
        store(pairs, FOUR + FOUR, load(pairs, FOUR + FOUR) + sums[2])
    if K > 3:
        store(pairs, THIRD, load(pairs, THIRD) + sums[3])


@lean
def backward_four(At, b, o, rows, K, weight, alpha, v, pairs):
    """`backward` for up to four states that need no care: v and the sums for pairs stay in registers."""
    matrix, after = _matrix(At, K), load(v, ZERO)
    zero = spread(0.0)
    sums = (zero, zero, zero, zero)
    for i in range(rows - 1, -1, -1):
        at = o + np.uint64(i) * FOUR
        ahead, here = load(alpha, at), load(b, at)
        both = ahead * _product(after, matrix)
        share = spread(weight / total(both))
        store(alpha, at, both * share)
        sums = _with_pairs(sums, ahead, after * share)
        after = _product(after, _columnwise(matrix, here))
        if total(after) < LOW:
            after = after * spread(RAISE)
    store(v, ZERO, after)
    _add_pairs(pairs, K, sums)


@lean_unit
def both(initial, A, At, b, o, rows, K, weight, alpha, pairs):
    """A whole sequence of two rows or more, from offset o on: alpha becomes posterior probabilities times weight.

    On the way to the middle each side leaves its rows in alpha: that of forward its own, that of backward v = b beta.
    Beyond, forward meets v: with p = alpha_{t-1} A it has alpha_t beta_t = p v_t, and transitions from t - 1 to t in
    alpha_{t-1}[i] v_t[j]. Backward meets alpha, as in `backward_four`.

    Parameters
    ----------
    pairs : (K 4,)
        As in `chain_scaled.backward`: added to.

    Returns
    -------
    raised : int
        How many times a row of alpha was multiplied by `RAISE`.
    sum : float
        Of the last row of alpha, were it kept.
    safe : bool
        Nothing is added otherwise.
    """
    o, rows = np.uint64(o), np.uint64(rows)
    middle, end = o + rows // np.uint64(2) * FOUR, o + (rows - ONE) * FOUR
    matrix, turned = _matrix(A, K), _matrix(At, K)
    row, after = load(initial, ZERO) * load(b, o), load(b, end)
    store(alpha, o, row)
    store(alpha, end, after)
    raised, mass = 0, total(row)
    if mass < FAINT:
        return raised, mass, False
    at, back = o, end
    for _ in range(rows // np.uint64(2) - ONE):
        at, back = at + FOUR, back - FOUR
        row = _product(row, _columnwise(matrix, load(b, at)))
        mass = total(row)
        if mass < LOW:
            if not mass > FAINT:
                return raised, mass, False
            row = row * spread(RAISE)
            raised += 1
        store(alpha, at, row)
        after = _product(after, _columnwise(turned, load(b, back)))
        if total(after) < LOW:
            after = after * spread(RAISE)
        store(alpha, back, after)
    if back > middle:  # an odd number of rows
        back = back - FOUR
        after = _product(after, _columnwise(turned, load(b, back)))
        if total(after) < LOW:
            after = after * spread(RAISE)
        store(alpha, back, after)
    zero = spread(0.0)
    sums = (zero, zero, zero, zero)
    # the row before the middle: its transition is that of the first step forward
    beta = _product(after, turned)
    shares = row * beta
    store(alpha, at, shares * spread(weight / total(shares)))
    after = beta * load(b, at)
    back = at
    while at < end:
        at = at + FOUR
        ahead, met = _product(row, matrix), load(alpha, at)
        shares = ahead * met
        share = spread(weight / total(shares))
        sums = _with_pairs(sums, row, met * share)
        store(alpha, at, shares * share)
        row = ahead * load(b, at)
        mass = total(row)
        if mass < LOW:
            if not mass > FAINT:
                return raised, mass, False
            mass *= RAISE
            row = row * spread(RAISE)
            raised += 1
        if back > o:
            back = back - FOUR
            beta, met = _product(after, turned), load(alpha, back)
            if total(after) < LOW:
                beta, after = beta * spread(RAISE), after * spread(RAISE)
            shares = met * beta
            share = spread(weight / total(shares))
            sums = _with_pairs(sums, met, after * share)
            store(alpha, back, shares * share)
            after = beta * load(b, back)
    _add_pairs(pairs, K, sums)
    return raised, mass, True
