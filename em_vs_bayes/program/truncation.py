"""The M-step of truncated regressions from the rows themselves, each with the probability of its component.

EM's own would complete the sample with imagined rows; where truncation hides most of the population it creeps. Given
the components the likelihood of what is seen is concave in other parameters, and `kernels.truncated_mode` climbs it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from em_vs_bayes.common.contract import Array
from em_vs_bayes.kernels import tables, truncated_mode
from em_vs_bayes.kernels.densities import log_density_gradient
from em_vs_bayes.model.emissions.tilted import spreads_out
from em_vs_bayes.program.placed import Placed, Step
from em_vs_bayes.program.program import Program

FAR = 1e3  # times the residuals' size: where a sigma is beyond, it is asked whether anything holds it
MIXED = tuple(tables.DENSITY[name] for name in ("Normal", "StudentT", "Cauchy", "Laplace"))
TIP = 1e-12  # relative distance from the middle of a prior below which it is as good as there
STEPS = 3  # of Newton's in one M-step: the components' probabilities are those of where it began


@dataclass(frozen=True, slots=True)
class Seen:
    """Rows of one stream, measured from the line ``middle`` in its residual standard deviations ``unit``.

    Parameters
    ----------
    rows : index of those that have a response
    x : ndarray (p, n)
    r, low, high : ndarray (n,)
    """

    rows: Any
    x: Array
    r: Array
    low: Array
    high: Array
    middle: Array
    unit: float


@dataclass(frozen=True, slots=True)
class Density:
    """Prior of one component, of the line g in those units: precision ``kappa`` / sigma^2 + ``own`` about ``mean``.

    ``power`` of nu = (unit / sigma)^2, and an elementwise density of sigma.
    """

    mean: Array
    kappa: Array
    own: Array
    power: float
    code: int
    a: float
    b: float
    c: float


def maximize(program: Program, theta: Array, stats: Array, *, flat_prior: bool, floor: float) -> Step:
    """`Program.maximize`, truncated regressions from their rows where their priors allow it."""
    streams: list[tuple[Placed, Seen, list[Density] | None]] = [(*one, None) for one in _truncated(program)]
    if not flat_prior:
        own = [(place, seen, densities(program, place, seen, theta)) for place, seen, _ in streams]
        streams = [(place, seen, prior) for place, seen, prior in own if prior is not None]
    known = stats.copy()
    for place, _, _ in streams:  # sums with imagined rows, which may be past counting
        sums = known[place.stat : place.stat + place.statistics.size]
        sums[~np.isfinite(sums)] = 0.0
    if not np.isfinite(known).all():
        return Step(theta, (), ())
    step = program.maximize(theta, known, flat_prior=flat_prior, floor=floor)
    chances = _chances(program, theta)
    out, floored = step.theta.copy(), set(step.floored) if len(streams) < len(program.streams.kind) else set()
    for place, seen, priors in streams:
        floored |= _climb(program, place, seen, priors, chances[seen.rows], theta, out, floor)
    return replace(step, theta=program.with_fixed(out), floored=tuple(sorted(floored)))


def _climb(
    program: Program,
    place: Placed,
    seen: Seen,
    priors: list[Density] | None,
    chances: Array,
    theta: Array,
    out: Array,
    floor: float,
) -> set[int]:
    """Write what each component's regression is to ``out``; those at the floor."""
    p, k, unit = len(seen.middle), program.k, seen.unit
    at_b, at_s = place.theta, place.theta + k * p
    fixed, floored = program.tables.fixed, set[int]()
    nothing = Density(np.zeros(p), np.zeros((p, p)), np.zeros((p, p)), 0.0, tables.DENSITY["Flat"], 0.0, 0.0, 0.0)
    for j in range(k):
        prior = nothing if priors is None else priors[j]
        weights, where = np.ascontiguousarray(chances[:, j]), slice(at_b + j * p, at_b + (j + 1) * p)
        if priors is None and not weights.any():
            out[where], out[at_s + j] = theta[where], theta[at_s + j]
            continue
        free = np.isnan(fixed[where])
        g, nu = (theta[where] - seen.middle) / unit, float((unit / theta[at_s + j]) ** 2)
        x, shift = seen.x, np.zeros(1)
        if not free.all():
            x, shift = np.ascontiguousarray(x[free]), g[~free] @ x[~free]
        few, both = np.ascontiguousarray(g[free]), np.ix_(free, free)
        nu = truncated_mode.ascend(
            x, seen.r - shift, seen.low - shift, seen.high - shift, weights,
            prior.mean[free], np.ascontiguousarray(prior.kappa[both]), np.ascontiguousarray(prior.own[both]),
            prior.power, prior.code, prior.a, prior.b, prior.c, unit, bool(np.isnan(fixed[at_s + j])), STEPS, few, nu,
        )  # fmt: skip
        g[free] = few
        out[where] = seen.middle + unit * g
        lowest = unit * np.sqrt(floor)
        if np.isnan(fixed[at_s + j]) and unit / np.sqrt(nu) < lowest:
            floored.add(j)
        out[at_s + j] = max(unit / np.sqrt(nu), lowest)
    return floored


def spreading(program: Program, theta: Array) -> tuple[int, ...]:
    """Components whose likelihood still rises as sigma runs to infinity, given the probabilities of their rows."""
    found = set[int]()
    for place, seen in _truncated(program):
        k, p = program.k, len(seen.middle)
        sigmas = theta[place.theta + k * p : place.theta + k * p + k]
        far = np.flatnonzero((sigmas > FAR * seen.unit) & np.isnan(program.tables.fixed[place.theta + k * p :][:k]))
        if far.size:
            chances = _chances(program, theta)[seen.rows]
        for j in far:
            where = slice(place.theta + j * p, place.theta + (j + 1) * p)
            free, own = np.isnan(program.tables.fixed[where]), chances[:, j] > 0.0
            g = (theta[where] - seen.middle) / seen.unit
            x, shift = seen.x[:, own].T, g[~free] @ seen.x[~free][:, own]
            y, low, high = (values[own] - shift for values in (seen.r, seen.low, seen.high))
            if own.any() and spreads_out(x[:, free], y, low, high, chances[own, j]):
                found.add(int(j))
    return tuple(sorted(found))


def words(program: Program, components: tuple[int, ...]) -> str:
    """A note on them, by the names of the result."""
    part = program.spec.leading
    which = f" in {part}(s) {', '.join(map(str, components))}" if part else ""
    return (
        f"Responses fall off from a limit no faster than an exponential law, or towards none of two{which}: sigma runs "
        f"to infinity, coefficients with it. Use objective='map', fewer {part or 'component'}s, or vi, gibbs or nuts "
        "with priors that you mean."
    )


def _truncated(program: Program) -> list[tuple[Placed, Seen]]:
    """The blocks of truncated regressions with their rows."""
    if "truncated" not in program.kept:
        program.kept["truncated"] = [
            (place, seen_rows(program, s))
            for s, place in enumerate(program.placed[program.n_latent :])
            if program.streams.kind[s] == tables.TRUNCATED
        ]
    return list(program.kept["truncated"])


def _chances(program: Program, theta: Array) -> Array:
    """Probabilities of components (n, K), case weights counted."""
    chances = program.probabilities(theta) if program.k > 1 else np.ones((program.n, 1))
    return np.asarray(chances * program.case_weights[:, None])


def _tangent(codes: Any, abc: Array, values: Array, mean: Array) -> Array:
    """Precisions (K, p) of the normals that touch the priors at ``values``."""
    out = np.empty(values.shape)
    for at in np.ndindex(values.shape):
        middle, value = float(mean[at]), float(values[at])
        near = TIP * (1.0 + abs(middle))
        away = value - middle if abs(value - middle) > near else near
        out[at] = -log_density_gradient(int(codes[at]), *abc[at].tolist(), middle + away)[1] / away
    return out


def seen_rows(program: Program, s: int) -> Seen:
    """What of stream ``s`` does not change from step to step."""
    first, p = int(program.streams.col[s]), int(program.streams.size[s]) - 1
    columns = program.data.columns[first : first + p + 3]
    here = ~np.isnan(columns[p]) & (program.case_weights > 0.0)
    rows: Any = slice(None) if here.all() else np.flatnonzero(here)
    x, (y, low, high) = np.ascontiguousarray(columns[:p, rows]), columns[p:, rows]
    root = np.sqrt(program.case_weights[rows])
    middle = np.linalg.lstsq((root * x).T, root * y, rcond=None)[0]
    away = middle @ x
    size, unit = np.abs(y).max(initial=0.0), float(np.sqrt(np.average((y - away) ** 2, weights=root**2)))
    if unit <= 1e-14 * size:  # a line through all: only a prior knows how wide sigma is
        unit = float(np.std(y)) or float(size) or 1.0
    r, low, high = ((value - away) / unit for value in (y, low, high))
    return Seen(rows, x, r, low, high, middle, unit)


def densities(program: Program, place: Placed, seen: Seen, theta: Array) -> list[Density] | None:
    """The prior of each component's regression; None where coefficients have one that this does not know.

    Those of `MIXED` are normals of random width: each is above the normal that touches it at ``theta`` on both sides of
    its middle, and a step that leads higher with that one does so with the prior (Lange, Hunter & Yang 2000).
    """
    k, p, unit = program.k, len(seen.middle), seen.unit
    row, prior, fixed = place.row(), program.tables.prior, program.tables.fixed
    mean_prior, spread_prior = row[-2], row[-1]
    values = theta[place.theta : place.theta + k * p].reshape(k, p)
    hyper, held = prior.hyper[place.hyper :], ~np.isnan(fixed[place.theta : place.theta + k * p]).reshape(k, p)
    if mean_prior == tables.JOINT and held.any():
        return None
    mean, precision = hyper[: k * p].reshape(k, p), hyper[k * p : k * p * (p + 1)].reshape(k, p, p)
    kappa, own, power = np.zeros((k, p, p)), np.zeros((k, p, p)), 0.0
    named = {int(at): e for e, at in enumerate(prior.element)}
    if mean_prior == tables.JOINT:
        kappa, power = precision, 0.5 * p
    elif mean_prior == tables.INDEPENDENT:
        own = precision * unit**2
    elif mean_prior == tables.ELEMENTWISE and not held.all():
        which = np.array([[named.get(place.theta + j * p + i, 0) for i in range(p)] for j in range(k)])
        codes, student = prior.density[which], prior.density[which] == tables.DENSITY["StudentT"]
        if not np.isin(codes, MIXED)[~held].all():
            return None
        mean = np.where(student, prior.abc[which][..., 1], prior.abc[which][..., 0])
        own = np.where(held, 0.0, unit**2 * _tangent(codes, prior.abc[which], values, mean))[..., None] * np.eye(p)
    mean = (mean - seen.middle) / unit
    found = []
    for j in range(k):
        if not np.isnan(fixed[place.theta + k * p + j]):
            code, abc = tables.DENSITY["Flat"], [0.0, 0.0, 0.0]
        elif spread_prior == tables.ELEMENTWISE:
            e = named[place.theta + k * p + j]
            code, abc = int(prior.density[e]), prior.abc[e].tolist()
        else:
            shape, rate = hyper[k * p * (p + 1) + k :][[j, k + j]].tolist()
            code, abc = tables.DENSITY["InverseGammaOnSquare"], [shape, rate, 0.0]
        found.append(Density(mean[j], kappa[j], own[j], power, code, *abc))
    return found
