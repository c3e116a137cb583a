"""Maxima of one likelihood: where climbs end, which ends are one, how much mass each has."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from em_vs_bayes.common.contract import Array
from em_vs_bayes.common.status import Status
from em_vs_bayes.fit.diagnosis import diagnose
from em_vs_bayes.fit.record import Record
from em_vs_bayes.methods.driving import drive
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


def modes(fit: Record) -> tuple[Mode, ...]:
    """The maxima that the starts of a maximum likelihood fit ended in, those with a share of the mass; best first.

    None where the fit kept no other starts, or did not converge; one alone where all starts ended in it.
    """
    program, heights, thetas = fit.program, fit.attrs.get("end_heights", ()), fit.attrs.get("end_thetas", ())
    if not (len(heights) and diagnose(fit)[0].good):
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


def visits(fit: Record, found: tuple[Mode, ...]) -> Array:
    """Share (M,) of a fit's draws whose responsibilities are nearest to those at each mode."""
    few = fit.program.sample()
    assert fit.draws is not None
    flat = fit.draws.reshape(-1, fit.draws.shape[-1])
    picked = flat[np.linspace(0, len(flat) - 1, min(len(flat), VISITS)).astype(int)]
    nearest = [int(np.argmin([apart(few, theta, mode.theta) for mode in found])) for theta in picked]
    return np.bincount(nearest, minlength=len(found)) / len(nearest)
