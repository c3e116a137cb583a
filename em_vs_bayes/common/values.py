"""Values as the user wrote them: options as Python's own scalars; fixed ones checked and broadcast, NaN where free."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from em_vs_bayes.common.arguments import as_floats, brief
from em_vs_bayes.common.contract import Array


def plain(value: Any) -> Any:
    """A scalar of NumPy, an array of one number without axes, a Decimal or a Fraction as Python's own; others as is."""
    if value is np.ma.masked:
        return float("nan")
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return float(value) if value.dtype == np.longdouble else value.item()
    if isinstance(value, (Decimal, Fraction)):
        return float("nan") if isinstance(value, Decimal) and value.is_snan() else float(value)
    if type(value) is tuple:
        return tuple(map(plain, value))
    return value


def plain_fields(of: Any) -> None:
    """The same for every field of a dataclass: JSON, hashes and files know no others."""
    for field in fields(of):
        given = getattr(of, field.name)
        made = plain(given)
        if made is not given:
            object.__setattr__(of, field.name, made)


def broadcast(value: Any, shape: tuple[int, ...], name: str) -> Array:
    """``value`` as a float array of ``shape``; all NaN where nothing was given."""
    if value is None:
        return np.full(shape, np.nan)
    array = as_floats(value)
    if array is None:
        raise TypeError(f"fixed[{name!r}] must hold numbers, NaN where free; got {brief(value)}.")
    if np.isinf(array).any():
        raise ValueError(f"fixed[{name!r}] must be finite, NaN where free; got {brief(array.tolist())}.")
    try:
        return np.array(np.broadcast_to(array, shape))
    except ValueError:
        raise ValueError(f"fixed[{name!r}] has shape {array.shape}; the parameter has shape {shape}.") from None


def scalars_per_component(value: Any, n_components: int, name: str, low: float, high: float) -> Array:
    """Fixed numbers (K,) inside [low, high]."""
    array = broadcast(value, (n_components,), name)
    known = array[~np.isnan(array)]
    if ((known < low) | (known > high)).any():
        raise ValueError(f"fixed[{name!r}] must lie in [{low:g}, {high:g}]; got {brief(known.tolist())}.")
    return array


def probability_table(value: Any, shape: tuple[int, int], name: str) -> Array:
    """Fixed probabilities (R, C): in [0, 1], fully fixed rows sum to one, others to at most one."""
    array = broadcast(value, shape, name)
    if np.any(array < 0) or np.any(array > 1):
        raise ValueError(f"fixed[{name!r}] must hold probabilities in [0, 1]; got {brief(array.tolist())}.")
    for r, row in enumerate(array):
        total, free = np.nansum(row), np.isnan(row).sum()
        if free == 0 and abs(total - 1.0) > 1e-8:
            raise ValueError(f"fixed[{name!r}], row {r}, is fixed whole and must sum to 1; it sums to {total:g}.")
        if free and total >= 1.0:
            raise ValueError(
                f"fixed[{name!r}], row {r}: the fixed elements sum to {total:g} and leave nothing for the {free} free."
            )
        if free == 1:  # the last free element is determined
            array[r, np.isnan(row)] = 1.0 - total
        elif free == 0:
            array[r] = row / total
    return array
