"""Elements where EM began at zero and stays, though the objective rises from there.

EM multiplies: a probability or rate of zero is zero for ever. Where a climb from inside ends there, the slope leads
outwards and no more need be said (Karush, Kuhn & Tucker). Where the start had it, an EM step from a point a little
inside tells which elements it leads away from the edge, and heights farther inside whether that is worth a word.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from em_vs_bayes.common.contract import Array
from em_vs_bayes.common.printable import listed
from em_vs_bayes.program.coordinates import at_the_edge, moved
from em_vs_bayes.program.program import Program

INSIDE = 1e-6  # of the way to the middle: a point where slopes are those of the edge
WAYS = (1e-4, 1e-3, 1e-2, 1e-1)  # of the way to the middle: points where it may be higher
GAIN = 1e-4  # nats
SHOWN = 6


def trapped(program: Program, theta: Array, height: Callable[[Array], float], step: Callable[[Array], Array]) -> str:
    """A note that names the free elements on an edge that the objective would leave; else "".

    Parameters
    ----------
    height : callable (theta) -> the objective
    step : callable (theta) -> theta
        One step of EM.
    """
    edge = at_the_edge(program.placed, program.tables.theta, theta) & np.isnan(program.tables.fixed)
    if not edge.any():
        return ""
    inside = program.opened(theta, INSIDE)
    with np.errstate(all="ignore"):
        try:
            leaves = edge & (np.abs(step(inside) - theta) > np.abs(inside - theta))
            if not leaves.any():
                return ""
            top = max(height(_moved(program, theta, leaves, way)) for way in WAYS)
            if not top > height(theta) + GAIN:
                return ""
        except ValueError:  # left the support
            return ""
    t, at = program.tables, np.flatnonzero(leaves)
    names = [f"{label} = {value:g}" for label, value in zip(t.theta.labels(at), theta[at], strict=True)]
    return (
        f"No maximum in {listed(names, SHOWN)}: the climb began there, EM never leaves it, and the objective "
        "rises from there. Start inside; or, where it is meant, put it into fixed."
    )


def _moved(program: Program, theta: Array, which: NDArray[np.bool_], way: float) -> Array:
    """theta with these elements so far inside."""
    t, inside = program.tables, theta + way * (program.with_fixed(program.neutral()) - theta)
    return moved(program.placed, t.theta, t.fixed, theta, which, inside[which])
