"""Numbers however they are stored: plain, nullable, Arrow's, Python's own. What is no number is refused in words."""

from __future__ import annotations

import sys
from datetime import date, time, timedelta
from decimal import Decimal
from fractions import Fraction
from numbers import Real
from typing import Any

import numpy as np

from em_vs_bayes.common.arguments import as_array, brief
from em_vs_bayes.common.contract import Array

KINDS = {"c": "complex numbers", "M": "dates", "m": "durations", "S": "text", "U": "text", "T": "text", "V": "records"}
ADVICE = {
    "text": "Convert numbers with astype(float); encode categories as integers, or drop them.",
    "dates": "Convert them to numbers first, as (t - t.min()) / pd.Timedelta('1D').",
    "durations": "Convert them to numbers first, as t / pd.Timedelta('1D').",
}


def floats(values: Any, name: str, of: str = "") -> Array:
    """``values`` as float64, NaN where missing; TypeError in one line for what holds no numbers.

    ``of`` is what of ``name`` they are, for messages.
    """
    if is_series(values):
        values = plain(values)
    array = as_array(values)
    if array is None:
        raise TypeError(
            f"{name} must hold numbers; got {kind_of(values)} whose rows have different lengths, or are none."
        )
    if array.dtype.kind in KINDS:
        raise refused(name, of, KINDS[array.dtype.kind], _first(array))
    if array.dtype == object:
        return _from_objects(array, name, of)
    return array.astype(np.float64, copy=False)


def is_frame(values: Any) -> bool:
    """Whether it is a pandas DataFrame; pandas is not imported to know."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(values, pandas.DataFrame)


def is_series(values: Any) -> bool:
    """Likewise a pandas Series or Index."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(values, (pandas.Series, pandas.Index))


def short(value: Any) -> str:
    """A value for messages."""
    if isinstance(value, (date, np.datetime64, np.timedelta64)) or type(value).__name__ == "Period":
        return str(value)[:19]
    return brief(value.item() if isinstance(value, np.generic) else value, 40)


def plain(values: Any) -> Any:
    """NumPy's view of a column: floats where its type is one of numbers, whoever's type that is."""
    from pandas.api import types

    if types.is_bool_dtype(values.dtype) or types.is_numeric_dtype(values.dtype):
        if isinstance(values.dtype, np.dtype):
            return values.to_numpy()
        if not types.is_complex_dtype(values.dtype):
            return (
                values.astype("object").to_numpy() if _exact(values) else values.to_numpy(np.float64, na_value=np.nan)
            )
    if types.is_datetime64_any_dtype(values.dtype):
        return values.to_numpy(dtype="datetime64[ns]")
    return values.to_numpy()


def refused(name: str, of: str, what: str, example: Any = None) -> TypeError:
    """The refusal of values of some kind."""
    shown = "" if example is None else f" ({short(example)})"
    advice = f" {ADVICE[what]}" if what in ADVICE else ""
    return TypeError(f"{name} must hold numbers; got {of}{what}{shown}.{advice}")


def kind_of(values: Any) -> str:
    """A type in words."""
    module = type(values).__module__.split(".")[0]
    return f"a {type(values).__name__}" if module == "builtins" else f"a {module} {type(values).__name__}"


def strange(value: Any) -> str | None:
    """What a value of an object array is, in words; None where it is a number."""
    if isinstance(value, (str, bytes)):
        return "text" if isinstance(value, str) else "bytes"
    if isinstance(value, (date, np.datetime64)) or type(value).__name__ == "Period":
        return "dates"
    if isinstance(value, (timedelta, np.timedelta64)):
        return "durations"
    if isinstance(value, time):
        return "times of day"
    if isinstance(value, (Real, Decimal, Fraction, np.bool_)):
        return None
    if isinstance(value, (complex, np.complexfloating)):
        return "complex numbers"
    return f"values of type {type(value).__name__}"


def _exact(values: Any) -> bool:
    """Whether they are Python's own numbers or categories, to be looked at one by one."""
    return "decimal" in str(values.dtype) or str(values.dtype) == "category"


def _missing(value: Any) -> bool:
    from pandas import isna

    return value.is_nan() if isinstance(value, Decimal) else np.ndim(value) == 0 and bool(isna(value))


def _from_objects(array: np.ndarray, name: str, of: str) -> Array:
    flat = array.ravel()
    known = np.array([not _missing(v) for v in flat], dtype=bool) if flat.size else flat.astype(bool)
    by_type = {type(v): v for v in flat[known][::-1]}  # the first of each type
    for value in by_type.values():
        what = strange(value)
        if what is not None:
            if isinstance(value, (list, tuple, np.ndarray)):
                raise TypeError(f"{name} must hold numbers; got {of}rows of different lengths, or lists as values.")
            raise refused(name, of, what, value)
    out = np.full(flat.shape, np.nan)
    try:
        out[known] = flat[known].astype(np.float64)
    except (OverflowError, TypeError, ValueError) as error:
        raise TypeError(f"{name} must hold numbers that a float can hold: {error}.") from None
    return out.reshape(array.shape)


def _first(array: np.ndarray) -> Any:
    return array.ravel()[0] if array.size and array.dtype.kind != "V" else None
