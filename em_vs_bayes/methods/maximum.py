"""Whether the end of a climb is a maximum: the curvature there, and a way up where it is not.

At a maximum the observed information I_o, minus the Hessian, has no negative eigenvalue. EM creeps along eigenvectors
of I_c^-1 I_o, I_c being the information of the completed data (Dempster, Laird & Rubin 1977), and ends at a saddle
point only where symmetry keeps it from leaving (Murray 1977). Both are derivatives of one gradient: I_o as its
statistics move with the parameters (Fisher's identity), I_c as they stay.

In units of sqrt(diag I_c), the errors that completed data would have, the lowest eigenvalue of I_o is sought by the
method of Lanczos (1950): an E-step for each product, as many as there are coordinates, or `PRODUCTS`; and where that
leaves it in doubt once more, with a pair of E-steps each.
Coordinates on the boundary of the parameter space are held there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import eigh_tridiagonal

from em_vs_bayes.common.contract import Array
from em_vs_bayes.methods import flat
from em_vs_bayes.program.program import Program
from em_vs_bayes.program.units import STEP, errors

PRODUCTS = ((300, 50_000), (20, 1_000_000), (10, np.inf))  # at most, for so many rows x components x columns
CLEAR = 0.03  # lowest eigenvalue by one-sided differences, which cost half, beyond their error of a few steps
NEGATIVE = -1e-6  # eigenvalues below it are no rounding
LENGTHS = (0.03, 0.1, 0.3, 1.0, 3.0)  # of steps along the direction, in the same units

Expect = Callable[[Array], tuple[float, Array]]


@dataclass(frozen=True, slots=True)
class Around:
    """Points (P,) above a stationary one, one on each side; without any, what is ``flat`` about it in words, or ""."""

    points: tuple[Array, ...] = ()
    flat: str = ""


def ways_up(program: Program, theta: Array, level: float, expect: Expect, prior: bool) -> Around:
    """What curvature says of a stationary point.

    Parameters
    ----------
    level : float
        The objective at ``theta``, and what it may lose to rounding: steps that lead no higher are no gain.
    expect : callable (theta) -> (objective, statistics)
    prior : bool
        Whether the objective has the prior in it.
    """
    program = program.held(theta)
    x = program.unconstrain(theta)
    if not (program.ndim and np.isfinite(x).all()):
        return Around()

    def gradient(at: Array, stats: Array | None = None) -> Array:
        if stats is None:
            _, stats = expect(program.constrain(at, theta))
        return program.slope(at, theta, stats, prior=prior, jacobian=False)

    _, held = expect(theta)
    here = gradient(x, held)
    unit = errors(lambda at: gradient(at, held), x, program.groups())

    def rough(v: Array) -> Array:
        return -unit * (gradient(x + STEP * unit * v) - here) / STEP

    def product(v: Array) -> Array:
        step = STEP * unit * v
        return -unit * (gradient(x + step) - gradient(x - step)) / (2.0 * STEP)

    try:
        if lowest(rough, unit > 0.0, _products(program))[0] > CLEAR:
            return Around()
        value, direction = lowest(product, unit > 0.0, _products(program))
    except ValueError:  # a step left the support
        return Around()
    if not value < NEGATIVE:
        return Around(flat=flat.along(program, theta, unit * direction) if abs(value) < flat.FLAT else "")
    found: list[Array] = []
    for sign in (1.0, -1.0):
        best, top = None, level
        for length in LENGTHS:
            point = program.constrain(x + sign * length * unit * direction, theta)
            try:
                height = expect(point)[0]
            except ValueError:
                break
            if height > top:
                best, top = point, height
        found += [] if best is None else [best]
    return Around(tuple(found))


def lowest(product: Callable[[Array], Array], free: Any, most: int) -> tuple[float, Array]:
    """Lowest eigenvalue of a symmetric matrix of which only products are known, and its vector (D,).

    Lanczos with full orthogonalisation, from a random vector, on the coordinates that are ``free``. It stops at the
    first eigenvalue that is negative beyond the residual of its vector.
    """
    start = np.random.default_rng(0).standard_normal(len(free)) * free
    size = int(np.count_nonzero(free))
    basis, alpha, beta = np.empty((min(most, size), len(free))), np.empty(most), np.empty(most)
    value, direction = 0.0, start
    v = start / (float(np.linalg.norm(start)) or 1.0)
    for m in range(1, len(basis) + 1):
        rows = basis[:m]
        rows[-1] = v
        w = product(v) * free
        alpha[m - 1] = v @ w
        for _ in range(2):
            w = w - rows.T @ (rows @ w)
        left = float(np.linalg.norm(w))
        values, vectors = eigh_tridiagonal(alpha[:m], beta[: m - 1], select="i", select_range=(0, 0))
        value, direction = float(values[0]), rows.T @ vectors[:, 0]
        residual = left * abs(vectors[-1, 0])
        if m > 2 and (value < 4.0 * NEGATIVE and residual < 0.25 * abs(value)):
            break
        if left < 1e-7:
            break
        v, beta[m - 1] = w / left, left
    return value, direction


def _products(program: Program) -> int:
    size = program.n * program.k * len(program.data.columns)
    return next(most for most, rows in PRODUCTS if size <= rows)
