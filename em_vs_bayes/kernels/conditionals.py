"""Exact conditional draws of parameter blocks given complete-data statistics: the conjugate steps of Gibbs.

With zero statistics they are draws from the prior, so an empty component needs no special case. A flat prior
is the limit of its family: IW(-(d + 1), 0) for a covariance, IG(-1, 0) for a variance, IG(-1/2, 0) for the
square of a standard deviation, Beta(1, 1), Gamma(1, 0), Dirichlet(1). Every function answers False, and
stops, where the conditional is improper or not finite. Fixed elements never move; the others are drawn given
them.
"""

from math import inf, log, sqrt

import numpy as np

from em_vs_bayes.kernels import draws
from em_vs_bayes.kernels.blocks import in_sd, spread_count, spread_index, variance
from em_vs_bayes.kernels.jit import inner, kernel, lean
from em_vs_bayes.kernels.regression import draw_coefficients, draw_sigmas
from em_vs_bayes.kernels.smallmatrix import cholesky, gram, invert_lower
from em_vs_bayes.kernels.stationary import stationary
from em_vs_bayes.kernels.tables import (
    COEFFICIENTS,
    DIAG,
    DIRICHLET,
    ELEMENTWISE,
    FLAT,
    FULL,
    GAMMA,
    GAUSS,
    INDEPENDENT,
    JOINT,
    STATIONARY,
    TIED,
    Scratch,
)


@kernel
def workspace(blocks):
    """Scratch for every block of a program."""
    longest = 1
    for b in range(blocks.code.size):
        size = blocks.size[b]
        longest = max(longest, size * size if blocks.code[b] in (GAUSS, COEFFICIENTS) else size)
    return Scratch(np.empty(longest), np.empty(longest), np.empty(longest), np.empty(longest))


@lean
def draw_block(blocks, prior, b, theta, stats, rng, work):
    """The whole block. Under a JOINT prior, spreads are drawn with the free means integrated out."""
    if blocks.code[b] == DIRICHLET:
        return _probabilities(blocks, prior, b, 0, blocks.rows[b], blocks.stat[b], theta, stats, rng, work)
    if blocks.code[b] == STATIONARY:
        return _stationary_rows(blocks, prior, b, theta, stats, rng, work)
    if blocks.code[b] not in (GAUSS, COEFFICIENTS):
        return _rates(blocks, prior, b, theta, stats, rng)
    collapse = blocks.mean_prior[b] == JOINT
    return draw_spread(blocks, prior, b, collapse, theta, stats, rng, work) and draw_means(
        blocks, prior, b, theta, stats, rng, work
    )


@lean
def draw_means(blocks, prior, b, theta, stats, rng, work):
    """Means (or regression coefficients) given spreads. Nothing moves if the prior of the means is ELEMENTWISE."""
    if blocks.mean_prior[b] == ELEMENTWISE:
        return True
    if blocks.code[b] == COEFFICIENTS:
        return draw_coefficients(blocks, prior, b, theta, stats, rng, work)
    if blocks.covariance[b] == FULL or blocks.covariance[b] == TIED:
        ok = True
        for k in range(blocks.rows[b]):
            ok = ok and _mean_vector(blocks, prior, b, k, theta, stats, rng, work)
        return ok
    return _means(blocks, prior, b, theta, stats, rng)


@lean
def draw_spread(blocks, prior, b, collapse, theta, stats, rng, work):
    """Spreads given means; with ``collapse``, given the fixed means only, the free ones integrated out.

    ``collapse`` needs a JOINT prior, and means drawn next. For a covariance matrix it holds for the
    components with no fixed mean; the others are conditioned on, which is Gibbs still. Nothing moves if the
    prior is ELEMENTWISE.
    """
    if blocks.spread_prior[b] == ELEMENTWISE:
        return True
    if blocks.code[b] == COEFFICIENTS:
        return draw_sigmas(blocks, prior, b, collapse, theta, stats, rng, work)
    if blocks.covariance[b] == FULL or blocks.covariance[b] == TIED:
        return _covariances(blocks, prior, b, collapse, theta, stats, rng, work)
    return _variances(blocks, prior, b, collapse, theta, stats, rng)


# --- probabilities and rates --------------------------------------------------------------------------------


@lean
def _probabilities(blocks, prior, b, first, last, counts, theta, stats, rng, work):
    """Rows first, ..., last - 1, whose counts start at stats[counts]."""
    C = blocks.size[b]
    for r in range(first, last):
        at, mass, n_free = blocks.theta[b] + r * C, 1.0, 0
        for c in range(C):
            alpha = 1.0 if blocks.mean_prior[b] == FLAT else prior.hyper[blocks.hyper[b] + r * C + c]
            work.a[c] = alpha + stats[counts + r * C + c]
            if prior.free[at + c]:
                n_free += 1
            else:
                mass -= theta[at + c]
        if n_free > 0 and not draws.dirichlet(rng, work.a, mass, prior.free, theta, at, C):
            return False
    return True


@inner
def _stationary_rows(blocks, prior, b, theta, stats, rng, work):
    """Row by row: a draw that ignores the starts of sequences, kept with the ratio of their probabilities."""
    K, at, starts = blocks.rows[b], blocks.theta[b], blocks.stat[b]
    before, Z, delta, old = np.empty(K), np.empty((K, K)), np.empty(K), np.empty(K)
    if not stationary(theta, at, K, Z, delta):
        return False
    for r in range(K):
        for k in range(K):
            before[k], old[k] = theta[at + r * K + k], delta[k]
        if not _probabilities(blocks, prior, b, r, r + 1, starts + K, theta, stats, rng, work):
            return False
        log_ratio = 0.0 if stationary(theta, at, K, Z, delta) else -inf
        for k in range(K):
            if stats[starts + k] != 0.0:
                log_ratio += stats[starts + k] * log(delta[k] / old[k]) if delta[k] > 0.0 else -inf
        if not log(rng.random()) < log_ratio:
            for k in range(K):
                theta[at + r * K + k], delta[k] = before[k], old[k]
    return True


@lean
def _rates(blocks, prior, b, theta, stats, rng):
    """GAMMA and BETA blocks: one update, two families."""
    if blocks.mean_prior[b] == ELEMENTWISE:
        return True
    flat, is_gamma = blocks.mean_prior[b] == FLAT, blocks.code[b] == GAMMA
    for k in range(blocks.rows[b]):
        at, h, s = blocks.theta[b] + k, blocks.hyper[b] + 2 * k, blocks.stat[b] + 2 * k
        if prior.free[at]:
            first = (1.0 if flat else prior.hyper[h]) + stats[s]
            second = ((0.0 if is_gamma else 1.0) if flat else prior.hyper[h + 1]) + stats[s + 1]
            value = draws.gamma(rng, first, second) if is_gamma else draws.beta(rng, first, second)
            if not value > 0.0:
                return False
            theta[at] = value
    return True


# --- Gaussian blocks with independent dimensions ------------------------------------------------------------


@lean
def _means(blocks, prior, b, theta, stats, rng):
    K, d, hyper = blocks.rows[b], blocks.size[b], prior.hyper
    s, h, mean_prior = blocks.stat[b], blocks.hyper[b], blocks.mean_prior[b]
    for i in range(K * d):
        at = blocks.theta[b] + i
        if not prior.free[at]:
            continue
        v, n, total = variance(blocks, b, i // d, i % d, theta), stats[s + i], stats[s + K * d + i]
        if mean_prior == INDEPENDENT:
            precision = hyper[h + K * d + i]
            mean, v = (total / v + precision * hyper[h + i]), 1.0 / (n / v + precision)
            mean *= v
        else:
            if mean_prior == JOINT:
                n += hyper[h + K * d + i]
                total += hyper[h + K * d + i] * hyper[h + i]
            mean, v = total / n, v / n
        value = mean + sqrt(v) * rng.standard_normal()
        if not abs(value) < inf:
            return False
        theta[at] = value
    return True


@lean
def _variances(blocks, prior, b, collapse, theta, stats, rng):
    """sigma^2 ~ IG(shape + n / 2, rate + half the squares); shared by the d dimensions unless DIAG."""
    K, d, hyper = blocks.rows[b], blocks.size[b], prior.hyper
    sigma = in_sd(blocks, b)
    units = d if blocks.covariance[b] == DIAG else 1
    h = blocks.hyper[b] + 2 * K * d
    for u in range(K * units):
        k, first = u // units, u % units
        at = spread_index(blocks, b, k, first)
        if not prior.free[at]:
            continue
        shape, rate = hyper[h + u], hyper[h + K * units + u]
        if blocks.spread_prior[b] == FLAT:
            shape, rate = (-0.5 if sigma else -1.0), 0.0
        for j in range(first, first + 1 if units == d else d):
            half_n, half_square = _squares(blocks, prior, b, k * d + j, collapse, theta, stats)
            shape += half_n
            rate += half_square
        value = draws.inverse_gamma(rng, shape, rate)
        if not value > 0.0:
            return False
        theta[at] = sqrt(value) if sigma else value
    return True


@lean
def _squares(blocks, prior, b, i, collapse, theta, stats):
    """What mean i (of K * d), its data and its JOINT prior add to the shape and rate of their variance."""
    size, at = blocks.rows[b] * blocks.size[b], blocks.theta[b] + i
    s, h = blocks.stat[b] + i, blocks.hyper[b] + i
    n, s1, s2 = stats[s], stats[s + size], stats[s + 2 * size]
    half_count = 0.5 * spread_count(blocks, b, i, stats)
    joint = blocks.mean_prior[b] == JOINT
    m, kappa = (prior.hyper[h], prior.hyper[h + size]) if joint else (0.0, 0.0)
    if collapse and prior.free[at]:
        mean = s1 / n if n > 0.0 else m
        return half_count, 0.5 * (s2 - s1 * mean + n * kappa / (n + kappa) * (mean - m) ** 2)
    mean = theta[at]
    square = s2 - mean * (2.0 * s1 - n * mean) + kappa * (mean - m) ** 2
    return half_count + (0.5 if joint else 0.0), 0.5 * square


# --- Gaussian blocks with a full or shared covariance matrix ------------------------------------------------


@lean
def _count_free(free, at, size):
    count = 0
    for i in range(at, at + size):
        if free[i]:
            count += 1
    return count


@lean
def _covariances(blocks, prior, b, collapse, theta, stats, rng, work):
    """Sigma ~ IW(df + n, scale + scatter) (Gelman et al. 2013, section 3.6); TIED adds up all components."""
    K, d, hyper = blocks.rows[b], blocks.size[b], prior.hyper
    tied = blocks.covariance[b] == TIED
    matrices = 1 if tied else K
    h = blocks.hyper[b] + 2 * K * d
    flat = blocks.spread_prior[b] == FLAT
    for g in range(matrices):
        at = blocks.theta2[b] + g * d * d
        if not prior.free[at]:
            continue
        df = -(d + 1.0) if flat else hyper[h + g]
        for i in range(d * d):
            work.a[i] = 0.0 if flat else hyper[h + matrices + g * d * d + i]
        for k in range(g, K if tied else g + 1):
            df += _add_scatter(blocks, prior, b, k, collapse, theta, stats, work)
        if not cholesky(work.a, 0, d, work.b, 0) or not draws.inverse_wishart(rng, df, work.b, work.c, d):
            return False
        for i in range(d):
            for j in range(i + 1):
                total = 0.0
                for c in range(j + 1):
                    total += work.b[i * d + c] * work.b[j * d + c]
                theta[at + i * d + j] = total
                theta[at + j * d + i] = total
    return True


@lean
def _add_scatter(blocks, prior, b, k, collapse, theta, stats, work):
    """Add the scatter of component k, and its mean's about a JOINT prior's, to work.a. Returns their number.

    About its own mean, weighed against the prior's, if the mean is integrated out; else about the mean in
    theta.
    """
    K, d, hyper = blocks.rows[b], blocks.size[b], prior.hyper
    at, m = blocks.theta[b] + k * d, blocks.hyper[b] + k * d
    n, s1 = stats[blocks.stat[b] + k], blocks.stat[b] + K + k * d
    s2 = blocks.stat[b] + K + K * d + k * d * d
    joint = blocks.mean_prior[b] == JOINT
    kappa = hyper[m + K * d] if joint else 0.0
    collapse = collapse and _count_free(prior.free, at, d) == d
    if collapse:
        for j in range(d):
            work.h[j] = stats[s1 + j] / n if n > 0.0 else hyper[m + j]
        kappa *= n / (n + kappa)
    else:
        for j in range(d):
            work.h[j] = theta[at + j]
    for i in range(d):
        for j in range(i + 1):
            left, right = work.h[i], work.h[j]
            total = stats[s2 + i * d + j] - left * stats[s1 + j] - (stats[s1 + i] - n * left) * right
            if joint:
                total += kappa * (left - hyper[m + i]) * (right - hyper[m + j])
            work.a[i * d + j] += total
    return n + 1.0 if joint and not collapse else n


@lean
def _mean_vector(blocks, prior, b, k, theta, stats, rng, work):
    """Mean of component k given its covariance: the free elements, given the fixed ones."""
    d, at = blocks.size[b], blocks.theta[b] + k * blocks.size[b]
    n_free = _count_free(prior.free, at, d)
    if n_free == 0:
        return True
    sigma = blocks.theta2[b] + (0 if blocks.covariance[b] == TIED else k * d * d)
    if not cholesky(theta, sigma, d, work.b, 0):
        return False
    if n_free == d and blocks.mean_prior[b] != INDEPENDENT:
        return _free_mean(blocks, prior, b, k, theta, stats, rng, work)
    return _partial_mean(blocks, prior, b, k, n_free, theta, stats, rng, work)


@lean
def _free_mean(blocks, prior, b, k, theta, stats, rng, work):
    """mu ~ N((s1 + kappa m) / (n + kappa), Sigma / (n + kappa)); work.b is the Cholesky factor of Sigma."""
    K, d, hyper = blocks.rows[b], blocks.size[b], prior.hyper
    at, m = blocks.theta[b] + k * d, blocks.hyper[b] + k * d
    n, s1 = stats[blocks.stat[b] + k], blocks.stat[b] + K + k * d
    kappa = hyper[m + K * d] if blocks.mean_prior[b] == JOINT else 0.0
    n += kappa
    if not n > 0.0:
        return False
    scale = 1.0 / sqrt(n)
    for i in range(d):
        work.h[i] = scale * rng.standard_normal()
        value = stats[s1 + i] / n
        if kappa > 0.0:
            value += kappa * hyper[m + i] / n
        for j in range(i + 1):
            value += work.b[i * d + j] * work.h[j]
        if not abs(value) < inf:
            return False
        theta[at + i] = value
    return True


@inner
def _partial_mean(blocks, prior, b, k, n_free, theta, stats, rng, work):
    """The same by the precision P and P times the mean, which condition by leaving rows out; work.b as above.

    JOINT: P = (n + kappa) Lambda; INDEPENDENT: P = n Lambda + diag(precisions); FLAT: P = n Lambda.
    """
    K, d, hyper = blocks.rows[b], blocks.size[b], prior.hyper
    at, m = blocks.theta[b] + k * d, blocks.hyper[b] + k * d
    n, s1 = stats[blocks.stat[b] + k], blocks.stat[b] + K + k * d
    kappa = hyper[m + K * d] if blocks.mean_prior[b] == JOINT else 0.0
    invert_lower(work.b, 0, d, work.b, 0)
    gram(work.b, 0, d, work.a, 0)  # Lambda
    row = 0
    for i in range(d):
        if not prior.free[at + i]:
            continue
        total, column = 0.0, 0
        for j in range(d):
            precision = (n + kappa) * work.a[i * d + j]
            total += work.a[i * d + j] * stats[s1 + j]
            if kappa > 0.0:
                total += work.a[i * d + j] * kappa * hyper[m + j]
            if i == j and blocks.mean_prior[b] == INDEPENDENT:
                precision += hyper[m + K * d + j]
                total += hyper[m + K * d + j] * hyper[m + j]
            if prior.free[at + j]:
                work.c[row * n_free + column] = precision
                column += 1
            else:
                total -= precision * theta[at + j]
        work.h[row] = total
        row += 1
    if not cholesky(work.c, 0, n_free, work.c, 0):
        return False
    draws.normal_canonical(rng, work.c, work.h, n_free)
    row = 0
    for i in range(d):
        if prior.free[at + i]:
            if not abs(work.h[row]) < inf:
                return False
            theta[at + i] = work.h[row]
            row += 1
    return True
