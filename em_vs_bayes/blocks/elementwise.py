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


SMOOTH = ("Flat", "Normal", "StudentT", "Cauchy", "HalfNormal", "HalfStudentT", "HalfCauchy", "Gamma", "InverseGamma",
          "LogNormal", "Exponential", "TruncatedNormal", "InverseGammaOnSquare")  # fmt: skip
STEPS, HALVINGS = 20, 30
DIFFERENCE = 1e-5  # relative, of second derivatives, which only set the length of steps


def element_slopes(prior: Prior, shape: tuple[int, ...]) -> Callable[[Any, Array], tuple[float, Array, Array]]:
    """(indices, values) -> summed log density, and the first and second derivatives of its terms."""
    from em_vs_bayes.kernels import densities

    code, *columns = prior.columns(*shape)
    slope = densities.log_density_gradient

    def slopes(indices: Any, values: Array) -> tuple[float, Array, Array]:
        total, first, second = 0.0, np.empty(len(values)), np.empty(len(values))
        for i, (index, value) in enumerate(zip(indices, values.tolist(), strict=True)):
            a, b, c = (float(column[index]) for column in columns)
            at, first[i] = slope(int(code), a, b, c, value)
            far = DIFFERENCE * (abs(value) or 1.0)
            second[i] = (
                (slope(int(code), a, b, c, value + far)[1] - slope(int(code), a, b, c, value - far)[1]) / far / 2
            )
            total += at
        return total, first, second

    return slopes


def newton_ascent(function: Callable[[Array], tuple[float, Array, Array]], start: Array) -> Array:
    """A maximum of a function of few arguments, uphill from ``start`` by damped steps of Newton's.

    Parameters
    ----------
    function : callable (x) -> (value, gradient, a positive semidefinite stand-in for minus the Hessian)
    """
    x, (here, gradient, bend) = start, function(start)
    for _ in range(STEPS if np.isfinite(here) else 0):
        step = np.linalg.lstsq(bend, gradient, rcond=None)[0]
        if not np.isfinite(step).all():
            break
        for _ in range(HALVINGS):
            there = function(x + step)
            if there[0] >= here:
                break
            step = 0.5 * step
        else:
            break
        gain, x = there[0] - here, x + step
        here, gradient, bend = there
        if gain <= 1e-14 * (1.0 + abs(here)):
            break
    return x


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
            with np.errstate(over="ignore", invalid="ignore"):  # parabolas through minus infinity
                best = optimize.minimize_scalar(negative, bracket=(x0 - width, x0 + width), tol=1e-12)
            x = best.x if best.fun <= before else x0
            value[index] = np.exp(x) if positive else x
    return value


def uncentred(prior: Any, centre: Array) -> Any:
    """A prior on centred means as the user would write it."""
    return prior if isinstance(prior, Prior) else replace(prior, mean=prior.mean + centre)
