"""Standard errors of point estimates and spreads of draws.

What curvature and scores say lies in `curvature`; here they become covariances of the user's parameters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import ndtri

from em_vs_bayes.common.arguments import brief, fraction, one_of, yes_or_no
from em_vs_bayes.common.blas import one_thread
from em_vs_bayes.common.contract import Array, Params
from em_vs_bayes.fit.names import flat_draws, scalar_names
from em_vs_bayes.fit.record import Record

if TYPE_CHECKING:
    import pandas as pd

    from em_vs_bayes.fit.curvature import Curvature

SINGULAR = 1e-9  # smallest eigenvalue, of the largest, the diagonal being ones: below it lies what differences leave
FITS = 200  # of a bootstrap, by default
KINDS = ("observed", "louis", "opg", "sandwich", "clustered", "bootstrap", "posterior")


class Asked(NamedTuple):
    """Which errors are wanted: the arguments of `Fit.vcov`."""

    kind: str | None = None
    clusters: Any = None
    n_boot: int | None = None
    seed: Any = None
    progressbar: bool = True


def vcov(fit: Record, asked: Asked) -> pd.DataFrame:
    """See `Fit.vcov`."""
    import pandas as pd

    names = scalar_names(fit)
    return pd.DataFrame(_covariance(fit, asked), index=names, columns=names)


def std_errors(fit: Record, asked: Asked) -> Params:
    """See `Fit.std_errors`."""
    sd, out, at = _spreads(fit, asked), {}, 0
    for name, value in fit.params.items():
        out[name] = sd[at : at + value.size].reshape(value.shape)
        at += value.size
    return out


def confint(fit: Record, level: float, asked: Asked) -> pd.DataFrame:
    """See `Fit.confint`."""
    import pandas as pd

    fraction("level", level)
    kind = _kind(fit, asked)
    if kind in ("posterior", "bootstrap"):
        low, high = np.quantile(_values(fit, kind, asked), [0.5 - level / 2, 0.5 + level / 2], axis=0)
    else:
        low, high = (
            np.concatenate([np.ravel(v) for v in ends.values()]) for ends in limits(fit, std_errors(fit, asked), level)
        )
    return pd.DataFrame({"lower": low, "upper": high}, index=scalar_names(fit))


def limits(fit: Record, errors: Params, level: float) -> tuple[Params, Params]:
    """Lower and upper ends of intervals about the estimate, from its standard errors.

    Symmetric on a scale without bounds, and carried back: logarithms of what is positive (variances on the diagonal of
    a covariance too), log odds of probabilities, everything else as it is.
    """
    supports = {p.prefix + q.name: q.support for p in fit.program.placed for q in p.block.parameters}
    derived = dict.fromkeys(fit.spec.latent_dims, "simplex")  # not in theta: an initial distribution that follows
    lower, upper = {}, {}
    for name, value in fit.params.items():
        support = supports.get(name, derived.get(name, "spd"))  # or covariances that are variances in theta
        lower[name], upper[name] = _ends(value, errors[name], support, ndtri(0.5 + level / 2))
    return lower, upper


def _ends(value: Array, error: Array, support: str, z: float) -> tuple[Array, Array]:
    if support == "real":
        return value - z * error, value + z * error
    if support == "spd":
        plain, positive = _ends(value, error, "real", z), _ends(value, error, "positive", z)
        diagonal = np.eye(value.shape[-1], dtype=bool)
        return np.where(diagonal, positive[0], plain[0]), np.where(diagonal, positive[1], plain[1])
    return inside(value, error, 0.0, np.inf if support == "positive" else 1.0, z)


def inside(value: Array, error: Array, low: float, high: float, z: float) -> tuple[Array, Array]:
    """Ends of intervals (z standard errors to each side) that stay between two bounds, one of which may be infinite.

    The scale is the logarithm of the distance to the one, or log odds between the two. What lies on a bound, or has no
    error, is its own interval.
    """
    if np.isinf(low) and np.isinf(high):
        return value - z * error, value + z * error
    with np.errstate(all="ignore"):
        below, above = value - low, high - value
        if np.isinf(high):
            far = z * error / below
            ends = low + below * np.exp(-far), low + below * np.exp(far)
        elif np.isinf(low):
            far = z * error / above
            ends = high - above * np.exp(far), high - above * np.exp(-far)
        else:
            far = z * error * ((high - low) / below / above)
            odds = below / above
            down, up = odds * np.exp(-far), odds * np.exp(far)
            ends = low + (high - low) * (down / (1.0 + down)), high - (high - low) / (1.0 + up)
    known = (error == 0.0) | (below <= 0.0) | (above <= 0.0)
    return np.where(known, value, ends[0]), np.where(known, value, ends[1])


def _kind(fit: Record, asked: Asked) -> str:
    kind = ("posterior" if fit.draws is not None else "observed") if asked.kind is None else asked.kind
    one_of("kind", kind, KINDS)
    yes_or_no("progressbar", asked.progressbar)
    if kind == "posterior" and fit.draws is None:
        raise ValueError(f"kind='posterior' needs draws; method={fit.method!r} has none. Use 'observed'.")
    if kind == "clustered" and asked.clusters is None:
        raise ValueError("kind='clustered' wants clusters=, a label per row or the name of a column of the frame.")
    if asked.clusters is not None and kind not in ("clustered", "bootstrap"):
        raise ValueError(f"clusters= goes with kind='clustered' or 'bootstrap'; got kind={brief(kind)}.")
    for name, value in (("n_boot", asked.n_boot), ("seed", asked.seed)):
        if value is not None and kind != "bootstrap":
            raise ValueError(f"{name}={brief(value)} goes with kind='bootstrap'; got kind={brief(kind)}.")
    return kind


def _values(fit: Record, kind: str, asked: Asked) -> Array:
    """Draws or bootstrap estimates (B, Q) of every public scalar."""
    if kind == "posterior":
        return flat_draws(fit)
    from em_vs_bayes.fit.bootstrap import bootstrap

    n_boot = FITS if asked.n_boot is None else asked.n_boot
    return bootstrap(fit, asked.clusters, n_boot, asked.seed, asked.progressbar)


def _covariance(fit: Record, asked: Asked) -> Array:
    factors = _factors(fit, asked)
    if factors is None:
        values = _values(fit, _kind(fit, asked), asked)
        return np.atleast_2d(np.cov(values - values[:1], rowvar=False))  # what is fixed has a variance of exactly 0
    jacobian, inner = factors
    return jacobian @ inner @ jacobian.T


def _spreads(fit: Record, asked: Asked) -> Array:
    """Roots of the diagonal (Q,), of numbers whose squares may leave floating point."""
    factors = _factors(fit, asked)
    if factors is None:
        values = _values(fit, _kind(fit, asked), asked)
        values = values - values[:1]
        size = np.abs(values).max(axis=0)
        return size * np.std(values / np.where(size > 0.0, size, 1.0), axis=0, ddof=1)
    jacobian, inner = factors
    size = np.abs(jacobian).max(axis=1, initial=0.0)
    rows = jacobian / np.where(size > 0.0, size, 1.0)[:, None]
    return size * np.sqrt(np.maximum(np.einsum("qi,ij,qj->q", rows, inner, rows), 0.0))


def _factors(fit: Record, asked: Asked) -> tuple[Array, Array] | None:
    """Jacobian (Q, D) and covariance (D, D) of directions; None for what is known from draws alone."""
    kind = _kind(fit, asked)
    if kind in ("posterior", "bootstrap"):
        return None
    with one_thread(fit.theta.size):
        return _informed(fit, kind, asked)


def _informed(fit: Record, kind: str, asked: Asked) -> tuple[Array, Array]:
    from em_vs_bayes.fit.curvature import curvature

    bent = curvature(fit)
    information = bent.louis() if kind == "louis" else bent.observed()
    told = np.diag(information) != 0.0  # of other directions the data say nothing: a component without weight
    if kind == "opg":
        inner = np.linalg.pinv(_meat(fit, bent, None), hermitian=True)
    else:
        inner = np.zeros_like(information)
        inner[np.ix_(told, told)] = _inverse(information[np.ix_(told, told)])
        if kind in ("sandwich", "clustered"):
            inner = inner @ _meat(fit, bent, asked.clusters) @ inner
    jacobian = bent.jacobian.copy()
    jacobian[jacobian[:, ~told].any(axis=1)] = np.nan
    return jacobian, inner


def _inverse(information: Array) -> Array:
    from em_vs_bayes.fit.curvature import NOT_DEFINITE

    scale = np.sqrt(np.abs(np.diag(information)))
    scaled = information / scale / scale[:, None]
    values, vectors = np.linalg.eigh(scaled)
    if information.size and values[0] <= SINGULAR * values[-1]:
        raise ValueError(NOT_DEFINITE)
    return np.asarray((vectors / values) @ vectors.T / scale / scale[:, None])


def _meat(fit: Record, bent: Curvature, clusters: Any) -> Array:
    """Sum of score score' over rows, a row of case weight w counted w times, or over clusters (CR1)."""
    scores = bent.scores()
    weights = fit.program.case_weights
    if clusters is None:
        return np.asarray((scores * weights[:, None]).T @ scores)
    from em_vs_bayes.fit.clusters import cluster_codes

    codes, groups = cluster_codes(fit, clusters)
    sums = np.zeros((groups, scores.shape[1]))
    np.add.at(sums, codes, scores * weights[:, None])
    return np.asarray(sums.T @ sums * (groups / (groups - 1.0)))
