"""Priors that are not conjugate: their densities, and the numerical M-step they need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from em_vs_bayes.contract import Array
from em_vs_bayes.priors import Prior


def element_density(prior: Prior, shape: tuple[int, ...]) -> Callable[[Any, float], float]:
    """(index, value) -> log density of that element of a parameter of ``shape``."""
    from em_vs_bayes.kernels import densities  # numba loads when a fit wants it, not at import

    code, *columns = prior.columns(*shape)

    def log_density(index: Any, value: float) -> float:
        a, b, c = (float(column[index]) for column in columns)
        return float(densities.log_density(int(code), a, b, c, float(value)))

    return log_density


def coordinate_ascent(
    objective: Callable[..., float], start: Array, free: Any, step: Array, *, positive: bool = False, sweeps: int = 2
) -> Array:
    """Maximise over each free element in turn (Brent); never returns anything worse than ``start``.

    Parameters
    ----------
    objective : callable (array, *index) -> float
        The terms of the objective that the element at ``index`` touches.
    step : ndarray, broadcastable to ``start``
        A natural scale of each element.
    positive : bool
        Search on the log scale.
    """
    from scipy import optimize  # a fifth of a second that only this kind of prior pays for

    value = start.copy()
    steps = np.broadcast_to(step, start.shape)
    for _ in range(sweeps):
        for index in zip(*np.nonzero(free), strict=True):

            def negative(x: float, index: tuple[Any, ...] = index) -> float:
                value[index] = np.exp(x) if positive else x
                return -objective(value, *index)

            x0 = float(np.log(value[index]) if positive else value[index])
            width = 0.1 if positive else 0.1 * float(steps[index])
            before = negative(x0)
            best = optimize.minimize_scalar(negative, bracket=(x0 - width, x0 + width), tol=1e-12)
            x = best.x if best.fun <= before else x0
            value[index] = np.exp(x) if positive else x
    return value


def uncentred(prior: Any, centre: Array) -> Any:
    """A prior on centred means as the user would write it."""
    return prior if isinstance(prior, Prior) else replace(prior, mean=prior.mean + centre)
