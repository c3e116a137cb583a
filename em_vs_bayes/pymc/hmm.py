"""`HMM`: observed rows of a hidden Markov model in a user's own PyMC model, the states summed out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.graph.basic import Variable

from em_vs_bayes.common.arguments import brief
from em_vs_bayes.common.contract import Array
from em_vs_bayes.kernels.chain_rows import walk
from em_vs_bayes.pymc.asked import (
    check_callable,
    drawn,
    powers,
    tensor,
    whole,
)
from em_vs_bayes.pymc.chain import chain_terms
from em_vs_bayes.pymc.checks import check_chain, check_states
from em_vs_bayes.pymc.mixture import check_ndim, observed_tensor, powered, whole_signature
from em_vs_bayes.pymc.python_draws import Undrawn, draw_in_python


def HMM(
    name: str,
    *params: Any,
    initial: Any,
    transition: Any,
    emission_logp: Any,
    observed: Any,
    lengths: Any = None,
    simulate: Callable[..., Any] | None = None,
    case_weights: Any = None,
    dims: str | Sequence[str] | None = None,
) -> Any:
    """Observations of a hidden Markov model, the states summed out by the forward recursion.

    Parameters
    ----------
    name : str
    *params : tensors
        What ``emission_logp`` and ``simulate`` need besides the data.
    initial : tensor (K,) or (S, K)
        Probabilities of the first state: the same for every sequence, or its own for each of S.
    transition : tensor (K, K), (S, K, K) or (n, K, K)
        Row j holds the probabilities of the next state after state j. One matrix; or one for each sequence; or one for
        each row, where ``transition[t]`` leads from row t - 1 to row t, and that of the first row of a sequence is not
        used. A transition that cannot happen is a zero.
    emission_logp : tensor (n, K), or callable (y, *params) -> tensor (n, K)
        log p(y_t | z_t = k).
    observed : array_like (n,) or (n, d), or `pymc.Data`
        A row that is NaN throughout is missing: time passes and nothing is seen. That is taken care of where
        ``emission_logp`` is a callable, which never sees such a row; a tensor has to be 0 there, with gradient 0. A row
        that is NaN in part is up to ``emission_logp``. What a masked array masks is NaN.
    lengths : array_like of int, optional
        Lengths of consecutive sequences; by default one sequence of all rows.
    simulate : callable (rng, z, *params) -> array like ``observed``, optional
        Observations given states z (n,), with params as arrays: for prior and posterior predictive draws.
    case_weights : array_like (n,), optional
        Powers of each row's term; the power of a sequence's likelihood where they are the same over its rows.
    dims : str or sequence of str, optional

    Returns
    -------
    tensor
        The observed random variable.

    Raises
    ------
    ValueError
        Where shapes do not fit, or probabilities are negative, NaN or do not sum to one, or a row that is NaN in part
        has no density: at constants and at one draw of the priors, here and now (not in a model with
        ``check_bounds=False``). Sizes that stop fitting later, with other data, are refused when evaluated or drawn.

    Notes
    -----
    The log-likelihood has one term per row, log p(y_t | y_1, ..., y_{t-1}): terms that sum to the log-likelihood of a
    sequence. `pymc.compute_log_likelihood` stores these, and leaving one out with them is not leave-one-out: that wants
    log p(y_t | all other rows), which `hmm_log_likelihood` stores.

    The states are summed out by the forward recursion, scaled, and in logarithms where numbers get too small; the
    gradient comes from the way back, by Fisher's identity, at the price of one more pass (Zucchini, MacDonald and
    Langrock 2016, "Hidden Markov models for time series", chapters 2 to 4; Cappé, Moulines and Rydén 2005, "Inference
    in hidden Markov models", chapters 3 and 10). There is no second derivative.

    States that are exchangeable under the priors have labels that may switch between chains and within them: order
    something, as in ``transform=pm.distributions.transforms.ordered``, and give a start in that order.

    Under JAX (``nuts_sampler="numpyro"``) the recursion is called back from JAX, on the CPU; nutpie runs it within its
    own compiled code, and is the faster.

    Examples
    --------
    >>> with pm.Model() as model:
    ...     P = pm.Dirichlet("P", np.ones((2, 2)))
    ...     mu = pm.Normal("mu", 0, 10, shape=2)
    ...     evb.pymc.HMM(
    ...         "y", mu, initial=[0.5, 0.5], transition=P, observed=y,
    ...         emission_logp=lambda y, mu: pm.logp(pm.Normal.dist(mu, 1.0), y[:, None]),
    ...         simulate=lambda rng, z, mu: rng.normal(mu[z], 1.0),
    ...     )
    ...     idata = pm.sample()
    >>> evb.pymc.hmm_log_likelihood(idata, model, kind="loo")
    >>> az.loo(idata)
    """
    data = observed_tensor(observed)
    initial, transition = tensor("initial", initial), tensor("transition", transition)
    tensors = [tensor("params", p) for p in params]
    check_callable("simulate", simulate)
    check_ndim("observed", data, (1, 2), "(n,) or (n, d)")
    check_ndim("initial", initial, (1, 2), "(K,) or (sequences, K)")
    check_ndim("transition", transition, (2, 3), "(K, K), (sequences, K, K) or (n, K, K)")
    if not callable(emission_logp):
        emission_logp = tensor("emission_logp", emission_logp)
        check_ndim("emission_logp", emission_logp, (2,), "(n, K), or a callable")
    starts, case_powers = _starts(lengths, data), powers(case_weights, data.type.shape[0])
    given = tensors if callable(emission_logp) else [emission_logp, *tensors]
    gaps = _may_be_missing(data)

    def densities(value: Any, *rest: Any) -> Any:
        if not callable(emission_logp):
            return rest[0]
        if not gaps:
            return tensor("emission_logp(y, ...)", emission_logp(value, *rest))
        missing, seen = _fill(value)
        return pt.where(missing[:, None], 0.0, tensor("emission_logp(y, ...)", emission_logp(seen, *rest)))

    check_chain(initial, transition, starts, densities(data, *given), data)

    def logp(value: Any, _like: Any, initial: Any, transition: Any, starts: Any, *rest: Any) -> Any:
        n = value.shape[0]
        wanted = [(pt.gt(n, 0), f"{name}: observed has no rows; a chain wants at least one")]
        if case_powers is not None and case_powers.ndim:
            wanted += [(pt.eq(n, len(case_powers)), f"{name}: case_weights must be one per row of observed")]
        value = whole(value, *wanted, (pt.eq(n, starts[-1]), f"{name}: lengths do not sum to the rows of observed"))
        terms = chain_terms(initial, transition, densities(value, *rest), starts)
        return powered(terms, case_powers)

    def random(
        like: Array, initial: Array, transition: Array, starts: Array, *rest: Array, rng: Any = None, size: Any = None
    ) -> Any:
        if simulate is None:
            return Undrawn(like.shape, f"{name!r} draws no data: give HMM(..., simulate=...).")
        z = draw_chain(initial, transition, starts, rng)
        own = rest if callable(emission_logp) else rest[1:]
        return drawn(name, simulate(rng, z, *own), like)

    variable = pm.CustomDist(
        name,
        data,
        initial,
        transition,
        starts,
        *given,
        logp=logp,
        random=random,
        support_point=lambda rv, size, like, *_: like,
        signature=whole_signature(data, [initial, transition, starts, *given]),
        class_name="HMM",
        observed=data,
        dims=dims,
    )
    return draw_in_python(variable, random)


def draw_chain(initial: Array, transition: Array, starts: Any, rng: np.random.Generator) -> Array:
    """Paths (n,) of the chain itself, no rows seen."""
    starts = np.asarray(starts, dtype=np.int64)
    check_states(initial, transition, starts)
    first = np.broadcast_to(initial, (len(starts) - 1, initial.shape[-1])).astype(float)
    matrices = np.ascontiguousarray(transition, dtype=float).reshape(-1, *transition.shape[-2:])
    return np.asarray(walk(first, matrices, starts, rng.random(starts[-1])))


def _starts(lengths: Any, data: Any) -> Any:
    """The first row of each sequence, and n."""
    if lengths is None:
        return pt.stack([pt.zeros((), dtype="int64"), data.shape[0]])
    if isinstance(lengths, Variable):
        return pt.concatenate([pt.zeros((1,), dtype="int64"), pt.cumsum(lengths.astype("int64"))])
    array = np.atleast_1d(np.asarray(lengths))
    if array.ndim != 1 or array.dtype.kind not in "iu" or (array < 1).any():
        raise ValueError(f"lengths must be positive whole numbers, one per sequence; got {brief(lengths)}.")
    n = data.type.shape[0]
    if n is not None and array.sum() != n:
        raise ValueError(f"lengths sum to {int(array.sum())}; observed has {n} rows.")
    return pt.as_tensor(np.concatenate([[0], np.cumsum(array)]).astype(np.int64))


def _may_be_missing(data: Any) -> bool:
    """Data that can be exchanged later may have gaps then."""
    return not isinstance(data, pt.TensorConstant) or bool(np.isnan(data.data).reshape(len(data.data), -1).all(1).any())


def _fill(y: Any) -> tuple[Any, Any]:
    """Which rows are missing (n,), and y with a row that is not in their place, so that every gradient is finite."""
    missing = pt.isnan(y) if y.type.ndim == 1 else pt.isnan(y).all(axis=1)
    stand_in = y[pt.argmin(missing.astype("int8"))]
    return missing, pt.where(missing if y.type.ndim == 1 else missing[:, None], stand_in, y)
