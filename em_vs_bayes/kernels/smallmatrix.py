"""Linear algebra for small d x d matrices that lie row by row in flat vectors.

Every matrix is a pair (vector, offset), so nothing is sliced, reshaped or allocated.
"""

from math import inf, log, sqrt

from em_vs_bayes.kernels.jit import lean


@lean
def cholesky(a, at, d, out, to):
    """Lower factor L of the matrix at ``a[at]``, A = L L'. Reads the lower triangle; may be in place.

    Returns
    -------
    bool
        False (and ``out`` is garbage) if A is not positive definite, or not finite.
    """
    for i in range(d):
        for j in range(i + 1):
            total = a[at + i * d + j]
            for k in range(j):
                total -= out[to + i * d + k] * out[to + j * d + k]
            if i == j:
                if not 0.0 < total < inf:
                    return False
                out[to + i * d + i] = sqrt(total)
            else:
                out[to + i * d + j] = total / out[to + j * d + j]
        for j in range(i + 1, d):
            out[to + i * d + j] = 0.0
    return True


@lean
def solve(lower, n, h):
    """h <- (L L')^-1 h, for the factor that `cholesky` left at offset 0."""
    for i in range(n):
        for j in range(i):
            h[i] -= lower[i * n + j] * h[j]
        h[i] /= lower[i * n + i]
    for i in range(n - 1, -1, -1):
        for j in range(i + 1, n):
            h[i] -= lower[j * n + i] * h[j]
        h[i] /= lower[i * n + i]


@lean
def invert_lower(lower, at, d, out, to):
    """Inverse of a lower triangular matrix, row added to row. May work in place."""
    for i in range(d):
        row, pivot = to + i * d, 1.0 / lower[at + i * d + i]
        for k in range(i):
            weight, other = lower[at + i * d + k], to + k * d
            for j in range(k):
                out[row + j] += weight * out[other + j]
            out[row + k] = weight * out[other + k]
        for j in range(i):
            out[row + j] *= -pivot
        out[row + i] = pivot
        for j in range(i + 1, d):
            out[row + j] = 0.0


@lean
def whiten(a, at, d, out, to):
    """W = L^-1, lower triangular, W A W' = I and W' W = A^-1. False if A is not positive definite."""
    if not cholesky(a, at, d, out, to):
        return False
    invert_lower(out, to, d, out, to)
    return True


@lean
def gram(w, at, d, out, to):
    """W' W for lower triangular W; with W from `whiten`, the inverse of the matrix whitened. Not in place."""
    for i in range(d * d):
        out[to + i] = 0.0
    for k in range(d):
        row = at + k * d
        for i in range(k + 1):
            weight, own = w[row + i], to + i * d
            for j in range(i + 1):
                out[own + j] += weight * w[row + j]
    for i in range(d):
        for j in range(i):
            out[to + j * d + i] = out[to + i * d + j]


@lean
def log_diagonal(lower, at, d):
    """Sum of the logarithms of the diagonal: half the log determinant of L L'."""
    total = 0.0
    for i in range(d):
        total += log(lower[at + i * d + i])
    return total


@lean
def trace_product(a, at, b, bt, d):
    """tr(A B) of two symmetric matrices."""
    total = 0.0
    for i in range(d * d):
        total += a[at + i] * b[bt + i]
    return total


@lean
def add_spread_gradient(precision, d, nu, s, at, work, g, to):
    """Add to G the gradient in Sigma of ``-nu/2 log|Sigma| - 1/2 tr(S Sigma^-1)``: ``(P S P - nu P) / 2``.

    P = Sigma^-1 lies in ``precision`` at offset 0, the symmetric S in ``s`` at offset ``at``. G is the full
    symmetric matrix with dF = sum_ij G_ij dSigma_ij. ``work`` (2 d d) is overwritten.
    """
    square = d * d
    for i in range(2 * square):
        work[i] = 0.0
    for i in range(d):  # S P, row by row
        for k in range(d):
            weight = s[at + i * d + k]
            for j in range(d):
                work[i * d + j] += weight * precision[k * d + j]
    for i in range(d):  # P (S P), its lower triangle
        for k in range(d):
            weight = precision[i * d + k]
            for j in range(i + 1):
                work[square + i * d + j] += weight * work[k * d + j]
    for i in range(d):
        for j in range(i + 1):
            slope = 0.5 * (work[square + i * d + j] - nu * precision[i * d + j])
            g[to + i * d + j] += slope
            if i != j:
                g[to + j * d + i] += slope
