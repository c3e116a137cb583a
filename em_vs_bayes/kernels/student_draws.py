"""Exact draws of a standard Student t within an interval, by rejection.

Within [a, b], |a| <= b after a reflection, a draw is the first of these to be accepted (those of `truncated_draws`,
which they become as nu grows):

- where the density changes little, a uniform variable, with probability proportional to the density;
- farther out than the body, x with (nu + x^2) / (nu + a^2) = exp(2 e / nu), e exponential, cut off where x = b. Its
  density times sqrt(a^2 + nu (1 - exp(-2 e / nu))) is that of T, so it is accepted with probability a over that root;
- else T or, for a > 0, |T|, if it is inside.

For a > b, or NaN, the draw is NaN.
"""

import math

from em_vs_bayes.kernels.draws import student_t
from em_vs_bayes.kernels.jit import kernel

BODY = 0.66  # in units of 1, or of sqrt(nu) where that is less
STEEP = 1.6  # a larger change of the log density from end to end is left to the others


@kernel
def _uniform(rng, a, b, nu):
    """Within [a, b] where the density changes little; it is highest at 0 or a."""
    top = max(a, 0.0)
    whole = nu + top * top
    while True:
        x = min(a + (b - a) * rng.random(), b)  # rounding may exceed b
        if rng.standard_exponential() >= 0.5 * (nu + 1.0) * math.log1p((x - top) * ((x + top) / whole)):
            return x


@kernel
def _far(rng, a, b, nu):
    """Within [a, b], a > 0."""
    whole = nu + a * a
    missed = math.expm1(-0.5 * nu * math.log1p((b - a) * ((b + a) / whole)))  # -1 where b is infinite
    while True:
        e = -math.log1p(rng.random() * missed)
        more = whole * math.expm1(2.0 * e / nu)
        root = math.sqrt(a * a + nu * -math.expm1(-2.0 * e / nu))
        if rng.random() * root <= a:
            return min(a + more / (a + math.sqrt(a * a + more)), b)


@kernel
def _whole(rng, a, b, nu):
    """Within [a, b], whose part of the distribution is not small."""
    while True:
        x = student_t(rng, nu)
        x = abs(x) if a > 0.0 else x
        if a <= x <= b:
            return x


@kernel
def draw(rng, a, b, nu):
    """T given that a <= T <= b."""
    if not a < b:
        return a if a == b else math.nan
    flip = a + b < 0.0
    if flip:
        a, b = -b, -a
    top = max(a, 0.0)
    if 0.5 * (nu + 1.0) * math.log1p((b - top) * ((b + top) / (nu + top * top))) < STEEP:
        x = _uniform(rng, a, b, nu)
    elif a > 0.0 and a * a > BODY * BODY * min(1.0, nu):
        x = _far(rng, a, b, nu)
    else:
        x = _whole(rng, a, b, nu)
    return -x if flip else x
