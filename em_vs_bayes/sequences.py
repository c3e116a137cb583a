"""Several sequences in one data set: lengths, a list of arrays, or a column that says whose each row is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from em_vs_bayes.emissions import read


def split(y: Any, lengths: Any) -> tuple[Any, NDArray[np.int64]]:
    """All rows in one object, and where each sequence starts, with the number of rows at the end.

    Parameters
    ----------
    y : array_like, frame or dict; or list of arrays or frames
        A list of arrays or frames holds one sequence each.
    lengths : array_like of int, str or None
        Lengths of consecutive sequences; or the column of the frame ``y`` that names the sequence of each row.

    Raises
    ------
    ValueError, TypeError
        Where lengths do not add up, a sequence is empty, or a named sequence is not in one piece.
    """
    if isinstance(y, (list, tuple)) and y and all(_is_table(part) for part in y):
        if lengths is not None:
            raise ValueError("lengths and a list of sequences exclude each other: the list has its own lengths.")
        return _joined(list(y))
    if isinstance(lengths, str):
        return _grouped(y, lengths)
    n = read.rows(y)
    if lengths is None:
        return y, np.array([0, n], dtype=np.int64)
    array = whole_numbers(lengths)
    if array.sum() != n:
        raise ValueError(f"lengths sum to {int(array.sum())}; y has {n} rows.")
    return y, np.concatenate([[0], np.cumsum(array)]).astype(np.int64)


def whole_numbers(lengths: Any) -> NDArray[Any]:
    """Lengths of sequences (S,), each at least one row; ValueError in words for anything else."""
    try:
        array = np.atleast_1d(np.asarray(lengths))
    except ValueError:  # ragged
        array = np.empty(0, dtype=object)
    if (
        array.ndim != 1
        or array.dtype.kind not in "iuf"
        or not np.isfinite(array).all()
        or (array != np.floor(array)).any()
        or (array < 1).any()
    ):
        raise ValueError(f"lengths must be positive whole numbers, one per sequence; got {lengths!r}.")
    return array


def _is_table(part: Any) -> bool:
    return np.ndim(part) >= 1 and (isinstance(part, np.ndarray) or callable(getattr(part, "to_numpy", None)))


def _is_frame(part: Any) -> bool:
    return getattr(part, "columns", None) is not None


def _joined(parts: list[Any]) -> tuple[Any, NDArray[np.int64]]:
    empty = [i for i, part in enumerate(parts) if len(part) == 0]
    if empty:
        raise ValueError(f"y: sequence {empty[0]} is empty.")
    starts = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
    framed = [_is_frame(part) for part in parts]
    if all(framed):
        import pandas as pd

        frames = [p if isinstance(p, pd.DataFrame) else p.to_pandas() for p in parts]
        for i, frame in enumerate(frames):
            if set(frame.columns) != set(frames[0].columns):
                raise ValueError(
                    f"y: the sequences have different columns: sequence 0 has {[str(c) for c in frames[0].columns]}, "
                    f"sequence {i} has {[str(c) for c in frame.columns]}."
                )
        return pd.concat(frames, ignore_index=True), starts
    if any(framed):
        raise TypeError("y: some sequences are frames and some are arrays; give all in one kind.")
    parts = [np.asarray(part) for part in parts]
    widths = {part.shape[1:] for part in parts}
    if len(widths) > 1:
        raise ValueError(f"y: the sequences have different numbers of columns: {sorted(widths)}.")
    return np.concatenate(parts), starts


def _grouped(y: Any, column: str) -> tuple[Any, NDArray[np.int64]]:
    columns = getattr(y, "columns", None)
    if columns is None or column not in columns:
        got = type(y).__name__ if columns is None else f"a frame with {[str(c) for c in columns]}"
        raise ValueError(f"lengths={column!r} names a column of y; y is {got}.")
    from pandas import isna

    names = np.asarray(y[column])
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
    rest = y[[c for c in columns if c != column]]
    return rest, np.append(begins, len(names)).astype(np.int64)
