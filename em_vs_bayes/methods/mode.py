"""The posterior mode in unconstrained coordinates, its curvature, and the affine map that whitens around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from em_vs_bayes.contract import Array
from em_vs_bayes.program import Density


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


def climb(density: Density, x: Array, max_iter: int = 500) -> Array:
    """Maximise the density by L-BFGS from ``x``, then Newton steps with a numerical Hessian."""
    from scipy import optimize  # slow to import; EM does without

    def negative(at: Array) -> tuple[float, Array]:
        value, gradient = density(at)
        return (-value if np.isfinite(value) else 1e300), -gradient

    for _ in range(3):  # with fresh curvature, where it stopped on a plateau or in its line search
        best = optimize.minimize(
            negative, x, jac=True, method="L-BFGS-B", options={"maxiter": max_iter, "ftol": 1e-15, "gtol": 1e-8}
        )
        x = best.x if best.fun <= negative(x)[0] else x
        if np.abs(density(x)[1]).max() < 1e-3:
            break
    for _ in range(3):
        value, gradient = density(x)
        root, repaired = _inverse_root(information(density, x))
        trial = x + root @ (root.T @ gradient)
        if repaired or not density(trial)[0] >= value:
            break
        x = trial
    return x


def information(density: Callable[[Array], tuple[float, Array]], x: Array) -> Array:
    """Minus the Hessian (D, D): central differences of the exact gradient, symmetrised."""
    d = len(x)
    hessian = np.empty((d, d))
    for j in range(d):
        h = 1e-5 * max(1.0, abs(x[j]))
        up, down = x.copy(), x.copy()
        up[j] += h
        down[j] -= h
        hessian[j] = (density(up)[1] - density(down)[1]) / (up[j] - down[j])
    return -0.5 * (hessian + hessian.T)


def whiten(density: Density, x: Array) -> Whitening:
    """The affine map around ``x`` (a mode)."""
    root, repaired = _inverse_root(information(density, x))
    return Whitening(x, root, float(np.log(np.diag(root)).sum()), density(x)[0], repaired)


def _inverse_root(matrix: Array) -> tuple[Array, bool]:
    """Lower triangular L with L L' the inverse; eigenvalues below 1e-8 of the largest are raised, and that is said."""
    values, vectors = np.linalg.eigh(matrix)
    least = 1e-8 * max(values[-1], 1e-300)
    repaired = bool(values[0] < least)
    inverse = (vectors / np.maximum(values, least)) @ vectors.T
    return np.linalg.cholesky(0.5 * (inverse + inverse.T)), repaired
