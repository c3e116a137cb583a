"""Degrees of freedom of regression errors: reading them, and showing them only where they are given."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from em_vs_bayes.common.arguments import brief

SMALLEST_DF, LARGEST_DF = 0.1, 1e6


def checked_df(given: Any) -> float | None:
    """A number, or None for normal errors; errors in words."""
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, (int, float, np.integer, np.floating)):
        raise TypeError(f"df must be a number, or None for normal errors; got {brief(given)}.")
    if not SMALLEST_DF <= given <= LARGEST_DF:
        raise ValueError(
            f"df must be positive, from {SMALLEST_DF:g} (below, responses leave floating point) to {LARGEST_DF:g} "
            f"(beyond, errors are normal: df=None); got {brief(given)}."
        )
    return float(given)


def shown(emission: Any) -> str:
    """The repr of a dataclass, df left out where there is none."""
    values = ((f.name, getattr(emission, f.name)) for f in fields(emission))
    given = ", ".join(f"{name}={value!r}" for name, value in values if (name, value) != ("df", None))
    return f"{type(emission).__name__}({given})"


def given_df(df: float | None) -> dict[str, float]:
    """What a description says of it."""
    return {} if df is None else {"df": df}
