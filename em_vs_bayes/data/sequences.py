"""Several sequences in one data set: lengths, a list of arrays, or a column that says whose each row is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from em_vs_bayes.common.arguments import as_array, brief
from em_vs_bayes.common.printable import listed
from em_vs_bayes.data import numbers, read


def starts_of(lengths: Any, n: int) -> NDArray[np.int64]:
    """Where each of the sequences of ``lengths`` among ``n`` rows starts, and n; without lengths all are one."""
    if lengths is None:
        return np.array([0, n], dtype=np.int64)
    array = whole_numbers(lengths)
    if array.sum() != n:
        raise ValueError(f"lengths sum to {float(array.sum()):.10g}; y has {n} rows.")
    return np.concatenate([[0], np.cumsum(array)]).astype(np.int64)


def parts_of(y: Any, univariate: bool) -> list[Any] | None:
    """The sequences that a list holds, one array, frame or list each; None for what is one table.

    A list of lists of numbers has rows of a table in it where all are as long and an observation is a vector
    (not ``univariate``); else sequences.
    """
    if isinstance(y, np.ndarray) and y.dtype == object and y.ndim == 1:
        y = list(y)
    if not isinstance(y, (list, tuple)) or not y or not _depth(y[0]):
        return None
    if set(map(type, y)) <= {list, tuple}:
        lengths = set(map(len, y))
        if len(lengths) == 1 and (not univariate or lengths == {1}) and _depth(y[0]) < 2:
            return None
    elif not all(map(_depth, y)):
        return None
    return list(y)


def begun(starts: NDArray[np.int64]) -> str:
    """The lengths of sequences, for messages."""
    return f"[{listed(np.diff(starts).astype(str).tolist(), 12)}]"


def whole_numbers(lengths: Any) -> NDArray[Any]:
    """Lengths of sequences (S,), each at least one row; ValueError in words for anything else."""
    found = as_array(lengths)
    array = np.empty(0, dtype=object) if found is None else np.atleast_1d(found)
    if (
        array.ndim != 1
        or array.dtype.kind not in "iuf"
        or not np.isfinite(array).all()
        or (array != np.floor(array)).any()
        or (array < 1).any()
    ):
        raise ValueError(f"lengths must be positive whole numbers, one per sequence; got {brief(lengths)}.")
    return array


def _depth(part: Any) -> int:
    """How many axes something has that may be a sequence; 0 for a number."""
    if isinstance(part, (list, tuple)):
        return 1 + max(map(_depth, part[:2]), default=0)
    if isinstance(part, Mapping):
        return 2 if part and all(_depth(column) for column in part.values()) else 0
    if isinstance(part, np.ndarray) or callable(getattr(part, "to_numpy", None)):
        return int(np.ndim(part))
    return 0


def joined(parts: list[Any], name: str = "y") -> tuple[Any, NDArray[np.int64]]:
    """Sequences one after the other, and where each starts."""
    empty = [i for i, part in enumerate(parts) if read.rows(part) == 0]
    if empty:
        raise ValueError(f"{name}: sequence {empty[0]} is empty.")
    starts = np.concatenate([[0], np.cumsum([read.rows(part) for part in parts])]).astype(np.int64)
    kinds = {"frames": numbers.is_frame, "dicts": lambda part: isinstance(part, Mapping)}
    for kind, of_kind in kinds.items():
        if not any(map(of_kind, parts)):
            continue
        if not all(map(of_kind, parts)):
            raise TypeError(f"{name}: some sequences are {kind} and some are arrays; give all in one kind.")
        names = [list(part.keys()) for part in parts]
        for i, own in enumerate(names):
            if set(own) != set(names[0]):
                raise ValueError(
                    f"{name}: the sequences have different columns: sequence 0 has {[str(c) for c in names[0]]}, "
                    f"sequence {i} has {[str(c) for c in own]}."
                )
        if kind == "dicts":
            return {c: joined([part[c] for part in parts], f"{name}[{str(c)!r}]")[0] for c in names[0]}, starts
        import pandas as pd

        return pd.concat(parts, ignore_index=True), starts
    parts = [part if type(part) is np.ndarray else numbers.floats(part, name) for part in parts]
    widths = {part.shape[1:] for part in parts}
    if len(widths) > 1:
        raise ValueError(f"{name}: the sequences have different numbers of columns: {sorted(widths)}.")
    return np.concatenate(parts), starts


def named(y: Any, column: str) -> tuple[Any, NDArray[np.int64]]:
    """The frame without the column that says whose each row is, and where each sequence starts."""
    columns = getattr(y, "columns", None)
    if columns is None or column not in columns:
        got = numbers.kind_of(y).split(" ")[-1] if columns is None else f"a frame with {[str(c) for c in columns]}"
        raise ValueError(f"lengths={brief(column)} names a column of y; y is {got}.")
    from pandas import isna

    names = np.asarray(y[column], dtype=object)
    unnamed = np.flatnonzero(isna(names))
    if unnamed.size:
        raise ValueError(f"lengths={column!r}: row {unnamed[0]} has no name of a sequence.")
    begins = np.flatnonzero(np.r_[True, names[1:] != names[:-1]])
    seen = set[Any]()
    for name in names[begins].tolist():
        if name in seen:
            raise ValueError(
                f"lengths={column!r}: the rows of sequence {name!r} are not consecutive. "
                f"Sort y by {column!r} (and time)."
            )
        seen.add(name)
    return y[[c for c in columns if c != column]], np.append(begins, len(names)).astype(np.int64)
