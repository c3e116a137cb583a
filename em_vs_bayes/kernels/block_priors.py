"""The log prior of a whole theta and its gradient: conjugate blocks, elementwise densities, what is fixed.

Densities are normalised with respect to theta's own coordinates: Sigma, a variance, or a standard deviation.
A fixed element is conditioned on: its own density is left out, and it still enters the densities of others (a
fixed covariance scales the prior of the means; fixed probabilities leave less mass to share).
"""

from math import inf, lgamma, log, pi, sqrt

import numpy as np

from em_vs_bayes.kernels import densities
from em_vs_bayes.kernels.blocks import add_variance_gradient, in_sd, spread_index, variance
from em_vs_bayes.kernels.densities import log_density_gradient
from em_vs_bayes.kernels.jit import inner, kernel
from em_vs_bayes.kernels.regression import add_coefficients_prior_gradient, coefficients_log_prior
from em_vs_bayes.kernels.smallmatrix import (
    add_spread_gradient,
    cholesky,
    gram,
    log_diagonal,
    trace_product,
    whiten,
)
from em_vs_bayes.kernels.tables import (
    BETA,
    COEFFICIENTS,
    DIAG,
    DIRICHLET,
    FULL,
    GAMMA,
    INDEPENDENT,
    JOINT,
    STATIONARY,
    TIED,
)

LOG_2PI = log(2 * pi)
NORMAL = densities.NORMAL
VARIANCE_DENSITY = densities.INVERSE_GAMMA
SIGMA_DENSITY = densities.INVERSE_GAMMA_ON_SQUARE
GAMMA_DENSITY = densities.GAMMA
BETA_DENSITY = densities.BETA


@kernel
def log_prior(blocks, prior, theta, g):
    """Log prior density at theta; adds its gradient to ``g``.

    The gradient is for the free elements; what lies at a fixed one has no meaning. A covariance matrix has
    the full symmetric gradient G with dF = sum_ij G_ij dSigma_ij.

    Returns
    -------
    float
        Minus infinity (and a meaningless ``g``) outside the support.
    """
    total = prior.constant[0]
    for b in range(blocks.code.size):
        code = blocks.code[b]
        if code in (DIRICHLET, STATIONARY):
            if blocks.mean_prior[b] == JOINT:
                for r in range(blocks.rows[b]):
                    total += _dirichlet_row(blocks, b, r, prior, theta, g)
        elif code in (GAMMA, BETA):
            if blocks.mean_prior[b] == JOINT:
                density = GAMMA_DENSITY if code == GAMMA else BETA_DENSITY
                for k in range(blocks.rows[b]):
                    h, at = blocks.hyper[b] + 2 * k, blocks.theta[b] + k
                    total += _element(density, prior.hyper[h], prior.hyper[h + 1], at, prior, theta, g)
        elif code == COEFFICIENTS:
            for k in range(blocks.rows[b]):
                total += coefficients_log_prior(blocks, b, k, prior, theta)
                add_coefficients_prior_gradient(blocks, b, k, prior, theta, g)
        else:
            total += _independent_means(blocks, b, prior, theta, g)
            if blocks.covariance[b] in (FULL, TIED):
                total += _full_prior(blocks, b, prior, theta, g)
            else:
                total += _diag_prior(blocks, b, prior, theta, g)
    for e in range(prior.element.size):
        at, abc = prior.element[e], prior.abc
        if prior.free[at]:
            value = theta[at] + prior.shift[at]
            logp, slope = log_density_gradient(prior.density[e], abc[e, 0], abc[e, 1], abc[e, 2], value)
            total += logp
            g[at] += slope
    return total if total == total else -inf


@inner
def _element(density, a, b, at, prior, theta, g):
    """A conjugate density of one element of theta; nothing if it is fixed."""
    if not prior.free[at]:
        return 0.0
    logp, slope = log_density_gradient(density, a, b, 0.0, theta[at])
    g[at] += slope
    return logp


@inner
def _dirichlet_row(blocks, b, r, prior, theta, g):
    """Dirichlet of one row given its fixed elements: the free ones are ``mass`` times their own Dirichlet."""
    C = blocks.size[b]
    at, h = blocks.theta[b] + r * C, blocks.hyper[b] + r * C
    mass, n_free, concentration, total = 1.0, 0, 0.0, 0.0
    for c in range(C):
        if not prior.free[at + c]:
            mass -= theta[at + c]
            continue
        n_free += 1
        alpha, p = prior.hyper[h + c], theta[at + c]
        concentration += alpha
        if not p >= 0.0:
            return -inf
        if alpha != 1.0:
            total += (alpha - 1) * (log(p) if p > 0.0 else -inf)
        total -= lgamma(alpha)
    if n_free < 2:
        return 0.0
    for c in range(C):
        alpha = prior.hyper[h + c]
        if prior.free[at + c] and alpha != 1.0:
            g[at + c] += (alpha - 1) / theta[at + c]
    return total + lgamma(concentration) - (concentration - 1) * log(mass)


@inner
def _independent_means(blocks, b, prior, theta, g):
    total = 0.0
    if blocks.mean_prior[b] == INDEPENDENT:
        size = blocks.rows[b] * blocks.size[b]
        m = blocks.hyper[b]
        for i in range(size):
            sd = 1.0 / sqrt(prior.hyper[m + size + i])
            total += _element(NORMAL, prior.hyper[m + i], sd, blocks.theta[b] + i, prior, theta, g)
    return total


@inner
def _spread_in_force(blocks, b):
    return blocks.spread_prior[b] in (JOINT, INDEPENDENT)


@inner
def _full_prior(blocks, b, prior, theta, g):
    """Inverse-Wishart spreads, and means N(m, Sigma / kappa) given them (Gelman et al. 2013, section 3.6)."""
    K, d = blocks.rows[b], blocks.size[b]
    tied = blocks.covariance[b] == TIED
    w, precision, work = np.empty(d * d), np.empty(d * d), np.empty(2 * d * d)
    df = blocks.hyper[b] + 2 * K * d
    scale = df + (1 if tied else K)
    total = 0.0
    for k in range(K):
        at = blocks.theta2[b] + (0 if tied else k * d * d)
        if k == 0 or not tied:
            if not whiten(theta, at, d, w, 0):
                return -inf
            gram(w, 0, d, precision, 0)
            if _spread_in_force(blocks, b) and prior.free[at]:
                nu, psi = prior.hyper[df + k], scale + k * d * d
                total += _inverse_wishart(prior.hyper, nu, psi, d, w, precision)
                add_spread_gradient(precision, d, nu + d + 1, prior.hyper, psi, work, g, at)
        if blocks.mean_prior[b] == JOINT:
            total += _joint_mean(blocks, b, k, prior.hyper, theta, log_diagonal(w, 0, d), precision, g, at)
    return total


@inner
def _inverse_wishart(hyper, df, psi, d, w, precision):
    """log IW(Sigma | df, Psi), Psi at ``hyper[psi]``, Sigma by its inverse Cholesky factor and inverse."""
    chol = np.empty(d * d)
    if not cholesky(hyper, psi, d, chol, 0):
        return -inf
    total = df * log_diagonal(chol, 0, d) - 0.5 * df * d * log(2.0) - 0.25 * d * (d - 1) * log(pi)
    for i in range(d):
        total -= lgamma(0.5 * (df - i))
    return total + (df + d + 1) * log_diagonal(w, 0, d) - 0.5 * trace_product(precision, 0, hyper, psi, d)


@inner
def _joint_mean(blocks, b, k, hyper, theta, half_log_det, precision, g, at):
    """log N(mean_k | m_k, Sigma / kappa_k), Sigma at ``theta[at]``, ``half_log_det`` that of its inverse."""
    K, d = blocks.rows[b], blocks.size[b]
    mean, m = blocks.theta[b] + k * d, blocks.hyper[b] + k * d
    kappa = hyper[blocks.hyper[b] + K * d + k * d]
    pull, square = np.zeros(d), 0.0  # pull = precision @ (mean - m)
    for i in range(d):
        for j in range(d):
            pull[i] += precision[i * d + j] * (theta[mean + j] - hyper[m + j])
        square += pull[i] * (theta[mean + i] - hyper[m + i])
        g[mean + i] -= kappa * pull[i]
    for i in range(d):
        for j in range(d):
            g[at + i * d + j] += 0.5 * (kappa * pull[i] * pull[j] - precision[i * d + j])
    return half_log_det + 0.5 * (d * (log(kappa) - LOG_2PI) - kappa * square)


@inner
def _diag_prior(blocks, b, prior, theta, g):
    """Inverse-gamma variances (in the variance or in sigma), and means N(m, variance / kappa) given them."""
    K, d, hyper = blocks.rows[b], blocks.size[b], prior.hyper
    m, kappa = blocks.hyper[b], blocks.hyper[b] + K * d
    shape = kappa + K * d
    units = d if blocks.covariance[b] == DIAG else 1  # spread parameters per component
    density = SIGMA_DENSITY if in_sd(blocks, b) else VARIANCE_DENSITY
    total = 0.0
    for k in range(K):
        if _spread_in_force(blocks, b):
            for j in range(units):
                i = shape + k * units + j
                at = spread_index(blocks, b, k, j)
                total += _element(density, hyper[i], hyper[i + K * units], at, prior, theta, g)
        for j in range(d):
            v = variance(blocks, b, k, j, theta)
            if not 0.0 < v < inf:
                return -inf
            if blocks.mean_prior[b] == JOINT:
                i = k * d + j
                offset = theta[blocks.theta[b] + i] - hyper[m + i]
                ratio = hyper[kappa + i] / v
                total += 0.5 * (log(ratio) - LOG_2PI - ratio * offset * offset)
                g[blocks.theta[b] + i] -= ratio * offset
                add_variance_gradient(blocks, b, k, j, theta, 0.5 * (ratio * offset * offset - 1) / v, g)
    return total
