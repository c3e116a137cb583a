"""COEFFICIENTS blocks: theta holds coefficients b (K, p) and standard deviations sigma (K,) of y ~ N(x'b_k, sigma_k^2).

stats: n[K], cross[K, d, d], d = p + 1, the sum of (x, y) (x, y)': X'X, X'y and y'y. They may be expectations over a
response that is not seen (censored rows); nothing below asks where they came from.
hyper: m[K, p], P[K, p, p], log|P|[K], shape[K], rate[K]. By prior of the coefficients:

JOINT        b | sigma ~ N(m, sigma^2 P^-1), sigma^2 ~ IG(shape, rate) (O'Hagan & Forster 2004, section 11.3)
INDEPENDENT  b_j ~ N(m_j, 1 / P_jj), sigma^2 ~ IG(shape, rate) or an elementwise density
"""

from math import inf, lgamma, log, pi, sqrt

from em_vs_bayes.kernels import draws
from em_vs_bayes.kernels.jit import inner
from em_vs_bayes.kernels.smallmatrix import cholesky, solve
from em_vs_bayes.kernels.tables import FLAT, INDEPENDENT, JOINT

LOG_2PI = log(2 * pi)


@inner
def _cross(blocks, b, k):
    """Where cross[k] lies in stats."""
    d = blocks.size[b] + 1
    return blocks.stat[b] + blocks.rows[b] + k * d * d


@inner
def _weight(blocks, b, k, theta):
    """1 / sigma_k; NaN where sigma is not positive and finite."""
    sigma = theta[blocks.theta2[b] + k]
    return 1.0 / sigma if 0.0 < sigma < inf else inf - inf


@inner
def _score(blocks, b, k, i, theta, stats):
    """Element i of X'(y - X b)."""
    p, at, row = blocks.size[b], blocks.theta[b] + k * blocks.size[b], _cross(blocks, b, k) + i * (blocks.size[b] + 1)
    total = stats[row + p]
    for j in range(p):
        total -= stats[row + j] * theta[at + j]
    return total


@inner
def _residual_squares(blocks, b, k, theta, stats):
    """|y - X b|^2 = y'y - b'(X'y + X'(y - X b))."""
    p, at, cross = blocks.size[b], blocks.theta[b] + k * blocks.size[b], _cross(blocks, b, k)
    total = stats[cross + (p + 1) * (p + 1) - 1]
    for i in range(p):
        total -= theta[at + i] * (stats[cross + i * (p + 1) + p] + _score(blocks, b, k, i, theta, stats))
    return max(total, 0.0)


@inner
def _pull(blocks, b, k, i, prior, theta):
    """Element i of P (b - m)."""
    K, p, at = blocks.rows[b], blocks.size[b], blocks.theta[b] + k * blocks.size[b]
    m, row = blocks.hyper[b] + k * p, blocks.hyper[b] + K * p + (k * p + i) * p
    total = 0.0
    for j in range(p):
        total += prior.hyper[row + j] * (theta[at + j] - prior.hyper[m + j])
    return total


@inner
def _prior_squares(blocks, b, k, prior, theta):
    """(b - m)' P (b - m)."""
    p, at, m = blocks.size[b], blocks.theta[b] + k * blocks.size[b], blocks.hyper[b] + k * blocks.size[b]
    total = 0.0
    for i in range(p):
        total += (theta[at + i] - prior.hyper[m + i]) * _pull(blocks, b, k, i, prior, theta)
    return total


@inner
def _spread_hyper(blocks, b, k):
    """Where log|P|[k], shape[k] and rate[k] lie in hyper."""
    K, p = blocks.rows[b], blocks.size[b]
    at = blocks.hyper[b] + K * p + K * p * p + k
    return at, at + K, at + 2 * K


# --- likelihood ---------------------------------------------------------------------------------------------


@inner
def coefficients_potentials(blocks, b, theta, pot):
    """c_k = -log sigma - log(2 pi) / 2; W_k zero but for its last row (-b', 1) / sigma. False where infeasible."""
    K, p = blocks.rows[b], blocks.size[b]
    d, c = p + 1, blocks.pot[b]
    for k in range(K):
        w = _weight(blocks, b, k, theta)
        if not w < inf:
            return False
        pot[c + k] = log(w) - 0.5 * LOG_2PI
        first = c + K + k * d * d
        for i in range(first, first + p * d):
            pot[i] = 0.0
        for j in range(p):
            value = theta[blocks.theta[b] + k * p + j]
            if not abs(value) < inf:
                return False
            pot[first + p * d + j] = -w * value
        pot[first + p * d + p] = w
    return True


@inner
def coefficients_gradient(blocks, b, theta, stats, g):
    """X'(y - X b) / sigma^2 for b; (|y - X b|^2 / sigma^2 - n) / sigma for sigma."""
    p = blocks.size[b]
    for k in range(blocks.rows[b]):
        w = _weight(blocks, b, k, theta)
        for i in range(p):
            g[blocks.theta[b] + k * p + i] += w * w * _score(blocks, b, k, i, theta, stats)
        square = w * w * _residual_squares(blocks, b, k, theta, stats)
        g[blocks.theta2[b] + k] += w * (square - stats[blocks.stat[b] + k])


@inner
def coefficients_log_likelihood(blocks, b, k, theta, stats):
    """sum log N(y; x'b_k, sigma_k^2) over the rows of component k; -inf where infeasible."""
    w = _weight(blocks, b, k, theta)
    if not w < inf:
        return -inf
    square = w * w * _residual_squares(blocks, b, k, theta, stats)
    return stats[blocks.stat[b] + k] * (log(w) - 0.5 * LOG_2PI) - 0.5 * square


# --- prior --------------------------------------------------------------------------------------------------


@inner
def coefficients_log_prior(blocks, b, k, prior, theta):
    """Log density of component k's parameters, in b and sigma, elementwise densities apart."""
    p, hyper, total = blocks.size[b], prior.hyper, 0.0
    log_det, shape, rate = _spread_hyper(blocks, b, k)
    w = _weight(blocks, b, k, theta)
    if not w < inf:
        return -inf
    if blocks.spread_prior[b] in (JOINT, INDEPENDENT) and prior.free[blocks.theta2[b] + k]:
        a, r = hyper[shape], hyper[rate]
        total += a * log(r) - lgamma(a) + log(2.0) + (2.0 * a + 1.0) * log(w) - r * w * w
    if blocks.mean_prior[b] == JOINT:
        square = w * w * _prior_squares(blocks, b, k, prior, theta)
        total += 0.5 * (hyper[log_det] - p * LOG_2PI - square) + p * log(w)
    elif blocks.mean_prior[b] == INDEPENDENT:
        for i in range(p):
            at = blocks.theta[b] + k * p + i
            if prior.free[at]:
                precision = hyper[blocks.hyper[b] + blocks.rows[b] * p + (k * p + i) * p + i]
                offset = theta[at] - hyper[blocks.hyper[b] + k * p + i]
                total += 0.5 * (log(precision) - LOG_2PI - precision * offset * offset)
    return total


@inner
def add_coefficients_prior_gradient(blocks, b, k, prior, theta, g):
    """Add the gradient of `coefficients_log_prior`; what lies at fixed elements has no meaning."""
    p, hyper = blocks.size[b], prior.hyper
    _, shape, rate = _spread_hyper(blocks, b, k)
    w, at_sigma = _weight(blocks, b, k, theta), blocks.theta2[b] + k
    if blocks.spread_prior[b] in (JOINT, INDEPENDENT):
        g[at_sigma] += w * (2.0 * hyper[rate] * w * w - (2.0 * hyper[shape] + 1.0))
    if blocks.mean_prior[b] == JOINT:
        g[at_sigma] += w * (w * w * _prior_squares(blocks, b, k, prior, theta) - p)
    if blocks.mean_prior[b] in (JOINT, INDEPENDENT):
        scale = w * w if blocks.mean_prior[b] == JOINT else 1.0
        for i in range(p):
            g[blocks.theta[b] + k * p + i] -= scale * _pull(blocks, b, k, i, prior, theta)


# --- conditional draws --------------------------------------------------------------------------------------


@inner
def _free_normal(blocks, prior, b, k, weight, theta, stats, work):
    """The free coefficients given the fixed ones, sigma^-2 being ``weight``: N(T^-1 h, T^-1).

    T = weight X'X + P and h = weight X'y + P m, P multiplied by the weight too under a JOINT prior; conditioning leaves
    rows out. work.c is left with the Cholesky factor of T, work.h with h. Returns their number, -1 if T is singular.
    """
    K, p, hyper = blocks.rows[b], blocks.size[b], prior.hyper
    at, cross = blocks.theta[b] + k * p, _cross(blocks, b, k)
    m, P = blocks.hyper[b] + k * p, blocks.hyper[b] + K * p + k * p * p
    own = weight if blocks.mean_prior[b] == JOINT else 0.0 if blocks.mean_prior[b] == FLAT else 1.0
    n_free = 0
    for i in range(p):
        if prior.free[at + i]:
            n_free += 1
    row = 0
    for i in range(p):
        if not prior.free[at + i]:
            continue
        total, column = weight * stats[cross + i * (p + 1) + p], 0
        for j in range(p):
            precision = weight * stats[cross + i * (p + 1) + j]
            if own > 0.0:
                precision += own * hyper[P + i * p + j]
                total += own * hyper[P + i * p + j] * hyper[m + j]
            if prior.free[at + j]:
                work.c[row * n_free + column] = precision
                column += 1
            else:
                total -= precision * theta[at + j]
        work.h[row] = total
        row += 1
    return n_free if n_free == 0 or cholesky(work.c, 0, n_free, work.c, 0) else -1


@inner
def _write_free(blocks, prior, b, k, theta, work):
    """Free coefficients of component k <- work.h. False if not finite."""
    row = 0
    for at in range(blocks.theta[b] + k * blocks.size[b], blocks.theta[b] + (k + 1) * blocks.size[b]):
        if prior.free[at]:
            if not abs(work.h[row]) < inf:
                return False
            theta[at] = work.h[row]
            row += 1
    return True


@inner
def draw_coefficients(blocks, prior, b, theta, stats, rng, work):
    """Free coefficients given sigma and the fixed ones."""
    for k in range(blocks.rows[b]):
        w = _weight(blocks, b, k, theta)
        n_free = _free_normal(blocks, prior, b, k, w * w, theta, stats, work)
        if n_free < 0:
            return False
        draws.normal_canonical(rng, work.c, work.h, n_free)
        if not _write_free(blocks, prior, b, k, theta, work):
            return False
    return True


@inner
def draw_sigmas(blocks, prior, b, collapse, theta, stats, rng, work):
    """sigma^2 ~ IG(shape + n / 2, rate + half the squares); a JOINT prior adds its p coefficients to both.

    With ``collapse`` (JOINT only) the free coefficients are integrated out: they go to their conditional mode, where
    the squares are least, and the count loses them. They must be drawn next.
    """
    K, p = blocks.rows[b], blocks.size[b]
    for k in range(K):
        if not prior.free[blocks.theta2[b] + k]:
            continue
        _, shape, rate = _spread_hyper(blocks, b, k)
        flat = blocks.spread_prior[b] == FLAT
        count, squares = stats[blocks.stat[b] + k], 0.0
        if collapse:
            n_free = _free_normal(blocks, prior, b, k, 1.0, theta, stats, work)
            if n_free < 0:
                return False
            solve(work.c, n_free, work.h)
            if not _write_free(blocks, prior, b, k, theta, work):
                return False
            count -= n_free
        if blocks.mean_prior[b] == JOINT:
            count += p
            squares += _prior_squares(blocks, b, k, prior, theta)
        squares += _residual_squares(blocks, b, k, theta, stats)
        a, r = (-0.5, 0.0) if flat else (prior.hyper[shape], prior.hyper[rate])
        value = draws.inverse_gamma(rng, a + 0.5 * count, r + 0.5 * squares)
        if not value > 0.0:
            return False
        theta[blocks.theta2[b] + k] = sqrt(value)
    return True


@inner
def coefficients_place(blocks, b, at, theta, stats):
    """Component of an element, and a first width for its slice: three standard deviations of its likelihood."""
    K, p = blocks.rows[b], blocks.size[b]
    i = at - blocks.theta[b]
    if not 0 <= i < K * p:
        k = at - blocks.theta2[b]
        return k, 3.0 / sqrt(0.5 * stats[blocks.stat[b] + k] + 1.0)
    k, j = i // p, i % p
    square = stats[_cross(blocks, b, k) + j * (p + 1) + j]
    return k, 3.0 * theta[blocks.theta2[b] + k] / (sqrt(square) if square > 0.0 else 1.0)
