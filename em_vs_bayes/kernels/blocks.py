"""Parameter blocks: theta to potentials, and expected statistics back to a gradient in theta.

Fisher's identity, grad log p(y | theta) = E[grad log p(y, z | theta) | y, theta], makes `gradient` at the
E-step's own theta the gradient of the log evidence (Dempster, Laird and Rubin 1977; Louis 1982).
Layouts: ``tables.py``. Means lie relative to the data centre, in theta, pot and stats alike.
"""

from math import inf, lgamma, log, log1p, pi, sqrt

import numpy as np

from em_vs_bayes.kernels import vectormath
from em_vs_bayes.kernels.jit import inner, kernel, lean, lean_kernel
from em_vs_bayes.kernels.regression import (
    coefficients_gradient,
    coefficients_log_likelihood,
    coefficients_potentials,
)
from em_vs_bayes.kernels.smallmatrix import (
    add_spread_gradient,
    gram,
    log_diagonal,
    trace_product,
    whiten,
)
from em_vs_bayes.kernels.stationary import add_slope, stationary
from em_vs_bayes.kernels.tables import (
    BETA,
    COEFFICIENTS,
    DIAG,
    DIRICHLET,
    FULL,
    GAMMA,
    RATE_EXCESS,
    SIGMA,
    STATIONARY,
    STUDENT_SIGMA,
    TIED,
)

LOG_2PI = log(2 * pi)


@lean_kernel
def potentials(blocks, theta, pot):
    """Write the potentials of every block at a point theta. The log of a zero probability or rate is -inf.

    Returns
    -------
    bool
        False (and ``pot`` is garbage) if a covariance is not positive definite, or a probability, rate or
        mean is outside its support or not finite.
    """
    for b in range(blocks.code.size):
        code, at, to = blocks.code[b], blocks.theta[b], blocks.pot[b]
        if code == DIRICHLET:
            ok = _dirichlet_potentials(theta, at, blocks.rows[b] * blocks.size[b], pot, to)
        elif code == GAMMA:
            ok = _gamma_potentials(theta, at, blocks.rows[b], blocks.covariance[b], pot, to)
        elif code == BETA:
            ok = _beta_potentials(theta, at, blocks.rows[b], pot, to)
        elif code == STATIONARY:
            ok = _stationary_potentials(theta, at, blocks.rows[b], pot, to)
        elif code == COEFFICIENTS:
            ok = coefficients_potentials(blocks, b, theta, pot)
        elif blocks.covariance[b] in (FULL, TIED):
            ok = _full_potentials(blocks, b, theta, pot)
        elif blocks.covariance[b] == STUDENT_SIGMA:
            ok = _student_potentials(blocks, b, theta, pot)
        else:
            ok = _diag_potentials(blocks, b, theta, pot)
        if not ok:
            return False
    return True


@lean_kernel
def gradient(blocks, theta, stats, g):
    """Add to ``g`` the gradient in theta of the expected complete-data log-likelihood, statistics fixed.

    Theta must be one that `potentials` accepts. Where a probability and its count are 0, the gradient is 0.
    """
    for b in range(blocks.code.size):
        code, at, st = blocks.code[b], blocks.theta[b], blocks.stat[b]
        if code == DIRICHLET:
            for i in range(blocks.rows[b] * blocks.size[b]):
                g[at + i] += _ratio(stats[st + i], theta[at + i])
        elif code == GAMMA:
            for k in range(blocks.rows[b]):
                g[at + k] += _ratio(stats[st + 2 * k], theta[at + k]) - stats[st + 2 * k + 1]
        elif code == BETA:
            for k in range(blocks.rows[b]):
                p = theta[at + k]
                g[at + k] += _ratio(stats[st + 2 * k], p) - _ratio(stats[st + 2 * k + 1], 1 - p)
        elif code == STATIONARY:
            K = blocks.rows[b]
            for i in range(K * K):
                g[at + i] += _ratio(stats[st + K + i], theta[at + i])
            add_slope(theta, at, K, stats, st, g)
        elif code == COEFFICIENTS:
            coefficients_gradient(blocks, b, theta, stats, g)
        elif blocks.covariance[b] in (FULL, TIED):
            _full_gradient(blocks, b, theta, stats, g)
        else:
            _diag_gradient(blocks, b, theta, stats, g)


@kernel
def component_log_likelihood(blocks, b, k, theta, stats):
    """What row ``k`` of block ``b`` adds to `complete_log_likelihood`; minus infinity if infeasible."""
    code, at, st, size = blocks.code[b], blocks.theta[b], blocks.stat[b], blocks.size[b]
    if code == DIRICHLET:
        total = 0.0
        for c in range(k * size, (k + 1) * size):
            total += _times_log(stats[st + c], theta[at + c])
        return total
    if code == STATIONARY:  # the first row stands for the starts too
        return _stationary_log_likelihood(theta, at, size, stats, st, k)
    if code == GAMMA:
        return _times_log(stats[st + 2 * k], theta[at + k]) - stats[st + 2 * k + 1] * theta[at + k]
    if code == BETA:
        p = theta[at + k]
        return _times_log(stats[st + 2 * k], p) + _times_log(stats[st + 2 * k + 1], 1 - p)
    if code == COEFFICIENTS:
        return coefficients_log_likelihood(blocks, b, k, theta, stats)
    if blocks.covariance[b] in (FULL, TIED):
        return _full_log_likelihood(blocks, b, k, theta, stats)
    return _diag_log_likelihood(blocks, b, k, theta, stats)


@kernel
def complete_log_likelihood(blocks, b, theta, stats):
    """The complete-data log-likelihood of block ``b``, up to terms free of theta; -inf if infeasible."""
    total = 0.0
    for k in range(blocks.rows[b]):
        total += component_log_likelihood(blocks, b, k, theta, stats)
    return total


# --- probabilities and rates --------------------------------------------------------------------------------


@inner
def _log(p):
    """log p; minus infinity at 0, where Python's own would raise."""
    return log(p) if p > 0.0 else -inf


@inner
def _ratio(count, p):
    """count / p, the slope of count * log p; 0 where the count is 0."""
    return 0.0 if count == 0.0 else count / p


@inner
def _times_log(count, p):
    """count * log p; 0 where both are 0, -inf for a negative or missing p."""
    if not p >= 0.0:
        return -inf
    return 0.0 if count == 0.0 else count * _log(p)


@lean
def _dirichlet_potentials(theta, at, size, pot, to):
    for i in range(size):
        if not 0.0 <= theta[at + i] < inf:
            return False
        pot[to + i] = _log(theta[at + i])
    return True


@inner
def _stationary_potentials(theta, at, K, pot, to):
    Z, delta = np.empty((K, K)), np.empty(K)
    if not (_dirichlet_potentials(theta, at, K * K, pot, to + K) and stationary(theta, at, K, Z, delta)):
        return False
    for k in range(K):
        pot[to + k] = _log(delta[k])
    return True


@inner
def _stationary_log_likelihood(theta, at, K, stats, st, row):
    total = 0.0
    for c in range(row * K, (row + 1) * K):
        total += _times_log(stats[st + K + c], theta[at + c])
    if row == 0:
        Z, delta = np.empty((K, K)), np.empty(K)
        if not stationary(theta, at, K, Z, delta):
            return -inf
        for k in range(K):
            total += _times_log(stats[st + k], delta[k])
    return total


@lean
def _gamma_potentials(theta, at, K, form, pot, to):
    for k in range(K):
        if not 0.0 <= theta[at + k] < inf:
            return False
        rate = theta[at + k]
        pot[to + 2 * k] = rate if form == RATE_EXCESS else _log(rate)
        pot[to + 2 * k + 1] = 0.0 if form == RATE_EXCESS else -rate
    return True


@lean
def _beta_potentials(theta, at, K, pot, to):
    for k in range(K):
        if not 0.0 <= theta[at + k] <= 1.0:
            return False
        pot[to + 2 * k] = _log(theta[at + k])
        pot[to + 2 * k + 1] = log1p(-theta[at + k]) if theta[at + k] < 1.0 else -inf
    return True


# --- Gaussian blocks with a full or shared covariance matrix ------------------------------------------------


@lean
def _full_potentials(blocks, b, theta, pot):
    K, d = blocks.rows[b], blocks.size[b]
    c = blocks.pot[b]
    m, w = c + K, c + K + K * d
    tied = blocks.covariance[b] == TIED
    for k in range(K):
        if tied and k > 0:
            pot[c + k] = pot[c]
            for i in range(d * d):
                pot[w + k * d * d + i] = pot[w + i]
        else:
            if not whiten(theta, blocks.theta2[b] + k * d * d, d, pot, w + k * d * d):
                return False
            pot[c + k] = log_diagonal(pot, w + k * d * d, d) - 0.5 * d * LOG_2PI
        for j in range(d):
            mean = theta[blocks.theta[b] + k * d + j]
            if not abs(mean) < inf:
                return False
            pot[m + k * d + j] = mean
    return True


@lean
def _full_scatter(blocks, b, k, theta, stats, s):
    """Add to ``s`` the scatter about the mean: s2 - m s1' - s1 m' + n m m'. Returns n."""
    K, d = blocks.rows[b], blocks.size[b]
    m, n = blocks.theta[b] + k * d, stats[blocks.stat[b] + k]
    s1 = blocks.stat[b] + K + k * d
    s2 = blocks.stat[b] + K + K * d + k * d * d
    for i in range(d):
        for j in range(d):
            excess = stats[s1 + i] - n * theta[m + i]
            s[i * d + j] += stats[s2 + i * d + j] - theta[m + i] * stats[s1 + j] - excess * theta[m + j]
    return n


@inner
def _full_gradient(blocks, b, theta, stats, g):
    K, d = blocks.rows[b], blocks.size[b]
    tied = blocks.covariance[b] == TIED
    w, precision, s, work = np.empty(d * d), np.empty(d * d), np.zeros(d * d), np.empty(2 * d * d)
    total = 0.0
    for k in range(K):
        at = blocks.theta2[b] + (0 if tied else k * d * d)
        if k == 0 or not tied:
            if not whiten(theta, at, d, w, 0):
                return
            gram(w, 0, d, precision, 0)
            for i in range(s.size):
                s[i] = 0.0
            total = 0.0
        total += _full_scatter(blocks, b, k, theta, stats, s)
        m, n, s1 = blocks.theta[b] + k * d, stats[blocks.stat[b] + k], blocks.stat[b] + K + k * d
        for i in range(d):
            for j in range(d):
                g[m + i] += precision[i * d + j] * (stats[s1 + j] - n * theta[m + j])
        if k == K - 1 or not tied:
            add_spread_gradient(precision, d, total, s, 0, work, g, at)


@inner
def _full_log_likelihood(blocks, b, k, theta, stats):
    d = blocks.size[b]
    w, precision, s = np.empty(d * d), np.empty(d * d), np.zeros(d * d)
    if not whiten(theta, blocks.theta2[b] + (0 if blocks.covariance[b] == TIED else k * d * d), d, w, 0):
        return -inf
    gram(w, 0, d, precision, 0)
    n = _full_scatter(blocks, b, k, theta, stats, s)
    return n * (log_diagonal(w, 0, d) - 0.5 * d * LOG_2PI) - 0.5 * trace_product(precision, 0, s, 0, d)


# --- Gaussian blocks with independent dimensions ------------------------------------------------------------


@lean
def spread_index(blocks, b, k, j):
    """Where in theta the variance or standard deviation of component k, dimension j lies."""
    return blocks.theta2[b] + (k * blocks.size[b] + j if blocks.covariance[b] == DIAG else k)


@lean
def in_sd(blocks, b):
    """Whether the spread parameter is a standard deviation (or the scale of a Student t), not a variance."""
    return blocks.covariance[b] == SIGMA or blocks.covariance[b] == STUDENT_SIGMA


@lean
def spread_count(blocks, b, i, stats):
    """What rows count for in the spread of element i of K * d; in its mean, a Student t's count n = sum r u."""
    return stats[blocks.stat[b] + i + (3 * blocks.rows[b] if blocks.covariance[b] == STUDENT_SIGMA else 0)]


@lean
def variance(blocks, b, k, j, theta):
    """The variance of component k, dimension j; NaN where the parameter is not positive."""
    value = theta[spread_index(blocks, b, k, j)]
    if not value > 0.0:
        return np.nan
    return value * value if in_sd(blocks, b) else value


@lean
def add_variance_gradient(blocks, b, k, j, theta, slope, g):
    """Add a derivative in the variance to the gradient in the parameter that holds it."""
    at = spread_index(blocks, b, k, j)
    g[at] += 2 * theta[at] * slope if in_sd(blocks, b) else slope


@lean
def _diag_potentials(blocks, b, theta, pot):
    K, d = blocks.rows[b], blocks.size[b]
    c, at, spread = blocks.pot[b], blocks.theta[b], blocks.theta2[b]
    mean, w = c + K * d, c + 2 * K * d
    by_feature, squared = blocks.covariance[b] == DIAG, in_sd(blocks, b)
    for k in range(K):
        for j in range(d):
            i = k * d + j
            m, value = theta[at + i], theta[spread + (i if by_feature else k)]
            v = value * value if squared else value
            if not (abs(m) < inf and value > 0.0 and 0.0 < v < inf):
                return False
            pot[mean + i] = m
            pot[w + i] = v
    for i in range(K * d):
        pot[c + i] = -0.5 * (LOG_2PI + vectormath.log(pot[w + i]))
        pot[w + i] = 1.0 / sqrt(pot[w + i])
    return True


@lean
def _student_potentials(blocks, b, theta, pot):
    K, c = blocks.rows[b], blocks.pot[b]
    for k in range(K):
        mean, v, df = theta[blocks.theta[b] + k], variance(blocks, b, k, 0, theta), theta[blocks.theta2[b] + K + k]
        if not (abs(mean) < inf and 0.0 < v < inf):
            return False
        pot[c + k] = lgamma(0.5 * df + 0.5) - lgamma(0.5 * df) - 0.5 * log(pi * df * v)
        pot[c + K + k] = mean
        pot[c + 2 * K + k] = 1.0 / sqrt(df * v)
        pot[c + 3 * K + k] = 0.5 * (df + 1.0)
        pot[c + 4 * K + k] = (df + 1.0) / df
    return True


@lean
def _diag_scatter(blocks, b, k, j, theta, stats):
    """Count, sum about the mean and sum of squares about the mean of one component and dimension.

    The count is that of the spread, `spread_count`.
    """
    K, d = blocks.rows[b], blocks.size[b]
    i = blocks.stat[b] + k * d + j
    mean = theta[blocks.theta[b] + k * d + j]
    n, s1, s2 = stats[i], stats[i + K * d], stats[i + 2 * K * d]
    excess = s1 - n * mean
    return spread_count(blocks, b, k * d + j, stats), excess, s2 - mean * (s1 + excess)


@lean
def _diag_gradient(blocks, b, theta, stats, g):
    d = blocks.size[b]
    for k in range(blocks.rows[b]):
        for j in range(d):
            n, excess, square = _diag_scatter(blocks, b, k, j, theta, stats)
            v = variance(blocks, b, k, j, theta)
            g[blocks.theta[b] + k * d + j] += excess / v
            add_variance_gradient(blocks, b, k, j, theta, 0.5 * (square / v - n) / v, g)


@inner
def _diag_log_likelihood(blocks, b, k, theta, stats):
    total = 0.0
    for j in range(blocks.size[b]):
        n, _, square = _diag_scatter(blocks, b, k, j, theta, stats)
        v = variance(blocks, b, k, j, theta)
        if not 0.0 < v < inf:
            return -inf
        total -= 0.5 * (n * (LOG_2PI + log(v)) + square / v)
    return total
