"""Data simulated from a fit in place of its own: the parametric bootstrap, for data that cannot be drawn from.

One long sequence is such. Where values were missing they are missing again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from em_vs_bayes.fit.record import Record
from em_vs_bayes.fit.simulation import simulate
from em_vs_bayes.program.program import Program


def require_simulable(fit: Record) -> None:
    """Refuse in words what a simulation would not give again."""
    data, formula = fit.program.data, getattr(fit.spec.model_emission, "formula", None)
    if (data.labels >= 0).any():
        raise ValueError("kind='bootstrap' of one sequence simulates it from the fit: known labels cannot be kept.")
    if data.weights.size and (data.weights != 1.0).any():
        raise ValueError(
            "kind='bootstrap' of one sequence simulates it from the fit, once: its case weight must be 1; got "
            f"{data.weights[0]:g}."
        )
    if formula is not None and _response(formula) not in fit.program.y:
        raise ValueError(
            f"kind='bootstrap' of one sequence simulates the response, which {formula!r} computes from columns: make "
            "the response a column of its own."
        )


def simulated(fit: Record, rng: np.random.Generator) -> Program:
    """The program of the fit on data simulated at its estimate."""
    import pandas as pd

    from em_vs_bayes.program.compile import compile as compile_program

    program, emission = fit.program, fit.spec.model_emission
    drawn, formula = simulate(fit, None, rng, None), getattr(emission, "formula", None)
    y: Any = program.y
    if formula is not None:
        response = _response(formula)
        y = y.assign(**{response: _with_gaps(drawn, y[response])})
    elif isinstance(y, dict):
        y = {name: _with_gaps(drawn[name], y[name]) for name in y}
    elif isinstance(y, pd.DataFrame):
        y = _framed(drawn, y)
    else:
        y = _with_gaps(drawn, emission.observed(y))
    return compile_program(fit.spec, y, exog=program.exog, like=program)


def _response(formula: str) -> str:
    return formula.partition("~")[0].strip()


def _framed(drawn: Any, frame: Any) -> Any:
    """A frame of the same columns."""
    named = isinstance(drawn, type(frame))
    values = drawn[list(frame.columns)].to_numpy() if named else np.reshape(drawn, frame.shape)
    gaps = frame.isna().to_numpy()
    return frame.assign(**{c: np.where(gaps[:, j], np.nan, values[:, j]) for j, c in enumerate(frame.columns)})


def _with_gaps(drawn: Any, own: Any) -> Any:
    """Simulated values, missing where the user's are."""
    own = np.asarray(own, dtype=float)
    values = np.asarray(drawn, dtype=float).reshape(own.shape)
    return np.where(np.isnan(own), np.nan, values)
