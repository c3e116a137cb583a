"""PyTensor: log probabilities of intervals of a Student t distribution, value and gradient exact in the far tails.

With f the density and x >= 0, P(T > x) = f(x) (1 + x^2 / nu) J(x), J(x) the integral of 1 / sqrt(x^2 + nu (1 -
w^(2 / nu))) over w in (0, 1), by the double exponential rule (Takahasi & Mori 1974); near 0, and over narrow intervals,
the density itself is integrated by Gauss and Legendre's. All terms are positive and elementwise, so that gradients of
any order come with them. Branches that do not apply are evaluated at harmless arguments.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from em_vs_bayes.kernels.student_interval import log_constant

NODES, WEIGHTS = np.polynomial.legendre.leggauss(24)
STEPS = np.arange(-52, 53) / 16.0
LOG_W = -np.log1p(np.exp(np.pi * np.sinh(-STEPS)))  # log of the nodes in (0, 1)
RULE = np.pi / 16.0 * np.cosh(STEPS) * np.exp(LOG_W - np.log1p(np.exp(np.pi * np.sinh(STEPS))))


class Intervals:
    """Of a t distribution with ``df`` degrees of freedom about lines, in the scale sigma.

    Parameters
    ----------
    df : float
    """

    def __init__(self, df: float) -> None:
        self.df = df
        self.constant = float(log_constant(df))
        self.body = float(np.sqrt(3.0 * df / (df + 2.0)))  # where the density is integrated from 0

    def log_density(self, values: Any, lines: Any, sigmas: Any) -> Any:
        """log t(value; line, sigma)."""
        import pytensor.tensor as pt

        return self._log_f((values - lines) / sigmas) - pt.log(sigmas)

    def log_below(self, ends: Any, lines: Any, sigmas: Any) -> Any:
        """log P(y* < end)."""
        return self._log_lower_tail((ends - lines) / sigmas)

    def log_above(self, ends: Any, lines: Any, sigmas: Any) -> Any:
        """log P(y* > end)."""
        return self._log_lower_tail((lines - ends) / sigmas)

    def log_between(self, low: Any, high: Any, lines: Any, sigmas: Any) -> Any:
        """log P(low < y* < high), both ends finite."""
        import pytensor.tensor as pt

        half = 0.5 * (high - low) / sigmas
        middle = 0.5 * low + 0.5 * high
        left = middle < lines
        near = pt.where(left, lines - high, low - lines) / sigmas  # negative where the line is inside
        far = pt.where(left, lines - low, high - lines) / sigmas
        off = pt.where(left, lines - middle, middle - lines) / sigmas
        room = self.df + off**2
        narrow = (16.0 * half**2 < room) & ((self.df + 1.0) * half * (half + off) < room)
        about = ~narrow & (near <= 0)
        beyond = ~narrow & (near > 0)

        h, m = pt.where(narrow, half, 0.01), pt.where(narrow, off, 0.5)
        integral = self._log_f(m) + pt.log(2.0 * h * self._mean(m, h))

        a, b = pt.where(about, -near, 1.0), pt.where(about, far, 1.0)
        outside = self._upper_tail(a) + self._upper_tail(b)
        inside = pt.log1p(-outside)

        a, b = pt.where(beyond, near, 1.0), pt.where(beyond, far, 9.0)
        share = pt.exp(self._fall(b - a, b + a, self.df + a**2))
        tail = self._log_f(a) + pt.log(self._mills(a) - share * self._mills(b))
        return pt.where(narrow, integral, pt.where(about, inside, tail))

    def _log_f(self, t: Any) -> Any:
        return self.constant + self._fall(t, t, self.df)

    def _fall(self, difference: Any, total: Any, whole: Any) -> Any:
        """log f(b) - log f(a), ``difference`` b - a, ``total`` b + a, ``whole`` df + a^2."""
        import pytensor.tensor as pt

        return -0.5 * (self.df + 1.0) * pt.log1p(difference * (total / whole))

    def _mean(self, middle: Any, half: Any) -> Any:
        """Mean over middle -+ half of f, divided by f(middle)."""
        import pytensor.tensor as pt

        reach, m = half[..., None] * NODES, middle[..., None]
        return (0.5 * WEIGHTS * pt.exp(self._fall(reach, 2.0 * m + reach, self.df + m**2))).sum(axis=-1)

    def _central(self, x: Any) -> Any:
        """P(0 < T < x) for x up to `body`."""
        import pytensor.tensor as pt

        return x * pt.exp(self._log_f(0.5 * x)) * self._mean(0.5 * x, 0.5 * x)

    def _mills(self, x: Any) -> Any:
        """P(T > x) / f(x), x >= 0."""
        import pytensor.tensor as pt

        low = x < self.body
        inner, outer = pt.where(low, x, 0.5 * self.body), pt.where(low, self.body, x)
        square = outer**2
        roots = pt.sqrt(1.0 - (self.df / square)[..., None] * np.expm1(2.0 / self.df * LOG_W))
        far = (outer / self.df + 1.0 / outer) * (RULE / roots).sum(axis=-1)
        return pt.where(low, (0.5 - self._central(inner)) * pt.exp(-self._log_f(inner)), far)

    def _upper_tail(self, x: Any) -> Any:
        """P(T > x), x >= 0."""
        import pytensor.tensor as pt

        return pt.exp(self._log_f(x)) * self._mills(x)

    def _log_lower_tail(self, z: Any) -> Any:
        import pytensor.tensor as pt

        low = z < 0
        below, above = pt.where(low, -z, 1.0), pt.where(low, 1.0, z)
        return pt.where(low, self._log_f(below) + pt.log(self._mills(below)), pt.log1p(-self._upper_tail(above)))
