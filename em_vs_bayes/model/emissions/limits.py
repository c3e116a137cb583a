"""Responses that are seen only through limits: reading them, with errors in words."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from typing import Any

import numpy as np

from em_vs_bayes.common.arguments import as_array, brief
from em_vs_bayes.common.contract import Array
from em_vs_bayes.data import read
from em_vs_bayes.model.emissions.formula import check_length

INTERVAL = re.compile(r"^\s*censored\s*\((?P<ends>.*)\)\s*~(?P<right>.*)$", re.DOTALL)
NARROWEST = 1e-12  # of the ends' size: what is left of a narrower interval after rounding has no digits


def check_limits(lower: Any, upper: Any) -> None:
    """Refuse what are no numbers, and limits that leave nothing between them."""
    for name, value in (("lower", lower), ("upper", upper)):
        if value is None:
            continue
        array = as_array(value)
        if array is None or array.ndim:
            several = "no number" if array is None else f"{array.size} values"
            raise TypeError(
                f"{name} must be one number for all rows, or None; got {several}. Responses censored at "
                "limits of their own are CensoredRegression's: y (n, 2), or 'censored(low, high) ~ x', with the "
                "interval of each."
            )
        if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
            raise TypeError(f"{name} must be a number or None; got {brief(value)}.")
        if not -sys.float_info.max <= value <= sys.float_info.max:
            raise ValueError(f"{name} must be finite, or None for no limit; got {brief(value)}.")
    if lower is not None and upper is not None and not lower < upper:
        raise ValueError(f"lower must be less than upper; got lower={lower!r}, upper={upper!r}.")


def ends(lower: float | None, upper: float | None) -> tuple[float, float]:
    """The limits, infinite where there is none."""
    return (-np.inf if lower is None else float(lower), np.inf if upper is None else float(upper))


def interval_formula(formula: str) -> tuple[str, str] | None:
    """``censored(a, b) ~ x`` as ``a ~ x`` and ``b ~ 1``; None for another response."""
    check_length(formula)
    found = INTERVAL.match(formula)
    if found is None:
        return None
    try:
        arguments = ast.parse(f"censored({found['ends']})", mode="eval").body.args  # type: ignore[attr-defined]
    except (SyntaxError, AttributeError, RecursionError, ValueError):
        arguments = []
    if len(arguments) != 2:
        raise ValueError(f"formula={brief(formula)}: censored wants two columns, lower and upper end of each response.")
    low, high = (ast.unparse(argument) for argument in arguments)
    return f"{low} ~{found['right']}", f"{high} ~ 1"


def intervals(y: Any, name: str) -> tuple[Array, Array]:
    """Lower and upper ends (n,) out of y (n, 2)."""
    table = read.matrix(y, name, finite=False)
    if table.shape[1] != 2:
        raise ValueError(
            f"{name} must be (n, 2), the lower and the upper end of each response (equal ends: it is exact; an "
            f"infinite end: no limit); got shape {np.shape(y)}."
        )
    return checked_intervals(table[:, 0], table[:, 1], name)


def checked_intervals(low: Array, high: Array, name: str) -> tuple[Array, Array]:
    """Refuse ends that are out of order, exact infinities and half-missing rows. The whole line is a missing row."""
    with np.errstate(invalid="ignore"):
        rounding = (low < high) & (high - low < NARROWEST * np.maximum(np.abs(low), np.abs(high)))
    for bad, what in (
        (np.isnan(low) != np.isnan(high), "one missing end; a response without a limit has -inf or inf there"),
        (low > high, "its lower end above its upper end"),
        ((low == high) & np.isinf(low), "both ends at the same infinity"),
        (rounding, "ends that differ by rounding alone; an exact response has them equal"),
    ):
        if bad.any():
            i = int(np.argmax(bad))
            raise ValueError(f"{name} has {bad.sum()} row(s) with {what} (first: row {i}, [{low[i]:g}, {high[i]:g}]).")
    nothing = np.isneginf(low) & np.isposinf(high)
    return np.where(nothing, np.nan, low), np.where(nothing, np.nan, high)


def censored(values: Array, lower: float | None, upper: float | None, name: str) -> tuple[Array, Array]:
    """Ends (n,) of responses that are cut off at limits. Values beyond a limit are taken as at it, with a warning."""
    low, high = ends(lower, upper)
    for beyond, limit, argument in ((values < low, low, "lower"), (values > high, high, "upper")):
        if beyond.any():
            side = "below" if argument == "lower" else "above"
            warnings.warn(
                f"{name} has {beyond.sum()} value(s) {side} {argument}={limit:g}: they are taken as censored there.",
                UserWarning,
                stacklevel=2,
            )
    inside_low, inside_high = np.minimum(values, high), np.maximum(values, low)
    return np.where(values <= low, -np.inf, inside_low), np.where(values >= high, np.inf, inside_high)


def representative(low: Array, high: Array) -> Array:
    """One number per response: itself, the finite end, or the middle; NaN where missing."""
    values = np.where(np.isposinf(high), low, high)
    between = (low < high) & np.isfinite(low) & np.isfinite(high)
    if between.any():
        values[between] = 0.5 * low[between] + 0.5 * high[between]
    return values
