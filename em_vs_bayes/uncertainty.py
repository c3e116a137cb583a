"""Standard errors of point estimates and spreads of draws.

Curvature is taken in unconstrained coordinates, where nothing is on a boundary, and carried to the user's parameters by
the delta method: at a maximum the information transforms as a tensor, so this is the information in either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtri

from em_vs_bayes.contract import Array, Params

if TYPE_CHECKING:
    import pandas as pd

    from em_vs_bayes.results import Fit

KINDS = ("observed", "opg", "sandwich", "posterior")


def vcov(fit: Fit, kind: str | None) -> pd.DataFrame:
    """See `Fit.vcov`."""
    import pandas as pd

    from em_vs_bayes.describe import scalar_names

    names = scalar_names(fit.spec, fit.params)
    return pd.DataFrame(_covariance(fit, kind), index=names, columns=names)


def std_errors(fit: Fit, kind: str | None) -> Params:
    """See `Fit.std_errors`."""
    sd = np.sqrt(np.maximum(np.diag(_covariance(fit, kind)), 0.0))
    out, at = {}, 0
    for name, value in fit.params.items():
        out[name] = sd[at : at + value.size].reshape(value.shape)
        at += value.size
    return out


def confint(fit: Fit, level: float, kind: str | None) -> pd.DataFrame:
    """See `Fit.confint`."""
    import pandas as pd

    from em_vs_bayes.describe import scalar_names

    if not 0.0 < level < 1.0:
        raise ValueError(f"level must lie in (0, 1); got {level!r}.")
    kind = _kind(fit, kind)
    names = scalar_names(fit.spec, fit.params)
    tails = np.array([0.5 - level / 2, 0.5 + level / 2])
    if kind == "posterior":
        low, high = np.quantile(flat_draws(fit), tails, axis=0)
    else:
        estimate = _flatten(fit.params)
        sd = np.sqrt(np.maximum(np.diag(_covariance(fit, kind)), 0.0))
        low, high = estimate + ndtri(tails[0]) * sd, estimate + ndtri(tails[1]) * sd
    return pd.DataFrame({"lower": low, "upper": high}, index=names)


def flat_draws(fit: Fit) -> Array:
    """Posterior draws of every public scalar, (chain * draw, Q)."""
    assert fit.draws is not None
    public = fit.program.public(fit.draws)
    rows = fit.draws.shape[0] * fit.draws.shape[1]
    return np.concatenate([v.reshape(rows, -1) for v in public.values()], axis=1)


def _kind(fit: Fit, kind: str | None) -> str:
    kind = kind or ("posterior" if fit.draws is not None else "observed")
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(map(repr, KINDS))}; got {kind!r}.")
    if kind == "posterior" and fit.draws is None:
        raise ValueError(f"kind='posterior' needs draws; method={fit.method!r} has none. Use 'observed'.")
    return kind


def _covariance(fit: Fit, kind: str | None) -> Array:
    kind = _kind(fit, kind)
    if kind == "posterior":
        return np.atleast_2d(np.cov(flat_draws(fit), rowvar=False))
    program = fit.program
    x = program.unconstrain(fit.theta)
    if not np.isfinite(x).all():
        raise ValueError(
            "The estimate lies on the boundary of the parameter space (a weight or probability of 0 or 1): its "
            "standard errors do not exist. Use objective='map', or fix the element."
        )
    prior = 1.0 if fit.options.get("objective") == "map" else 0.0
    density = program.density(fit.theta, prior=prior, jacobian=0.0)
    jacobian = _jacobian(fit, x)
    if kind == "opg":
        inner = np.linalg.pinv(_outer_scores(fit, x))
    else:
        from em_vs_bayes.methods.mode import information

        hessian = information(density, x)
        values = np.linalg.eigvalsh(hessian)
        if values[0] <= 1e-10 * values[-1]:
            raise ValueError(
                "The observed information is not positive definite at this estimate: it is not an interior maximum, "
                "or a parameter is not identified. Check status, or refit with a smaller tol."
            )
        inner = np.linalg.inv(hessian)
        if kind == "sandwich":
            inner = inner @ _outer_scores(fit, x) @ inner
    return jacobian @ inner @ jacobian.T


def _outer_scores(fit: Fit, x: Array) -> Array:
    """Sum over rows of score score', scores (n, D) by central differences of the pointwise log-likelihood."""
    program = fit.program
    scores = np.empty((program.n, len(x)))
    for j in range(len(x)):
        h = 1e-5 * max(1.0, abs(x[j]))
        up, down = x.copy(), x.copy()
        up[j] += h
        down[j] -= h
        high, low = (program.pointwise(program.constrain(v, fit.theta)) for v in (up, down))
        scores[:, j] = (high - low) / (up[j] - down[j])
    weights = program.data.weights if program.data.weights.size else np.ones(program.n)
    return (scores * weights[:, None]).T @ scores


def _jacobian(fit: Fit, x: Array) -> Array:
    """d(public scalars) / dx (Q, D), central differences."""
    program = fit.program
    columns = []
    for j in range(len(x)):
        h = 1e-6 * max(1.0, abs(x[j]))
        up, down = x.copy(), x.copy()
        up[j] += h
        down[j] -= h
        high, low = (_flatten(program.public(program.constrain(v, fit.theta))) for v in (up, down))
        columns.append((high - low) / (up[j] - down[j]))
    return np.column_stack(columns) if columns else np.zeros((_flatten(fit.params).size, 0))


def _flatten(params: dict[str, Any]) -> Array:
    return np.concatenate([np.ravel(v) for v in params.values()])
