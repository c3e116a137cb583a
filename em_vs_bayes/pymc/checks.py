"""Arguments of Markov chains looked at where they are written: at constants, and at one draw of the priors.

A sampler that meets a wrong shape or probabilities that do not sum to one says so late, if at all: nutpie has but an
error code. Here a model is evaluated once, by PyTensor's Python linker, before anything is compiled.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor
from numpy.typing import NDArray
from pymc.logprob.utils import ParameterValueError
from pytensor.compile.mode import Mode
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Constant
from pytensor.graph.traversal import ancestors
from pytensor.tensor.random.type import RandomGeneratorType

from em_vs_bayes.common.contract import Array

TOLERANCE = 1e-6  # of a sum of probabilities
# pymc.Flat; a draw of a wide prior at which the user's own graph breaks down
UNDRAWABLE = (NotImplementedError, ParameterValueError, np.linalg.LinAlgError)


def check_chain(initial: Any, transition: Any, starts: Any, emission: Any = None, observed: Any = None) -> None:
    """Shapes and sums of a chain's tensors.

    Skipped in a model with ``check_bounds=False``, and where the priors have no draws (`pymc.Flat`).

    Parameters
    ----------
    initial, transition, starts : tensors
    emission : tensor (n, K), optional
    observed : tensor (n,) or (n, d), optional

    Raises
    ------
    ValueError
        Naming the argument, what it got and what it wants.
    """
    given = [x for x in (initial, transition, starts, emission, observed) if x is not None]
    values = _draw(given)
    if values is None:
        return
    first, matrices, rows, *rest = values
    check_states(first, matrices, rows)
    if rest:
        _check_emission(rest[0], rest[1], matrices.shape[-1])


def _draw(tensors: list[Any]) -> list[Array] | None:
    """Values at one draw of the priors, always the same; None where there is none, or the model wants no checks."""
    model = pm.Model.get_context(error_if_none=False)
    if model is not None and not model.check_bounds:
        return None
    roots = [v for v in ancestors(tensors) if v.owner is None]
    if not all(isinstance(v, Constant | SharedVariable) for v in roots):
        return None  # part of a graph whose inputs come later
    generators = [v for v in roots if isinstance(v, SharedVariable) and isinstance(v.type, RandomGeneratorType)]
    seeds = {v: pytensor.shared(np.random.default_rng(i)) for i, v in enumerate(generators)}
    with pytensor.config.change_flags(cxx=""):  # or the graphs within Ops such as softmax would go to a C compiler
        function = pytensor.function([], tensors, givens=seeds, mode=Mode(linker="py", optimizer="fast_compile"))
    try:
        with np.errstate(all="ignore"):
            return [np.asarray(value) for value in function()]
    except UNDRAWABLE:
        return None


def check_mixture(weights: Any, emission: Any, observed: Any) -> None:
    """Shapes and sums of a mixture's tensors, as `check_chain` those of a chain.

    Parameters
    ----------
    weights : tensor (K,) or (n, K)
    emission : tensor (n, K)
    observed : tensor (n,) or (n, d)

    Raises
    ------
    ValueError
        Naming the argument, what it got and what it wants.
    """
    values = _draw([weights, emission, observed])
    if values is None:
        return
    w, table, rows = values
    if table.ndim != 2 or len(table) != len(rows):
        raise ValueError(f"emission_logp must be (n, K), with n = {len(rows)} rows of observed; got {table.shape}.")
    check_weights(w, *table.shape)


def check_weights(weights: Array, n: int, K: int) -> None:
    """Probabilities of K components, the same for every one of n rows or its own for each."""
    if weights.shape not in ((K,), (n, K)):
        raise ValueError(
            f"weights must be ({K},), or ({n}, {K}) for {n} rows, as emission_logp has {K} columns; "
            f"got {weights.shape}."
        )
    _check_rows("weights", weights, np.ones(weights.shape[:-1], dtype=bool))


def check_states(initial: Array, transition: Array, starts: Array) -> None:
    """Shapes and sums of a chain's arrays."""
    S, n, K = len(starts) - 1, int(starts[-1]), transition.shape[-1]
    if starts[0] != 0 or (np.diff(starts) < 1).any():
        raise ValueError(f"lengths must be positive whole numbers, one per sequence; got {np.diff(starts)}.")
    if transition.shape not in ((K, K), (S, K, K), (n, K, K)):
        raise ValueError(
            f"transition must be (K, K), ({S}, K, K) for {S} sequence(s), or ({n}, K, K) for {n} rows; "
            f"got {transition.shape}."
        )
    if initial.shape not in ((K,), (S, K)):
        raise ValueError(
            f"initial must be ({K},), or ({S}, {K}) for {S} sequence(s), as transition has {K} states; "
            f"got {initial.shape}."
        )
    _check_rows("initial", initial, np.ones(initial.shape[:-1], dtype=bool))
    used = np.ones(transition.shape[:-1], dtype=bool)
    if transition.ndim == 3 and len(transition) == n != S:
        used[starts[:-1]] = False
    _check_rows("transition", transition, used)


def _check_rows(name: str, p: Array, used: NDArray[np.bool_]) -> None:
    """Probabilities: not NaN, not negative, and a sum of one."""
    total = np.where(used[..., None], p, 0.0).sum(axis=-1)
    wrong = used & ~((np.abs(total - 1.0) <= TOLERANCE) & (p >= 0.0).all(axis=-1))
    if not wrong.any():
        return
    at = tuple(int(i) for i in np.argwhere(wrong)[0])
    where = f"{name}[{', '.join(map(str, at))}]" if at else name
    if np.isnan(p[at]).any():
        problem = "is not a number"
    elif (p[at] < 0.0).any():
        problem = "is negative in part"
    else:
        problem = f"sums to {total[at]:.6g}"
    raise ValueError(f"{name} must hold probabilities that sum to one over its last axis; {where} {problem}: {p[at]}.")


def _check_emission(emission: Array, observed: Array, K: int) -> None:
    n = len(observed)
    if emission.shape != (n, K):
        raise ValueError(
            f"emission_logp must be ({n}, {K}): {n} rows of observed, {K} states of transition; got {emission.shape}."
        )
    gaps = np.isnan(observed).reshape(n, -1).any(axis=1)
    wrong = np.flatnonzero(np.isnan(emission).any(axis=1) & gaps)
    if wrong.size:
        raise ValueError(
            f"emission_logp is not a number in row {wrong[0]}, where observed is {observed[wrong[0]]}: "
            "say what the rest of such a row has for a density (what is missing adds 0)."
        )
