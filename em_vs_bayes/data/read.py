"""Reading the user's y: numpy, pandas, polars, xarray or plain lists to float arrays, with errors in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from em_vs_bayes.common.arguments import brief
from em_vs_bayes.common.contract import Array
from em_vs_bayes.data import numbers


def matrix(y: Any, name: str = "y", *, finite: bool = True) -> Array:
    """``y`` as float64 (n, d), C order, NaN where missing. A float64 array in C order is not copied."""
    array = _framed(y, name) if numbers.is_frame(y) else numbers.floats(y, name)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise ValueError(f"{name} must be (n,) or (n, d); got {_shaped(y, array)}.")
    if array.shape[0] == 0 or array.shape[1] == 0:
        raise ValueError(f"{name} is empty: shape {array.shape}.")
    if finite and np.isinf(array).any():
        infinite = np.isinf(array).any(axis=0)
        raise ValueError(
            f"{name} has infinite values in column(s) {np.flatnonzero(infinite).tolist()}; "
            "it must be finite, or NaN where missing."
        )
    return np.ascontiguousarray(array)


VECTORS = {"Normal": "MvNormal for vectors or "}


def vector(y: Any, name: str, emission: str) -> Array:
    """``y`` as float64 (n,) for a univariate emission."""
    array = matrix(y, name)
    if array.shape[1] != 1:
        one = f" y is one row of {array.shape[1]} columns; did you mean a column, (n,)?" if len(array) == 1 else ""
        raise ValueError(
            f"{name} must have one column for {emission}; got {array.shape[1]}.{one} "
            f"Use {VECTORS.get(emission, '')}Product(name={emission}(...), ...), one stream for each column."
        )
    return array[:, 0]


def rows(y: Any) -> int:
    """Number of observations of whatever the user gave."""
    try:
        if isinstance(y, Mapping):
            return len(next(iter(y.values()))) if y else 0
        return len(y)
    except TypeError:
        raise ValueError(f"y must be (n,) or (n, d), or a frame or dict of streams; got {brief(y)}.") from None


def _framed(frame: Any, name: str) -> Array:
    """A frame's columns, one by one where they are not all of one plain kind."""
    if all(isinstance(t, np.dtype) and t.kind in "fiub" for t in frame.dtypes):
        return np.asarray(frame.to_numpy(dtype=np.float64))
    of = "a pandas DataFrame whose column {!r} holds "
    columns = [numbers.floats(frame.iloc[:, j], name, of.format(str(c))) for j, c in enumerate(frame.columns)]
    return np.column_stack(columns) if columns else np.empty((len(frame), 0))


def _shaped(y: Any, array: Array) -> str:
    return f"an array of shape {array.shape}" if array.ndim else brief(y)
