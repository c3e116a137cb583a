"""What the user gave, as models read it: rows side by side by their labels, columns by their names, sequences joined.

Nothing is zipped that says itself that it does not belong together. Frames of other libraries become pandas frames,
whose index is kept apart: it labels the rows of results.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from em_vs_bayes.common.printable import listed
from em_vs_bayes.data import kinds as columns
from em_vs_bayes.data import numbers, read, times
from em_vs_bayes.data.sequences import (
    begun,
    joined,
    named,
    parts_of,
    starts_of,
)

Names = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Given:
    """The data of a program.

    Parameters
    ----------
    y : ndarray, DataFrame, or dict of these
        Frames are pandas', rows numbered.
    starts : ndarray of int
        Where each sequence begins, with the number of rows at the end; empty where rows are independent.
    exog, weights, labels : ndarray, DataFrame or None
        In the rows of y.
    index : pandas.Index or None
        Labels of the rows; None where they are numbered from 0.
    names : dict of tuple of str
        Of the columns of ``"y"`` and ``"exog"``, where they have any.
    remarks : tuple of str
        What a user should know of how it was read.
    """

    y: Any
    starts: NDArray[np.int64]
    exog: Any = None
    weights: Any = None
    labels: Any = None
    index: Any = None
    names: Names = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """Values of one argument, and the index of its rows where it came with one."""

    values: Any
    index: Any = None


def take(
    y: Any,
    *,
    sequential: bool,
    univariate: bool = True,
    exog: Any = None,
    lengths: Any = None,
    weights: Any = None,
    labels: Any = None,
    like: Names | None = None,
    by_position: bool = True,
    index: Any = None,
) -> Given:
    """Everything a program is made of, checked to belong together.

    Parameters
    ----------
    y, exog, lengths, weights, labels
        See `Spec.fit`.
    sequential : bool
        Whether rows follow one another; else a list is a table.
    univariate : bool
        Whether an observation is one number: a list of lists of them then holds sequences.
    like : dict of tuple of str, optional
        Names of the columns that a model was fitted to: those of new data are matched with them.
    by_position : bool
        Whether the columns of y are read by position, and so names matter; else the model itself picks them by name.
    index : pandas.Index, optional
        Labels of the rows, where y does not bring them.
    """
    whole, starts = _rows_of("y", y, lengths, sequential, univariate)
    tables = {"y": whole}
    for name, value, scalar in (("exog", exog, False), ("weights", weights, True), ("labels", labels, True)):
        if value is not None:
            if name == "exog" and isinstance(value, dict):
                value = _as_frame(value, name)
            tables[name] = _beside(name, value, starts, sequential, scalar)
    values, remarks = _aligned(tables)
    names = dict(like or {})
    for name in ("y", "exog") if by_position else ("exog",):
        if name not in values:
            continue
        if like is not None:
            values[name] = matched(values[name], names.get(name), name)
        elif numbers.is_frame(values[name]):
            names[name] = tuple(map(str, values[name].columns))
    index = whole.index if index is None else index
    index = None if index is None or _numbered(index) else times.tidied(index)
    return Given(
        y=values["y"],
        starts=starts if sequential else np.empty(0, dtype=np.int64),
        exog=values.get("exog"),
        weights=values.get("weights"),
        labels=values.get("labels"),
        index=index,
        names=names,
        remarks=(*remarks, *(times.remarks(index, starts) if sequential else ())),
    )


def table(value: Any, name: str) -> Table:
    """One argument as an ndarray, a pandas DataFrame, a dict of these or a list, with the labels of its rows."""
    if type(value) is np.ndarray and value.dtype.names is None:
        return Table(value)
    if callable(getattr(value, "to_pandas", None)):
        try:
            made = value.to_pandas()
        except ValueError as error:
            raise ValueError(
                f"{name} must be (n,) or (n, d), or a frame; got {numbers.kind_of(value)}: {error}"
            ) from None
        own = table(made, name)
        return Table(own.values, None if own.index is None or _numbered(own.index) else own.index)
    if isinstance(value, Mapping):
        return _streams(value, name)
    if isinstance(value, (str, bytes, AbstractSet, Iterator)):
        raise TypeError(f"{name} must be an array, a frame or a list; got {numbers.kind_of(value)}.")
    if callable(getattr(value, "tocsr", None)):
        raise TypeError(f"{name} is a sparse matrix; give {name}.toarray().")
    if numbers.is_frame(value):
        return _frame(value, name)
    if numbers.is_series(value):
        index = None if isinstance(value, sys.modules["pandas"].Index) else value.index
        return Table(numbers.plain(value), None if index is None else times.tidied(index))
    if isinstance(value, np.ndarray) and value.dtype.names is not None:
        import pandas as pd

        return _frame(pd.DataFrame(value), name)
    return Table(value)


def column_names(y: Any) -> tuple[str, ...] | None:
    """Names of the columns of a frame; None where they are only numbered, or there is none."""
    if not numbers.is_frame(y) or _numbered(y.columns):
        return None
    return tuple(map(str, y.columns))


def all_column_names(y: Any) -> list[str] | None:
    """Column names of a frame, numbered ones too; else None."""
    columns = getattr(y, "columns", None)
    return None if columns is None else [str(c) for c in columns]


def matched(values: Any, wanted: tuple[str, ...] | None, name: str) -> Any:
    """A frame with its columns in the order of the model's; an array, or numbered columns, by position.

    Where the model knows no names, a frame goes by position as well.
    """
    own = column_names(values)
    if own is None or wanted is None or wanted == tuple(map(str, range(len(wanted)))):
        return _by_position(values, wanted, name)
    if own == wanted:
        return values
    lacks, odd = [c for c in wanted if c not in own], [c for c in own if c not in wanted]
    if lacks or odd:
        said = "".join(f"; {what} {_some(which)}" for what, which in (("it lacks", lacks), ("unknown", odd)) if which)
        raise ValueError(f"{name} has column(s) {_some(own)}; the model was fitted to {_some(wanted)}{said}.")
    return values.iloc[:, [own.index(c) for c in wanted]]


def aligned_with(index: Any, value: Any, name: str) -> Any:
    """Values of one per row in the order of rows that are labelled by ``index``."""
    return _aligned({"y": Table(None, index), name: table(value, name)})[0][name]


def _some(names: Any) -> str:
    return f"[{listed([repr(own) for own in names], 12)}]"


def _by_position(values: Any, wanted: tuple[str, ...] | None, name: str) -> Any:
    """As many columns as the model has, under its names where it has any."""
    if wanted is None:
        return read.matrix(values, name, finite=False) if numbers.is_frame(values) else values
    array = read.matrix(values, name, finite=False)
    if array.shape[1] != len(wanted):
        raise ValueError(
            f"{name} has {array.shape[1]} column(s); the model was fitted to {len(wanted)}: {_some(wanted)}."
        )
    import pandas as pd

    return pd.DataFrame(array, columns=list(wanted))


# --- rows -----------------------------------------------------------------------------------------------------------


def _rows_of(name: str, y: Any, lengths: Any, sequential: bool, univariate: bool) -> tuple[Table, NDArray[np.int64]]:
    """All rows of y in one table, and where its sequences begin."""
    parts = parts_of(y, univariate) if sequential else None
    if parts is not None:
        if lengths is not None:
            raise ValueError("lengths and a list of sequences exclude each other: the list has its own lengths.")
        return _concatenated(parts, name)
    whole = table(y, name)
    if not sequential:
        return whole, np.array([0, read.rows(whole.values)], dtype=np.int64)
    if isinstance(lengths, str):
        rest, starts = named(whole.values, lengths)
        return Table(rest, whole.index), starts
    return whole, starts_of(lengths, read.rows(whole.values))


def _concatenated(parts: list[Any], name: str) -> tuple[Table, NDArray[np.int64]]:
    tables = [table(part, name) for part in parts]
    values, starts = joined([t.values for t in tables], name)
    index = tables[0].index
    if len(tables) > 1:
        labelled = [t.index for t in tables if t.index is not None]
        index = labelled[0].append(labelled[1:]) if len(labelled) == len(tables) else None
    return Table(values, index), starts


def _beside(name: str, value: Any, starts: NDArray[np.int64], sequential: bool, scalar: bool) -> Table:
    """An argument that goes row by row with y; given as y is, as a list of sequences, it must have its lengths."""
    parts = parts_of(value, scalar) if sequential else None
    if parts is None:
        own = table(value, name)
        if name == "weights" and sequential and len(starts) > 2 and np.shape(own.values) == (len(starts) - 1,):
            return Table(np.repeat(numbers.floats(own.values, name), np.diff(starts)))  # one for each sequence
        return own
    own, begins = _concatenated(parts, name)
    if not np.array_equal(begins, starts):
        raise ValueError(f"{name} has sequences of {begun(begins)} rows; y of {begun(starts)}.")
    return own


def _streams(given: Mapping[Any, Any], name: str) -> Table:
    """A dict of columns, or of streams: aligned with each other."""
    own = {str(key): table(value, f"{name}[{str(key)!r}]") for key, value in given.items()}
    if len(own) < len(given):
        raise ValueError(f"{name} has two streams of one name: {list(given)}.")
    values, _ = _aligned(own)
    return Table(values, next((t.index for t in own.values() if t.index is not None), None))


def _as_frame(given: Mapping[Any, Any], name: str) -> Any:
    """A dict of columns as a frame."""
    import pandas as pd

    own = _streams(given, name)
    lengths = {key: read.rows(values) for key, values in own.values.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"The columns of {name} must have one length; got {lengths}.")
    return pd.DataFrame(own.values, index=own.index)


def _frame(frame: Any, name: str) -> Table:
    names = [str(c) for c in frame.columns]
    twice = list(dict.fromkeys(c for c in names if names.count(c) > 1)) if len(set(names)) < len(names) else []
    if twice:
        raise ValueError(f"{name} has {names.count(twice[0])} columns named {twice[0]!r}: rename or drop one.")
    rows = frame if _numbered(frame.index) else frame.reset_index(drop=True)
    return Table(columns.tidied(rows), times.tidied(frame.index))


def _numbered(index: Any) -> bool:
    import pandas as pd

    return isinstance(index, pd.RangeIndex) and index.start == 0 and index.step == 1


def _aligned(tables: dict[str, Table]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Values of every argument in the rows of the first, by the labels of the rows where they have any; and remarks.

    Rows without labels, and labels that are the same, go by position. Rows that are numbered go by position with rows
    that have labels, which is said; but where some labels are numbers of rows, what is meant is anyone's guess.
    """
    known: dict[str, Any] = {}
    out, remarks = {}, []
    for name, own in tables.items():
        values, index = own.values, own.index
        for other, reference in known.items():
            if index is None or index.equals(reference):
                continue
            if (_numbered(index) or _numbered(reference)) and not _among(index, reference).any():
                labelled, plain = (name, other) if _numbered(reference) else (other, name)
                remarks.append(f"The rows of {plain} are numbered, those of {labelled} have labels: taken in order.")
                continue
            values, index = _picked(values, _order(index, reference, name, other)), reference
            remarks.append(f"The rows of {name} were put in the order of {other} by their labels.")
        out[name] = values
        if index is not None:
            known[name] = index
    return out, tuple(remarks)


def _order(index: Any, reference: Any, name: str, other: str) -> NDArray[np.int64]:
    """Where the rows of ``reference`` are among those of ``index``."""
    if len(index) == len(reference) and index.is_unique and reference.is_unique:
        own, wanted = _comparable(index, reference)
        order = own.get_indexer(wanted)
        if (order >= 0).all():
            return np.asarray(order, dtype=np.int64)
    raise ValueError(_unlike(index, reference, name, other))


def _comparable(index: Any, other: Any) -> tuple[Any, Any]:
    """Two indexes as they are where they are of one type, else their labels as Python's own."""
    import pandas as pd

    if index.dtype == other.dtype and index.nlevels == other.nlevels == 1:
        return index, other
    if all(own.nlevels == 1 and own.dtype.kind in "iuf" for own in (index, other)):
        return index, other
    one, two = (pd.Index(own.to_numpy(dtype=object), dtype=object, tupleize_cols=False) for own in (index, other))
    return one, two


def _among(index: Any, others: Any) -> NDArray[np.bool_]:
    """Which labels (n,) are among those of another index."""
    one, two = _comparable(index, others)
    return np.asarray(one.isin(two))


def _unlike(index: Any, reference: Any, name: str, other: str) -> str:
    strangers = list(index[~_among(index, reference)][:1]) or list(reference[~_among(reference, index)][:1])
    one, two = (name, other) if strangers and strangers[0] in index else (other, name)
    why = f"{one} has the label {strangers[0]!r} that {two} has not" if strangers else "labels are repeated"
    return (
        f"{name} and {other} have different indexes ({why}): the rows cannot be matched. Give both the same index, or "
        "reset_index(drop=True) on both to go by position."
    )


def _picked(values: Any, order: NDArray[np.int64]) -> Any:
    if numbers.is_frame(values):
        return values.iloc[order].reset_index(drop=True)
    return np.asarray(values)[order]
