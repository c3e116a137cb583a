"""Elements of a point estimate that lie on the boundary: probabilities of 0 or 1, rates of 0, ends of a uniform prior.

There a maximum need not have a slope of zero, and nothing that curvature says of it is a standard error. Held where it
is, such an element leaves a maximum that is interior in all others, and theirs are the errors of the model in which it
was fixed (Self & Liang 1987, case 1 and 2, say what that leaves out).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from em_vs_bayes.common.contract import Array
from em_vs_bayes.common.printable import listed
from em_vs_bayes.fit.record import Record
from em_vs_bayes.kernels.tables import INTERVAL
from em_vs_bayes.program.coordinates import coordinates, moved
from em_vs_bayes.program.program import Program

SMALL = 1e-3  # from a bound, in units of the row's mass or of the largest rate: farther off it is not looked at
COST = 1e-6  # nats that going to the bound may cost: an interior maximum would be 700 times nearer than its error
SHOWN = 6


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """A program with elements on the boundary fixed there, theta with them there exactly, and which they are."""

    program: Program
    theta: Array
    at: NDArray[np.int64]


def held(fit: Record) -> Held:
    """Every element that is at its bound, or may go there for nothing."""
    program, theta = fit.program, fit.theta
    near = _near(program, theta)
    chosen = [i for i, bound in near.items() if theta[i] == bound]
    chosen += _free_to_go(fit, theta, {i: bound for i, bound in near.items() if theta[i] != bound})
    if not chosen:
        return Held(program, theta, np.empty(0, dtype=np.int64))
    there = _moved(program, theta, {i: near[i] for i in chosen})
    fixed = program.tables.fixed.copy()
    fixed[chosen] = there[chosen]
    tables = replace(
        program.tables,
        fixed=fixed,
        coordinates=coordinates(program.placed, program.tables.theta, fixed, program.order, program.tables.prior.shift),
        prior=program.tables.prior._replace(free=np.isnan(fixed)),
    )
    return Held(replace(program, tables=tables), there, np.array(sorted(chosen), dtype=np.int64))


def _free_to_go(fit: Record, theta: Array, near: dict[int, float]) -> list[int]:
    """Those whose bounds cost nothing: all together if they may, else one by one."""
    program, with_prior = fit.program, fit.options.get("objective") == "map"

    def allowed(which: list[int]) -> bool:
        return _height(program, _moved(program, theta, {i: near[i] for i in which}), with_prior) >= least

    least = _height(program, theta, with_prior) if near else np.nan
    if not np.isfinite(least):
        return []
    least -= COST + 1e-13 * abs(least)
    if allowed(list(near)):
        return list(near)
    each = [i for i in near if allowed([i])]
    return each if each and allowed(each) else []


def note(fit: Record) -> tuple[str, ...]:
    """What is held, in words; nothing where all is inside."""
    on = held(fit)
    if not on.at.size:
        return ()
    t, public = fit.program.tables, fit.params
    shapes = {
        name: public[name].shape
        for name, where, _ in t.theta.items()
        if name in public and public[name].size == where.stop - where.start
    }
    values = on.theta[on.at] + t.prior.shift[on.at]  # as the user sees them
    names = [f"{label} = {value:g}" for label, value in zip(t.theta.labels(on.at, shapes), values, strict=True)]
    return (
        f"On the boundary of the parameter space: {listed(names, SHOWN)}. Held there, with standard errors "
        "of 0; those of the rest are as if it were fixed.",
    )


def _near(program: Program, theta: Array) -> dict[int, float]:
    """Free elements near a bound, and the bound."""
    out: dict[int, float] = {}
    free = np.isnan(program.tables.fixed)
    for p in program.placed:
        for q in p.block.parameters:
            start = program.tables.theta.offset(p.prefix + q.name)
            at = start + np.arange(int(np.prod(q.shape))).reshape(q.shape)
            if q.support == "simplex":
                rows = at.reshape(-1, at.shape[-1])
                mass = np.where(free[rows], theta[rows], 0.0).sum(axis=1, keepdims=True)
                several = free[rows].sum(axis=1, keepdims=True) > 1
                out |= dict.fromkeys(rows[free[rows] & several & (theta[rows] <= SMALL * mass)].tolist(), 0.0)
            elif q.support == "unit":
                own = at[free[at]]
                out |= dict.fromkeys(own[theta[own] <= SMALL].tolist(), 0.0)
                out |= dict.fromkeys(own[theta[own] >= 1.0 - SMALL].tolist(), 1.0)
            elif q.support == "positive":
                own = at[free[at]]
                low = theta[own] <= SMALL * np.max(theta[at], initial=0.0)
                out |= dict.fromkeys(own[low].tolist(), 0.0)
    made = program.tables.coordinates
    for u in np.flatnonzero(made.code == INTERVAL):  # a prior's own ends
        i, ends = int(made.where[made.first[u]]), (float(made.a[u]), float(made.b[u]))
        end = min(ends, key=lambda bound: abs(theta[i] - bound))
        if abs(theta[i] - end) <= SMALL * (ends[1] - ends[0]):
            out[i] = end
    return out


def _moved(program: Program, theta: Array, to: dict[int, float]) -> Array:
    """theta with elements at their bounds."""
    t = program.tables
    return moved(program.placed, t.theta, t.fixed, theta, np.array(list(to), dtype=np.int64), list(to.values()))


def _height(program: Program, theta: Array, with_prior: bool) -> float:
    """What the estimate maximises; minus infinity outside the support."""
    with np.errstate(all="ignore"):
        try:
            value = program.log_likelihood(theta)
            return value + (program.log_prior(theta) if with_prior else 0.0)
        except ValueError:
            return -np.inf
