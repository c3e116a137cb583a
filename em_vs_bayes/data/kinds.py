"""Columns of a frame as formulas read them: plain numbers, bools, text or categories, whatever their types were."""

from __future__ import annotations

from typing import Any

import numpy as np

from em_vs_bayes.data import numbers, texts


def plain(frame: Any, left: set[str], right: set[str], factors: set[str]) -> Any:
    """The columns that a formula uses, in plain types: the same values give the same design, however stored.

    Parameters
    ----------
    frame : DataFrame
    left, right : set of str
        Columns of the response and of predictors.
    factors : set of str
        Predictors that the formula says are categories: text of numbers and dates may be.

    Raises
    ------
    TypeError
        For a column that holds neither numbers nor categories, and for numbers that are text.
    """
    import pandas as pd

    made = {}
    for j, name in enumerate(map(str, frame.columns)):
        if name in right:
            made[name] = _predictor(frame.iloc[:, j], name, name in factors)
        elif name in left:
            made[name] = numbers.floats(frame.iloc[:, j], f"y[{name!r}], the response, one number per row,")
    return pd.DataFrame(made, index=frame.index)


def tidied(frame: Any) -> Any:
    """The frame with numbers as numbers where they were Python's own, or Decimals; all else as it is."""
    made = {}
    for j, dtype in enumerate(map(str, frame.dtypes)):
        if dtype != "object" and "decimal" not in dtype and "dictionary" not in dtype:
            continue
        values, name = frame.iloc[:, j], frame.columns[j]
        if "dictionary" not in dtype:
            values = values.astype(object)
            known = values[values.notna()]
            if not len(known) or any(numbers.strange(v) for v in {type(v): v for v in known}.values()):
                continue
        made[name] = _predictor(values, str(name), False)
    if not made:
        return frame
    import pandas as pd

    return pd.DataFrame({c: made.get(c, frame[c]) for c in frame.columns}, index=frame.index)


def _predictor(values: Any, name: str, factor: bool) -> Any:
    import pandas as pd
    from pandas.api import types

    dtype = values.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "biuf":
        return values
    if isinstance(dtype, pd.CategoricalDtype):
        levels = dtype.categories
        return values if isinstance(levels.dtype, np.dtype) else values.cat.rename_categories(list(levels))
    if "dictionary" in str(dtype):
        return values.astype("category")
    if types.is_bool_dtype(dtype) or types.is_integer_dtype(dtype):
        whole = not values.isna().any()
        return (
            pd.Series(values.to_numpy(dtype="bool" if types.is_bool_dtype(dtype) else "int64"))
            if whole
            else (numbers.floats(values, name))
        )
    if types.is_numeric_dtype(dtype) and not types.is_complex_dtype(dtype):
        return numbers.floats(values, name)
    return _objects(values.astype(object), name, factor)


def _objects(values: Any, name: str, factor: bool) -> Any:
    """Python's own values: all numbers, or all text, or else refused."""
    known = values[values.notna()]
    kinds = {numbers.strange(v) or "numbers" for v in {type(v): v for v in known[::-1]}.values()}
    if kinds <= {"numbers"}:
        types = set(map(type, known))
        whole = len(known) == len(values) and len(known) > 0
        if whole and types <= {bool, np.bool_}:
            return values.astype(bool)
        integers = whole and all(issubclass(t, (int, np.integer)) and t is not bool for t in types)
        if integers and all(-(2**63) <= value < 2**63 for value in values):
            return values.astype(np.int64)
        return numbers.floats(values, f"Predictor {name!r}")
    if len(kinds) > 1:
        first = {kind: next(v for v in known if (numbers.strange(v) or "numbers") == kind) for kind in kinds}
        said = " and ".join(f"{kind} ({numbers.short(v)})" for kind, v in sorted(first.items()))
        raise TypeError(f"Predictor {name!r} mixes {said}; make it one or the other.")
    (kind,) = kinds
    if kind == "text":
        if not factor and (what := texts.really(known)):
            how = "it by astype(float)" if what.startswith("numbers as") else "them to numbers"
            raise TypeError(
                f"Predictor {name!r} holds {what}: convert {how}, or write C({name}) where they are categories."
            )
        return values.where(values.notna(), None)
    if factor and kind in ("dates", "durations", "times of day"):
        return values.astype(str)
    advice = f" {numbers.ADVICE[kind]}" if kind in numbers.ADVICE else ""
    raise TypeError(f"Predictor {name!r} holds {kind} ({numbers.short(known.iloc[0])}).{advice}")
