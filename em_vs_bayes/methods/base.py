"""What a method owes the driver.

A method is a frozen dataclass of its options. It supplies ``init``, ``step`` and ``finished``; the one loop in
`driving` calls them, keeps history and progress, and turns Ctrl-C into a status.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from em_vs_bayes.common.arguments import brief
from em_vs_bayes.common.contract import Array
from em_vs_bayes.common.status import Status
from em_vs_bayes.program.program import Program


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a method leaves behind.

    Parameters
    ----------
    theta : ndarray (P,) or None
        The point estimate; None where it is the mean of ``draws`` after alignment.
    status : Status
    draws : ndarray (chain, draw, P), optional
    sample_stats : dict of ndarray (chain, draw)
    notes : tuple of str
        Warnings in words.
    elbo : float, optional
    exchange : bool
        Whether labels may have switched between draws, so that they want alignment.
    state : dict
        What a resumed run needs, JSON-ready apart from arrays.
    """

    theta: Array | None
    status: Status
    draws: Array | None = None
    sample_stats: dict[str, Array] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    elbo: float | None = None
    exchange: bool = False
    attrs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Run:
    """One candidate for the driver: its state, the records of iterations already made, and whether to make more.

    A ``spare`` one goes on only if none before it ended well.
    """

    state: Any
    records: list[dict[str, float]] = field(default_factory=list)
    goes_on: bool = True
    spare: bool = False


@dataclass(frozen=True, slots=True)
class Beyond:
    """Where to go on from a finished state that is no optimum, and otherwise what there is to say of the optimum.

    Runs from an ``optimum`` lead to a higher one.
    """

    runs: tuple[Run, ...] = ()
    optimum: bool = False
    notes: tuple[str, ...] = ()


class Method(ABC):
    """Implement these; `fit` drives them. State is what the next step needs; ``record`` is what the user reads."""

    @abstractmethod
    def init(self, program: Program, start: Any, rng: np.random.Generator) -> list[Run]:
        """Candidates, best first. ``start`` is the user's ``init``, a `Fit` already turned into its parameters."""

    @abstractmethod
    def step(self, program: Program, state: Any) -> Any:
        """Next state."""

    @abstractmethod
    def record(self, state: Any) -> dict[str, float]:
        """What the history keeps of a state, ``objective`` first."""

    @abstractmethod
    def finished(self, state: Any) -> Status | None:
        """How the run ended, or None to go on."""

    @abstractmethod
    def beyond(self, program: Program, state: Any, status: Status) -> Beyond:
        """A look around the best finished state. Records of the runs begin where they go on."""

    @abstractmethod
    def progress(self, state: Any) -> tuple[float, str]:
        """Fraction done and a short text."""

    @abstractmethod
    def checkpoint(self, state: Any) -> dict[str, Array]:
        """What `restore` needs to go on as if the run had not stopped; empty where a method cannot."""

    @abstractmethod
    def restore(self, program: Program, checkpoint: dict[str, Array], records: list[dict[str, float]]) -> Run:
        """The run as it was at its checkpoint."""

    @abstractmethod
    def outcome(self, program: Program, state: Any, status: Status) -> Outcome:
        """The result, also of an interrupted run."""


def not_resumable(method: str) -> ValueError:
    """The refusal of a method that keeps no checkpoint."""
    return ValueError(f"method={brief(method)} cannot be resumed; start a new fit from this one: fit(..., init=fit).")
