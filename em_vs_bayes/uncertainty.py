"""Standard errors of point estimates and spreads of draws.

What curvature and scores say lies in `curvature`; here they become covariances of the user's parameters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import ndtri

from em_vs_bayes.contract import Array, Params

if TYPE_CHECKING:
    import pandas as pd

    from em_vs_bayes.curvature import Curvature
    from em_vs_bayes.results import Fit

FITS = 200  # of a bootstrap, by default
KINDS = ("observed", "louis", "opg", "sandwich", "clustered", "bootstrap", "posterior")


class Asked(NamedTuple):
    """Which errors are wanted: the arguments of `Fit.vcov`."""

    kind: str | None = None
    clusters: Any = None
    n_boot: int | None = None
    seed: Any = None
    progressbar: bool = True


def vcov(fit: Fit, asked: Asked) -> pd.DataFrame:
    """See `Fit.vcov`."""
    import pandas as pd

    from em_vs_bayes.describe import scalar_names

    names = scalar_names(fit)
    return pd.DataFrame(_covariance(fit, asked), index=names, columns=names)


def std_errors(fit: Fit, asked: Asked) -> Params:
    """See `Fit.std_errors`."""
    sd = np.sqrt(np.maximum(np.diag(_covariance(fit, asked)), 0.0))
    out, at = {}, 0
    for name, value in fit.params.items():
        out[name] = sd[at : at + value.size].reshape(value.shape)
        at += value.size
    return out


def confint(fit: Fit, level: float, asked: Asked) -> pd.DataFrame:
    """See `Fit.confint`."""
    import pandas as pd

    from em_vs_bayes.describe import scalar_names

    check_level(level)
    kind = _kind(fit, asked)
    names = scalar_names(fit)
    tails = np.array([0.5 - level / 2, 0.5 + level / 2])
    if kind in ("posterior", "bootstrap"):
        low, high = np.quantile(_values(fit, kind, asked), tails, axis=0)
    else:
        estimate = np.concatenate([np.ravel(v) for v in fit.params.values()])
        sd = np.sqrt(np.maximum(np.diag(_covariance(fit, asked)), 0.0))
        low, high = estimate + ndtri(tails[0]) * sd, estimate + ndtri(tails[1]) * sd
    return pd.DataFrame({"lower": low, "upper": high}, index=names)


def check_level(level: Any) -> None:
    """Refuse what is no level of an interval."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must lie in (0, 1); got {level!r}.")


def flat_draws(fit: Fit) -> Array:
    """Posterior draws of every public scalar, (chain * draw, Q)."""
    assert fit.draws is not None
    public = fit.program.public(fit.draws)
    rows = fit.draws.shape[0] * fit.draws.shape[1]
    return np.concatenate([v.reshape(rows, -1) for v in public.values()], axis=1)


def _kind(fit: Fit, asked: Asked) -> str:
    kind = asked.kind or ("posterior" if fit.draws is not None else "observed")
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(map(repr, KINDS))}; got {kind!r}.")
    if kind == "posterior" and fit.draws is None:
        raise ValueError(f"kind='posterior' needs draws; method={fit.method!r} has none. Use 'observed'.")
    if kind == "clustered" and asked.clusters is None:
        raise ValueError("kind='clustered' wants clusters=, a label per row or the name of a column of the frame.")
    if asked.clusters is not None and kind not in ("clustered", "bootstrap"):
        raise ValueError(f"clusters= goes with kind='clustered' or 'bootstrap'; got kind={kind!r}.")
    for name, value in (("n_boot", asked.n_boot), ("seed", asked.seed)):
        if value is not None and kind != "bootstrap":
            raise ValueError(f"{name}={value!r} goes with kind='bootstrap'; got kind={kind!r}.")
    return kind


def _values(fit: Fit, kind: str, asked: Asked) -> Array:
    """Draws or bootstrap estimates (B, Q) of every public scalar."""
    if kind == "posterior":
        return flat_draws(fit)
    from em_vs_bayes.bootstrap import bootstrap

    n_boot = FITS if asked.n_boot is None else asked.n_boot
    return bootstrap(fit, asked.clusters, n_boot, asked.seed, asked.progressbar)


def _covariance(fit: Fit, asked: Asked) -> Array:
    from em_vs_bayes.curvature import curvature

    kind = _kind(fit, asked)
    if kind in ("posterior", "bootstrap"):
        values = _values(fit, kind, asked)
        return np.atleast_2d(np.cov(values - values[:1], rowvar=False))  # what is fixed has a variance of exactly 0
    bent = curvature(fit)
    if kind == "opg":
        inner = np.linalg.pinv(_meat(fit, bent, None))
    else:
        inner = _inverse(bent.louis() if kind == "louis" else bent.observed())
        if kind in ("sandwich", "clustered"):
            inner = inner @ _meat(fit, bent, asked.clusters) @ inner
    return bent.jacobian @ inner @ bent.jacobian.T


def _inverse(information: Array) -> Array:
    values = np.linalg.eigvalsh(_scaled(information))
    if information.size and values[0] <= 1e-10 * values[-1]:
        raise ValueError(
            "The observed information is not positive definite at this estimate: it is not an interior maximum, "
            "or a parameter is not identified. Check status, or refit with a smaller tol."
        )
    return np.linalg.inv(information)


def _scaled(information: Array) -> Array:
    """With ones on the diagonal where that is positive, so that units do not matter."""
    diagonal = np.diag(information)
    root = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    return np.asarray(information / np.outer(root, root))


def _meat(fit: Fit, bent: Curvature, clusters: Any) -> Array:
    """Sum of score score' over rows, a row of case weight w counted w times, or over clusters (CR1)."""
    scores = bent.scores()
    weights = fit.program.case_weights
    if clusters is None:
        return np.asarray((scores * weights[:, None]).T @ scores)
    from em_vs_bayes.clusters import cluster_codes

    codes, groups = cluster_codes(fit, clusters)
    sums = np.zeros((groups, scores.shape[1]))
    np.add.at(sums, codes, scores * weights[:, None])
    return np.asarray(sums.T @ sums * (groups / (groups - 1.0)))
