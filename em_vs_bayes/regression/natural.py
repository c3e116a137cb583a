"""Newton's step for one truncated regression, in the parameters in which its log-likelihood is concave.

A normal law between limits is an exponential family in (b / sigma^2, 1 / sigma^2) (Orme & Ruud 2002, Economics
Letters 75, 209-217). Where hardly any of the population is seen EM creeps, for it imagines all that is not; Newton's
method is there in a few steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from em_vs_bayes.contract import Array
from em_vs_bayes.regression.moments import LOG_ROOT_2PI, between

HALVINGS = 40
TAIL, NARROW = 4.0, 0.5  # in standard deviations
NEGLIGIBLE = 40.0  # nats below the peak of a density, where it ends for our purpose
AT_ONCE = 20_000
NODES, WEIGHTS = np.polynomial.legendre.leggauss(64)


def newton(
    x: Array, y: Array, low: Array, high: Array, weights: Array, b: Array, sigma: float, spread: bool
) -> tuple[Array, float]:
    """(b, sigma) after one damped step that raises the log-likelihood; the same ones where none does.

    Parameters
    ----------
    x : ndarray (n, p)
        Columns of the free coefficients, linearly independent.
    y, low, high : ndarray (n,)
        Responses and the limits of each, less what fixed coefficients add to the line.
    weights : ndarray (n,)
    b : ndarray (p,)
    sigma : float
    spread : bool
        Whether sigma is free.
    """
    basis, triangle = np.linalg.qr(x)
    basis, triangle = basis * np.sqrt(len(y)), triangle / np.sqrt(len(y))
    middle = np.linalg.lstsq(basis, y, rcond=None)[0]
    away = basis @ middle
    unit = float(np.sqrt(np.average((y - away) ** 2, weights=weights)))
    if not unit > 0.0:
        return b, sigma
    r, low, high = ((value - away) / unit for value in (y, low, high))  # of size one, so that squares keep their digits
    nu = (unit / sigma) ** 2
    a = (triangle @ b - middle) / unit * nu

    def height(a: Array, nu: float) -> float:
        if not nu > 0.0:
            return -np.inf
        line, root = basis @ a / nu, np.sqrt(nu)
        inside = between(root * (low - line), root * (high - line)).log_p
        with np.errstate(invalid="ignore"):
            terms = 0.5 * np.log(nu) - LOG_ROOT_2PI - 0.5 * nu * (r - line) ** 2 - inside
        total = float(weights @ terms)
        return total if np.isfinite(total) else -np.inf

    error, variance, third, fourth = _moments(r, low, high, basis @ a / nu, nu**-0.5)
    mean = r + error
    with_square = third + 2.0 * mean * variance
    of_square = fourth - variance**2 + 4.0 * mean * third + 4.0 * mean**2 * variance
    score = np.append(-basis.T @ (weights * error), 0.5 * weights @ (variance + error * (r + mean)))
    information = np.block(
        [
            [(basis * (weights * variance)[:, None]).T @ basis, -0.5 * (basis.T @ (weights * with_square))[:, None]],
            [-0.5 * (basis.T @ (weights * with_square))[None, :], np.array([[0.25 * weights @ of_square]])],
        ]
    )
    step = np.zeros(len(score))
    if spread:
        step = _solve(information, score)
    if not spread or step[-1] <= -nu:  # beyond infinite sigma: half the way there, the coefficients for that
        step[-1] = -0.5 * nu if spread else 0.0
        step[:-1] = _solve(information[:-1, :-1], score[:-1] - information[:-1, -1] * step[-1])
    here, share = height(a, nu), 1.0
    for _ in range(HALVINGS):
        there = a + share * step[:-1], nu + share * step[-1]
        if height(*there) > here:
            return np.linalg.solve(triangle, middle + unit * there[0] / there[1]), unit / np.sqrt(there[1])
        share *= 0.5
    return b, sigma


def _moments(r: Array, low: Array, high: Array, line: Array, scale: float) -> tuple[Array, Array, Array, Array]:
    """Mean less r, variance, third and fourth central moments of responses between their limits.

    By parts, or where that would cancel, in tails and narrow intervals, by quadrature.
    """
    a, b = (low - line) / scale, (high - line) / scale
    hard = (a > TAIL) | (b < -TAIL) | (b - a < NARROW)
    out = np.empty((4, len(r)))
    easy = np.flatnonzero(~hard)
    law = between(a[easy], b[easy])
    out[0, easy] = line[easy] - r[easy] + scale * law.mean
    out[1, easy], (out[2, easy], out[3, easy]) = law.variance, law.central()
    for rows in np.array_split(np.flatnonzero(hard), 1 + int(hard.sum()) // AT_ONCE):
        base, sign, away, *central = _by_quadrature(a[rows], b[rows])
        ends = np.where(base, high[rows], low[rows])
        out[0, rows] = ends - r[rows] + scale * sign * away
        out[1, rows], out[2, rows], out[3, rows] = central
    out[1:] *= scale ** np.arange(2, 5)[:, None]
    return out[0], out[1], out[2], out[3]


def _by_quadrature(a: Array, b: Array) -> tuple[Any, Array, Array, Array, Array, Array]:
    """Whether b is the limit to measure from, -1 there and else 1, mean distance from it, and central moments of z."""
    turned = a + b < 0.0
    near, far = np.where(turned, -b, a), np.where(turned, -a, b)  # near <= far, near + far >= 0
    peak = np.maximum(near, 0.0)
    above = np.sqrt(peak**2 + 2.0 * NEGLIGIBLE) - peak
    above = np.where(peak > 1.0, 2.0 * NEGLIGIBLE / (above + 2.0 * peak), above)
    start, stop = np.maximum(near, peak - np.sqrt(2.0 * NEGLIGIBLE)) - near, np.minimum(far, peak + above) - near
    half = 0.5 * (stop - start)
    s = start[:, None] + half[:, None] * (1.0 + NODES)  # distances from the near limit
    at = s - (peak - near)[:, None]  # from the peak
    density = WEIGHTS * np.exp(-at * (peak[:, None] + 0.5 * at))
    density /= density.sum(axis=1, keepdims=True)
    mean = (density * s).sum(axis=1)
    s -= mean[:, None]
    sign = np.where(turned, -1.0, 1.0)
    second, third, fourth = ((density * s**k).sum(axis=1) for k in (2, 3, 4))
    return turned, sign, mean, second, sign * third, fourth


def _solve(information: Array, score: Array) -> Array:
    """information^-1 score, on a unit diagonal; eigenvalues lost to rounding are raised."""
    scale = np.sqrt(np.maximum(np.diagonal(information), 1e-300))
    values, vectors = np.linalg.eigh(information / scale[:, None] / scale)
    return np.asarray(vectors @ ((vectors.T @ (score / scale)) / np.maximum(values, 1e-12)) / scale)
