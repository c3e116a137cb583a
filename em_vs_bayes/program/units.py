"""The units of coordinates: how far a step along each may go, as what completed data say of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from em_vs_bayes.common.contract import Array

STEP = 1e-3  # of differences, in units of the errors that completed data would have


def errors(gradient: Callable[[Array], Array], x: Array, groups: NDArray[np.int64]) -> Array:
    """1 / sqrt of the diagonal of minus the derivative of a gradient (D,); 0 where that is not positive.

    Each step is found from what the last one says: coordinates have units of their own.

    Parameters
    ----------
    groups : ndarray (D,)
        Coordinates of one number have no second derivatives in common: they move together.
    """
    base, out, typical = gradient(x), np.zeros_like(x), np.abs(x[x != 0.0])
    firsts = [np.abs(x) * 1e-4, *(np.full_like(x, 1e-4 * f) for f in (typical.max(initial=0.0), 1.0, 1e-4, 1e4))]
    for group in range(groups.max(initial=-1) + 1):
        own = np.flatnonzero(groups == group)
        scale = np.zeros(len(own))
        for first in firsts:
            unknown = scale == 0.0
            step = np.where(unknown, first[own], STEP * scale)
            for _ in range(3):
                moved = x.copy()
                moved[own] += step
                with np.errstate(all="ignore"):
                    slope = (base[own] - gradient(moved)[own]) / (moved[own] - x[own])
                    scale = np.where((slope > 0.0) & np.isfinite(slope), slope**-0.5, scale * ~unknown)
                last, step = step, np.where(scale > 0.0, STEP * scale, step)
                if not ((step > 10.0 * last) | (step < 0.1 * last)).any():
                    break
            if scale.all():
                break
        out[own] = scale
    return out
