"""Hidden states as an explicit variable, `HiddenStates`, and the step that draws their whole path at once, `FFBS`."""

from __future__ import annotations

from typing import Any, final

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.custom import CustomDistRV
from pymc.step_methods.compound import BlockedStep, Competence, StepMethodState
from pymc.step_methods.state import dataclass_state
from pymc.util import get_random_generator, get_value_vars_from_user_vars
from pytensor.graph.replace import clone_replace
from pytensor.graph.traversal import ancestors

from em_vs_bayes.common.arguments import brief
from em_vs_bayes.common.contract import Array
from em_vs_bayes.kernels.chain_rows import IMPOSSIBLE, NOT_A_NUMBER, draw_paths, forward_pass
from em_vs_bayes.pymc.chain import as_chain, walk_chain
from em_vs_bayes.pymc.checks import check_chain
from em_vs_bayes.pymc.hmm import draw_chain
from em_vs_bayes.pymc.mixture import check_ndim, whole_signature
from em_vs_bayes.pymc.python_draws import draw_in_python

CLASS = "HiddenStates"


def HiddenStates(name: str, *, initial: Any, transition: Any, lengths: Any, dims: Any = None) -> Any:
    """The states of a Markov chain, one for each row, as a discrete random variable.

    What the rows say of the states is the rest of the model's business: any likelihood in which each row depends on its
    own state. `pymc.sample` draws it by `FFBS`. Where states are part of nothing else, `HMM` sums them out and mixes
    better.

    Parameters
    ----------
    name : str
    initial : tensor (K,) or (S, K)
    transition : tensor (K, K), (S, K, K) or (n, K, K)
        As in `HMM`; ``transition[t]`` leads from row t - 1 to row t.
    lengths : int or array_like of int
        Lengths of consecutive sequences, n in all.
    dims : str, optional

    Returns
    -------
    tensor of int (n,)
        States 0, ..., K - 1.

    Raises
    ------
    ValueError
        Where lengths are not positive whole numbers, a tensor has the wrong shape, or probabilities do not sum to one.

    Examples
    --------
    >>> with pm.Model():
    ...     P = pm.Dirichlet("P", np.ones((2, 2)))
    ...     mu = pm.Normal("mu", 0, 10, shape=2)
    ...     z = evb.pymc.HiddenStates("z", initial=[0.5, 0.5], transition=P, lengths=len(y))
    ...     pm.Normal("y", mu[z], 1.0, observed=y)
    ...     idata = pm.sample()  # FFBS for z, NUTS for the rest
    """
    array = np.atleast_1d(np.asarray(lengths))
    if array.ndim != 1 or array.dtype.kind not in "iu" or (array < 1).any():
        raise ValueError(f"lengths must be positive whole numbers, one per sequence; got {brief(lengths)}.")
    starts = np.concatenate([[0], np.cumsum(array)]).astype(np.int64)
    initial, transition = pt.as_tensor(initial), pt.as_tensor(transition)
    check_ndim("initial", initial, (1, 2), "(K,) or (sequences, K)")
    check_ndim("transition", transition, (2, 3), "(K, K), (sequences, K, K) or (n, K, K)")
    check_chain(initial, transition, pt.as_tensor(starts))
    like = pt.as_tensor(np.zeros(starts[-1], dtype=np.int64))

    def logp(value: Any, _like: Any, initial: Any, transition: Any, _starts: Any) -> Any:
        return path_terms(value, initial, transition, starts)

    def random(
        like: Array, initial: Array, transition: Array, _starts: Array, rng: Any = None, size: Any = None
    ) -> Array:
        return draw_chain(initial, transition, starts, rng)

    def support_point(rv: Any, size: Any, like: Any, initial: Any, transition: Any, _starts: Any) -> Any:
        return walk_chain(initial, transition, starts, np.full(starts[-1], 0.5))

    variable = pm.CustomDist(
        name,
        like,
        initial,
        transition,
        starts,
        logp=logp,
        random=random,
        support_point=support_point,
        signature=whole_signature(like, [initial, transition, pt.as_tensor(starts)]),
        class_name=CLASS,
        dtype="int64",
        dims=dims,
    )
    return draw_in_python(variable, random, FFBS)  # pymc.sample would take Metropolis, which hardly moves a path


def path_terms(z: Any, initial: Any, transition: Any, starts: Any) -> Any:
    """log p(z_t | z_{t-1}) (n,); that of the first row of each sequence from ``initial``."""
    initial, transition, _ = as_chain(initial, transition, starts)
    n, first = int(starts[-1]), starts[:-1]
    later = np.setdiff1d(np.arange(n), first)
    sequence = np.repeat(np.arange(len(first)), np.diff(starts))
    states = initial.shape[-1]
    inside = pt.ge(z, 0) & pt.lt(z, states)
    z = pt.clip(z, 0, states - 1)
    terms = pt.zeros(n)
    terms = terms[first].set(pt.log(initial[np.arange(len(first)), z[first]]))
    if later.size:
        matrices = transition.shape[0]
        which = pt.where(pt.eq(matrices, 1), 0, pt.where(pt.eq(matrices, n), later, sequence[later]))
        terms = terms[later].set(pt.log(transition[which, z[later - 1], z[later]]))
    return pt.where(inside, terms, -np.inf)


@dataclass_state
class FFBSState(StepMethodState):
    """Nothing but the generator: every step is a draw from the conditional."""


@final
class FFBS(BlockedStep):
    """Draws the whole path of a `HiddenStates` variable from its conditional, by forward filtering, backward sampling.

    A Gibbs step (Chib 1996, "Calculating posterior distributions and modal estimates in Markov mixture models"): exact,
    never rejected. The densities of the rows come from the model itself: all terms of the log joint density that depend
    on the states, evaluated with every row in state 0, in state 1, and so on.

    Parameters
    ----------
    vars : list of variables
        `HiddenStates`; several are drawn in turn.
    model : pymc.Model, optional
        By default that of the context.
    rng : int or Generator, optional
    initial_point : dict, optional
    compile_kwargs : dict, optional
        For ``pymc.Model.compile_fn``.
    blocked : bool
        Has no effect; PyMC passes it.

    Raises
    ------
    ValueError
        Where one of ``vars`` is not a `HiddenStates` variable, or a term of the model is not one value per row that
        depends on its own row's state alone.

    Notes
    -----
    The draws of NUTS move given a path, and paths move given the parameters: with well-known states that mixes slowly.
    `HMM` with `sample_states` has no such trouble.
    """

    name = "ffbs"
    stats_dtypes_shapes: dict[str, Any] = {"tune": (bool, []), "changed": (float, [])}  # noqa: RUF012  # PyMC's way
    _state_class = FFBSState

    def __init__(
        self,
        vars: Any,
        *,
        model: pm.Model | None = None,
        rng: Any = None,
        initial_point: dict[str, Array] | None = None,
        compile_kwargs: dict[str, Any] | None = None,
        blocked: bool = True,
    ) -> None:
        model = pm.modelcontext(model)
        self.vars = get_value_vars_from_user_vars(vars, model)
        self.rng = get_random_generator(rng)
        self.blocked = blocked
        self.tune = True
        other = [v.name for v in self.vars if not _is_states(model.values_to_rvs[v])]
        if other or not self.vars:
            raise ValueError(f"FFBS draws HiddenStates variables; got {other}.")
        self._chains = {}
        for value in self.vars:
            chain, check = _functions(model, model.values_to_rvs[value], compile_kwargs or {})
            point = model.initial_point() if initial_point is None else initial_point
            _require_own_rows(value.name, chain, check, point)
            self._chains[value.name] = chain

    def step(self, point: dict[str, Array]) -> tuple[dict[str, Array], list[dict[str, Any]]]:
        """One path given everything else, for each variable."""
        new = dict(point)
        for name, chain in self._chains.items():
            initial, transition, emission, starts = (np.ascontiguousarray(x) for x in chain(new))
            _, alpha, _, kind = forward_pass(initial, transition, emission, starts)
            if (kind == IMPOSSIBLE).any() or (kind == NOT_A_NUMBER).any():
                raise ValueError(
                    f"{name!r} has no path of positive and finite density at this point of the parameters."
                )
            new[name] = draw_paths(transition, starts, alpha, kind, self.rng.random(len(emission)))
        changed = np.concatenate([new[name] != point[name] for name in self._chains])
        return new, [{"tune": self.tune, "changed": float(changed.mean())}]

    def reset_tuning(self) -> None:
        """Tuning changes nothing; it is only reported."""
        self.tune = True

    def setup_chain(self, rng: Any, tune: int, draws: int) -> None:
        super().setup_chain(rng, tune, draws)
        self.tune = tune > 0

    @staticmethod
    def competence(var: Any, has_grad: bool) -> Competence:
        return Competence.IDEAL if _is_states(var) else Competence.INCOMPATIBLE


def _require_own_rows(name: str, chain: Any, check: Any, point: dict[str, Array]) -> None:
    """Every row's terms must follow from its own state: shown on a random path."""
    emission = chain(point)[2]
    z = np.random.default_rng(0).integers(0, emission.shape[1], len(emission))
    rows = check({**point, name: z})[0]
    if not np.allclose(rows, emission[np.arange(len(z)), z], rtol=1e-6, atol=1e-8, equal_nan=True):
        raise ValueError(
            f"FFBS wants every row's density to depend on {name!r} of that row alone; here rows depend on the "
            "states of others. Write the dependence into the chain (more states), or use another step."
        )


def _is_states(rv: Any) -> bool:
    return rv.owner is not None and isinstance(rv.owner.op, CustomDistRV) and rv.owner.op.name == CLASS


def _functions(model: pm.Model, rv: Any, compile_kwargs: dict[str, Any]) -> tuple[Any, Any]:
    """From a point to the chain's (initial, transition, emission, starts), and to the rows' densities at its states."""
    z, n = model.rvs_to_values[rv], rv.type.shape[0]
    _, initial, transition, starts = rv.owner.op.dist_params(rv.owner)
    states = [k for k in (initial.type.shape[-1], transition.type.shape[-1]) if k is not None]
    if not states:
        raise ValueError(f"FFBS wants to know the number of states: give initial of {rv.name!r} a static shape.")
    rows = _row_densities(model, rv, z, n)
    emission = pt.stack([clone_replace(rows, {z: pt.full((n,), np.int64(k))}) for k in range(states[0])], axis=1)
    initial, transition = model.replace_rvs_by_values([initial, transition])
    options = {"inputs": model.value_vars, "on_unused_input": "ignore", **compile_kwargs}
    initial, transition, starts = as_chain(initial, transition, starts)
    return (
        model.compile_fn([initial, transition, emission, starts], **options),
        model.compile_fn([rows], **options),
    )


def _row_densities(model: pm.Model, rv: Any, z: Any, n: int) -> Any:
    """All that the model says of the states but their own chain, (n,)."""
    total = pt.zeros((n,))
    for other in (*model.basic_RVs, *model.potentials):
        if other is rv:
            continue
        (term,) = model.logp(vars=[other], sum=False)
        if z not in ancestors([term]):
            continue
        if term.type.ndim == 0 or term.type.shape[0] not in (n, None):
            raise ValueError(
                f"FFBS wants one value for each of the {n} rows of {rv.name!r}; the log density of {other.name!r}, "
                f"which depends on it, has shape {term.type.shape}. (Give missing rows a density of 1 in a "
                "pymc.Potential of n terms: PyMC's imputation splits the rows.)"
            )
        total += term.reshape((n, -1)).sum(axis=1)
    return total
