"""Sums of regressions whose rows count for something else than one: imagined rows too, or multipliers of precision.

`stream_censored` and `stream_robust` say what each row counts for, and the response and its square summed over that.
"""

import numpy as np

from em_vs_bayes.kernels.jit import inner
from em_vs_bayes.kernels.stream_block import BLOCK, FEATURES, START, STRIDE, gram, lane
from em_vs_bayes.kernels.stream_censored import FIRST, SECOND, complete_censored, complete_drawn, complete_truncated
from em_vs_bayes.kernels.stream_gauss import product
from em_vs_bayes.kernels.stream_regression import at_a_point
from em_vs_bayes.kernels.stream_robust import complete_drawn_robust, complete_robust
from em_vs_bayes.kernels.tables import CENSORED, ROBUST, TRUNCATED

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
def sum_limited(data, kind, pot, o, first, d, K, start, rows, work, drawn, stats, at):
    """Add counts to stats[at + k], and sums of (x, y) (x, y)' to packed lower triangles after the K counts."""
    x, z, r, own = work.x, work.z, work.logp, work.hidden
    p, F, then = d - 1, d * (d + 1) // 2, lane(K)
    plain = at_a_point(pot, o, d, K)
    _seen(data, first, d, start, rows, z)
    for k in range(K):
        if kind == CENSORED:
            complete_censored(pot, o, first, d, K, k, plain, rows, work)
        elif kind == TRUNCATED:
            if drawn:
                complete_drawn(first, d, rows, work)
            else:
                complete_truncated(pot, o, first, d, K, k, plain, rows, work)
        elif drawn:
            complete_drawn_robust(first, d, rows, work)
        else:
            complete_robust(pot, o, first, d, K, k, plain, rows, work)
        t = lane(k)
        count = squares = 0.0
        for q in range(BLOCK):
            weight = r[t + q] * z[SEEN + q]
            own[t + q] = own[then + t + q] = 0.0
            if weight == 0.0:
                continue
            rows_meant = weight * z[q]
            own[t + q] = rows_meant
            own[then + t + q] = weight * z[FIRST + q]
            count += weight if kind == ROBUST else rows_meant  # a row is one whatever its u
            squares += weight * z[SECOND + q]
        stats[at + k] += count
        stats[at + K + (k + 1) * F - 1] += squares
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
    gram(own[np.int64(then) :], K, x, lane(first), p, stats, at + F - d, F)
