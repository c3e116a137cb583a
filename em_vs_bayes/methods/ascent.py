"""What EM and CAVI share: when an ascent has arrived, has fallen, or wants acceleration; and screening of starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from em_vs_bayes.common.contract import Array
from em_vs_bayes.common.status import Status
from em_vs_bayes.program.program import Program

EMPTY = 1.0  # expected rows below which a component or state is said to be empty
HEATS = (10, 20)  # iterations each start gets; iterations the better half gets on top
FINISHERS = 3  # how many go on from there
BEHIND = 40.0  # nats below the best from which on a start may be given up; it could have no share of the mass
CHASE = 200  # iterations of its last gain in which it would have to catch up


@dataclass(frozen=True, slots=True)
class Climb:
    """Objective values of the last three iterations, and how many there were.

    ``summed`` is the size of what the objective is the sum of, where its terms cancel; see `Program.summed`. One of
    ``several`` starts looks for the highest maximum, one alone for that above its start.
    """

    objective: float
    gain: float = float("inf")
    previous_gain: float = float("inf")
    iteration: int = 0
    summed: float = 0.0
    several: bool = False

    def then(self, objective: float) -> Climb:
        return Climb(objective, objective - self.objective, self.gain, self.iteration + 1, self.summed, self.several)

    def to_array(self) -> Array:
        """For a checkpoint."""
        return np.array([self.objective, self.gain, self.previous_gain, self.iteration, self.summed, self.several])

    @classmethod
    def from_array(cls, values: Array) -> Climb:
        """From a checkpoint."""
        objective, gain, previous_gain, iteration, *rest = values.tolist()  # older files have fewer
        return cls(objective, gain, previous_gain, int(iteration), *rest[:1], *map(bool, rest[1:]))

    def rounded(self, loss: float) -> Climb:
        """The same climb, for which such a loss is rounding."""
        return replace(self, summed=max(self.summed, 1.01e13 * loss))

    @property
    def rounding(self) -> float:
        """What the objective may lose to rounding: that of parameters, which its terms have in common, and of a sum."""
        return 1e-10 * (1.0 + abs(self.objective)) + 1e-13 * self.summed

    @property
    def resolution(self) -> float:
        """Differences of the objective below this are those of the last bits."""
        return 4e-16 * (1.0 + abs(self.objective) + self.summed)

    @property
    def _impossible(self) -> bool:
        return self.objective == -np.inf and self.iteration >= 1

    @property
    def rate(self) -> float:
        """Linear rate of convergence: the ratio of the last two gains (Dempster, Laird & Rubin 1977, section 3)."""
        return self.gain / self.previous_gain if self.previous_gain > 0 else 0.0

    @property
    def remaining(self) -> float:
        """Aitken's estimate of how far the objective still has to rise (Boehning et al. 1994)."""
        if not 0.0 < self.rate < 1.0:
            return abs(self.gain)
        return self.gain * self.rate / (1.0 - self.rate) + self.gain

    def verdict(self, tol: float, max_iter: int) -> Status | None:
        """Converged when at most ``tol`` nats remain; fell when it lost more than rounding."""
        if self.objective == np.inf:
            return Status.UNBOUNDED
        if self.objective != self.objective or self.gain < -self.rounding or self._impossible:
            return Status.OBJECTIVE_FELL
        stalled = self.gain <= self.resolution  # as high as rounding lets it climb
        if self.iteration >= 1 and (stalled or (self.iteration >= 2 and self.remaining < tol)):
            return Status.CONVERGED
        return Status.MAX_ITER if self.iteration >= max_iter else None


def hopeless(climb: Climb, best: Climb) -> bool:
    """Whether a start, screened as the best was, is so far behind that it would not catch up."""
    return best.objective - climb.objective > BEHIND + CHASE * max(climb.gain, 0.0)


def emptied(program: Program, stats: Array, order: NDArray[np.int64], rest: str) -> tuple[str, ...]:
    """A note that names the components or states to which less than one row belongs.

    Parameters
    ----------
    stats : ndarray
        Expected statistics at the estimate.
    order : ndarray (K,)
        Component j of the result is ``order[j]`` of the statistics.
    rest : str
        Where parameters are that no row speaks of.
    """
    rows = program.latent.occupancy(stats)[order]
    empty = np.flatnonzero(rows < EMPTY)
    if empty.size == 0 or program.total_weight < EMPTY * program.k:
        return ()
    part = program.spec.leading
    which = ", ".join(f"{k} ({rows[k]:.2g})" for k in empty)
    return (
        f"Less than one of {program.total_weight:g} rows is expected in {part} {which}. Its parameters rest on that; "
        f"without any row they are {rest}. Ask for fewer {part}s, or for more starts (n_init).",
    )


def unfinished(climb: Climb, tried: str) -> str:
    """A note of a climb that ran out of iterations: what it still gained, and what there is to do."""
    slowing = 0.0 < climb.rate < 1.0
    left = f"about {climb.remaining:.2g} are still to come (Aitken's estimate)" if slowing else "it does not slow down"
    return (
        f"The last of {climb.iteration} iterations gained {climb.gain:.2g} nats, and {left}. {tried}Go on by "
        f"fit.resume(max_iter={2 * climb.iteration}), or give the tol in nats below which a gain does not matter."
    )


def twins(program: Program, theta: Array) -> list[tuple[int, int]]:
    """Pairs of components or states with one emission: where the data do not hold that, EM is slow to leave it.

    What the user fixed alike is as it should be.
    """
    first, second = np.triu_indices(program.k, 1)
    free = np.zeros(program.k, dtype=bool)
    for values, fixed in program.emissions(theta):
        free |= np.isnan(fixed).any(axis=1)
        small = 1e-9 * np.abs(values).max(initial=0.0)
        for column in values.T:  # most pairs part at the first
            one, other = column[first], column[second]
            same = np.abs(one - other) <= 1e-6 * np.minimum(np.abs(one), np.abs(other)) + small
            first, second = first[same], second[same]
    open_ = free[first] | free[second]
    pairs = list(zip(first[open_].tolist(), second[open_].tolist(), strict=True))
    return [pair for pair, apart in zip(pairs, program.told_apart(theta, pairs), strict=True) if not apart]


def alike(program: Program, theta: Array, stats: Array, order: NDArray[np.int64]) -> list[str]:
    """A note that names components or states that are one and the same, but for empty ones: `emptied` names those."""
    rows, part = program.latent.occupancy(stats)[order], program.spec.leading
    pairs = [pair for pair in twins(program, theta) if rows[list(pair)].max() >= EMPTY]
    if not pairs:
        return []
    which = "; ".join(f"{one} and {other}" for one, other in pairs)
    return [
        f"{part.capitalize()}s {which} have the same emission: the data need fewer, or the climb began where "
        f"they were alike. Ask for fewer {part}s, or for other starts."
    ]


def screened(make: Callable[[int], Any], step: Callable[[Any], Any], height: Callable[[Any], Any], n: int) -> list[Any]:
    """``n`` starts, improved in two `HEATS`, best first; `FINISHERS` go on (Biernacki, Celeux & Govaert 2003).

    Parameters
    ----------
    height : callable (state) -> sortable
        Higher is better.
    """
    if n == 1:
        return [make(0)]
    states: list[Any] = []
    try:
        for attempt in range(n):
            states.append(make(attempt))
            for _ in range(HEATS[0]):
                states[-1] = step(states[-1])
        states = sorted(states, key=height, reverse=True)[: max(n // 2, FINISHERS)]
        for i in range(len(states)):
            for _ in range(HEATS[1]):
                states[i] = step(states[i])
    except KeyboardInterrupt:
        if not states:
            raise
        raise Interrupted(sorted(states, key=height, reverse=True)) from None
    return sorted(states, key=height, reverse=True)


class Interrupted(KeyboardInterrupt):
    """Ctrl-C before the driver had a state: the starts as far as they came, best first."""

    def __init__(self, states: list[Any]) -> None:
        super().__init__("interrupted while screening starts")
        self.states = states
