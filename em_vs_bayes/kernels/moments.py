"""Moments between limits, of whole arrays: of the standard normal, and of the standard Student t.

Of the t, with f its density, s(t) = (nu + 1) t / (nu + t^2) its score -f' / f, and P the probability of (a, b),

    P E[T | a < T < b] = (f(a) (nu + a^2) - f(b) (nu + b^2)) / (nu - 1),      nu = 1: f(a) (nu + a^2) log(...) / 2,
    Cov[T, s(T) | a < T < b] = 1 - (m - a) f(a) / P - (b - m) f(b) / P,       m the mean.

Both come by Gauss and Legendre's rule where the interval is narrow: there the differences would lose digits.
"""

import math

import numpy as np

from em_vs_bayes.kernels import student_interval, truncated
from em_vs_bayes.kernels.jit import exact
from em_vs_bayes.kernels.student_interval import log_ratio

ORDER = 16
NODES, WEIGHTS = (0.5 * rule for rule in np.polynomial.legendre.leggauss(ORDER))  # on [-1/2, 1/2]
REACH = 0.5  # narrow: so many distances to the poles of the density,
WIDTH = 2.0  # so many standard deviations of a normal of its curvature,
TILT = 3.0  # and no more change of the log density from end to end


@exact
def _narrow(a, b, nu):
    """Mean, covariance with the score, f(a) / P and f(b) / P."""
    width, middle = b - a, 0.5 * (a + b)
    pole = nu + middle * middle
    p = first = score = both = 0.0
    for i in range(ORDER):
        d = width * NODES[i]
        t = middle + d
        f = WEIGHTS[i] * math.exp(-0.5 * (nu + 1.0) * math.log1p(d * ((middle + t) / pole)))
        s = (nu + 1.0) * (d / pole) * ((nu - t * middle) / (nu + t * t))  # s(t) - s(middle)
        p += f
        first += f * d
        score += f * s
        both += f * d * s
    first, score, half = first / p, score / p, 0.5 * width
    low = math.exp(-0.5 * (nu + 1.0) * math.log1p(-half * ((middle + a) / pole))) / (p * width)
    high = math.exp(-0.5 * (nu + 1.0) * math.log1p(half * ((middle + b) / pole))) / (p * width)
    return middle + first, both / p - first * score, low, high


@exact
def _wide(a, b, nu, constant, log_p, slope):
    """The same where -b <= a; ``slope`` is (f(a) - f(b)) / P."""
    apart = math.inf if b == math.inf else math.log1p((b - a) * ((b + a) / (nu + a * a)))
    fall = 0.5 * (nu + 1.0) * apart  # log f(a) - log f(b)
    low = slope / -math.expm1(-fall) if a >= 0.0 else math.exp(constant + log_ratio(a, nu) - log_p)
    high = low * math.exp(-fall)
    if nu == 1.0:
        share = 0.5 * apart
    elif nu < 1.0 and b == math.inf:
        share = math.inf
    else:
        share = -math.expm1(-0.5 * (nu - 1.0) * apart) / (nu - 1.0)
    mean = (low * nu + low * a * a) * share
    spread = 1.0 - low * (mean - a)
    return mean, spread if b == math.inf else spread - high * (b - mean), low, high


@exact
def _given(a, b, nu, constant):
    if a == -math.inf and b == math.inf:
        return 0.0, 0.0 if nu > 1.0 else math.nan, 1.0, 0.0, 0.0
    flip = a + b < 0.0
    if flip:
        a, b = -b, -a
    log_p, _, slope, _ = student_interval.interval(a, b, nu, constant)
    width, middle = b - a, 0.5 * (a + b)
    pole = nu + middle * middle
    steep = (nu + 1.0) / pole
    if width * width <= REACH**2 * pole and width * width * steep <= WIDTH**2 and width * middle * steep <= TILT:
        mean, spread, low, high = _narrow(a, b, nu)
    else:
        mean, spread, low, high = _wide(a, b, nu, constant, log_p, slope)
    return (log_p, -mean, spread, high, low) if flip else (log_p, mean, spread, low, high)


@exact
def normal_moments(a, b, log_p, mean, variance):
    """log P(a <= Z <= b), and mean and variance of Z within, elementwise."""
    for i in range(a.size):
        log_p[i], mean[i], variance[i] = truncated.interval(a[i], b[i])


@exact
def student_moments(a, b, nu, constant, out):
    """Rows of ``out`` (5, n): log P, mean, covariance of T with its score, f(a) / P and f(b) / P."""
    for i in range(a.size):
        out[0, i], out[1, i], out[2, i], out[3, i], out[4, i] = _given(float(a[i]), float(b[i]), nu, constant)
