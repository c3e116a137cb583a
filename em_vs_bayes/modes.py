"""Maxima of one likelihood: where a climb from a given point ends."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from em_vs_bayes.contract import Array
from em_vs_bayes.fit import drive
from em_vs_bayes.methods.em import EM
from em_vs_bayes.program import Program
from em_vs_bayes.status import Status


class Summit(NamedTuple):
    """Where EM's climb ended, and how."""

    status: Status
    height: float
    theta: Array


def summit(program: Program, theta: Array) -> Summit:
    """The maximum of the likelihood that EM reaches from theta."""
    driven = drive(EM(n_init=1), program, program.public(theta), np.random.default_rng(0), "em", False)
    at = driven.outcome.theta
    assert at is not None
    return Summit(driven.outcome.status, float(driven.history["objective"][-1]), at)
