"""The Student t given an interval, in 40 decimal digits: quadrature of its density, without its distribution function.

The constant comes from Stirling's series of the log gamma function (Abramowitz & Stegun 1972, 6.1.40), pieces of the
integrals from the double exponential rule (Takahasi & Mori 1974).
"""

from __future__ import annotations

import itertools
import math
from decimal import Context, Decimal, localcontext

CONTEXT = Context(prec=40)
PI = Decimal("3.14159265358979323846264338327950288419716939937510582")
STIRLING = ((1, 12), (-1, 360), (1, 1260), (-1, 1680), (1, 1188), (-691, 360360), (1, 156), (-3617, 122400))
STEP = Decimal(1) / 16


def _rule():
    """Nodes and weights on (0, 1)."""
    out = []
    for k in range(-66, 67):
        e = (STEP * k).exp()
        q = (PI * (e - 1 / e) / 2).exp()
        out.append((q / (1 + q), STEP * PI * (e + 1 / e) / 2 * q / (1 + q) ** 2))
    return out


with localcontext(CONTEXT):
    RULE = _rule()


def _log_gamma(x):
    shift = Decimal(0)
    while x < 60:
        shift, x = shift - x.ln(), x + 1
    series = sum(Decimal(a) / b / x ** (2 * i + 1) for i, (a, b) in enumerate(STIRLING))
    return shift + (x - Decimal("0.5")) * x.ln() - x + (2 * PI).ln() / 2 + series


def log_constant(df):
    """Log density at 0."""
    with localcontext(CONTEXT):
        nu = Decimal(df)
        return _log_gamma((nu + 1) / 2) - _log_gamma(nu / 2) - (PI * nu).ln() / 2


def _terms(t, nu):
    u = (nu + 1) / (nu + t * t)
    f = (-(nu + 1) / 2 * (1 + t * t / nu).ln()).exp()
    return f, f * u, f * u * t, f * u * t * t


def _add(total, function, low, high):
    for node, weight in RULE:
        x = low + (high - low) * node
        for i, term in enumerate(function(x)):
            total[i] += weight * (high - low) * term


def _side(low, high, nu):
    """Integrals over 0 <= low < t < high: pieces that double in width, then one in v = (top / t)^nu."""
    unit, total = min(nu.sqrt(), Decimal(1)), [Decimal(0)] * 4
    top = max(low, min(high, 32 * unit))
    edges = [low, *(e for e in (unit * Decimal(2) ** j for j in range(-3, 6)) if low < e < top), top]
    for a, b in itertools.pairwise(edges):
        if a < b:
            _add(total, lambda t: _terms(t, nu), a, b)
    if high > top:

        def substituted(v):
            t = top * (-v.ln() / nu).exp()
            return [term * t / (nu * v) for term in _terms(t, nu)]

        _add(total, substituted, Decimal(0) if high.is_infinite() else ((top / high).ln() * nu).exp(), Decimal(1))
    return total


def interval(a, b, df):
    """Log P(a < T < b), E[u], E[u t], E[u t^2], u = (df + 1) / (df + t^2), as floats."""
    with localcontext(CONTEXT):
        nu, low, high = Decimal(df), Decimal(a), Decimal(b)
        total = [Decimal(0)] * 4
        if high > 0:
            total = _side(max(low, Decimal(0)), high, nu)
        if low < 0:
            left = _side(max(-high, Decimal(0)), -low, nu)
            total = [t + s for t, s in zip(total, (left[0], left[1], -left[2], left[3]), strict=True)]
        return (float(total[0].ln() + log_constant(df)), *(float(t / total[0]) for t in total[1:]))


assert math.isclose(interval(1.0, math.inf, 1.0)[0], math.log(0.25), rel_tol=1e-15)  # Cauchy
