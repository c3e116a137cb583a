"""Numbers as a reader wants them."""

from math import floor, isfinite, log10

__all__ = ["interval", "number", "percent", "to_precision_of"]


def number(x: float, digits: int = 3) -> str:
    """``x`` to so many significant digits, in full rather than with an exponent below 8 digits."""
    if not isfinite(x):
        return "–" if x != x else str(x)
    if x == 0:
        return "0"
    magnitude = floor(log10(abs(x)))
    if magnitude >= 7 or magnitude < -4:
        return f"{x:.{digits - 1}e}"
    return f"{x:,.{max(0, digits - 1 - magnitude)}f}"


def to_precision_of(x: float, sd: float) -> str:
    """``x`` down to the second significant digit of its standard deviation."""
    if not (isfinite(x) and isfinite(sd)) or sd <= 0:
        return number(x, 4)
    decimals = 1 - floor(log10(sd))
    if decimals < 0 and abs(x) < 1e7:
        return f"{x:,.0f}"
    return f"{x:,.{decimals}f}" if 0 <= decimals <= 8 else number(x, 4)


def interval(lower: float, upper: float, sd: float) -> str:
    """``[lower, upper]``, to the precision of the standard deviation."""
    return f"[{to_precision_of(lower, sd)}, {to_precision_of(upper, sd)}]"


def percent(x: float) -> str:
    """``0.123`` as ``12.3 %``."""
    return f"{100 * x:.3g} %"
