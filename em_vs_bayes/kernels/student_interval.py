"""The standard Student t given an interval: log probability, and the moments that its multiplier of precision weighs.

T is normal with precision u ~ Gamma(nu / 2, nu / 2), and E[u | T = t] = (nu + 1) / (nu + t^2). With f the density and
c = x^2 / (nu + x^2), for x >= 0 (DLMF 8.17.8 and 8.17.22, with b = 1/2 or a = 1/2)

    P(0 < T < x) = x f(x) F(nu / 2 + 1/2, 1; 3/2; c),               a series of positive terms,
    P(T > x)     = (x / nu) f(x) (1 + g),  g = (1 - c) (nu + 1) / (nu + 2) B,

where B is the continued fraction of the incomplete beta function of nu / 2 + 1 and 1/2, taken in its even part: there
nothing cancels however large nu is. E[u | T > x] = g / (1 + g). Given a < T < b, with P its probability,

    E[u t] = (f(a) - f(b)) / P,   E[u t^2] = 1 - D,   E[u] = 1 + D / nu,   D = (b f(b) - a f(a)) / P.

An interval with a + b >= 0, after a reflection, is worked out in that one way of three that loses no digits: Gauss and
Legendre's rule where the density changes little over it; two halves where it holds 0; one tail less another else.
Limits may be infinite. For a >= b, or NaN, all is NaN.
"""

import math

from em_vs_bayes.kernels.jit import exact
from em_vs_bayes.kernels.truncated import NODES, ORDER, WEIGHTS

MOST_TERMS = 10_000
EPS = 2.0**-53
ASYMPTOTIC = 16.0  # Stirling's series is exact to rounding from here
FLAT_REACH = 0.5  # quadrature where the interval is no wider than so many distances to the poles of the density,
FLAT_WIDTH = 2.0  # or so many standard deviations of a normal of its curvature,
FLAT_TILT = 3.0  # and the log density changes by no more from end to end


@exact
def log_constant(nu):
    """log f(0)."""
    x = 0.5 * nu
    if x < ASYMPTOTIC:
        ratio = math.lgamma(x + 0.5) - math.lgamma(x)
    else:
        s = 1.0 / (x * x)
        series = 1.0 / 8.0 - s * (1.0 / 192.0 - s * (1.0 / 640.0 - s * (17.0 / 14336.0 - s * (31.0 / 18432.0))))
        ratio = 0.5 * math.log(x) - series / x
    return ratio - 0.5 * math.log(math.pi * nu)


@exact
def log_ratio(x, nu):
    """log f(x) - log f(0)."""
    return -0.5 * (nu + 1.0) * math.log1p(x * (x / nu))


@exact
def _fall(a, b, nu):
    """log f(b) - log f(a), 0 <= a <= b."""
    return -0.5 * (nu + 1.0) * math.log1p((b - a) * ((b + a) / (nu + a * a)))


@exact
def _is_central(x, nu):
    """Whether the series converges fast: where the continued fraction does not."""
    return x * x * (nu + 2.0) <= 3.0 * nu


@exact
def _series(x, nu):
    """P(0 < T < x) / (x f(x))."""
    c = x * x / (nu + x * x)
    term = total = 1.0
    for n in range(MOST_TERMS):
        term *= c * (0.5 * nu + 0.5 + n) / (n + 1.5)
        total += term
        if term <= EPS * total:
            break
    return total


@exact
def _fraction(a, y, c):
    """Even part of the continued fraction of the incomplete beta function of a and 1/2 at y = 1 - c (Lentz)."""
    d = (a + 1.0) / (0.5 + (a + 0.5) * c)
    value, ahead = d, math.inf
    odd = -(a + 0.5) * y / (a + 1.0)  # the last coefficient of odd number
    for m in range(1, MOST_TERMS):
        low, high = (a + 2.0 * m - 1.0) * (a + 2.0 * m), (a + 2.0 * m) * (a + 2.0 * m + 1.0)
        even = -m * (m - 0.5) * y / low
        top = -odd * even  # negative
        product = (a + m) * (a + m + 0.5)
        bottom = (2.0 * a * m + 3.0 * m * m + 0.5 * a + 1.5 * m + product * c) / high + even
        d = 1.0 / (bottom + top * d)
        ahead = bottom + top / ahead
        odd = -product * y / high
        step = ahead * d
        value *= step
        if abs(step - 1.0) <= 4.0 * EPS:
            break
    return value


@exact
def _tail(x, nu, f):
    """P(T > x) and the integral of u f beyond x, both divided by f = f(x); x >= 0."""
    if _is_central(x, nu):
        p = 0.5 / f - x * _series(x, nu)
        return p, p - x / nu
    square = x * (x / nu)
    y, c = 1.0 / (1.0 + square), 1.0 / (1.0 + 1.0 / square)
    g = y * ((nu + 1.0) / (nu + 2.0)) * _fraction(0.5 * nu + 1.0, y, c)
    return (x / nu) * (1.0 + g), (x / nu) * g


@exact
def _near(a, b, nu, constant):
    """``interval`` over which the density changes little."""
    width, middle = b - a, 0.5 * (a + b)
    scale = width / (nu + middle * middle)
    p = u0 = u1 = u2 = 0.0
    for i in range(ORDER):
        s = NODES[i]
        t = middle + width * s
        f = WEIGHTS[i] * math.exp(-0.5 * (nu + 1.0) * math.log1p(s * scale * (2.0 * middle + width * s)))
        u = f * (nu + 1.0) / (nu + t * t)
        p += f
        u0 += u
        u1 += u * t
        u2 += u * t * t
    return constant + log_ratio(middle, nu) + math.log(width * p), u0 / p, u1 / p, u2 / p


@exact
def _half(x, nu, constant):
    """P(0 < T < x), P(T > x) and x f(x)."""
    f = math.exp(constant + log_ratio(x, nu))
    if _is_central(x, nu):
        p = x * f * _series(x, nu)
        return p, 0.5 - p, x * f
    if f == 0.0:
        return 0.5, 0.0, 0.0
    out = f * _tail(x, nu, f)[0]
    return 0.5 - out, out, x * f


@exact
def _about(a, b, nu, constant):
    """``interval`` with -b <= a < 0: its two halves."""
    near, out_near, at_near = _half(-a, nu, constant)
    far, out_far, at_far = _half(b, nu, constant)
    p, out = near + far, out_near + out_far
    d = (at_near + at_far) / p
    first = -math.exp(constant + log_ratio(a, nu)) * math.expm1(_fall(-a, b, nu)) / p
    return math.log1p(-out) if out < 0.5 else math.log(p), 1.0 + d / nu, first, 1.0 - d


@exact
def _beyond(a, b, nu, constant):
    """``interval`` with 0 <= a: the tail beyond a less that beyond b; all of it divided by f(a)."""
    log_f = constant + log_ratio(a, nu)
    p, u = _tail(a, nu, math.exp(log_f))
    d, ratio = -a, 0.0
    if b < math.inf:
        fall = _fall(a, b, nu)
        ratio = math.exp(fall)
        if ratio > 0.0:
            rest, weighed = _tail(b, nu, math.exp(constant + log_ratio(b, nu)))
            p -= ratio * rest
            u -= ratio * weighed
            d += ratio * b
            ratio = -math.expm1(fall)
        else:
            ratio = 1.0
    else:
        ratio = 1.0
    return log_f + math.log(p), u / p, ratio / p, 1.0 - d / p


@exact
def interval(a, b, nu, constant):
    """Log P(a < T < b), and E[u], E[u t], E[u t^2] given that; ``constant`` is ``log_constant(nu)``."""
    if not a < b:
        return math.nan, math.nan, math.nan, math.nan
    flip = a + b < 0.0
    if flip:
        a, b = -b, -a
    width, middle = b - a, 0.5 * (a + b)
    pole = nu + middle * middle
    steep, flat = (nu + 1.0) / pole, width * width
    if flat <= FLAT_REACH**2 * pole and flat * steep <= FLAT_WIDTH**2 and width * middle * steep <= FLAT_TILT:
        log_p, u, ut, utt = _near(a, b, nu, constant)
    elif a < 0.0 and b < math.inf:
        log_p, u, ut, utt = _about(a, b, nu, constant)
    elif a < 0.0:
        p, out, at = _half(-a, nu, constant)
        p += 0.5
        log_p, u, ut, utt = math.log1p(-out), 1.0 + at / p / nu, math.exp(constant + log_ratio(a, nu)) / p, 1.0 - at / p
    else:
        log_p, u, ut, utt = _beyond(a, b, nu, constant)
    return log_p, u, -ut if flip else ut, utt
