"""Arguments of the distributions for users' own models, read in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor.tensor as pt
from pymc.distributions.dist_math import check_parameters
from pytensor.graph.basic import Variable

from em_vs_bayes.common.arguments import as_floats, brief
from em_vs_bayes.common.contract import Array


def tensor(argument: str, value: Any) -> Any:
    """A tensor, or numbers as one; TypeError naming the argument."""
    if isinstance(value, Variable):
        return pt.as_tensor(value)
    numbers = as_floats(value)
    try:
        return pt.as_tensor(value) if numbers is not None else _stacked(value)
    except Exception:  # PyTensor's own are of many kinds
        raise TypeError(f"{argument} must be a tensor or numbers; got {brief(value)}.") from None


def _stacked(value: Any) -> Any:
    """Lists of tensors; text and None are none."""
    if not isinstance(value, (list, tuple)):
        raise TypeError
    return pt.as_tensor(value)


def check_callable(argument: str, value: Any) -> None:
    """Refuse what cannot be called; None is let through."""
    if value is not None and not callable(value):
        raise TypeError(f"{argument} must be a function; got {brief(value)}.")


def powers(case_weights: Any, rows: int | None) -> Array | None:
    """Case weights (n,), or one for all rows; ValueError where they are no weights of these rows."""
    if case_weights is None:
        return None
    found = as_floats(case_weights)
    if found is None or not (np.isfinite(found).all() and (found >= 0.0).all()):
        raise ValueError(f"case_weights must be non-negative finite numbers; got {brief(case_weights)}.")
    if found.ndim and (found.ndim != 1 or rows not in (None, len(found))):
        wanted = "n" if rows is None else rows
        raise ValueError(f"case_weights must be ({wanted},), one per row of observed; got shape {found.shape}.")
    return found


def whole(value: Any, *wanted: tuple[Any, str]) -> Any:
    """Data (n, ...) whose sizes are looked at whenever they are evaluated: they may be exchanged (`pymc.set_data`).

    Parameters
    ----------
    wanted : pairs of tensor and str
        A condition, and what to say where it does not hold.
    """
    for condition, words in wanted:
        value = check_parameters(value, condition, can_be_replaced_by_ninf=False, msg=words)
    return value


def drawn(name: str, values: Any, like: Array) -> Array:
    """What ``simulate`` returned, as the data are shaped."""
    found = as_floats(values)
    if found is None or found.size != like.size:
        got = brief(values) if found is None else f"shape {found.shape}"
        raise ValueError(
            f"simulate= of {name!r} must return numbers of the shape of observed, {like.shape}; got {got}."
        )
    return found.reshape(like.shape)
