"""`Rows`: observed rows of any density, independent given the parameters, for a user's own PyMC model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pymc as pm

from em_vs_bayes.common.contract import Array
from em_vs_bayes.pymc.asked import check_callable, drawn, powers, tensor
from em_vs_bayes.pymc.mixture import check_ndim, observed_tensor, powered, whole_signature
from em_vs_bayes.pymc.python_draws import Undrawn, draw_in_python


def Rows(
    name: str,
    *params: Any,
    log_density: Callable[..., Any],
    observed: Any,
    simulate: Callable[..., Any] | None = None,
    case_weights: Any = None,
    dims: str | Sequence[str] | None = None,
) -> Any:
    """Observations that are independent row by row, such as responses seen through limits.

    The log-likelihood is pointwise, one term per row, for `pymc.compute_log_likelihood` and `arviz.loo`, whatever the
    number of columns.

    Parameters
    ----------
    name : str
    *params : tensors
        What ``log_density`` and ``simulate`` need besides the data.
    log_density : callable (y, *params) -> tensor (n,)
        log p(y_i).
    observed : array_like (n,) or (n, d), or `pymc.Data`
        NaN is not imputed: what it means is up to ``log_density``.
    simulate : callable (rng, *params) -> array like ``observed``, optional
        Observations, with params as arrays: for posterior predictive draws.
    case_weights : array_like (n,), optional
        Powers of each row's likelihood; a row of weight 0 says nothing.
    dims : str or sequence of str, optional

    Returns
    -------
    tensor
        The observed random variable.

    Raises
    ------
    ValueError
        Where ``observed`` has the wrong number of dimensions.

    Examples
    --------
    >>> with pm.Model():
    ...     mu, sigma = pm.Normal("mu", 0, 10), pm.HalfNormal("sigma", 5)
    ...     evb.pymc.Rows(
    ...         "y", mu, sigma, observed=y,
    ...         log_density=lambda y, mu, sigma: pm.logp(pm.Normal.dist(mu, sigma), y),
    ...         simulate=lambda rng, mu, sigma: rng.normal(mu, sigma, len(y)),
    ...     )
    """
    data, tensors = observed_tensor(observed), [tensor("params", p) for p in params]
    check_callable("log_density", log_density)
    check_callable("simulate", simulate)
    case_powers = powers(case_weights, data.type.shape[0])
    check_ndim("observed", data, (1, 2), "(n,) or (n, d)")

    def logp(value: Any, _like: Any, *rest: Any) -> Any:
        terms = tensor("log_density(y, ...)", log_density(value, *rest))
        if terms.type.ndim != 1:
            raise ValueError(f"log_density must return (n,), one term per row; got {terms.type.ndim} dimension(s).")
        return powered(terms, case_powers)

    def random(like: Array, *rest: Array, rng: Any = None, size: Any = None) -> Any:
        if simulate is None:
            return Undrawn(like.shape, f"{name!r} draws no data: give Rows(..., simulate=...).")
        return drawn(name, simulate(rng, *rest), like)

    variable = pm.CustomDist(
        name,
        data,
        *tensors,
        logp=logp,
        random=random,
        support_point=lambda rv, size, like, *_: like,
        signature=whole_signature(data, tensors),
        class_name="Rows",
        observed=data,
        dims=dims,
    )
    return draw_in_python(variable, random)
