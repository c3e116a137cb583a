"""Reading the user's y: numpy, pandas, polars, xarray or plain lists to float arrays, with errors in words."""

from __future__ import annotations

from typing import Any

import numpy as np

from em_vs_bayes.contract import Array


def matrix(y: Any, name: str = "y", *, finite: bool = True) -> Array:
    """``y`` as float64 (n, d), C order, NaN where missing. A float64 array in C order is not copied."""
    values = y.to_numpy() if callable(getattr(y, "to_numpy", None)) else y
    if callable(getattr(values, "filled", None)) and np.ma.isMaskedArray(values):
        values = np.ma.filled(values.astype(float), np.nan)
    try:
        array = np.asarray(values)
        if array.dtype == object:
            text = [value for value in array.ravel() if isinstance(value, (str, bytes))]
            if text:  # float() would take "1"; a column of text is a mistake all the same
                raise TypeError(f"found the text {text[0]!r}")
            array = np.where(_missing(array), np.nan, array)
        if np.iscomplexobj(array):
            raise TypeError("complex numbers have no order")
        array = array.astype(np.float64, copy=False)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{name} must hold numbers; got {_kind(y)} whose values do not convert to float ({error}). "
            "Encode categories as integers or drop the columns."
        ) from None
    if array.dtype.kind == "f" and np.asarray(values).dtype.kind in "USM":
        raise TypeError(f"{name} must hold numbers; got dtype {np.asarray(values).dtype}.")
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2:
        raise ValueError(f"{name} must be (n,) or (n, d); got an array of shape {array.shape}.")
    if array.shape[0] == 0 or array.shape[1] == 0:
        raise ValueError(f"{name} is empty: shape {array.shape}.")
    if finite and np.isinf(array).any():
        infinite = np.isinf(array).any(axis=0)
        raise ValueError(
            f"{name} has infinite values in column(s) {np.flatnonzero(infinite).tolist()}; "
            "it must be finite, or NaN where missing."
        )
    return np.ascontiguousarray(array)


def vector(y: Any, name: str, emission: str) -> Array:
    """``y`` as float64 (n,) for a univariate emission."""
    array = matrix(y, name)
    if array.shape[1] != 1:
        raise ValueError(
            f"{name} must have one column for {emission}; got {array.shape[1]}. "
            "Use MvNormal for vectors or Product for independent streams."
        )
    return array[:, 0]


def rows(y: Any) -> int:
    """Number of observations of whatever the user gave."""
    if isinstance(y, dict):
        return len(next(iter(y.values())))
    try:
        return len(y)
    except TypeError:
        raise ValueError(f"y must be (n,) or (n, d), or a frame or dict of streams; got {y!r}.") from None


def _missing(array: np.ndarray) -> Any:
    """None, NaN and pandas' NA alike."""
    from pandas import isna

    return isna(array)


def _kind(y: Any) -> str:
    return f"a {type(y).__module__.split('.')[0]} {type(y).__name__}"
