"""Regressions whose response is seen only through limits: censored to an interval, or in the sample only within it.

The latent response of row i and component k is y* ~ N(x'b_k, sigma_k^2). A CENSORED row says lower <= y* <= upper
(equal limits: y* itself), and its log potential is the integral over the interval. A TRUNCATED row shows y, but rows
outside the limits never came; the missing ones are imagined back, a geometric number m of them for each row seen
(Dempster, Laird & Rubin 1977, section 4.2), so that the complete data are an ordinary regression again. With Z the mass
that the potential f has outside the limits, E m = Z / (1 - Z), and the row's log potential is log f(y) - log(1 - Z).

Both are written for the potential c - |W (x, y)|^2 / 2 of a regression stream, so that EM, CAVI (whose f has mass
below one) and Gibbs share them. pot and stats are those of `stream_regression`; E[y*] and E[y*^2] take the places of y
and y^2.

Columns: x_1 ... x_p, lower, upper (CENSORED), or x_1 ... x_p, y, lower, upper (TRUNCATED). A row whose lower (or y) is
missing adds nothing.
"""

import math

import numpy as np

from em_vs_bayes.kernels.jit import inner, spliced, unit
from em_vs_bayes.kernels.stream_block import BLOCK, STRIDE, combine, lane
from em_vs_bayes.kernels.stream_regression import at_a_point
from em_vs_bayes.kernels.truncated import interval, outside
from em_vs_bayes.kernels.truncated_draws import draw, draw_outside

HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
FIRST = STRIDE  # work.z: lane 0 is what a row counts for, the next ones E[y*] and E[y*^2], summed over what it counts
SECOND = STRIDE + STRIDE
POINT = -1e-13  # a potential of larger log mass is a density, and its mass one
MOST_COUNTED = 1e6  # imagined rows per seen one beyond which sums would lose what the seen one says
MOST = 1e7  # imagined rows per seen one beyond which drawing them is given up


@inner
def _predict(pot, w, first, p, work, to):
    """Lane ``to`` of work.z = W_pp (0 - x'b): what is to be added to W_pp y."""
    for q in range(BLOCK):
        work.z[lane(to) + q] = 0.0
    combine(work.x, first, p, pot, w + p * (p + 1), work.z, to)


@inner
def _uncertainty(pot, w, first, p, work):
    """Lane SECOND of work.z = |U x|^2 / 2, what CAVI subtracts for unknown coefficients; lane FIRST is used."""
    z, one = work.z, np.int64(1)
    for q in range(BLOCK):
        z[SECOND + q] = 0.0
    for i in range(p):
        for q in range(BLOCK):
            z[FIRST + q] = 0.0
        combine(work.x, first, i + 1, pot, w + i * (p + 1), z, one)
        for q in range(BLOCK):
            z[SECOND + q] += 0.5 * z[FIRST + q] * z[FIRST + q]


@inner
def log_mass(c, weight):
    """Log of the integral over y of exp(c - (weight (y - m))^2 / 2): 0 at a point, less under CAVI."""
    value = c + HALF_LOG_2PI - math.log(weight)
    return value if value < POINT else 0.0


@inner
def prepared(pot, o, first, d, K, k, plain, work):
    """Fill lanes 0 and SECOND of work.z for component k; return c_k, its weight 1 / sigma and log mass at x = 0."""
    w, p = o + K + k * d * d, d - 1
    if plain:
        for q in range(BLOCK):
            work.z[SECOND + q] = 0.0
    else:
        _uncertainty(pot, w, first, p, work)
    _predict(pot, w, first, p, work, np.int64(0))
    weight = pot[w + p * d + p]
    return pot[o + k], weight, log_mass(pot[o + k], weight)


@inner
def _log_missing(mass, log_in):
    """log(1 - Z), for the log of the whole mass, at most 0, and that of the share within the limits."""
    if mass >= 0.0:
        return log_in
    return math.log(-math.expm1(mass) + math.exp(mass + log_in))


@unit
def add_censored(pot, o, first, d, K, rows, work):
    """logp += the log potential of the interval."""
    x, z, out = work.x, work.z, work.logp
    low, high = lane(first + d - 1), lane(first + d)
    plain = at_a_point(pot, o, d, K)
    for k in range(K):
        c, weight, mass = prepared(pot, o, first, d, K, k, plain, work)
        t = lane(k)
        for q in range(np.uint64(rows)):
            a = weight * x[low + q] + z[q]
            if x[low + q] == x[high + q]:
                out[t + q] += c - z[SECOND + q] - 0.5 * a * a
            else:
                out[t + q] += mass - z[SECOND + q] + interval(a, weight * x[high + q] + z[q])[0]


@unit
def add_truncated(pot, o, first, d, K, rows, work):
    """logp += the log potential of y, less the log of the mass that it could have had."""
    x, z, out = work.x, work.z, work.logp
    y, low, high = lane(first + d - 1), lane(first + d), lane(first + d + 1)
    plain = at_a_point(pot, o, d, K)
    for k in range(K):
        c, weight, mass = prepared(pot, o, first, d, K, k, plain, work)
        t = lane(k)
        for q in range(np.uint64(rows)):
            a = weight * x[y + q] + z[q]
            log_in = interval(weight * x[low + q] + z[q], weight * x[high + q] + z[q])[0]
            missing = _log_missing(mass - z[SECOND + q], log_in)
            out[t + q] += c - z[SECOND + q] - 0.5 * a * a - missing


@inner
def complete_censored(pot, o, first, d, K, k, plain, rows, work):
    """work.z = 1, E[y*], E[y*^2] of each row, were it of component k."""
    x, z = work.x, work.z
    low, high = lane(first + d - 1), lane(first + d)
    weight = prepared(pot, o, first, d, K, k, plain, work)[1]
    for q in range(np.uint64(rows)):
        y, more = x[low + q], 0.0
        if y != x[high + q]:
            _, mean, variance = interval(weight * y + z[q], weight * x[high + q] + z[q])
            y, more = (mean - z[q]) / weight, variance / (weight * weight)
        z[q], z[FIRST + q], z[SECOND + q] = 1.0, y, y * y + more


@inner
def complete_truncated(pot, o, first, d, K, k, plain, rows, work):
    """work.z = 1 + E m, y + E m E[y*], y^2 + E m E[y*^2], y* outside the limits.

    At a point, with e the residual of y and Z that of a response within the limits, both in sigma: residuals sum to
    e - E Z, their squares to 1 + E m + e^2 - E Z^2, for the whole population has 0 and 1. Derivatives by b and sigma
    are these sums, whatever E m is; beyond `MOST_COUNTED` it is not followed, and they keep their digits.
    """
    x, z = work.x, work.z
    y, low, high = lane(first + d - 1), lane(first + d), lane(first + d + 1)
    _, weight, mass = prepared(pot, o, first, d, K, k, plain, work)
    if plain and mass >= 0.0:  # known coefficients may have an unknown sigma about them
        for q in range(np.uint64(rows)):
            at = z[q]
            log_in, mean, variance = interval(weight * x[low + q] + at, weight * x[high + q] + at)
            m = min(math.expm1(-log_in), MOST_COUNTED) if log_in < 0.0 else 0.0
            e = weight * x[y + q] + at
            residuals = e - mean
            squares = 1.0 + m - variance + residuals * (e + mean)
            z[q] = 1.0 + m
            z[FIRST + q] = (residuals - (1.0 + m) * at) / weight
            z[SECOND + q] = (squares + at * ((1.0 + m) * at - 2.0 * residuals)) / (weight * weight)
        return
    for q in range(np.uint64(rows)):
        log_out, log_in, mean, second = outside(weight * x[low + q] + z[q], weight * x[high + q] + z[q])
        own = mass - z[SECOND + q]
        m = math.exp(own + log_out - _log_missing(own, log_in)) if log_out > -math.inf else 0.0
        at, value = z[q], x[y + q]
        squares = (second - 2.0 * at * mean + at * at) / (weight * weight)
        z[q] = 1.0 + m
        z[FIRST + q] = value + m * (mean - at) / weight
        z[SECOND + q] = value * value + m * squares


@inner
def complete_drawn(first, d, rows, work):
    """The same for rows that `draw_truncated` has drawn."""
    x, z = work.x, work.z
    for q in range(np.uint64(rows)):
        z[q] = x[lane(first + d + 1) + q]
        z[FIRST + q] = x[lane(first + d - 1) + q]
        z[SECOND + q] = x[lane(first + d) + q]


@spliced
def draw_censored(first, d, pot, o, K, rows, work, rng, z):
    """The column of lower limits = y* drawn given the row's component z (-1: none)."""
    x, p = work.x, d - 1
    low, high = lane(first + p), lane(first + d)
    for b in range(rows):
        k, q = z[b], np.uint64(b)
        if k < 0 or x[low + q] == x[high + q]:
            continue
        w = o + K + k * d * d + p * d
        shift = 0.0
        for j in range(p):
            shift += pot[w + j] * x[lane(first + j) + q]
        weight = pot[w + p]
        value = draw(rng, weight * x[low + q] + shift, weight * x[high + q] + shift)
        x[low + q] = min(max((value - shift) / weight, x[low + q]), x[high + q])
        x[high + q] = x[low + q]


@spliced
def draw_truncated(first, d, pot, o, K, rows, work, rng, z):
    """y, lower, upper = sum y*, sum y*^2 and number of a row and of the rows imagined with it, given component z."""
    x, p = work.x, d - 1
    y, low, high = lane(first + p), lane(first + d), lane(first + d + 1)
    for b in range(rows):
        k, q = z[b], np.uint64(b)
        if k < 0:
            continue
        w = o + K + k * d * d + p * d
        shift = 0.0
        for j in range(p):
            shift += pot[w + j] * x[lane(first + j) + q]
        weight, value = pot[w + p], x[y + q]
        l, u = weight * x[low + q] + shift, weight * x[high + q] + shift
        log_out = outside(l, u)[0]
        count, total, squares = 1.0, value, value * value
        if log_out > -math.inf:
            # P(m >= j) = (1 - P)^j; 1 - random() is never zero
            m = math.log(1.0 - rng.random()) / log_out
            if not m <= MOST:
                count = total = squares = math.nan
            else:
                for _ in range(int(m)):
                    one = (draw_outside(rng, l, u) - shift) / weight
                    total += one
                    squares += one * one
                count += int(m)
        x[y + q], x[low + q], x[high + q] = total, squares, count
