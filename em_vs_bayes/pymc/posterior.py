"""What is asked of the hidden states of a sampled PyMC model: paths, probabilities, pointwise log-likelihoods."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr
from pymc.model.transform.conditioning import remove_value_transforms
from pytensor.graph.traversal import ancestors

from em_vs_bayes.common.arguments import brief
from em_vs_bayes.common.contract import Array
from em_vs_bayes.kernels.chain_rows import backward_pass, draw_paths, forward_pass, leave_one_out
from em_vs_bayes.pymc.chain import ChainTerms

KINDS = {
    "loo": "log p(y_t | all other rows of its sequence)",
    "predictive": "log p(y_t | rows before it)",
    "sequence": "log p(all rows of the sequence)",
}


def hmm_log_likelihood(
    idata: Any,
    model: pm.Model | None = None,
    *,
    kind: str = "loo",
    var_names: list[str] | None = None,
    compile_kwargs: dict[str, Any] | None = None,
) -> Any:
    """Log-likelihood terms of every `HMM` variable for every draw, in ``idata["log_likelihood"]``.

    `pymc.compute_log_likelihood` stores the predictive terms, which sum to the log-likelihood. To leave rows out,
    `arviz.loo` wants those of kind ``"loo"``; to leave sequences out, those of kind ``"sequence"``.

    Parameters
    ----------
    idata : DataTree
        With a group ``posterior``. Changed: terms of the same variables are replaced, other variables stay.
    model : pymc.Model, optional
        By default that of the context.
    kind : {"loo", "predictive", "sequence"}
        log p(y_t | all other rows of its sequence); log p(y_t | rows before it); or one term for each sequence. None of
        them is weighted.
    var_names : list of str, optional
        By default all `HMM` variables.
    compile_kwargs : dict, optional
        For ``pymc.Model.compile_fn``.

    Returns
    -------
    DataTree
        ``idata``. The terms have the attributes ``kind``, ``meaning`` and ``missing``: the number of rows in which
        nothing was observed. Kind ``"loo"`` has no term for these; there is nothing to leave out.

    Raises
    ------
    ValueError
        For an unknown kind, or a model without an `HMM` variable of that name.

    Notes
    -----
    Terms of kind ``"loo"`` leave a row out of one draw's likelihood; importance sampling then leaves it out of the
    posterior. Rows of a sequence are dependent, and this scores the filling of gaps, not forecasts
    (Bürkner, Gabry and Vehtari 2020, "Approximate leave-future-out cross-validation for Bayesian time series models").

    Examples
    --------
    >>> evb.pymc.hmm_log_likelihood(idata, model, kind="loo")
    >>> az.loo(idata)
    """
    if kind not in KINDS:
        raise ValueError(f"kind={brief(kind)} is unknown; wants {', '.join(map(repr, KINDS))}.")
    terms = {}
    for chain in _chains(model, var_names, compile_kwargs):
        dims = (f"{chain.name}_sequence",) if kind == "sequence" else chain.dims
        values = chain.array(idata, chain.for_every_draw(idata, SCORES[kind]), dims)
        missing = (values == 0.0).all(("chain", "draw")).values if kind == "loo" else np.zeros(values.shape[2], bool)
        values = values.isel({dims[0]: ~missing})
        terms[chain.name] = values.assign_attrs(kind=kind, meaning=KINDS[kind], missing=int(missing.sum()))
    group = xr.Dataset(terms)
    if "log_likelihood" in idata.children:
        kept = idata["log_likelihood"].to_dataset().drop_vars([*terms])
        needed = {dim for variable in kept.data_vars.values() for dim in variable.dims}
        group = kept.drop_dims([dim for dim in kept.dims if dim not in needed]).merge(group)
    idata["log_likelihood"] = xr.DataTree(group)
    return idata


def sample_states(
    idata: Any,
    model: pm.Model | None = None,
    *,
    seed: int | np.random.Generator | None = None,
    var_names: list[str] | None = None,
    compile_kwargs: dict[str, Any] | None = None,
) -> xr.Dataset:
    """A path of the hidden states for every posterior draw, by forward filtering and backward sampling.

    Together with the draws' parameters, these are draws from the joint posterior of parameters and states
    (Chib 1996, "Calculating posterior distributions and modal estimates in Markov mixture models").

    Parameters
    ----------
    idata : DataTree
        With a group ``posterior``.
    model : pymc.Model, optional
        By default that of the context.
    seed : int or Generator, optional
    var_names : list of str, optional
        By default all `HMM` variables.
    compile_kwargs : dict, optional
        For ``pymc.Model.compile_fn``.

    Returns
    -------
    xarray.Dataset
        For each variable, states (chain, draw, row) from 0 to K - 1; -1 where a sequence is impossible.

    Examples
    --------
    >>> states = evb.pymc.sample_states(idata, model, seed=1)
    >>> (states["y"] == 1).mean(("chain", "draw"))  # probability of state 1, row by row
    """
    rng = np.random.default_rng(seed)

    def draw(initial: Array, transition: Array, emission: Array, starts: Array) -> Array:
        _, alpha, _, kind = forward_pass(initial, transition, emission, starts)
        return np.asarray(draw_paths(transition, starts, alpha, kind, rng.random(len(emission))))

    return xr.Dataset(
        {
            chain.name: chain.array(idata, chain.for_every_draw(idata, draw), chain.dims)
            for chain in _chains(model, var_names, compile_kwargs)
        }
    )


def state_probabilities(
    idata: Any,
    model: pm.Model | None = None,
    *,
    var_names: list[str] | None = None,
    compile_kwargs: dict[str, Any] | None = None,
) -> xr.Dataset:
    """p(z_t = k | all rows), the parameters averaged over their posterior draws.

    Every draw's are its smoothed probabilities, by forward and backward recursions (Cappé, Moulines and Rydén 2005,
    "Inference in hidden Markov models", chapter 3).

    Parameters
    ----------
    idata, model, var_names, compile_kwargs
        As in `sample_states`.

    Returns
    -------
    xarray.Dataset
        For each variable, probabilities (row, state); the dim of the states is ``NAME_state``.
    """
    out = {}
    for chain in _chains(model, var_names, compile_kwargs):
        points = [_smoothed(*inputs) for inputs in chain.inputs(idata)]
        out[chain.name] = xr.DataArray(
            np.mean(points, axis=0), dims=(*chain.dims, f"{chain.name}_state"), coords=chain.coords
        )
    return xr.Dataset(out)


# --- the chains of a model ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Chain:
    """An `HMM` variable, and the function from a draw to its initial, transition, emission and starts."""

    name: str
    dims: tuple[str, ...]
    coords: dict[str, Any]
    evaluate: Callable[[dict[str, Array]], list[Array]]
    dtypes: dict[str, str]

    def inputs(self, idata: Any) -> Iterator[list[Array]]:
        """The chain at every draw, chain by chain."""
        posterior = idata["posterior"]
        lacking = [name for name in self.dtypes if name not in posterior]
        if lacking:
            raise ValueError(f"idata['posterior'] must hold every free variable of the model; it lacks {lacking}.")
        draws = {name: _stacked(posterior[name], dtype) for name, dtype in self.dtypes.items()}
        for i in range(posterior.sizes["chain"] * posterior.sizes["draw"]):
            yield [np.ascontiguousarray(x) for x in self.evaluate({name: values[i] for name, values in draws.items()})]

    def for_every_draw(self, idata: Any, function: Callable[..., Array]) -> Array:
        return np.array([function(*inputs) for inputs in self.inputs(idata)])

    def array(self, idata: Any, values: Array, dims: tuple[str, ...]) -> xr.DataArray:
        """Values (draws, ...) with the dims of the posterior in front."""
        posterior = idata["posterior"]
        own = {dim: posterior.coords[dim].values for dim in ("chain", "draw")}
        sizes = (posterior.sizes["chain"], posterior.sizes["draw"])
        labels = {dim: self.coords.get(dim, np.arange(n)) for dim, n in zip(dims, values.shape[1:], strict=True)}
        return xr.DataArray(
            values.reshape(*sizes, *values.shape[1:]), dims=("chain", "draw", *dims), coords=own | labels
        )


def _chains(model: pm.Model | None, var_names: list[str] | None, compile_kwargs: Any) -> list[_Chain]:
    """The `HMM` variables of a model: those whose log-likelihood sums a chain out."""
    plain = remove_value_transforms(pm.modelcontext(model))
    found = {}
    for rv in plain.observed_RVs:
        if var_names is not None and rv.name not in var_names:
            continue
        nodes = {v.owner for v in ancestors(plain.logp(vars=[rv], sum=False)) if v.owner is not None}
        own = [node for node in nodes if isinstance(node.op, ChainTerms)]
        if own:
            found[rv.name] = _chain(plain, rv, own[0].inputs, compile_kwargs or {})
    missing = [name for name in var_names or [] if name not in found]
    if missing or not found:
        which = f"{missing} " if missing else ""
        raise ValueError(f"The model has no HMM variable {which}(observed: {[rv.name for rv in plain.observed_RVs]}).")
    return list(found.values())


def _chain(plain: pm.Model, rv: Any, inputs: Any, compile_kwargs: dict[str, Any]) -> _Chain:
    evaluate = plain.compile_fn(inputs, inputs=plain.value_vars, on_unused_input="ignore", **compile_kwargs)
    given = plain.named_vars_to_dims.get(rv.name, ())
    row = given[0] if given and given[0] is not None else f"{rv.name}_dim_0"
    labels = plain.coords.get(row)
    return _Chain(
        name=rv.name,
        dims=(row,),
        coords={} if labels is None else {row: np.asarray(labels)},
        evaluate=evaluate,
        dtypes={v.name: v.type.dtype for v in plain.value_vars if plain.values_to_rvs[v] in plain.free_RVs},
    )


def _stacked(values: Any, dtype: str) -> Array:
    ordered = values.transpose("chain", "draw", ...)
    return np.asarray(ordered.values.reshape(-1, *ordered.shape[2:]), dtype=dtype)


def _smoothed(initial: Array, transition: Array, emission: Array, starts: Array) -> Array:
    forward = forward_pass(initial, transition, emission, starts)
    gradient = backward_pass(initial, transition, emission, starts, *forward, np.ones(len(emission)))
    return np.asarray(gradient[2])


def _predictive(initial: Array, transition: Array, emission: Array, starts: Array) -> Array:
    return np.asarray(forward_pass(initial, transition, emission, starts)[0])


def _sequences(initial: Array, transition: Array, emission: Array, starts: Any) -> Array:
    return np.asarray(np.add.reduceat(_predictive(initial, transition, emission, starts), starts[:-1]))


SCORES: dict[str, Callable[..., Array]] = {
    "loo": leave_one_out,
    "predictive": _predictive,
    "sequence": _sequences,
}
