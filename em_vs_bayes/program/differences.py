"""Curvature of a density from differences of its exact gradient, with steps that no unit of measurement changes.

A step is a small fraction of a standard error: of 1 / sqrt(curvature) along its coordinate, which is looked for by
the differences themselves. Where coordinates are strongly correlated the differences are taken again along directions
in which the density is all but spherical: small eigenvalues come out as well as large ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from em_vs_bayes.common.contract import Array
from em_vs_bayes.program.units import errors

if TYPE_CHECKING:
    from em_vs_bayes.program.program import Density

STEP = 1e-4  # in standard errors: what third derivatives and what rounding leave are then alike, some 1e-8
NEAR = (0.2, 5.0)  # a step is good enough within so many times that
GUESS = 1e-5
TRIES = 60
POOR = 1e-3  # smallest eigenvalue, the diagonal being ones, below which directions are mended
FLOOR = 1e-8  # and what it is raised to for that
SADDLE = 1e-5  # a negative one beyond this is no rounding: there is no maximum to be precise about
ROUNDS = 3
FLAT = 1e-6  # an eigenvalue this far below the largest, after mending, is none

Slopes = Callable[[Array], tuple[float, Array]]


@dataclass(frozen=True, slots=True)
class Information:
    """Minus the Hessian of a density at a point, as ``root^-T inner root^-1``.

    Parameters
    ----------
    root : ndarray (D, D)
        Directions, in units of x: lower triangular.
    inner : ndarray (D, D)
        Minus the second derivatives along them, symmetric; a row of zeros where nothing depends on a coordinate.
    """

    root: Array
    inner: Array

    @property
    def matrix(self) -> Array:
        """In x itself."""
        back = np.linalg.solve(self.root, np.eye(len(self.root)))
        return back.T @ self.inner @ back

    def inverse_root(self) -> tuple[Array, bool]:
        """Lower triangular L with L L' the inverse; eigenvalues that are not positive are raised, and that is said."""
        values, vectors = np.linalg.eigh(self.inner)
        least = FLAT * max(values[-1], 1e-300)
        inverse = (vectors / np.maximum(values, least)) @ vectors.T
        return self.root @ np.linalg.cholesky(0.5 * (inverse + inverse.T)), bool(values[0] < least)


def of_program(density: Density, x: Array) -> Information:
    """Minus the Hessian of a program's density at ``x``; completed data say how long the first steps may be."""
    program, theta = density.program, density.program.constrain(x, density.theta)
    try:
        _, held = program.expect(program.potentials(theta))
    except ValueError:  # outside the support
        return information(density, x)
    unit = errors(lambda at: program.slope(at, theta, held, prior=False, jacobian=False), x, program.groups())
    return information(density, x, unit)


def information(density: Slopes, x: Array, errors: Array | None = None) -> Information:
    """Minus the Hessian of ``density`` at ``x``.

    Parameters
    ----------
    density : callable (D,) -> (value, gradient)
        The value is -inf, or a ValueError is raised, where a point has no density.
    errors : ndarray (D,), optional
        Guesses at what a step of one standard error is along each coordinate; 0 where there is none.
    """
    if not x.size:
        return Information(np.empty((0, 0)), np.empty((0, 0)))
    first = GUESS * np.maximum(np.abs(x), 1.0)
    first = first if errors is None else np.where(errors > 0.0, STEP * errors, first)
    found = [_along(density, x, j, float(first[j])) for j in range(len(x))]
    errors = np.array([error for _, error in found])
    inner = np.stack([column for column, _ in found]) * errors[:, None] * errors
    inner = 0.5 * (inner + inner.T)
    root = np.diag(errors)
    told = np.flatnonzero(inner.any(axis=1))
    block = np.ix_(told, told)
    for _ in range(ROUNDS):
        values, vectors = np.linalg.eigh(inner[block])
        if not told.size or not -SADDLE * values[-1] < values[0] < POOR * values[-1]:
            break
        inverse = (vectors / np.maximum(values, FLOOR * values[-1])) @ vectors.T
        turned = root[:, told] @ np.linalg.cholesky(0.5 * (inverse + inverse.T))
        columns = [c for direction in turned.T if (c := _directed(density, x, direction)) is not None]
        if len(columns) < told.size:  # a step along one leaves the support: what there is must do
            break
        root[:, told], own = turned, np.stack(columns) @ turned
        inner[block] = 0.5 * (own + own.T)
    return Information(root, inner)


def _gradient(density: Slopes, x: Array) -> Array | None:
    """None where there is no density."""
    try:
        value, gradient = density(x)
    except ValueError:
        return None
    return gradient if np.isfinite(value) and np.isfinite(gradient).all() else None


def _difference(density: Slopes, x: Array, step: Array) -> Array | None:
    """Minus the change of the gradient from x - step to x + step."""
    up, down = _gradient(density, x + step), _gradient(density, x - step)
    return None if up is None or down is None else down - up


def _directed(density: Slopes, x: Array, direction: Array) -> Array | None:
    """Minus the derivative of the gradient along a direction as long as a standard error."""
    change = _difference(density, x, STEP * direction)
    return None if change is None else change / (2.0 * STEP)


def _along(density: Slopes, x: Array, j: int, first: float) -> tuple[Array, float]:
    """Minus the derivative (D,) of the gradient by x_j, and 1 / sqrt(|curvature|); zeros and 1 where nothing changes.

    From a step that is too short for anything but rounding, or far too long, each try halves what is wrong with its
    logarithm; a quadratic takes one.
    """
    step, short, long, jump = first, 0.0, np.inf, 1e3
    best = np.zeros_like(x), 1.0
    with np.errstate(all="ignore"):
        for _ in range(TRIES):
            move = np.zeros_like(x)
            move[j] = step
            width = (x[j] + step) - (x[j] - step)
            change = _difference(density, x, move) if width > 0 else np.zeros_like(x)
            if change is None:
                long = min(long, step)
                step = np.sqrt(short) * np.sqrt(long) if short > 0 else 1e-3 * step
                continue
            curvature = abs(change[j]) / width if width > 0 else 0.0
            if not curvature > 0:  # nothing moves yet
                if not np.isfinite(step) or long < 10.0 * step:
                    break
                short, step, jump = step, jump * step, min(jump * jump, 1e100)
                step = min(step, np.sqrt(short) * np.sqrt(long)) if np.isfinite(long) else step
                continue
            error = 1.0 / np.sqrt(curvature)
            best = change / width, error
            reach = 0.5 * width / error / STEP
            if NEAR[0] <= reach <= NEAR[1]:
                break
            wanted = STEP * error
            if wanted >= long:
                if step > 0.1 * long:
                    break
                wanted = np.sqrt(step) * np.sqrt(long)
            step = wanted
    return best
