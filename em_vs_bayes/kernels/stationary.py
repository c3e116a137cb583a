"""The stationary distribution of a transition matrix and its derivative.

delta (I - A + U) = 1 with U all ones (Zucchini & MacDonald, eq. 1.3). With Z = (I - A + U)^-1, d delta = delta dA Z.
"""

import numpy as np

from em_vs_bayes.kernels.jit import inner, kernel

SINGULAR = 1e-13  # a pivot below this is rounding: more than one distribution is stationary


@kernel
def fundamental(theta, at, K, Z):
    """Z = (I - A + U)^-1 (K, K) by Gauss-Jordan elimination with pivoting; False if it is singular."""
    M = np.empty((K, 2 * K))
    for i in range(K):
        for j in range(K):
            M[i, j] = 1.0 - theta[at + i * K + j]
            M[i, K + j] = 0.0
        M[i, i] += 1.0
        M[i, K + i] = 1.0
    for c in range(K):
        pivot = c
        for i in range(c + 1, K):
            if abs(M[i, c]) > abs(M[pivot, c]):
                pivot = i
        if not abs(M[pivot, c]) > SINGULAR:
            return False
        for j in range(2 * K):
            M[c, j], M[pivot, j] = M[pivot, j], M[c, j]
        scale = 1.0 / M[c, c]
        for j in range(2 * K):
            M[c, j] *= scale
        for i in range(K):
            factor = M[i, c]
            if i != c and factor != 0.0:
                for j in range(2 * K):
                    M[i, j] -= factor * M[c, j]
    for i in range(K):
        for j in range(K):
            Z[i, j] = M[i, K + j]
    return True


@inner
def stationary(theta, at, K, Z, delta):
    """delta (K,), non-negative; False if there is no single one."""
    if not fundamental(theta, at, K, Z):
        return False
    for k in range(K):
        total = 0.0
        for i in range(K):
            total += Z[i, k]
        delta[k] = max(total, 0.0)  # rounding
    return True


@kernel
def add_slope(theta, at, K, starts, first, g):
    """g[A] += gradient of sum_k starts[first + k] log delta_k in the elements of A."""
    Z, delta = np.empty((K, K)), np.empty(K)
    if not stationary(theta, at, K, Z, delta):
        return
    for j in range(K):
        slope = 0.0
        for k in range(K):
            count = starts[first + k]
            slope += Z[j, k] * count / delta[k] if count != 0.0 else 0.0
        for i in range(K):
            g[at + i * K + j] += delta[i] * slope
