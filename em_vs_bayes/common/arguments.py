"""Arguments of calls, checked in words: each message names the argument, what it got and what it wants."""

from __future__ import annotations

import sys
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

NO_NUMBERS = (bool, np.bool_, complex, np.complexfloating, np.timedelta64)  # though NumPy says of some that they are
MOST_BYTES = 2**36  # 64 GiB: what a call that asks for more can only have got by mistake


def brief(value: Any, most: int = 100) -> str:
    """A value for a message, cut where it is long."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # whatever a stranger's __repr__ does, the message is about something else
        text = f"a {type(value).__name__}"
    return text if len(text) <= most else f"{text[: most - 3]}..."


def is_number(value: Any) -> bool:
    """A real number that is no bool and that a float can hold; NaN is one."""
    known = isinstance(value, (Real, np.number)) and not isinstance(value, NO_NUMBERS)
    return known and not (isinstance(value, Integral) and abs(int(value)) > sys.float_info.max)


def is_whole(value: Any) -> bool:
    """An integer that is no bool."""
    return isinstance(value, Integral) and not isinstance(value, NO_NUMBERS)


def as_array(value: Any) -> NDArray[Any] | None:
    """``value`` as an array, None where it is none, whatever its own methods raise; what is masked is NaN."""
    if isinstance(value, (bytes, bytearray, memoryview)):  # numbers to NumPy
        return None
    try:
        if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
            return np.ma.filled(value.astype(float), np.nan)
        return np.asarray(value)
    except Exception:  # a stranger's __array__, a range that no memory holds
        return None


def as_floats(value: Any) -> NDArray[np.float64] | None:
    """``value`` as an array of floats, None where it holds anything but real numbers that floats can hold."""
    array = as_array(value)
    if array is None or array.dtype.kind not in "biufO":
        return None
    try:
        return np.asarray(array, dtype=np.float64)
    except Exception:  # objects, whose conversion is their own
        return None


def positive_integer(name: str, value: Any, least: int = 1, most: int = 10**9) -> None:
    """Refuse anything but an integer of at least ``least``, and what nobody can wait for."""
    if not is_whole(value) or int(value) < least:
        raise ValueError(f"{name} must be an integer of at least {least}; got {brief(value)}.")
    if int(value) > most:
        raise ValueError(f"{name} must be at most {most:,}; got {brief(value)}.")


def tolerance(value: Any) -> None:
    """Refuse a ``tol`` that is not a non-negative number."""
    if not is_number(value) or not value >= 0:
        raise ValueError(f"tol must be a non-negative number of nats; got {brief(value)}.")


def one_of(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    """Refuse a value that is not among the choices."""
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {brief(value)}.")


def fraction(name: str, value: Any) -> None:
    """Refuse anything but a number strictly between 0 and 1."""
    if not is_number(value) or not 0.0 < value < 1.0:
        raise ValueError(f"{name} must lie in (0, 1), such as 0.95; got {brief(value)}.")


def yes_or_no(name: str, value: Any) -> None:
    """Refuse anything but True and False (or 1 and 0)."""
    if not isinstance(value, (bool, np.bool_, Integral)) or value not in (0, 1):
        raise TypeError(f"{name} must be True or False; got {brief(value)}.")


def generator(seed: Any) -> np.random.Generator:
    """The generator of a ``seed``."""
    if seed is None or isinstance(seed, np.random.Generator):
        return np.random.default_rng(seed)
    if not is_whole(seed) or int(seed) < 0:
        raise ValueError(f"seed must be None, a non-negative integer or a numpy Generator; got {brief(seed)}.")
    return np.random.default_rng(int(seed))


def affordable(what: str, numbers: float) -> None:
    """Refuse what would be an array of so many ``numbers`` that no machine has the memory."""
    if 8.0 * numbers > MOST_BYTES:
        raise ValueError(f"{what} would take {8.0 * numbers / 2**30:,.0f} GiB of memory; ask for fewer.")
