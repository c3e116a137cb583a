"""Residuals of one censored or truncated regression at the point estimate."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import ndtri_exp

from em_vs_bayes.common.arguments import generator, one_of
from em_vs_bayes.common.contract import Array
from em_vs_bayes.fit.fitted import Fitted, regression_of
from em_vs_bayes.fit.record import Record
from em_vs_bayes.model.emissions.limits import representative

KINDS = ("response", "deviance", "quantile")


def residuals(fit: Record, kind: str, seed: Any) -> Array:
    """See `Fit.residuals`."""
    fitted = regression_of(fit, "residuals")
    one_of("kind", kind, tuple(KINDS))
    if kind == "response":
        return np.asarray(representative(fitted.low, fitted.high) - fitted.line)
    if kind == "deviance":
        return _deviance(fitted)
    return _truncated_quantiles(fitted) if fitted.truncated else _quantiles(fitted, generator(seed))


def _deviance(fitted: Fitted) -> Array:
    """sign(score) sqrt(2 (l_best - l)), l_best the row's largest log-likelihood over x'b (as R's survreg).

    An exact response is likeliest at its line, one between two limits at their middle, and one beyond a limit is
    certain in the end: it pulls the line towards its side and is signed so, wherever the line is.
    """
    if fitted.truncated:
        raise ValueError("kind='deviance' is not defined for a truncated regression here; use 'quantile'.")
    law, rows = fitted.law, np.flatnonzero(fitted.low < fitted.high)
    a, b = ((end - fitted.line) / fitted.sigma for end in (fitted.low, fitted.high))
    out = np.sign(a) * np.sqrt(2.0 * law.fall(a))
    inside, half = law.given(a[rows], b[rows]), 0.5 * (b[rows] - a[rows])
    best = law.given(-half, half)  # probability 1 where there is one limit
    out[rows] = np.sign(inside.at_a - inside.at_b) * np.sqrt(2.0 * np.maximum(best.log_p - inside.log_p, 0.0))
    return np.asarray(out)


def _quantiles(fitted: Fitted, rng: np.random.Generator) -> Array:
    """Normal quantiles of the distribution function at y (Dunn & Smyth 1996).

    A censored response is drawn: the function is uniform over what it may be.
    """
    a, b = ((end - fitted.line) / fitted.sigma for end in (fitted.low, fitted.high))
    law, rows = fitted.law, np.flatnonzero(fitted.low < fitted.high)
    out = np.array(law.normal(a))
    a, b, u = a[rows], b[rows], rng.uniform(size=len(rows))
    flip = a > -b  # in the lower tail, where logarithms of probabilities keep their digits
    low, high = np.where(flip, -b, a), np.where(flip, -a, b)
    with np.errstate(divide="ignore"):
        log_u = np.logaddexp(law.log_below(low) + np.log1p(-u), law.log_below(high) + np.log(u))
    z = np.clip(ndtri_exp(log_u), law.normal(low), law.normal(high))
    out[rows] = np.where(flip, -z, z)
    return out


def _truncated_quantiles(fitted: Fitted) -> Array:
    """Normal quantiles of the distribution function of a response between the limits."""
    law = fitted.law
    a, b = ((end - fitted.line) / fitted.sigma for end in fitted.limits("residuals"))
    z = (fitted.low - fitted.line) / fitted.sigma
    whole = law.given(a, b).log_p
    below, above = (np.minimum(part.log_p - whole, 0.0) for part in (law.given(a, z), law.given(z, b)))
    return np.where(below < above, ndtri_exp(below), -ndtri_exp(above))
