"""Whether the likelihood of a truncated regression is highest where sigma is infinite, and so has no maximum.

A truncated normal is an exponential family in (b / sigma^2, 1 / sigma^2), in which the log-likelihood is concave. Where
1 / sigma^2 is 0 it is that of an exponential law from one limit on, or tilted between two (del Castillo 1994, Annals of
the Institute of Statistical Mathematics 46, 57-66), a regression of its own. If the likelihood does not rise from the
best of these as 1 / sigma^2 leaves 0, it is the highest of all. With an intercept alone and one limit that is a
coefficient of variation above one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from em_vs_bayes.common.contract import Array

STEPS = 200
SERIES = 1e-2  # tilts below which moments are taken from their series
Moments = Callable[[Array], tuple[Array, Array, Array, Array]]


def spreads_out(x: Array, y: Array, low: Array, high: Array, weights: Array) -> bool:
    """Whether 1 / sigma^2 = 0 is best.

    Parameters
    ----------
    x : ndarray (n, p)
        Columns of the free coefficients, linearly independent.
    y, low, high : ndarray (n,)
        Responses and the limits of each, one of them perhaps infinite; less what fixed coefficients add to the line.
    weights : ndarray (n,)
    """
    if np.isinf(low).all():
        return spreads_out(x, -y, -high, -low, weights)
    if np.isinf(high).all():
        unit = float(np.average(y - low, weights=weights))
        if not unit > 0.0:
            return False
        return _best_at_zero(x, (y - low) / unit, low / unit, np.ones_like(y), _exponential, weights)
    unit = float((high - low).max())
    return _best_at_zero(x, (y - low) / (high - low), low / unit, (high - low) / unit, _tilted, weights)


def _best_at_zero(x: Array, s: Array, low: Array, width: Array, moments: Moments, weights: Array) -> bool:
    """Responses are low + width s; the tilt of each is width x'd."""
    basis = np.linalg.qr(x)[0] * width[:, None]
    flat = np.full(len(s), -1.0 if moments is _exponential else 0.0)
    d = np.linalg.lstsq(basis, flat, rcond=None)[0]
    if not np.isfinite(_height(moments, basis @ d, s, weights)):
        d = _feasible(basis)
        if d is None:
            return False
    for _ in range(STEPS):
        tilt = basis @ d
        log_mass, mean, variance, _ = moments(tilt)
        here = float(weights @ (tilt * s - log_mass))
        gradient = basis.T @ (weights * (s - mean))
        curvature = (basis * (weights * variance)[:, None]).T @ basis
        step = np.linalg.lstsq(curvature, gradient, rcond=1e-14)[0]
        gain = float(gradient @ step)
        if not gain > 1e-14 * (1.0 + abs(here)):
            break
        while not _height(moments, basis @ (d + step), s, weights) >= here and np.abs(step).max() > 1e-300:
            step = 0.5 * step
        d = d + step
    _, mean, _, second = moments(basis @ d)
    # twice the derivative by 1 / sigma^2; where d is best the span of the basis adds nothing, and a far limit is in it
    far = low * width - basis @ np.linalg.lstsq(basis, low * width, rcond=None)[0]
    slopes = weights * (width**2 * (second - s**2) + 2.0 * far * (mean - s))
    return bool(slopes.sum() <= 1e-9 * np.abs(slopes).sum())


def _height(moments: Moments, tilt: Array, s: Array, weights: Array) -> float:
    log_mass = moments(tilt)[0]
    return float(weights @ (tilt * s - log_mass)) if np.isfinite(log_mass).all() else -np.inf


def _feasible(basis: Array) -> Array | None:
    """d with basis @ d <= -1; None where there is none, as where no exponential law fits all rows."""
    from scipy.optimize import linprog

    p = basis.shape[1]
    if p == 0:
        return None
    scale = np.abs(basis).max()
    found = linprog(np.zeros(p), A_ub=basis / scale, b_ub=-np.ones(len(basis)), bounds=[(None, None)] * p)
    return None if found.x is None else np.asarray(found.x) / scale


def _exponential(tilt: Array) -> tuple[Array, Array, Array, Array]:
    """Log of the integral of exp(tilt s) over s > 0, mean, variance and second moment; infinite from tilt 0 on."""
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(tilt < 0.0, -1.0 / tilt, np.inf)
        return np.log(mean), mean, mean**2, 2.0 * mean**2


def _tilted(tilt: Array) -> tuple[Array, Array, Array, Array]:
    """The same over 0 < s < 1."""
    a = np.abs(tilt)
    near = a < SERIES
    safe = np.where(near, 1.0, a)
    rest = np.exp(-safe)
    log_mass = np.where(near, a / 2.0 + a**2 / 24.0, safe + np.log1p(-rest) - np.log(safe))
    mean = np.where(near, 0.5 + a / 12.0 - a**3 / 720.0, 1.0 / (1.0 - rest) - 1.0 / safe)
    variance = np.where(near, 1.0 / 12.0 - a**2 / 240.0, 1.0 / safe**2 - rest / (1.0 - rest) ** 2)
    turned = tilt < 0.0  # s for 1 - s
    log_mass, mean = np.where(turned, log_mass - a, log_mass), np.where(turned, 1.0 - mean, mean)
    return log_mass, mean, variance, variance + mean**2
