"""Elements where EM began at zero and stays, though the objective rises from there.

EM multiplies: a probability or rate of zero is zero for ever. Where a climb from inside ends there, the slope leads
outwards and no more need be said (Karush, Kuhn & Tucker). Where the start had it, an EM step from a point a little
inside tells which elements it leads away from the edge, and heights farther inside whether that is worth a word.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from em_vs_bayes.contract import Array
from em_vs_bayes.coordinates import at_the_edge
from em_vs_bayes.program import Program

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
    names = []
    for name, where, shape in program.tables.theta.items():
        for i in np.flatnonzero(leaves[where]):
            names.append(f"{name}[{', '.join(map(str, np.unravel_index(i, shape)))}] = {theta[where][i]:g}")
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return (
        f"No maximum in {', '.join(names[:SHOWN])}{more}: the climb began there, EM never leaves it, and the objective "
        "rises from there. Start inside; or, where it is meant, put it into fixed."
    )


def _moved(program: Program, theta: Array, which: NDArray[np.bool_], way: float) -> Array:
    """theta with these elements so far inside; what other free ones of a row of probabilities share is as before."""
    free, out = np.isnan(program.tables.fixed), theta.copy()
    out[which] += way * (program.with_fixed(program.neutral()) - theta)[which]
    for p in program.placed:
        for q in p.block.parameters:
            if q.support == "simplex":
                start = program.tables.theta.offset(p.prefix + q.name)
                for row in (start + np.arange(int(np.prod(q.shape)))).reshape(-1, q.shape[-1]):
                    rest = row[free[row] & ~which[row]]
                    if which[row].any() and theta[rest].sum() > 0.0:
                        out[rest] *= 1.0 - (out[row] - theta[row]).sum() / theta[rest].sum()
    return out
