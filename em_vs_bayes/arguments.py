"""Arguments of calls, checked in words: each message names the argument, what it got and what it wants."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np

MOST_BYTES = 2**36  # 64 GiB: what a call that asks for more can only have got by mistake


def brief(value: Any, most: int = 100) -> str:
    """A value for a message, cut where it is long."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # whatever a stranger's __repr__ does, the message is about something else
        text = f"a {type(value).__name__}"
    return text if len(text) <= most else f"{text[: most - 3]}..."


def is_number(value: Any) -> bool:
    """A real number that is no bool; NaN is one."""
    return isinstance(value, (Real, np.number)) and not isinstance(value, (bool, np.bool_, complex, np.complexfloating))


def positive_integer(name: str, value: Any, least: int = 1, most: int = 10**9) -> None:
    """Refuse anything but an integer of at least ``least``, and what nobody can wait for."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Integral) or int(value) < least:
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
    if isinstance(seed, (bool, np.bool_)) or not isinstance(seed, Integral) or int(seed) < 0:
        raise ValueError(f"seed must be None, a non-negative integer or a numpy Generator; got {brief(seed)}.")
    return np.random.default_rng(int(seed))


def affordable(what: str, numbers: float) -> None:
    """Refuse what would be an array of so many ``numbers`` that no machine has the memory."""
    if 8.0 * numbers > MOST_BYTES:
        raise ValueError(f"{what} would take {8.0 * numbers / 2**30:,.0f} GiB of memory; ask for fewer.")
