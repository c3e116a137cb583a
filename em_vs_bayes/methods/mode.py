"""The posterior mode in unconstrained coordinates, its curvature, and the affine map that whitens around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from em_vs_bayes.common.contract import Array
from em_vs_bayes.program.differences import of_program
from em_vs_bayes.program.program import Density

ROUNDS = 3
STEPS = 500  # of L-BFGS
SETTLED = 1e-2  # slope, in whitened coordinates, below which Newton steps finish
STATIONARY = 1e-6  # and below which they have


@dataclass(frozen=True, slots=True)
class Whitening:
    """x = mode + root @ u, with root root' the inverse of the observed information.

    Parameters
    ----------
    mode : ndarray (D,)
    root : ndarray (D, D)
        Lower triangular.
    log_det : float
        log |root|.
    height : float
        Log density at the mode.
    repaired : bool
        Whether the information was not positive definite and its eigenvalues were raised.
    """

    mode: Array
    root: Array
    log_det: float
    height: float
    repaired: bool

    def to_x(self, u: Array) -> Array:
        """Coordinates from whitened ones (any leading axes)."""
        return self.mode + u @ self.root.T


def settled(density: Density, x: Array) -> Whitening:
    """The mode near ``x``, and the affine map around it.

    L-BFGS in coordinates that are whitened where it starts, so that no unit of measurement sets its pace, then Newton
    steps. On a plateau or a saddle point the curvature says nothing of how far it is to the mode: there it is sought
    with steps no longer than the coordinates themselves as well.
    """
    found = whiten(density, x)
    if found.repaired:
        spread = np.sqrt((found.root**2).sum(axis=1))
        short = np.diag(np.minimum(spread, np.maximum(1.0, np.abs(x))))
        found = whiten(density, _climbed(density, replace(found, root=short)))
    for _ in range(ROUNDS):  # with fresh curvature, where it stopped on a plateau or in its line search
        if _slope(density, found) < SETTLED:
            break
        found = whiten(density, _climbed(density, found))
    for _ in range(ROUNDS):
        slope = found.root.T @ density(found.mode)[1]
        if found.repaired or np.abs(slope).max() < STATIONARY:
            break
        trial = found.to_x(slope)
        if not density(trial)[0] >= found.height:
            break
        found = whiten(density, trial)
    return found


def _climbed(density: Callable[[Array], tuple[float, Array]], found: Whitening) -> Array:
    """L-BFGS in whitened coordinates; where it began, if that is higher."""
    from scipy import optimize  # slow to import; EM does without

    def negative(u: Array) -> tuple[float, Array]:
        value, gradient = density(found.to_x(u))
        return (-value if np.isfinite(value) else 1e300), -(found.root.T @ gradient)

    start = np.zeros_like(found.mode)
    best = optimize.minimize(
        negative, start, jac=True, method="L-BFGS-B", options={"maxiter": STEPS, "ftol": 1e-15, "gtol": 1e-8}
    )
    return found.to_x(best.x) if best.fun <= -found.height else found.mode


def _slope(density: Callable[[Array], tuple[float, Array]], found: Whitening) -> float:
    """The steepest slope at the mode, in whitened coordinates."""
    return float(np.abs(found.root.T @ density(found.mode)[1]).max(initial=0.0))


def whiten(density: Density, x: Array) -> Whitening:
    """The affine map around ``x`` (a mode)."""
    root, repaired = of_program(density, x).inverse_root()
    return Whitening(x, root, float(np.log(np.diag(root)).sum()), density(x)[0], repaired)
