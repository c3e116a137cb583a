"""Residuals of one censored or truncated regression at the point estimate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import log_ndtr, ndtri_exp

from em_vs_bayes.contract import Array
from em_vs_bayes.emissions.limits import representative
from em_vs_bayes.regression.fitted import Fitted, regression_of
from em_vs_bayes.regression.moments import between

if TYPE_CHECKING:
    from em_vs_bayes.results import Fit

KINDS = ("response", "deviance", "quantile")


def residuals(fit: Fit, kind: str, seed: Any) -> Array:
    """See `Fit.residuals`."""
    fitted = regression_of(fit, "residuals")
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(map(repr, KINDS))}; got {kind!r}.")
    if kind == "response":
        return np.asarray(representative(fitted.low, fitted.high) - fitted.line)
    fitted.require_normal(f"kind={kind!r}")
    if kind == "deviance":
        return _deviance(fitted)
    return _truncated_quantiles(fitted) if fitted.truncated else _quantiles(fitted, np.random.default_rng(seed))


def _deviance(fitted: Fitted) -> Array:
    """sign(score) sqrt(2 (l_best - l)), l_best the row's largest log-likelihood over x'b (as R's survreg).

    An exact response is likeliest at its line, one between two limits at their middle, and one beyond a limit is
    certain in the end: it pulls the line towards its side and is signed so, wherever the line is.
    """
    if fitted.truncated:
        raise ValueError("kind='deviance' is not defined for a truncated regression here; use 'quantile'.")
    rows = np.flatnonzero(fitted.low != fitted.high)
    a, b = ((end[rows] - fitted.line[rows]) / fitted.sigma for end in (fitted.low, fitted.high))
    inside, half = between(a, b), 0.5 * (b - a)  # infinite where there is one limit: then the best is probability 1
    out = (representative(fitted.low, fitted.high) - fitted.line) / fitted.sigma
    out[rows] = np.sign(inside.mean) * np.sqrt(2.0 * np.maximum(between(-half, half).log_p - inside.log_p, 0.0))
    return np.asarray(out)


def _quantiles(fitted: Fitted, rng: np.random.Generator) -> Array:
    """Phi^-1 of the distribution function at y; uniform over what a censored response may be (Dunn & Smyth 1996)."""
    a, b = ((end - fitted.line) / fitted.sigma for end in (fitted.low, fitted.high))
    out, rows = np.array(a), np.flatnonzero(fitted.low != fitted.high)
    a, b, u = a[rows], b[rows], rng.uniform(size=len(rows))
    flip = a > -b  # in the lower tail, where logarithms of probabilities keep their digits
    low, high = np.where(flip, -b, a), np.where(flip, -a, b)
    with np.errstate(divide="ignore"):
        log_u = np.logaddexp(log_ndtr(low) + np.log1p(-u), log_ndtr(high) + np.log(u))
    z = np.clip(ndtri_exp(log_u), low, high)
    out[rows] = np.where(flip, -z, z)
    return out


def _truncated_quantiles(fitted: Fitted) -> Array:
    """Phi^-1 of the distribution function of a response between the limits."""
    a, b = ((end - fitted.line) / fitted.sigma for end in fitted.limits("residuals"))
    z = (fitted.low - fitted.line) / fitted.sigma
    whole = between(a, b).log_p
    below, above = (np.minimum(part.log_p - whole, 0.0) for part in (between(a, z), between(z, b)))
    return np.where(below < above, ndtri_exp(below), -ndtri_exp(above))
