"""Exact draws of a standard normal within an interval, or outside one, by rejection.

Within [a, b], |a| <= b after a reflection, a draw is the first of these to be accepted (Botev 2017 has like regimes):

- where the density changes little, a uniform variable, with probability proportional to the density (Robert 1995);
- for a > TAIL a Rayleigh variable x beyond a, with probability a / x (Marsaglia 1964). Its half square exceeds that of
  a by e, exponential, and x = a + 2 e / (a + sqrt(a^2 + 2 e)) has all digits of x - a however far out it is;
- else a normal, for a > 0 a half-normal variable, if it is inside.

At least 46 of 100 are accepted, whatever the limits. For a > b, or NaN, the draw is NaN.
"""

import math

from em_vs_bayes.kernels.jit import kernel
from em_vs_bayes.kernels.truncated import excess
from em_vs_bayes.kernels.vectormath import exp

ROOT_2PI = math.sqrt(2.0 * math.pi)
TAIL = 0.66  # where half-normal and Rayleigh variables are accepted equally often
STEEP = 1.6  # a larger change of the log density from end to end is left to Rayleigh variables
MISSED = 2.5  # a normal variable misses an interval no wider one time in five or more


@kernel
def _uniform(rng, a, b):
    """Within [a, b] where the density changes little; it is highest at 0 or a."""
    top = max(a, 0.0)
    while True:
        x = min(a + (b - a) * rng.random(), b)  # rounding may exceed b
        if rng.standard_exponential() >= 0.5 * (x - top) * (x + top):
            return x


@kernel
def _rayleigh(rng, a, b):
    """Within [a, b], a > 0."""
    room = 0.5 * (b - a) * (a + b)
    while True:
        e = rng.standard_exponential()
        if e <= room:
            x = a + 2.0 * e / (a + math.sqrt(a * a + 2.0 * e))
            if rng.random() * x <= a:
                return min(x, b)


@kernel
def _half_normal(rng, a, b):
    """Within [a, b], a > 0."""
    while True:
        x = abs(rng.standard_normal())
        if a <= x <= b:
            return x


@kernel
def _normal(rng, a, b):
    """Within [a, b]."""
    while True:
        x = rng.standard_normal()
        if a <= x <= b:
            return x


@kernel
def draw(rng, a, b):
    """Z given that a <= Z <= b."""
    if not a < b:
        return a if a == b else math.nan
    flip = a + b < 0.0
    if flip:
        a, b = -b, -a
    width = b - a
    if a > TAIL:
        x = _uniform(rng, a, b) if 0.5 * width * (a + b) < STEEP else _rayleigh(rng, a, b)
    elif a > 0.0:
        x = _uniform(rng, a, b) if width < 0.5 * ROOT_2PI * exp(0.5 * a * a) else _half_normal(rng, a, b)
    else:
        x = _uniform(rng, a, b) if width < ROOT_2PI else _normal(rng, a, b)
    return -x if flip else x


@kernel
def draw_outside(rng, a, b):
    """Z given that Z is not in [a, b]; NaN for (-inf, inf), which has nothing outside."""
    if not a <= b or (a == -math.inf and b == math.inf):
        return math.nan
    if a >= 0.0 or b <= 0.0 or b - a <= MISSED:
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
