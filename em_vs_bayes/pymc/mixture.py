"""`Mixture`: an observed mixture for a user's own PyMC model, with any priors and any emission density."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.dist_math import check_parameters
from pytensor.graph.basic import Variable

from em_vs_bayes.common.arguments import as_floats, brief
from em_vs_bayes.common.contract import Array
from em_vs_bayes.pymc.asked import (
    check_callable,
    drawn,
    powers,
    tensor,
    whole,
)
from em_vs_bayes.pymc.checks import TOLERANCE, check_mixture, check_weights
from em_vs_bayes.pymc.marginal import log_marginal
from em_vs_bayes.pymc.python_draws import Undrawn, draw_in_python


def Mixture(
    name: str,
    *params: Any,
    weights: Any,
    emission_logp: Any,
    observed: Any,
    simulate: Callable[..., Any] | None = None,
    case_weights: Any = None,
    dims: str | Sequence[str] | None = None,
) -> Any:
    """Observations of a finite mixture, the component of each row summed out.

    The log-likelihood is pointwise, one term per row, for `pymc.compute_log_likelihood` and `arviz.loo`.

    Parameters
    ----------
    name : str
    *params : tensors
        What ``emission_logp`` and ``simulate`` need besides the data.
    weights : tensor (K,) or (n, K)
        Probabilities of the components, the same for every row or its own for each.
    emission_logp : tensor (n, K), or callable (y, *params) -> tensor (n, K)
        log p(y_i | z_i = k).
    observed : array_like (n,) or (n, d), or `pymc.Data`
        NaN is not imputed: what it means is up to ``emission_logp``.
    simulate : callable (rng, z, *params) -> array like ``observed``, optional
        Observations given components z (n,), with params as arrays: for posterior predictive draws.
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
        Where shapes do not fit, or weights are negative, NaN or do not sum to one: at constants and at one draw of the
        priors, here and now (not in a model with ``check_bounds=False``). Weights that stop being probabilities later
        have a log-likelihood of minus infinity; sizes that stop fitting are refused when evaluated or drawn.

    Examples
    --------
    >>> with pm.Model():
    ...     w = pm.Dirichlet("w", np.ones(2))
    ...     mu = pm.Normal("mu", 0, 10, shape=2)
    ...     evb.pymc.Mixture(
    ...         "y", mu, weights=w, observed=y,
    ...         emission_logp=lambda y, mu: pm.logp(pm.Normal.dist(mu, 1.0), y[:, None]),
    ...     )
    """
    data = observed_tensor(observed)
    weights, tensors = tensor("weights", weights), [tensor("params", p) for p in params]
    check_callable("simulate", simulate)
    check_ndim("observed", data, (1, 2), "(n,) or (n, d)")
    check_ndim("weights", weights, (1, 2), "(K,) or (n, K)")
    if not callable(emission_logp):
        emission_logp = tensor("emission_logp", emission_logp)
        check_ndim("emission_logp", emission_logp, (2,), "(n, K), or a callable")
    given = [] if callable(emission_logp) else [emission_logp]
    case_powers = powers(case_weights, data.type.shape[0])

    def densities(value: Any, *rest: Any) -> Any:
        return tensor("emission_logp(y, ...)", emission_logp(value, *rest)) if callable(emission_logp) else rest[0]

    check_mixture(weights, densities(data, *given, *tensors), data)

    def logp(value: Any, _shape: Any, w: Any, *rest: Any) -> Any:
        sizes = [] if case_powers is None or not case_powers.ndim else [len(case_powers)]
        sizes += [w.shape[0]] * (w.type.ndim - 1)
        words = f"{name}: observed has another number of rows than case_weights or weights; give them for each row, too"
        value = whole(value, *((pt.eq(value.shape[0], size), words) for size in sizes))
        table = densities(value, *rest)
        evidence, _ = log_marginal(pt.log(w), table)
        terms = powered(evidence, case_powers)
        fits = [pt.eq(w.shape[-1], table.shape[1])] + [pt.eq(w.shape[0], table.shape[0])] * (w.type.ndim - 1)
        terms = check_parameters(
            terms, *fits, can_be_replaced_by_ninf=False, msg="weights must be (K,) or (n, K), as emission_logp is"
        )
        proper = [pt.all(w >= 0.0), pt.all(pt.abs(w.sum(axis=-1) - 1.0) <= TOLERANCE)]
        return check_parameters(terms, *proper, msg="weights must not be negative, and sum to one")

    def random(like: Array, w: Array, *rest: Array, rng: Any = None, size: Any = None) -> Any:
        if simulate is None:
            return Undrawn(like.shape, f"{name!r} draws no data: give Mixture(..., simulate=...).")
        n = len(like)
        check_weights(w, n, w.shape[-1])
        cumulative = np.broadcast_to(w, (n, w.shape[-1])).cumsum(axis=-1)
        z = (rng.random(n)[:, None] * cumulative[:, -1:] > cumulative[:, :-1]).sum(axis=-1)
        return drawn(name, simulate(rng, z, *rest[len(given) :]), like)

    inputs = [data, weights, *given, *tensors] if callable(emission_logp) else [data, weights, *given]
    variable = pm.CustomDist(
        name,
        *inputs,
        logp=logp,
        random=random,
        support_point=lambda rv, size, like, *_: like,
        signature=whole_signature(data, inputs[1:]),
        class_name="Mixture",
        observed=data,
        dims=dims,
    )
    return draw_in_python(variable, random)


def responsibilities(weights: Any, log_densities: Any) -> Any:
    """p(z_i = k | y_i), (n, K), from weights (K,) or (n, K) and log densities (n, K): for a `pymc.Deterministic`."""
    return log_marginal(pt.log(weights), log_densities)[1]


def powered(terms: Any, powers: Array | None) -> Any:
    """Log-likelihood terms (n,) times case weights; a row of weight 0 says nothing, not even that it is impossible."""
    if powers is None:
        return terms
    return pt.where(powers > 0, powers * pt.where(powers > 0, terms, 0.0), 0.0)


def observed_tensor(observed: Any) -> Any:
    """Data as a tensor; what a masked array masks is NaN."""
    if isinstance(observed, Variable):
        return observed
    values = as_floats(observed)
    if values is None:
        raise TypeError(f"observed must hold numbers, NaN where missing; got {brief(observed)}.")
    return pt.as_tensor(values)


def check_ndim(argument: str, tensor: Any, allowed: tuple[int, ...], wants: str) -> None:
    """Refuse a tensor with the wrong number of dimensions."""
    if tensor.type.ndim not in allowed:
        raise ValueError(f"{argument} must be {wants}; got {tensor.type.ndim} dimension(s).")


def whole_signature(data: Any, inputs: list[Any]) -> str:
    """Every input whole: a variable that is one draw of all its rows, shaped like the data."""
    own = ",".join(f"o{i}" for i in range(data.type.ndim))
    others = [",".join(f"p{j}q{i}" for i in range(t.type.ndim)) for j, t in enumerate(inputs)]
    return ",".join(f"({dims})" for dims in (own, *others)) + f"->({own})"
