"""PyTensor: log probabilities of intervals of a normal distribution, value and gradient exact in the far tails.

Branches that do not apply are evaluated at harmless arguments, so that no infinity of theirs turns a gradient into NaN.
"""

from __future__ import annotations

from typing import Any

import numpy as np

SQRT_2, LOG_2, HALF_LOG_2PI = np.sqrt(2.0), np.log(2.0), 0.5 * np.log(2.0 * np.pi)
NODES, WEIGHTS = (half[6:] for half in np.polynomial.legendre.leggauss(12))  # the positive ones, in pairs with others


def log_density(values: Any, lines: Any, sigmas: Any) -> Any:
    """log N(value; line, sigma^2)."""
    import pytensor.tensor as pt

    return -0.5 * ((values - lines) / sigmas) ** 2 - pt.log(sigmas) - HALF_LOG_2PI


def log_below(ends: Any, lines: Any, sigmas: Any) -> Any:
    """log P(y* < end)."""
    return _log_lower_tail((ends - lines) / sigmas)


def log_above(ends: Any, lines: Any, sigmas: Any) -> Any:
    """log P(y* > end)."""
    return _log_lower_tail((lines - ends) / sigmas)


def _log_lower_tail(z: Any) -> Any:
    import pytensor.tensor as pt

    low = z < 0
    below, above = pt.where(low, z, -1.0), pt.where(low, 1.0, z)
    return pt.where(
        low,
        pt.log(pt.erfcx(-below / SQRT_2)) - LOG_2 - 0.5 * below**2,
        pt.log1p(-0.5 * pt.erfc(above / SQRT_2)),
    )


def log_between(low: Any, high: Any, lines: Any, sigmas: Any) -> Any:
    """log P(low < y* < high), both ends finite.

    Narrow intervals are integrated by Gauss and Legendre's rule, whose terms are positive; others far out are a
    difference of scaled tails, those about the line one less both tails. None of them cancels.
    """
    import pytensor.tensor as pt

    half = 0.5 * (high - low) / sigmas
    middle = 0.5 * low + 0.5 * high
    left = middle < lines
    near = pt.where(left, lines - high, low - lines) / sigmas  # negative where the line is inside
    far = pt.where(left, lines - low, high - lines) / sigmas
    off = pt.where(left, lines - middle, middle - lines) / sigmas
    narrow = half * (1.0 + off) < 1.0
    about = ~narrow & (near <= 0)
    beyond = ~narrow & (near > 0)

    h, m = pt.where(narrow, half, 0.5), pt.where(narrow, off, 0.5)
    reach = h[..., None] * NODES
    mean = (WEIGHTS * pt.exp(-0.5 * reach**2) * pt.cosh(m[..., None] * reach)).sum(axis=-1)
    integral = pt.log(2.0 * h * mean) - 0.5 * m**2 - HALF_LOG_2PI

    a, b = pt.where(about, near, -1.0), pt.where(about, far, 1.0)
    inside = pt.log1p(-0.5 * (pt.erfc(-a / SQRT_2) + pt.erfc(b / SQRT_2)))

    a, b, h = pt.where(beyond, near, 1.0), pt.where(beyond, far, 3.0), pt.where(beyond, half, 1.0)
    share = pt.exp(-h * (a + b))  # of the densities at the ends: (b^2 - a^2) / 2 = h (a + b)
    difference = pt.erfcx(a / SQRT_2) - share * pt.erfcx(b / SQRT_2)
    tail = pt.log(difference) - LOG_2 - 0.5 * a**2
    return pt.where(narrow, integral, pt.where(about, inside, tail))
