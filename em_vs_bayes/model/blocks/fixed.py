"""The prior density of fixed means where their spread is free: what an evidence given the fixed values leaves out.

A joint prior speaks of fixed means too, through the spread. With p(means, spread) the bound is on p(y, fixed means);
less the marginal log density of the fixed means it is on p(y | fixed means), as for every other fixed element.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln, multigammaln

from em_vs_bayes.common.contract import Array
from em_vs_bayes.model.priors import InverseGamma

LOG_PI = float(np.log(np.pi))


def over_variances(size: Array, squares: Array, log_det: Array, known: Array, prior: InverseGamma) -> float:
    """Sum of log p(x), x ~ N(m, v P^-1): given v where it is known, else integrated over an inverse gamma.

    Parameters
    ----------
    size : ndarray (...)
        Number of fixed elements that share v; 0 gives log 1.
    squares : ndarray (...)
        (x - m)' P (x - m).
    log_det : ndarray (...)
        log |P|.
    known : ndarray (...)
        v, NaN where free.
    prior : InverseGamma
        Of v (...). The integral is Student's t (Bernardo & Smith 1994, p. 122).
    """
    half, shape, rate = 0.5 * size, prior.shape, prior.rate
    t = gammaln(shape + half) - gammaln(shape) + shape * np.log(rate) - (shape + half) * np.log(rate + 0.5 * squares)
    given = -half * np.log(known) - 0.5 * squares / known
    return float(np.sum(np.where(np.isnan(known), t, given) + 0.5 * log_det - half * (LOG_PI + np.log(2.0))))


def over_covariance(offsets: Array, kappa: Array, known: Array | None, df: float, scale: Array) -> float:
    """log p(x_1, ..., x_n), x_i ~ N(m_i, Sigma / kappa_i): given Sigma, else integrated over an inverse Wishart.

    Parameters
    ----------
    offsets : ndarray (n, f)
        x - m.
    kappa : ndarray (n,)
    known : ndarray (f, f) or None
    df : float
    scale : ndarray (f, f)
        Of the f x f covariance: a block of a larger inverse Wishart has ``df`` less by what is left out. The integral
        is a matrix t (Gupta & Nagar 1999, chapter 4).
    """
    n, f = offsets.shape
    scatter = (offsets.T * kappa) @ offsets
    constant = 0.5 * f * (np.log(kappa).sum() - n * LOG_PI)
    if known is not None:
        log_det = np.linalg.slogdet(known)[1]
        return float(constant - 0.5 * n * (f * np.log(2.0) + log_det) - 0.5 * np.trace(np.linalg.solve(known, scatter)))
    ratio = multigammaln(0.5 * (df + n), f) - multigammaln(0.5 * df, f)
    before, after = np.linalg.slogdet(scale)[1], np.linalg.slogdet(scale + scatter)[1]
    return float(constant + ratio + 0.5 * df * before - 0.5 * (df + n) * after)
