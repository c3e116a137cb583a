"""Exact draws of a standard normal within an interval, or outside one, by rejection.

Within [a, b], |a| <= b after a reflection (the regimes of Botev 2017, each with the simplest proposal):

- a > TAIL: a Rayleigh variable beyond a (Marsaglia 1964), cut off at b: its half square E is exponential on
  [0, (b^2 - a^2) / 2], and x is accepted with probability a / x. Taking x from a + 2 E / (a + sqrt(a^2 + 2 E)) keeps
  all digits of x - a, so one rule serves the far tail and the narrowest interval.
- narrow: a uniform variable, accepted by its density (Robert 1995).
- else a normal or, for a > 0, a half-normal variable until it is inside.

At least 43 of 100 proposals are accepted, whatever the limits. For a > b, or NaN, the draw is NaN.
"""

import math

from em_vs_bayes.kernels.jit import kernel
from em_vs_bayes.kernels.truncated import excess
from em_vs_bayes.kernels.vectormath import exp

TAIL = 0.66  # where half-normal and Rayleigh proposals are accepted equally often
ROOT_2PI = math.sqrt(2.0 * math.pi)
SHORT = 2.0  # exponential variables cut off before this by inversion, after it by rejection
HALF = 1.3  # no interval so narrow has half of the probability


@kernel
def _tail(rng, a, b):
    """Within [a, b], a > TAIL."""
    room = (b - a) * (0.5 * (a + b))
    cut = math.expm1(-room) if room < SHORT else 0.0
    while True:
        if room < SHORT:
            e = -math.log1p(rng.random() * cut)
        else:
            e = rng.standard_exponential()
            while e > room:
                e = rng.standard_exponential()
        x = min(a + 2.0 * e / (a + math.sqrt(a * a + 2.0 * e)), b)  # rounding may exceed b
        if rng.random() * x <= a:
            return x


@kernel
def _uniform(rng, a, b):
    """Within [a, b], narrow; its highest density is at 0 or a."""
    top = max(a, 0.0)
    while True:
        x = min(a + (b - a) * rng.random(), b)
        if rng.standard_exponential() >= 0.5 * (x - top) * (x + top):
            return x


@kernel
def draw(rng, a, b):
    """Z given that a <= Z <= b."""
    if not a <= b:
        return math.nan
    flip = a + b < 0.0
    if flip:
        a, b = -b, -a
    if a > TAIL:
        x = _tail(rng, a, b)
    elif a > 0.0:
        if b - a < 0.5 * ROOT_2PI * exp(0.5 * a * a):
            x = _uniform(rng, a, b)
        else:
            x = abs(rng.standard_normal())
            while not a <= x <= b:
                x = abs(rng.standard_normal())
    elif b - a < ROOT_2PI:
        x = _uniform(rng, a, b)
    else:
        x = rng.standard_normal()
        while not a <= x <= b:
            x = rng.standard_normal()
    return -x if flip else x


@kernel
def draw_outside(rng, a, b):
    """Z given that Z is not in [a, b]; NaN for (-inf, inf), which has nothing outside."""
    if not a <= b or (a == -math.inf and b == math.inf):
        return math.nan
    if a >= 0.0 or b <= 0.0 or b - a <= HALF:
        x = rng.standard_normal()
        while a <= x <= b:
            x = rng.standard_normal()
        return x
    near, far = min(-a, b), max(-a, b)
    odds = exp(-0.5 * (far - near) * (far + near)) * ((near + excess(near)[0]) / (far + excess(far)[0]))
    low = rng.random() * (1.0 + odds) < 1.0  # the near tail
    if b > -a:
        return draw(rng, -math.inf, a) if low else draw(rng, b, math.inf)
    return draw(rng, b, math.inf) if low else draw(rng, -math.inf, a)
