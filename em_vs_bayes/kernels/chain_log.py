"""Forward and backward recursions of a Markov chain in logarithms: slower by the exponentials, and never out of range.

The same rows as in `chain_scaled`, with logarithms in them; padding and impossible states hold -inf. Used for sequences
that the scaled recursions give up, and where rows are wanted one by one (`chain_scores`).
"""

import math

from em_vs_bayes.kernels.jit import lean
from em_vs_bayes.kernels.vectormath import exp, log


@lean
def log_sum(x, o, K):
    """log sum_k exp x[o + k]; -inf where all are."""
    top = -math.inf
    for k in range(K):
        top = max(top, x[o + k])
    if not abs(top) < math.inf:
        return top
    total = 0.0
    for k in range(K):
        total += exp(x[o + k] - top)
    return top + math.log(total)


@lean
def log_times(x, xo, M, K, P, top, out, oo):
    """out[k] = log sum_j exp(x[j] + M[j, k]) for padded rows; ``top`` (P,) is scratch."""
    for k in range(P):
        top[k] = -math.inf
    for j in range(K):
        value = x[xo + j]
        for k in range(P):
            top[k] = max(top[k], value + M[j * P + k])
    for k in range(P):
        out[oo + k] = 0.0
        top[k] = top[k] if top[k] > -math.inf else 0.0
    for j in range(K):
        value = x[xo + j]
        for k in range(P):
            out[oo + k] += exp(value + M[j * P + k] - top[k])
    for k in range(P):
        out[oo + k] = top[k] + log(out[oo + k])


@lean
def _normalise(x, o, K, P):
    """x[o:] -= log sum exp x[o:]; returns what was subtracted."""
    total = log_sum(x, o, K)
    if abs(total) < math.inf:
        for k in range(P):
            x[o + k] -= total
    return total


@lean
def log_first_row(log_initial, b, o, K, P, alpha):
    """alpha = initial b, in logarithms and normalised; returns the log of its sum."""
    for k in range(P):
        alpha[o + k] = log_initial[k] + b[o + k]
    return _normalise(alpha, o, K, P)


@lean
def log_forward(M, b, o, rows, K, P, top, alpha, norm):
    """Rows of alpha = (row before) A b from offset o on, in logarithms and normalised, with M = log A.

    The row before is there. The logs of the sums are written to ``norm`` (rows,) and their sum is returned.
    """
    evidence = 0.0
    for i in range(rows):
        row = o + i * P
        log_times(alpha, row - P, M, K, P, top, alpha, row)
        for k in range(P):
            alpha[row + k] += b[row + k]
        norm[i] = _normalise(alpha, row, K, P)
        evidence += norm[i]
    return evidence


@lean
def log_last_row(b, o, K, P, weight, alpha, v):
    """The last row: alpha becomes posterior probabilities times weight, v = b."""
    for k in range(P):
        alpha[o + k] = weight * exp(alpha[o + k])
        v[k] = b[o + k]
    _normalise(v, 0, K, P)


@lean
def log_backward(M, Mt, b, o, rows, K, P, weight, alpha, v, u, top, counts):
    """Rows from the last to the first: alpha becomes posterior probabilities times weight.

    ``counts`` (K K,) gets the posterior probabilities of transitions times weight; ``v`` is log(b beta).
    """
    for i in range(rows - 1, -1, -1):
        row = o + i * P
        log_times(v, 0, Mt, K, P, top, u, 0)
        for k in range(P):
            top[k] = alpha[row + k] + u[k]
        total = log_sum(top, 0, K)
        for j in range(K):
            for k in range(K):
                counts[j * K + k] += weight * exp(alpha[row + j] + M[j * P + k] + v[k] - total)
        for k in range(P):
            alpha[row + k] = weight * exp(top[k] - total)
            v[k] = u[k] + b[row + k]
        _normalise(v, 0, K, P)


@lean
def log_weigh(alpha, o, Mt, z, K, P, out):
    """out = probabilities of the states of a row given the next row's state z (-1: no next row)."""
    for k in range(P):
        out[k] = alpha[o + k] + (Mt[z * P + k] if z >= 0 else 0.0)
    total = log_sum(out, 0, K)
    for k in range(P):
        out[k] = exp(out[k] - total)
