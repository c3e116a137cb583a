"""Labels of rows as times: what to say of their order and gaps, how they go on, and what they are in results.

Nothing is sorted or filled in here: a chain takes rows as they come, and the user is told where that may not be meant.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from em_vs_bayes.common import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ISO = re.compile(r"\d{4}-\d{2}(-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?)?")
EVEN = 0.1  # of a step: times this near to whole steps are evenly spaced
HOLIDAYS = 4  # working days in a row that may be missing without a word
MONTHS, DAYS = 12, 7
UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


@dataclass(frozen=True, slots=True)
class Clock:
    """Positions of rows in units of a calendar, or of the labels themselves.

    Parameters
    ----------
    at : ndarray (n,)
    unit : str
        What one step of the positions is called; empty where it has no name.
    tolerated : int
        Steps that may be missing at a time.
    """

    at: NDArray[Any]
    unit: str = ""
    tolerated: int = 0


def tidied(index: Any) -> Any:
    """The index with times as pandas' own, where they were Arrow's or Python's, or dates in text as ISO 8601 has them.

    None for labels without a hash.
    """
    import pandas as pd

    try:
        hash(index[0]) if len(index) and index.dtype == object else None
    except TypeError:
        return None
    text = pd.api.types.is_string_dtype(index.dtype) if index.nlevels == 1 else False  # object is, too
    kind = pd.api.types.infer_dtype(index, skipna=False) if text else ""
    if kind == "string":
        return _dated(index)
    if kind in ("date", "datetime", "datetime64") or str(index.dtype).startswith(("timestamp", "date32", "date64")):
        try:
            return pd.DatetimeIndex(pd.to_datetime(index), name=index.name)
        except (TypeError, ValueError, OverflowError):  # beyond what times can be, or of several zones
            return index
    return index


def _dated(index: Any) -> Any:
    """An index of text as times, where each label is a date, or a month, and perhaps a time."""
    import pandas as pd

    if not all(ISO.fullmatch(label) for label in index):
        return index
    try:
        return pd.DatetimeIndex(pd.to_datetime(index, format="ISO8601"), name=index.name)
    except (TypeError, ValueError, OverflowError):  # no such day, or times of several zones
        return index


def remarks(index: Any, starts: NDArray[np.int64]) -> tuple[str, ...]:
    """What to say of the order and the gaps of the rows of sequences, in words; nothing where all is as it should be.

    Parameters
    ----------
    index : pandas.Index or None
    starts : ndarray of int
    """
    if index is None:
        return ()
    index = index.get_level_values(-1) if index.nlevels > 1 else index
    said = []
    for s, (start, stop) in enumerate(pairwise(starts.tolist())):
        words = _of_sequence(index[start:stop])
        if words:
            where = "The index of y" if len(starts) == 2 else f"The index of y, sequence {s},"
            said.append(f"{where} {words}")
    if len(said) > 3:
        said[2:] = [f"{said[2]} Likewise in {len(said) - 3} more sequence(s)."]
    return tuple(said)


def coordinate(index: Any, n: int) -> NDArray[Any]:
    """Labels of n rows as a coordinate that files hold: numbers, naive times (UTC), or text; else numbers of rows."""
    import pandas as pd

    if index is None or not index.is_unique:
        return np.arange(n)
    if isinstance(index, pd.PeriodIndex):
        try:
            index = index.to_timestamp()
        except (ValueError, OverflowError):
            return np.array([str(label) for label in index], dtype=object)
    if isinstance(index, pd.DatetimeIndex):
        naive = index if index.tz is None else index.tz_convert(None)
        return naive.to_numpy()
    if index.nlevels == 1 and pd.api.types.is_numeric_dtype(index.dtype) and index.dtype.kind in "iuf":
        return index.to_numpy(dtype=float) if index.hasnans else index.to_numpy(dtype=f"{index.dtype.kind}8")
    if index.nlevels > 1:
        return np.array([", ".join(map(shown, label)) for label in index], dtype=object)
    return np.array([shown(label) for label in index], dtype=object)


def ahead(index: Any, starts: NDArray[np.int64], steps: int) -> Any:
    """Labels of the rows to come: an Index (steps,), or of several sequences a MultiIndex (sequence, label).

    None where the labels of some sequence do not say how they go on.
    """
    import pandas as pd

    if index is None or index.nlevels > 1:
        return None
    parts = [_ahead(index[start:stop], steps) for start, stop in pairwise(starts.tolist())]
    if any(part is None for part in parts):
        return None
    name = index.name or "obs"
    if len(parts) == 1:
        return parts[0].rename(name)
    rows = [(s, label) for s, part in enumerate(parts) for label in part]
    return pd.MultiIndex.from_tuples(rows, names=["sequence", name])


def shown(label: Any) -> str:
    """A label in short: times without a part that is zero."""
    text = f"{label:.10g}" if isinstance(label, float) else str(label)
    return text.removesuffix(" 00:00:00") if hasattr(label, "year") else text


def label_axis(ax: Axes, labels: Any, first: int = 0) -> None:
    """Ticks of an axis of rows, the first of which is number ``first``, by the labels of the rows."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    def text(x: float, _: Any) -> str:
        i = round(x) - first
        within = abs(x - round(x)) < 1e-6 and 0 <= i < len(labels)
        return printable.name(shown(labels[i])).replace("$", r"\$") if within else ""

    ax.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    ax.xaxis.set_major_formatter(FuncFormatter(text))


# --- order and gaps -------------------------------------------------------------------------------------------------


def _of_sequence(index: Any) -> str:
    clock = _clock(index)
    if clock is None or len(index) < 2:
        return ""
    steps = np.diff(clock.at)
    back = np.flatnonzero(steps < 0)
    if back.size:
        i = int(back[0])
        return (
            f"is in disorder ({shown(index[i + 1])} comes after {shown(index[i])}): nothing is sorted, and the chain "
            "takes rows as they come. Use sort_index() if they are times."
        )
    same = np.flatnonzero(steps == 0)
    if same.size:
        return (
            f"has {same.size} label(s) more than once (first: {shown(index[int(same[0])])}): the chain takes rows as "
            "consecutive."
        )
    return _gaps(index, clock, steps)


def _gaps(index: Any, clock: Clock, steps: NDArray[Any]) -> str:
    values, counts = np.unique(steps, return_counts=True)
    step = values[np.argmax(counts)] if counts.max() > 1 else np.median(steps)
    ratio = steps / step
    whole = np.rint(ratio)
    uneven = np.abs(ratio - whole) > EVEN * np.maximum(whole, 1.0)
    if (uneven | (whole < 1)).any():
        i, j = int(np.argmin(steps)), int(np.argmax(steps))
        return (
            f"is unevenly spaced (least between {shown(index[i])} and {shown(index[i + 1])}, most between "
            f"{shown(index[j])} and {shown(index[j + 1])}): the chain takes rows as consecutive."
        )
    missing = whole.astype(np.int64) - 1
    if missing.max() <= clock.tolerated:
        return ""
    j = int(np.argmax(missing))
    between = f"between {shown(index[j])} and {shown(index[j + 1])}"
    unit = f"{clock.unit}s" if clock.unit and step == 1 else "rows"
    gaps = int((missing > 0).sum())
    what = f"{missing.sum()} {unit}"
    if missing.sum() == 1:
        said = f"1 {unit[:-1]} is missing {between}"
    elif gaps == 1:
        said = f"{what} are missing {between}"
    else:
        said = f"{what} are missing in {gaps} gaps (the longest: {missing[j]} {between})"
    return f"has gaps: {said}. The chain takes rows as consecutive; insert rows of NaN where time passed."


def _clock(index: Any) -> Clock | None:
    """The index as times or numbers; None where it is neither."""
    import pandas as pd

    if index.hasnans:
        return None
    if isinstance(index, pd.PeriodIndex):
        unit = {"Y": "year", "Q": "quarter", "M": "month", "W": "week", "D": "day", "h": "hour"}
        return Clock(index.asi8, unit.get(index.freqstr.split("-")[0], ""))
    if isinstance(index, pd.DatetimeIndex):
        return _calendar(index if index.tz is None else index.tz_localize(None), index)
    if isinstance(index, pd.TimedeltaIndex):
        return Clock(index.asi8)
    if pd.api.types.is_numeric_dtype(index.dtype) and index.dtype.kind in "iuf":
        values = index.to_numpy(dtype=float if index.dtype.kind == "f" else np.int64)
        return Clock(values) if np.isfinite(values).all() else None
    return None


def _calendar(wall: Any, index: Any) -> Clock:
    """Positions in years, months or working days where the times are of such a kind, else in seconds or their units."""
    clock_time = wall - wall.normalize()
    if (clock_time == clock_time[0]).all():
        years, months = np.asarray(wall.year), np.asarray(wall.year * MONTHS + wall.month)
        for positions, unit in ((years, "year"), (months, "month")):
            if len(positions) > 1 and (np.abs(np.diff(positions)) > 0).all():  # at most one row in each
                return Clock(positions, unit)
        days = wall.normalize().to_numpy().astype("datetime64[D]")
        steps = np.diff(days.astype(np.int64))
        daily = len(steps) > DAYS and np.median(steps) == 1
        if daily and (wall.day_of_week < 5).all():
            return Clock(np.busday_count(days[0], days), "working day", HOLIDAYS)
        return Clock(days.astype(np.int64), "day")
    instants, per_second = index.asi8, PER_SECOND[index.unit]
    for unit, seconds in UNITS:
        length = seconds * per_second
        if (np.diff(instants) % length == 0).all():
            return Clock((instants - instants[0]) // length, unit)
    return Clock(instants)


# --- what comes next ------------------------------------------------------------------------------------------------


def _ahead(index: Any, steps: int) -> Any:
    import pandas as pd

    if len(index) < 2 or not index.is_monotonic_increasing or not index.is_unique:
        return None
    count = np.arange(1, steps + 1)
    if isinstance(index, pd.DatetimeIndex):
        freq: Any = index.freq
        if freq is None and len(index) > 2:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # pandas on what it will return one day; text or offset, either will do
                try:
                    freq = pd.infer_freq(index)
                except (TypeError, ValueError):
                    freq = None
        if freq is None:
            return _months_ahead(index, count)
        try:
            return pd.date_range(index[-1], periods=steps + 1, freq=freq)[1:]
        except (ValueError, OverflowError):  # beyond what times can be
            return None
    clock = _clock(index)
    if clock is None:
        return None
    gaps = np.diff(clock.at)
    if not np.allclose(gaps, gaps[0], rtol=1e-6, atol=0.0):
        return None
    if isinstance(index, pd.PeriodIndex):
        own = index.asi8[-1] + gaps[0] * count
        return pd.PeriodIndex.from_ordinals(own, freq=index.freq)  # type: ignore[attr-defined]
    if isinstance(index, pd.TimedeltaIndex):
        return index[-1] + pd.to_timedelta(gaps[0] * count, unit=index.unit)
    return pd.Index(clock.at[-1] + gaps[0] * count)


def _months_ahead(index: Any, count: NDArray[Any]) -> Any:
    """The same day of months to come, where rows are one day each of months that are evenly spaced."""
    import pandas as pd

    months = np.asarray(index.year * MONTHS + index.month)
    gaps = np.diff(months)
    if not (index.day == index.day[0]).all() or gaps[0] < 1 or (gaps != gaps[0]).any():
        return None
    try:
        return pd.DatetimeIndex([index[-1] + pd.DateOffset(months=int(gaps[0] * k)) for k in count])
    except (ValueError, OverflowError):
        return None
