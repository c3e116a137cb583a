"""M-steps under elementwise priors: completed data speak of a parameter in two sums, its prior in any density.

What is maximised over each number x is what completed data say, by its kind, plus the log density of x + shift:

    MEAN         t1 x - t2 x^2 / 2
    SIGMA        -t1 log x - t2 / (2 x^2)
    VARIANCE     (-t1 log x - t2 / x) / 2
    RATE         t1 log x - t2 x
    PROBABILITY  t1 log x + t2 log(1 - x)

The slope has a root uphill from the start, or jumps (Laplace), or the support ends there: all are bracketed by steps
that grow, and the bracket is closed by false position with bisection in reserve (the Illinois rule). Coefficients,
which a quadratic ties to each other, are climbed in turn and, where all is smooth, together by Newton's method.
"""

import math

import numpy as np

from em_vs_bayes.kernels.densities import (
    BETA,
    CAUCHY,
    FLAT,
    LAPLACE,
    NORMAL,
    STUDENT_T,
    UNIFORM,
    log_density_gradient,
)
from em_vs_bayes.kernels.jit import inner, kernel
from em_vs_bayes.kernels.saddle import rate_log_likelihood
from em_vs_bayes.kernels.smallmatrix import cholesky, solve

MEAN, SIGMA, VARIANCE, RATE, PROBABILITY = range(5)
REACH = 1e150  # positive numbers between its inverse and it: squares of them are in floating point
GROWING, CLOSING = 1200, 200  # steps at most
SWEEPS, HALVINGS = 60, 40
CLOSE = 1e-15  # relative width of a bracket in which all numbers are one
ROUNDING = 1e-15  # gains of the objective below, relative, are those of its last bits
RIDGE = 1e-12  # share of a diagonal that is added where a matrix is singular
DIFFERENCE = 1e-5  # relative, of second derivatives, which only set the length of steps


@inner
def _height(kind, t1, t2, code, a, b, c, shift, x):
    """The objective at x and its slope."""
    value, slope = log_density_gradient(code, a, b, c, x + shift)
    if kind != MEAN and not x > 0.0:
        return (value if x == 0.0 and kind >= RATE and t1 == 0.0 else -math.inf), 0.0
    if kind == MEAN:
        return value + x * (t1 - 0.5 * t2 * x), slope + t1 - t2 * x
    if kind == SIGMA:
        square = t2 / x / x
        return value - t1 * math.log(x) - 0.5 * square, slope + (square - t1) / x
    if kind == VARIANCE:
        return value - 0.5 * (t1 * math.log(x) + t2 / x), slope + 0.5 * (t2 / x - t1) / x
    if kind == RATE:
        return value + rate_log_likelihood(t1, t2, x), slope + t1 / x - t2
    if not x < 1.0:
        return (value if x == 1.0 and t2 == 0.0 else -math.inf), 0.0
    return value + t1 * math.log(x) + t2 * math.log1p(-x), slope + t1 / x - t2 / (1.0 - x)


@inner
def _ends(kind, code, a, b, shift):
    """Where x can be: the ends of what the kind and the prior allow."""
    low, high = (-math.inf, math.inf) if kind == MEAN else (1.0 / REACH, REACH)
    if kind in (RATE, PROBABILITY):
        low, high = 0.0, REACH if kind == RATE else 1.0
    if code == UNIFORM:
        low, high = max(low, a - shift), min(high, b - shift)
    elif code not in (FLAT, NORMAL, STUDENT_T, CAUCHY, LAPLACE):
        low = max(low, -shift)
        if code == BETA:
            high = min(high, 1.0 - shift)
    return low, high


@inner
def _step(kind, t2, b, c, code, x):
    """A first step from x, of the size that matters there."""
    if kind == MEAN:
        wide = c if code == STUDENT_T else b if code in (NORMAL, CAUCHY, LAPLACE) else max(abs(x), 1e-3)
        return min(1.0 / math.sqrt(t2), wide) if t2 > 0.0 else wide
    return 0.1 * (x if kind != PROBABILITY else min(x, 1.0 - x))


@inner
def _climbed(kind, t1, t2, code, a, b, c, shift, start):
    """A maximum uphill from the start; never lower than it."""
    low, high = _ends(kind, code, a, b, shift)
    x = start
    here, slope = _height(kind, t1, t2, code, a, b, c, shift, x)
    if not here > -math.inf:  # outside the support: from a point within
        inside = 1.0 if low < 1.0 < high else low + 0.5 * (high - low)
        inside = inside if abs(inside) < math.inf else (low + 1.0 if low > -math.inf else high - 1.0)
        x = inside if not low < start < high else start
        here, slope = _height(kind, t1, t2, code, a, b, c, shift, x)
    first, floor = x, here
    if slope == 0.0 or not abs(here) < math.inf:
        return x
    sign = 1.0 if slope > 0.0 else -1.0
    end = high if sign > 0.0 else low
    step, near, rise = _step(kind, t2, b, c, code, x), x, slope
    far, fall, ended = x, 0.0, False
    for _ in range(GROWING):
        far = near + sign * step
        if not (far - end) * sign < 0.0:
            far, ended = end, True
        there, fall = _height(kind, t1, t2, code, a, b, c, shift, far)
        if there < here or fall * sign < 0.0 or far == near:
            break
        near, here, rise = far, there, fall
        if ended or fall == 0.0:
            return near
        step *= 2.0
    before = math.inf  # the width of the bracket, two steps ago
    last = math.inf
    for _ in range(CLOSING):
        gap = far - near
        if abs(gap) <= CLOSE * max(abs(far), abs(near)):
            break
        x = near + 0.5 * gap
        if kind != MEAN and near > 0.0 and far > 0.0 and max(near, far) > 16.0 * min(near, far):
            x = math.sqrt(near) * math.sqrt(far)
        if fall * sign < 0.0 and abs(gap) < 0.5 * before:
            guess = near + gap * (rise / (rise - fall))
            if abs(guess - near) < abs(gap) and guess != near:
                x = guess
        before, last = last, abs(gap)
        there, slope = _height(kind, t1, t2, code, a, b, c, shift, x)
        if slope * sign >= 0.0 and there >= here - ROUNDING * (1.0 + abs(here)):
            near, here, rise = x, max(here, there), slope
            fall *= 0.5
            if slope == 0.0:
                break
        else:
            far, fall = x, slope
            rise *= 0.5
    x = near
    there = _height(kind, t1, t2, code, a, b, c, shift, x)[0]
    if code == LAPLACE:  # the tip itself
        tip = a - shift
        top = _height(kind, t1, t2, code, a, b, c, shift, tip)[0]
        if top >= there:
            x, there = tip, top
    return x if there >= floor else first


@kernel
def elements(kind, t1, t2, free, code, a, b, c, shift, value):
    """Climb each free element of ``value`` (N,), in place; t1, t2, a, b, c, shift are (N,) too."""
    for i in range(value.size):
        if free[i]:
            value[i] = _climbed(kind, t1[i], t2[i], code, a[i], b[i], c[i], shift[i], value[i])


@inner
def _tall(k, precision, linear, free, code, a, b, c, shift, x):
    """The objective of vector k at x."""
    total = 0.0
    for j in range(x.size):
        pull = 0.0
        for i in range(x.size):
            pull += precision[k, j, i] * x[i]
        total += x[j] * (linear[k, j] - 0.5 * pull)
        if free[k, j]:
            total += log_density_gradient(code, a[k, j], b[k, j], c[k, j], x[j] + shift[k, j])[0]
    return total


@inner
def _in_turn(k, precision, linear, free, code, a, b, c, shift, x):
    """Each free coefficient given the others."""
    for j in range(x.size):
        if free[k, j]:
            t1 = linear[k, j]
            for i in range(x.size):
                t1 -= precision[k, j, i] * x[i] if i != j else 0.0
            x[j] = _climbed(MEAN, t1, precision[k, j, j], code, a[k, j], b[k, j], c[k, j], shift[k, j], x[j])


@inner
def _together(k, precision, linear, free, code, a, b, c, shift, x, height):
    """One of Newton's steps in those coefficients about which all is smooth, shortened until it leads higher."""
    p = x.size
    bend, step, moved, smooth = np.zeros(p * p), np.zeros(p), x.copy(), np.zeros(p, np.bool_)
    for j in range(p):
        value = x[j] + shift[k, j]
        far = DIFFERENCE * (abs(value) or 1.0)
        slope = log_density_gradient(code, a[k, j], b[k, j], c[k, j], value)[1]
        above, up = log_density_gradient(code, a[k, j], b[k, j], c[k, j], value + far)
        below, down = log_density_gradient(code, a[k, j], b[k, j], c[k, j], value - far)
        smooth[j] = free[k, j] and abs(above) < math.inf and abs(below) < math.inf
        if code == LAPLACE and up != down:
            smooth[j] = False
        bend[j * p + j] = 1.0
        if smooth[j]:
            step[j] = linear[k, j] + slope
            for i in range(p):
                step[j] -= precision[k, j, i] * x[i]
            bend[j * p + j] = precision[k, j, j] + max(0.5 * (down - up) / far, 0.0)
        for i in range(j):
            bend[j * p + i] = precision[k, j, i] if smooth[i] and smooth[j] else 0.0
    whole, ridge = bend.copy(), RIDGE
    while not cholesky(whole, 0, p, bend, 0):  # directions of which data say nothing, and the prior's slope is constant
        for j in range(p):
            whole[j * p + j] += ridge * whole[j * p + j]
        ridge *= 100.0
        if not ridge < 1.0:
            return height
    solve(bend, p, step)
    for _ in range(HALVINGS):
        for j in range(p):
            moved[j] = x[j] + step[j]
            step[j] *= 0.5
        there = _tall(k, precision, linear, free, code, a, b, c, shift, moved)
        if there > height:
            for j in range(p):
                x[j] = moved[j]
            return there
    return height


@kernel
def vectors(precision, linear, free, code, a, b, c, shift, value):
    """Climb ``value`` (K, p), in place: what completed data say of row k is x' linear_k - x' precision_k x / 2."""
    for k in range(value.shape[0]):
        x = value[k].copy()
        before = _tall(k, precision, linear, free, code, a, b, c, shift, x)
        height = before
        for _ in range(SWEEPS):
            _in_turn(k, precision, linear, free, code, a, b, c, shift, x)
            after = _tall(k, precision, linear, free, code, a, b, c, shift, x)
            after = _together(k, precision, linear, free, code, a, b, c, shift, x, after)
            gain, height = after - height, after
            if not gain > ROUNDING * (1.0 + abs(height)):
                break
        if height >= before:
            for j in range(x.size):
                value[k, j] = x[j]
