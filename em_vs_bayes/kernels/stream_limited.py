"""Sums of regressions whose rows count for something else than one: imagined rows too, or multipliers of precision.

`stream_censored` and `stream_robust` say what each row counts for, and the response and its square summed over that.
"""

import numpy as np

from em_vs_bayes.kernels.jit import inner, unit
from em_vs_bayes.kernels.stream_block import (
    BLOCK,
    FEATURES,
    START,
    STRIDE,
    gram,
    lane,
)
from em_vs_bayes.kernels.stream_censored import (
    FIRST,
    SECOND,
    complete_censored,
    complete_drawn,
    complete_truncated,
)
from em_vs_bayes.kernels.stream_gauss import product
from em_vs_bayes.kernels.stream_regression import at_a_point
from em_vs_bayes.kernels.stream_robust import complete_drawn_robust, complete_robust

SEEN = STRIDE + STRIDE + STRIDE  # lane of work.z: 1, or 0 where the response is missing


@inner
def _seen(data, first, d, start, rows, z):
    for q in range(BLOCK):
        z[SEEN + q] = 1.0 if q < np.uint64(rows) else 0.0
    if data.pattern.size > 0:
        for b in range(rows):
            pattern = data.pattern[start + b]
            if pattern != 0 and not data.observed[pattern, first + d - 1]:
                z[SEEN + np.uint64(b)] = 0.0


@inner
def _weigh(K, k, F, whole, work, stats, at):
    """Lanes k of what rows count for and of their responses; counts and squares of component k go to the statistics.

    ``whole``: in the count a row is one, whatever it counts for in the sums of products.
    """
    z, r, own = work.z, work.logp, work.hidden
    then, t = lane(K), lane(k)
    count = squares = 0.0
    for q in range(BLOCK):
        weight = r[t + q] * z[SEEN + q]
        own[t + q] = own[then + t + q] = 0.0
        if weight == 0.0:
            continue
        rows_meant = weight * z[q]
        own[t + q] = rows_meant
        own[then + t + q] = weight * z[FIRST + q]
        count += weight if whole else rows_meant
        squares += weight * z[SECOND + q]
    stats[at + k] += count
    stats[at + K + (k + 1) * F - 1] += squares


@inner
def _add_products(first, d, K, work, stats, at):
    """Sums of x x' and x y over the lanes of `_weigh`, to packed lower triangles after the K counts."""
    x, own, p, F = work.x, work.hidden, d - 1, d * (d + 1) // 2
    at += K
    done, held = np.int64(0), np.int64(0)
    for i in range(p):
        for j in range(i + 1):
            product(x, first + i, first + j, work.feature, held)
            held += 1
            if held == FEATURES:
                gram(own, K, work.feature, START, held, stats, at + done, F)
                done += held
                held = np.int64(0)
    gram(own, K, work.feature, START, held, stats, at + done, F)
    gram(own[np.int64(lane(K)) :], K, x, lane(first), p, stats, at + F - d, F)


@unit
def sum_censored(data, pot, o, first, d, K, s, start, rows, work, drawn, stats, at):
    """Add counts to stats[at + k], and sums of (x, y) (x, y)' to packed lower triangles after the K counts."""
    plain, F = at_a_point(pot, o, d, K), d * (d + 1) // 2
    _seen(data, first, d, start, rows, work.z)
    for k in range(K):
        complete_censored(pot, o, first, d, K, k, plain, rows, work)
        _weigh(K, k, F, False, work, stats, at)
    _add_products(first, d, K, work, stats, at)


@unit
def sum_truncated(data, pot, o, first, d, K, s, start, rows, work, drawn, stats, at):
    """As `sum_censored`, imagined rows counted."""
    plain, F = at_a_point(pot, o, d, K), d * (d + 1) // 2
    _seen(data, first, d, start, rows, work.z)
    for k in range(K):
        if drawn:
            complete_drawn(first, d, rows, work)
        else:
            complete_truncated(pot, o, first, d, K, k, plain, rows, work)
        _weigh(K, k, F, False, work, stats, at)
    _add_products(first, d, K, work, stats, at)


@unit
def sum_robust(data, pot, o, first, d, K, s, start, rows, work, drawn, stats, at):
    """As `sum_censored`, multipliers of precision being counted but for the number of rows."""
    plain, F = at_a_point(pot, o, d, K), d * (d + 1) // 2
    _seen(data, first, d, start, rows, work.z)
    for k in range(K):
        if drawn:
            complete_drawn_robust(first, d, rows, work)
        else:
            complete_robust(pot, o, first, d, K, k, plain, rows, work)
        _weigh(K, k, F, True, work, stats, at)
    _add_products(first, d, K, work, stats, at)
