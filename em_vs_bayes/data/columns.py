"""Data as JSON and plain arrays, and back with the types they had: what a saved fit keeps of y, exog and their index.

Each kind of column is a pair of functions below: to a layout (JSON) whose arrays go by number, and back from it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

PLAIN = "biufc"
ISO: dict[str, Any] = {"datetime": datetime, "date": date, "time": time}
WORDS: dict[str, Any] = {"Decimal": Decimal, "Fraction": Fraction, "int": int, "float": float}


@dataclass(slots=True)
class Store:
    """The arrays of one group, numbered as they come."""

    group: str
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    def put(self, values: Any) -> str:
        """Keep an array of numbers; the name that it goes by."""
        name = f"{self.group}/{len(self.arrays)}"
        self.arrays[name] = np.ascontiguousarray(values)
        return name


def taken_apart(value: Any, store: Store, name: str) -> dict[str, Any] | None:
    """A layout of data: an array, a frame, a dict of these, a column or an index.

    Raises
    ------
    TypeError
        Where values are of a kind that cannot be saved; the message says which and names ``name``.
    """
    pandas = sys.modules.get("pandas")
    if value is None:
        return None
    if isinstance(value, Mapping):
        parts = [taken_apart(v, store, f"{name}[{str(k)!r}]") for k, v in value.items()]
        return {"kind": "dict", "names": [str(k) for k in value], "parts": parts}
    if pandas is None or isinstance(value, (np.ndarray, list, tuple)):
        return _array(np.asarray(value), store, name)
    if isinstance(value, pandas.DataFrame):
        names = [c if type(c) in (str, int) else str(c) for c in value.columns]
        parts = [taken_apart(value.iloc[:, j], store, f"{name}[{str(c)!r}]") for j, c in enumerate(names)]
        return {"kind": "frame", "names": names, "parts": parts}
    if isinstance(value, pandas.MultiIndex):
        levels = [value.get_level_values(j) for j in range(value.nlevels)]
        parts = [_series(level, store, name) for level in levels]
        return {"kind": "labels", "names": [_label(n) for n in value.names], "parts": parts}
    if isinstance(value, pandas.Index):
        freq = getattr(value, "freqstr", None) if value.dtype.kind in "mM" else None
        return {"kind": "index", "name": _label(value.name), "values": _series(value, store, name), "freq": freq}
    if isinstance(value, pandas.Series):
        return _series(value, store, name)
    return _array(np.asarray(value), store, name)


def put_together(layout: Mapping[str, Any] | None, arrays: Mapping[str, np.ndarray]) -> Any:
    """What `taken_apart` made the layout of."""
    return None if layout is None else BACK[layout["kind"]](layout, arrays)


# --- to layouts -------------------------------------------------------------------------------------------------------


def _label(name: Any) -> str | int | None:
    return name if name is None or type(name) in (str, int) else str(name)


def _array(array: np.ndarray, store: Store, name: str) -> dict[str, Any]:
    if array.dtype.kind in PLAIN:
        return {"kind": "array", "values": store.put(array)}
    if array.dtype.kind in "mM":
        return {"kind": "times", "dtype": array.dtype.str, "values": store.put(array.view(np.int64))}
    shape = list(array.shape)
    return {"kind": "objects", "shape": shape, "values": [_object(v, name) for v in array.ravel().tolist()]}


def _series(values: Any, store: Store, name: str) -> dict[str, Any]:
    """A column by the type of its values."""
    import pandas as pd

    dtype = values.dtype
    if isinstance(dtype, np.dtype):
        return {"kind": "column", "values": _array(values.to_numpy(), store, name)}
    if isinstance(dtype, pd.CategoricalDtype):
        own = pd.Categorical(values)
        levels = _series(own.categories, store, name)
        codes = store.put(np.asarray(own.codes, dtype=np.int64))
        return {"kind": "categories", "codes": codes, "levels": levels, "ordered": bool(own.ordered)}
    if isinstance(dtype, pd.IntervalDtype):
        spans = pd.arrays.IntervalArray(values)
        ends = [_series(end, store, name) for end in (spans.left, spans.right)]
        return {"kind": "intervals", "left": ends[0], "right": ends[1], "closed": spans.closed}
    if isinstance(dtype, pd.PeriodDtype):
        return {"kind": "periods", "values": store.put(pd.PeriodIndex(values).asi8), "dtype": str(dtype)}
    if isinstance(dtype, pd.DatetimeTZDtype):
        return {"kind": "zoned", "values": store.put(pd.DatetimeIndex(values).asi8), "dtype": str(dtype)}
    if isinstance(dtype, pd.StringDtype):
        missing = np.asarray(values.isna(), dtype=bool)
        text = [None if gone else str(v) for v, gone in zip(values, missing, strict=True)]
        return {"kind": "text", "values": text, "storage": dtype.storage, "nan": dtype.na_value is not pd.NA}
    if isinstance(dtype, pd.SparseDtype):
        dense = _series(values.sparse.to_dense(), store, name)
        return {"kind": "sparse", "values": dense, "dtype": str(dtype)}
    if _dtype(str(dtype), arrow := isinstance(dtype, pd.ArrowDtype)) != dtype:
        raise TypeError(f"{name} has values of type {dtype}, which cannot be saved: drop or convert it.")
    missing = np.asarray(values.isna(), dtype=bool)
    if pd.api.types.is_bool_dtype(dtype) or (pd.api.types.is_numeric_dtype(dtype) and "decimal" not in str(dtype)):
        like = np.dtype(dtype.numpy_dtype) if dtype.kind in PLAIN else np.dtype(float)
        plain = values.to_numpy(dtype=like, na_value=like.type(0)) if missing.any() else values.to_numpy(dtype=like)
        return {
            "kind": "masked",
            "values": store.put(plain),
            "missing": store.put(missing),
            "dtype": str(dtype),
            "arrow": arrow,
        }
    typed = [_object(None if gone else v, name) for v, gone in zip(values, missing, strict=True)]
    return {"kind": "typed", "values": typed, "dtype": str(dtype), "arrow": arrow}


def _dtype(name: str, arrow: bool) -> Any:
    """pandas' type of this name; None where it has no such name."""
    import pandas as pd

    if not arrow:
        return pd.api.types.pandas_dtype(name)
    import pyarrow as pa

    if name == "string[pyarrow]":  # to pandas, another type
        return pd.ArrowDtype(pa.string())
    if digits := re.fullmatch(r"decimal(128|256)\((\d+), (-?\d+)\)\[pyarrow\]", name):
        wide, precision, scale = map(int, digits.groups())
        return pd.ArrowDtype(pa.decimal128(precision, scale) if wide == 128 else pa.decimal256(precision, scale))
    try:
        return pd.ArrowDtype.construct_from_string(name)
    except (NotImplementedError, TypeError, ValueError):
        return None


def _object(value: Any, name: str) -> Any:
    """One Python object: as JSON has it, or as a list of its type and its words."""
    import pandas as pd

    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (bool, int, float)):
        return value if isinstance(value, bool) else [type(value).__name__, repr(value)]
    if value is pd.NA or value is pd.NaT:
        return ["missing", "NaT" if value is pd.NaT else "NA"]
    if isinstance(value, (Decimal, Fraction)):
        return [type(value).__name__, str(value)]
    if isinstance(value, pd.Timestamp):
        zone = None if value.tz is None else str(value.tz)
        return ["Timestamp", str(value.asm8.view(np.int64)), str(value.asm8.dtype), zone]
    if isinstance(value, pd.Timedelta):
        return ["Timedelta", str(value.asm8.view(np.int64)), str(value.asm8.dtype)]
    if isinstance(value, pd.Period):
        return ["Period", str(value.ordinal), value.freqstr]
    if isinstance(value, pd.Interval):
        return ["Interval", _object(value.left, name), _object(value.right, name), value.closed]
    if isinstance(value, timedelta):
        return ["timedelta", str(value.days), str(value.seconds), str(value.microseconds)]
    for word, kind in ISO.items():
        if type(value) is kind and getattr(value, "tzinfo", None) is None:
            return [word, value.isoformat()]
    if isinstance(value, tuple):
        return ["tuple", *(_object(v, name) for v in value)]
    raise TypeError(f"{name} holds values of type {type(value).__name__}, which cannot be saved: drop or convert them.")


# --- and back ---------------------------------------------------------------------------------------------------------


def _frame_back(layout: Any, arrays: Any) -> Any:
    import pandas as pd

    parts = [put_together(part, arrays) for part in layout["parts"]]
    made = pd.concat(parts, axis=1) if parts else pd.DataFrame()
    return made.set_axis(pd.Index(layout["names"], dtype=None if layout["names"] else object), axis=1)


def _labels_back(layout: Any, arrays: Any) -> Any:
    import pandas as pd

    return pd.MultiIndex.from_arrays([put_together(p, arrays) for p in layout["parts"]], names=layout["names"])


def _index_back(layout: Any, arrays: Any) -> Any:
    import pandas as pd

    made = pd.Index(put_together(layout["values"], arrays), name=layout["name"])
    if layout["freq"] is not None:
        made.freq = layout["freq"]
    return made


def _of(make: Callable[[Any, Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """A column made of pandas' own arrays."""

    def back(layout: Any, arrays: Any) -> Any:
        import pandas as pd

        return pd.Series(make(pd, layout, arrays))

    return back


def _column_back(values: np.ndarray) -> Any:
    import pandas as pd

    return pd.Series(values, dtype=values.dtype)  # objects stay objects


def _objects_back(layout: Any, arrays: Any) -> Any:
    flat = np.empty(len(layout["values"]), dtype=object)
    flat[:] = [_object_back(v) for v in layout["values"]]
    return flat.reshape(layout["shape"])


def _masked(pd: Any, layout: Any, arrays: Any) -> Any:
    values, missing = arrays[layout["values"]], arrays[layout["missing"]]
    kinds = {"b": pd.arrays.BooleanArray, "f": pd.arrays.FloatingArray}
    made = kinds.get(values.dtype.kind, pd.arrays.IntegerArray)(values, missing)
    return made.astype(_dtype(layout["dtype"], layout["arrow"]))


def _zoned(pd: Any, layout: Any, arrays: Any) -> Any:
    dtype = pd.api.types.pandas_dtype(layout["dtype"])
    utc = pd.DatetimeIndex(arrays[layout["values"]].view(f"M8[{dtype.unit}]"))
    return utc.tz_localize("UTC").tz_convert(dtype.tz)


def _typed(pd: Any, layout: Any, arrays: Any) -> Any:
    values = [_object_back(v) for v in layout["values"]]
    return pd.array(values, dtype=_dtype(layout["dtype"], layout["arrow"]))


BACK: dict[str, Callable[[Any, Any], Any]] = {
    "dict": lambda at, arrays: dict(zip(at["names"], (put_together(p, arrays) for p in at["parts"]), strict=True)),
    "frame": _frame_back,
    "labels": _labels_back,
    "index": _index_back,
    "array": lambda at, arrays: arrays[at["values"]],
    "times": lambda at, arrays: arrays[at["values"]].view(np.dtype(at["dtype"])),
    "objects": _objects_back,
    "column": lambda at, arrays: _column_back(put_together(at["values"], arrays)),
    "sparse": lambda at, arrays: put_together(at["values"], arrays).astype(at["dtype"]),
    "categories": _of(
        lambda pd, at, arrays: pd.Categorical.from_codes(
            arrays[at["codes"]], categories=pd.Index(put_together(at["levels"], arrays)), ordered=at["ordered"]
        )
    ),
    "intervals": _of(
        lambda pd, at, arrays: pd.arrays.IntervalArray.from_arrays(
            put_together(at["left"], arrays), put_together(at["right"], arrays), closed=at["closed"]
        )
    ),
    "periods": _of(
        lambda pd, at, arrays: pd.arrays.PeriodArray(arrays[at["values"]], pd.api.types.pandas_dtype(at["dtype"]))
    ),
    "zoned": _of(_zoned),
    "text": _of(
        lambda pd, at, arrays: pd.array(
            at["values"], dtype=pd.StringDtype(at["storage"], na_value=np.nan if at["nan"] else pd.NA)
        )
    ),
    "masked": _of(_masked),
    "typed": _of(_typed),
}


def _object_back(value: Any) -> Any:
    import pandas as pd

    if not isinstance(value, list):
        return value
    kind, *words = value
    if kind in WORDS:
        return WORDS[kind](words[0])
    if kind in ISO:
        return ISO[kind].fromisoformat(words[0])
    if kind == "missing":
        return pd.NaT if words[0] == "NaT" else pd.NA
    if kind == "Timestamp":
        made = pd.Timestamp(np.int64(words[0]).view(words[1]))
        return made if words[2] is None else made.tz_localize("UTC").tz_convert(words[2])
    if kind == "Timedelta":
        return pd.Timedelta(np.int64(words[0]).view(words[1]))  # type: ignore[arg-type]
    if kind == "Period":
        return pd.Period(ordinal=int(words[0]), freq=words[1])
    if kind == "Interval":
        return pd.Interval(_object_back(words[0]), _object_back(words[1]), words[2])
    if kind == "timedelta":
        return timedelta(*map(int, words))
    if kind == "tuple":
        return tuple(map(_object_back, words))
    raise ValueError(f"values of kind {kind!r} are unknown.")
