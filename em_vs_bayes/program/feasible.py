"""Whether a model can have produced its data at all: what fixed values exclude is refused before any method starts.

A likelihood of zero at free elements that are all positive is one of zero everywhere. EM would stay at minus infinity,
and a sampler would leave out what is impossible.

Rows of probability zero at given parameters have one answer everywhere: their score is minus infinity, and whatever
would be conditional on them (assignments, paths, probabilities, forecasts, residuals) is refused.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from em_vs_bayes.common.contract import Array
from em_vs_bayes.program.program import Program


def require_possible(program: Program) -> None:
    """ValueError in words, naming ``labels`` or ``y``, where the data have probability zero whatever is free.

    Its cost is that of one E-step, and nothing where nothing is fixed.
    """
    if not program.spec.fixed:
        return
    theta = program.with_fixed(program.neutral())
    if not impossible(program, theta):
        return
    fixed = ", ".join(f"fixed[{name!r}]" for name in program.spec.fixed)
    row = _first_impossible(program, theta)
    before = " after the rows before it" if program.latent.sequential else ""
    unlabelled = replace(program, data=program.data._replace(labels=np.empty(0, dtype=np.int64)))
    if impossible(unlabelled, theta):
        raise ValueError(
            f"y: row {row} has probability zero{before}, whatever the free parameters: {fixed} exclude it."
        )
    state = int(program.data.labels[row])
    what = (
        f"labels: row {row} cannot be in {program.spec.leading} {state}" if state >= 0 else f"labels exclude row {row}"
    )
    raise ValueError(f"{what}{before}: {fixed} leave it probability zero, whatever the free parameters.")


def require_answers(program: Program, theta: Array, what: str, answered: NDArray[np.bool_]) -> None:
    """ValueError in words where a row has probability zero at theta: nothing can be said given it.

    Parameters
    ----------
    what : str
        Who asks.
    answered : ndarray (n,) of bool
        Which rows got an answer: the others have probability zero, or are in a sequence that has.
    """
    if answered.all():
        return
    terms, sequential = program.pointwise(theta, _forward(program)), program.latent.sequential
    row = int(np.argmax(terms == -np.inf))
    where = f"row {row} of y"
    if sequential and program.data.starts.size > 2:
        where += f" (in sequence {int(np.searchsorted(program.data.starts, row, side='right')) - 1})"
    raise ValueError(
        f"{what}: {where} has probability zero {'after the rows before it ' if sequential else ''}under these "
        "parameters, and given it there is nothing to say (score_samples is minus infinity). "
        f"{'Make it missing (NaN)' if sequential else 'Leave it out'}, or keep probabilities above zero, as a prior "
        "with objective='map' does."
    )


def impossible(program: Program, theta: Array) -> bool:
    """Whether the likelihood at theta is zero."""
    return program.log_likelihood(theta) == -np.inf


def _first_impossible(program: Program, theta: Array) -> int:
    terms = program.pointwise(theta, _forward(program))
    if program.data.weights.size:
        terms = np.where(program.data.weights > 0, terms, 0.0)
    return int(np.argmax(terms == -np.inf))


def _forward(program: Program) -> str | None:
    """The kind of score that names the first impossible row of a sequence."""
    return "predictive" if program.latent.sequential else None
