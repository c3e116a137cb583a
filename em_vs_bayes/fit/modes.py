"""Maxima of one likelihood: where climbs end, which ends are one, how much mass each has; chains that begin in each."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from em_vs_bayes.common.arguments import generator
from em_vs_bayes.common.contract import Array
from em_vs_bayes.common.status import Status
from em_vs_bayes.fit.driver import Driven, drive, make_method
from em_vs_bayes.fit.results import Fit
from em_vs_bayes.methods.base import Outcome
from em_vs_bayes.methods.em import EM
from em_vs_bayes.methods.mode import settled
from em_vs_bayes.program.program import Program

WITHIN = 10.0  # nats of likelihood below the highest maximum beyond which another is not looked at
RISING = 30.0  # nats that a screened start may still climb
CLIMBS = 6  # ends of starts that are looked at, at most
ALIKE = 0.02  # mean difference of responsibilities, labels matched, up to which two ends are one
LEAST = 0.05  # share of the posterior mass from which a mode counts
VISITS = 200  # draws, evenly thinned, that are told apart by their mode
LARGEST = 300  # coordinates up to which masses are weighed by the curvature, else by the height alone


class Summit(NamedTuple):
    """Where EM's climb ended, and how."""

    status: Status
    height: float
    theta: Array


class Mode(NamedTuple):
    """A maximum of the likelihood, and the share of the posterior mass about it (by Laplace's approximation)."""

    theta: Array
    height: float
    share: float


def summit(program: Program, theta: Array) -> Summit:
    """The maximum of the likelihood that EM reaches from theta."""
    driven = drive(EM(n_init=1), program, program.public(theta), np.random.default_rng(0), "em", False)
    at = driven.outcome.theta
    assert at is not None
    return Summit(driven.outcome.status, float(driven.history["objective"][-1]), at)


def modes(fit: Fit) -> tuple[Mode, ...]:
    """The maxima that the starts of a maximum likelihood fit ended in, those with a share of the mass; best first.

    None where the fit kept no other starts, or did not converge; one alone where all starts ended in it.
    """
    program, heights, thetas = fit.program, fit.attrs.get("end_heights", ()), fit.attrs.get("end_thetas", ())
    if not (len(heights) and fit.converged):
        return ()
    found = [Summit(fit.ended, fit.log_likelihood, fit.theta)]
    if program.k > 1:
        few, climbs = program.sample(), 0
        for height, theta in sorted(zip(heights, thetas, strict=True), key=lambda end: -end[0]):
            if height < fit.log_likelihood - WITHIN - RISING or climbs == CLIMBS:
                break
            if any(apart(few, theta, other.theta) <= ALIKE for other in found):
                continue
            end, climbs = summit(program, theta), climbs + 1
            near = end.height > fit.log_likelihood - WITHIN
            if near and end.status.good and all(apart(few, end.theta, other.theta) > ALIKE for other in found):
                found.append(end)
    if len(found) == 1:
        return (Mode(fit.theta, fit.log_likelihood, 1.0),)
    masses = np.array([_mass(program, end) for end in found])
    shares = np.exp(masses - masses.max())
    shares /= shares.sum()
    kept = [Mode(end.theta, end.height, float(share)) for end, share in zip(found, shares, strict=True)]
    return tuple(sorted((mode for mode in kept if mode.share >= LEAST), key=lambda mode: -mode.share))


def apart(program: Program, one: Array, other: Array) -> float:
    """Mean difference of two sets of responsibilities, labels matched for the least: from 0 to 1."""
    from scipy.optimize import linear_sum_assignment  # half a second to import, and seldom wanted

    p, q = program.probabilities(one), program.probabilities(other)
    cost = np.abs(p[:, :, None] - q[:, None, :]).sum(axis=0)
    return float(cost[linear_sum_assignment(cost)].sum()) / (2.0 * len(p))


def _mass(program: Program, end: Summit) -> float:
    """Log posterior mass about a maximum, up to a constant: Laplace's, or its height where that cannot be had."""
    if program.tables.unknown or program.ndim > LARGEST:
        return end.height
    theta = program.inside(end.theta)
    found = settled(program.density(theta), program.unconstrain(theta))
    return found.height + found.log_det


def visits(fit: Fit, found: tuple[Mode, ...]) -> Array:
    """Share (M,) of a fit's draws whose responsibilities are nearest to those at each mode."""
    few = fit.program.sample()
    assert fit.draws is not None
    flat = fit.draws.reshape(-1, fit.draws.shape[-1])
    picked = flat[np.linspace(0, len(flat) - 1, min(len(flat), VISITS)).astype(int)]
    nearest = [int(np.argmin([apart(few, theta, mode.theta) for mode in found])) for theta in picked]
    return np.bincount(nearest, minlength=len(found)) / len(nearest)


def from_modes(spec: Any, y: Any, em: Fit, method: str, own: dict[str, Any], shared: dict[str, Any]) -> Fit:
    """A sampler whose chains begin in turn at each of the modes that EM's starts ended in."""
    chains = int(make_method(method, own).chains)  # type: ignore[attr-defined]
    found = modes(em)[:chains] if em.options.get("objective") == "mle" else ()
    if len(found) < 2:
        return spec.fit(y, method=method, init=em, **shared, **own)
    parts = []
    for i, (mode, rng) in enumerate(zip(found, generator(shared["seed"]).spawn(len(found)), strict=True)):
        count = len(range(i, chains, len(found)))
        start = {**shared, **own, "seed": rng, "chains": count, "init": em.program.public(mode.theta)}
        parts.append(spec.fit(y, method=method, **start))
    plain = shared["seed"] if isinstance(shared["seed"], int) else None
    return joined(parts, {**parts[0].options, "chains": chains}, {"seed": plain, "init": "the maxima of em's starts"})


def joined(parts: list[Fit], options: dict[str, Any], begun: dict[str, Any]) -> Fit:
    """Fits of one sampler to the same data as one fit with all their chains, relabelled together."""
    first, kept = parts[0], [part for part in parts if part.raw_draws is not None]
    if len(kept) < len(parts):  # broken off before the first draw
        return next(part for part in parts if part.raw_draws is None)
    length = min(part.raw_draws.shape[1] for part in kept if part.raw_draws is not None)
    draws = np.concatenate([part.raw_draws[:, :length] for part in kept if part.raw_draws is not None])
    names = set.intersection(*(set(part.sample_stats) for part in parts))
    stats = {name: np.concatenate([part.sample_stats[name][:, :length] for part in parts]) for name in sorted(names)}
    status = next((part.ended for part in parts if part.ended is not Status.SAMPLED), Status.SAMPLED)
    notes = tuple(dict.fromkeys(note for part in parts for note in part.remarks))
    attrs = {name: value for name, value in first.attrs.items() if name not in begun}
    outcome = Outcome(None, status, draws, stats, notes, exchange=True, attrs=attrs)
    seconds = {name: sum(part.seconds.get(name, 0.0) for part in parts) for name in first.seconds if name != "total"}
    driven = Driven(outcome, dict(first.history), {})
    return Fit.from_driven(first.program, first.method, driven, seconds, options, begun)
