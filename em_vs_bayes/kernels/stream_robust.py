"""Regressions with Student t errors of known degrees of freedom, each response known to lie in an interval.

y* ~ N(x'b_k, sigma_k^2 / u) with u ~ Gamma(nu / 2, nu / 2) (Lange, Little & Taylor 1989). With the potential c - u |W
(x, y)|^2 / 2 of a regression stream, u integrated out, and q = |U x|^2 what CAVI adds to the square for unknown
coefficients, that of y* is a t in the scale s = sqrt((nu + q) / nu) sigma, and the log potential of a row

    c + log(2 pi) / 2 + log f(0) - (nu + 1) / 2 log(1 + q / nu + z^2 / nu),  z = (y - x'b) / sigma     exact
    c + log(2 pi) / 2 + log s - (nu + 1) / 2 log(1 + q / nu) + log P(limits)                            else

(`student_interval` has f, P and moments). pot and stats are those of `stream_regression`, a row weighed by E[u], where
n counts rows whatever their u.

Columns: x_1 ... x_p, lower, upper, nu; equal limits are an exact response. A row whose lower is missing adds nothing.
"""

import math

import numpy as np

from em_vs_bayes.kernels.draws import gamma
from em_vs_bayes.kernels.jit import inner, spliced, unit
from em_vs_bayes.kernels.stream_block import lane
from em_vs_bayes.kernels.stream_censored import FIRST, HALF_LOG_2PI, SECOND, prepared
from em_vs_bayes.kernels.stream_regression import at_a_point
from em_vs_bayes.kernels.student_draws import draw
from em_vs_bayes.kernels.student_interval import interval, log_constant


@unit
def add_robust(pot, o, first, d, K, rows, work):
    """logp += the log potential of the interval."""
    x, z, out = work.x, work.z, work.logp
    low, high, degrees = lane(first + d - 1), lane(first + d), lane(first + d + 1)
    plain = at_a_point(pot, o, d, K)
    for k in range(K):
        c, weight, _ = prepared(pot, o, first, d, K, k, plain, work)
        t, nu, constant = lane(k), 0.0, 0.0
        for q in range(np.uint64(rows)):
            if x[degrees + q] != nu:
                nu = x[degrees + q]
                constant = log_constant(nu)
            square = 2.0 * z[SECOND + q]
            a, half = weight * x[low + q] + z[q], 0.5 * (nu + 1.0)
            if x[low + q] == x[high + q]:
                out[t + q] += c + HALF_LOG_2PI + constant - half * math.log1p((square + a * a) / nu)
                continue
            more = math.log1p(square / nu)
            root = math.exp(-0.5 * more)
            log_p = interval(root * a, root * (weight * x[high + q] + z[q]), nu, constant)[0]
            out[t + q] += c + HALF_LOG_2PI - math.log(weight) + 0.5 * more - half * more + log_p


@inner
def complete_robust(pot, o, first, d, K, k, plain, rows, work):
    """work.z = E[u], E[u y*], E[u y*^2] of each row, were it of component k."""
    x, z = work.x, work.z
    low, high, degrees = lane(first + d - 1), lane(first + d), lane(first + d + 1)
    weight, nu, constant = prepared(pot, o, first, d, K, k, plain, work)[1], 0.0, 0.0
    for q in range(np.uint64(rows)):
        if x[degrees + q] != nu:
            nu = x[degrees + q]
            constant = log_constant(nu)
        square, y = 2.0 * z[SECOND + q], x[low + q]
        a = weight * y + z[q]
        if y == x[high + q]:
            u = (nu + 1.0) / (nu + square + a * a)
            z[q], z[FIRST + q], z[SECOND + q] = u, u * y, u * y * y
            continue
        share = nu / (nu + square)
        root = math.sqrt(share)
        _, u, ut, utt = interval(root * a, root * (weight * x[high + q] + z[q]), nu, constant)
        m, s = -z[q] / weight, 1.0 / (root * weight)
        z[q], z[FIRST + q] = share * u, share * (m * u + s * ut)
        z[SECOND + q] = share * (m * (m * u + 2.0 * s * ut) + s * s * utt)


@inner
def complete_drawn_robust(first, d, rows, work):
    """The same for rows that `draw_robust` has drawn."""
    x, z = work.x, work.z
    for q in range(np.uint64(rows)):
        u, y = x[lane(first + d + 1) + q], x[lane(first + d - 1) + q]
        z[q], z[FIRST + q], z[SECOND + q] = u, u * y, u * y * y


@spliced
def draw_robust(first, d, pot, o, K, rows, work, rng, z):
    """lower, nu = y*, u drawn together given the row's component z (-1: none), at a point: q = 0."""
    x, p = work.x, d - 1
    low, high, degrees = lane(first + p), lane(first + d), lane(first + d + 1)
    for b in range(rows):
        k, q = z[b], np.uint64(b)
        if k < 0:
            continue
        w = o + K + k * d * d + p * d
        shift = 0.0
        for j in range(p):
            shift += pot[w + j] * x[lane(first + j) + q]
        weight, nu = pot[w + p], x[degrees + q]
        t = weight * x[low + q] + shift
        if x[low + q] != x[high + q]:
            t = draw(rng, t, weight * x[high + q] + shift, nu)
            x[low + q] = min(max((t - shift) / weight, x[low + q]), x[high + q])
        x[degrees + q] = gamma(rng, 0.5 * (nu + 1.0), 0.5 * (nu + t * t))
