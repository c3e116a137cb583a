"""The E-step of one censored regression for all rows, fused: what exact rows say is summed once, before any iteration.

Exact responses enter through X'X, X'y and y'y; a censored one through E[y*] and Var[y*] alone, for its predictors are
known. So an iteration reads the censored rows only, and of each only the terms with y*. The unfused way, a mixture of
one component with a CENSORED stream (`mixture`, `stream_censored`), returns the same numbers.

`condense` lays the data out: rows known on one side come first, those known on the right negated, predictors and limit,
so that all of them say y* <= limit; then intervals. ``data.parts`` (2,) holds where each kind ends.

``data.known``, d = p + 1: the weight of exact rows; that of censored ones; b (p,), the coefficients about which exact
residuals r = y - x'b are summed, so that no digits cancel; sum (x, r) (x, r)' (d, d); what of the statistics is known,
the sums of exact rows and X'X of the others (d, d); X'X of the others (p, p).
"""

import math

import numpy as np

from em_vs_bayes.kernels.jit import inner, kernel
from em_vs_bayes.kernels.stream_block import (
    BLOCK,
    ROWS,
    START,
    STRIDE,
    allocate,
    combine,
    gram,
    lane,
    load,
)
from em_vs_bayes.kernels.stream_censored import log_mass
from em_vs_bayes.kernels.stream_regression import at_a_point
from em_vs_bayes.kernels.truncated import interval, lower_tail_lane
from em_vs_bayes.kernels.truncated_draws import draw as draw_truncated

NEAR = 1e-3  # residual squares, as a share of y'y, below which exact responses are taken about their regression
LOG_P, HAZARD, VARIANCE = STRIDE, STRIDE + STRIDE, STRIDE + STRIDE + STRIDE  # work.z; its first lane is the limit


@inner
def _quadratic(matrix, at, d, u, first):
    """u' M u for the d x d matrix at ``matrix[at]`` and u at ``u[first]``."""
    total = 0.0
    for i in range(d):
        row = 0.0
        for j in range(d):
            row += matrix[at + i * d + j] * u[first + j]
        total += u[first + i] * row
    return total


@inner
def _known(data, pot, o, w, d, K, stats):
    """Write the known statistics; return the log evidence of the exact rows, and what is sure of that of the others."""
    known, p, weight = data.known, d - 1, pot[w + d * d - 1]
    shift, about, base, others = 2, 2 + p, 2 + p + d * d, 2 + p + 2 * d * d
    stats[0] = stats[1] = known[0] + known[1]
    for i in range(d * d):
        stats[2 + i] = known[base + i]
    u = np.empty(d)
    for j in range(p):
        u[j] = pot[w + p * d + j] + weight * known[shift + j]
    u[p] = weight
    evidence = known[0] * pot[o] - 0.5 * _quadratic(known, about, d, u, 0)
    evidence += known[1] * log_mass(pot[o], weight)
    if not at_a_point(pot, o, d, K):
        u[p] = 0.0
        for i in range(p):
            for j in range(p):
                u[j] = pot[w + i * d + j]
            evidence -= 0.5 * (_quadratic(known, about, d, u, 0) + _quadratic(known, others, p, u, 0))
    return evidence


@inner
def _limits(pot, w, d, work):
    """First lane of work.z: the standardised limits."""
    z = work.z
    for q in range(BLOCK):
        z[q] = 0.0
    combine(work.x, 0, d, pot, w + (d - 1) * d, z, np.int64(0))


@inner
def _weigh(data, start, rows, row):
    """Case weights of a block, 0 past its end."""
    for b in range(BLOCK):
        row[b] = 0.0
    for b in range(rows):
        row[b] = data.weights[start + b] if data.weights.size > 0 else 1.0


@inner
def _standardise(y, start, rows, c, at, d, z):
    """z = sum_j c[at + j] y[j] over rows, columns y[j] being read where they lie."""
    top = np.uint64(start)
    for b in range(BLOCK):
        z[b] = 0.0
    whole = d - d % 4
    for j in range(0, whole, 4):
        c0, c1, c2, c3 = c[at + j], c[at + j + 1], c[at + j + 2], c[at + j + 3]
        j0, j1, j2, j3 = np.uint64(j), np.uint64(j + 1), np.uint64(j + 2), np.uint64(j + 3)
        for b in range(np.uint64(rows)):
            z[b] += c0 * y[j0, top + b] + c1 * y[j1, top + b] + c2 * y[j2, top + b] + c3 * y[j3, top + b]
    for j in range(whole, d):
        c0, j0 = c[at + j], np.uint64(j)
        for b in range(np.uint64(rows)):
            z[b] += c0 * y[j0, top + b]


@inner
def _add_products(y, start, rows, r, p, out, at):
    """out[at + j] += sum_b r[b] y[j, b], columns y[j] being read where they lie."""
    top = np.uint64(start)
    whole = p - p % 4
    for j in range(0, whole, 4):
        j0, j1, j2, j3 = np.uint64(j), np.uint64(j + 1), np.uint64(j + 2), np.uint64(j + 3)
        s0 = s1 = s2 = s3 = 0.0
        for b in range(np.uint64(rows)):
            s0 += r[b] * y[j0, top + b]
            s1 += r[b] * y[j1, top + b]
            s2 += r[b] * y[j2, top + b]
            s3 += r[b] * y[j3, top + b]
        out[at + j] += s0
        out[at + j + 1] += s1
        out[at + j + 2] += s2
        out[at + j + 3] += s3
    for j in range(whole, p):
        j0, s0 = np.uint64(j), 0.0
        for b in range(np.uint64(rows)):
            s0 += r[b] * y[j0, top + b]
        out[at + j] += s0


@inner
def _expect_one_sided(data, pot, w, d, start, rows, work):
    """E[y*] in work.logp; returns the sums of log P and of E[y*^2], case weights counted."""
    y, z, mean, row = data.columns, work.z, work.logp, work.row
    _weigh(data, start, rows, row)
    _standardise(y, start, rows, pot, w + (d - 1) * d, d, z)
    lower_tail_lane(z, START, z, LOG_P, z, HAZARD, z, VARIANCE)
    top, limit, inverse = np.uint64(start), np.uint64(d - 1), 1.0 / pot[w + d * d - 1]
    evidence = squares = 0.0
    for b in range(np.uint64(rows)):
        value = y[limit, top + b] - (z[HAZARD + b] + z[b]) * inverse
        mean[b] = row[b] * value
        evidence += row[b] * z[LOG_P + b]
        squares += row[b] * (value * value + z[VARIANCE + b] * inverse * inverse)
    return evidence, squares


@inner
def _ends(pot, w, d, work, q):
    """Standardised lower and upper end of an interval, and sigma."""
    last, p = w + (d - 1) * d, d - 1
    at, weight = 0.0, pot[w + d * d - 1]
    for j in range(p):
        at += pot[last + j] * work.x[lane(j) + q]
    return at + weight * work.x[lane(p) + q], at + weight * work.x[lane(d) + q], 1.0 / weight


@inner
def _expect_intervals(pot, w, d, rows, work):
    """As `_expect_one_sided`."""
    x, mean, low = work.x, work.logp, lane(d - 1)
    evidence = squares = 0.0
    for i in range(mean.size):
        mean[i] = 0.0
    for b in range(rows):
        q = np.uint64(b)
        start, stop, sigma = _ends(pot, w, d, work, q)
        log_p, z, variance = interval(start, stop)
        value = x[low + q] + (z - start) * sigma
        mean[q] = work.row[q] * value
        evidence += work.row[q] * log_p
        squares += work.row[q] * (value * value + variance * sigma * sigma)
    return evidence, squares


@inner
def _draw_rows(pot, w, d, rows, one_sided, work, rng):
    """y* drawn in work.logp; returns the sum of y*^2. Case weights are one."""
    x, drawn, limit, sigma = work.x, work.logp, lane(d - 1), 1.0 / pot[w + d * d - 1]
    squares = 0.0
    if one_sided:
        _limits(pot, w, d, work)
    for i in range(drawn.size):
        drawn[i] = 0.0
    for b in range(rows):
        q = np.uint64(b)
        if one_sided:
            stop = work.z[q]
            value = x[limit + q] + (draw_truncated(rng, -math.inf, stop) - stop) * sigma
        else:
            start, stop, _ = _ends(pot, w, d, work, q)
            value = min(x[limit + q] + (draw_truncated(rng, start, stop) - start) * sigma, x[lane(d) + q])
        drawn[q] = value
        squares += value * value
    return squares


@inner
def _finish(d, stats):
    """The sums of x y* stand in the last row of cross; copy them to its last column."""
    for j in range(d - 1):
        stats[2 + j * d + d - 1] = stats[2 + (d - 1) * d + j]


@kernel
def expect(data, streams, pot, K, first, last, stats, memory):
    """Log evidence and expected statistics of the censored rows ``first`` to ``last`` - 1; exact rows go with row 0.

    Parameters
    ----------
    data : Data
        As `condense` lays it out.
    pot, stats : array
        Those of one component: log weight (0) or count, then those of the regression.
    K : int
        1.
    memory : array
        Not used.

    Returns
    -------
    float
    """
    d = streams.size[0]
    o = streams.pot[0]
    w = o + 1
    for i in range(stats.size):
        stats[i] = 0.0
    work = allocate(data, streams, pot, K)
    evidence = _known(data, pot, o, w, d, K, stats) if first == 0 else 0.0
    edge = data.parts[0]
    start = first
    while start < last:
        if start < edge:
            rows = min(ROWS, min(last, edge) - start)
            part, squares = _expect_one_sided(data, pot, w, d, start, rows, work)
            _add_products(data.columns, start, rows, work.logp, d - 1, stats, 2 + (d - 1) * d)
        else:
            rows = load(data, start, last, work)
            part, squares = _expect_intervals(pot, w, d, rows, work)
            gram(work.logp, K, work.x, START, d - 1, stats, 2 + (d - 1) * d, d)
        evidence += part
        stats[1 + d * d] += squares
        start += rows
    _finish(d, stats)
    return evidence


@kernel
def draw(data, streams, pot, K, rng, z, stats):
    """Draw all censored responses; the statistics of the completed data. Returns NaN: no sampler asks for evidence."""
    d = streams.size[0]
    o = streams.pot[0]
    w = o + 1
    work = allocate(data, streams, pot, K)
    _known(data, pot, o, w, d, K, stats)
    edge = data.parts[0]
    start = 0
    while start < data.columns.shape[1]:
        one_sided = start < edge
        rows = load(data, start, edge if one_sided else data.columns.shape[1], work)
        stats[1 + d * d] += _draw_rows(pot, w, d, rows, one_sided, work, rng)
        gram(work.logp, K, work.x, START, d - 1, stats, 2 + (d - 1) * d, d)
        start += rows
    _finish(d, stats)
    return math.nan


def condense(data, d):
    """The data as `expect` and `draw` read them.

    Parameters
    ----------
    data : Data
        Columns x_1 ... x_p, lower, upper; both ends are NaN where the response is missing. ``known`` is X'X of the rows
        with a response (p, p), flat, case weights counted, where it has been summed already.
    d : int
        p + 1.
    """
    p = d - 1
    x, low, high = data.y[:, :p], data.y[:, p], data.y[:, d]
    exact, above, unseen = low == high, np.isposinf(high), np.isnan(low)
    sided = above | np.isneginf(low)
    order = np.concatenate([np.flatnonzero(sided), np.flatnonzero(~(exact | sided | unseen))])
    weights = data.weights[order] if data.weights.size else data.weights
    columns = _turned(data.columns, order, int(sided.sum()))
    others = _products(columns[:p].T, weights)
    whole = data.known.reshape(p, p) if data.known.size else _seen_products(x, unseen, data.weights)
    known = _exact_sums(x, low, exact, data.weights, whole - others)
    count = weights.sum() if weights.size else float(len(order))
    return data._replace(
        columns=columns,
        centre=np.zeros(d + 1),
        weights=weights,
        pattern=np.empty(0, np.int64),
        observed=np.ones((1, d + 1), dtype=np.bool_),
        labels=np.empty(0, np.int64),
        known=np.concatenate([known[:1], [count], known[1 : 1 + p + d * d], _with(known[1 + p + d * d :], others, d)]),
        parts=np.array([sided.sum(), len(order)], dtype=np.int64),
    )


def _turned(columns, order, n_sided):
    """Columns of the rows in ``order``; of the first, known on one side, the limit, negated where it is the lower."""
    turned = np.take(columns, order, axis=1)
    sided = turned[:, :n_sided]
    low, high = sided[-2], sided[-1]
    above = np.isposinf(high)
    sided[-2] = np.where(above, low, high)
    high[:] = 0.0
    if above.any():
        sided *= np.where(above, -1.0, 1.0)
    return turned


def _seen_products(x, unseen, weights):
    """X'WX of the rows with a response."""
    whole = _products(x, weights)
    return whole - _products(x[unseen], weights[unseen] if weights.size else weights) if unseen.any() else whole


def _products(x, weights):
    """X'WX."""
    return (x * weights[:, None] if weights.size else x).T @ x


def _exact_sums(x, y, exact, weights, xx):
    """Weight of the exact rows, b, sums of (x, r) (x, r)' about it, and sums of (x, y) (x, y)', flat.

    b is zero where y itself is not much larger than its residuals: no digits to save then, and a pass is spared.
    """
    share = exact * weights if weights.size else exact.astype(float)
    at = np.where(exact, y, 0.0)
    weighted = share * at
    xy, yy = x.T @ weighted, weighted @ at
    shift = np.linalg.lstsq(xx, xy, rcond=None)[0]
    if yy - shift @ xy > NEAR * yy:
        shift, xr, rr = np.zeros_like(shift), xy, yy
    else:
        residual = np.where(exact, at - x @ shift, 0.0)
        xr, rr = x.T @ (share * residual), (share * residual) @ residual
        xy = xr + xx @ shift
    about = np.block([[xx, xr[:, None]], [xr[None, :], rr]])
    sums = np.block([[xx, xy[:, None]], [xy[None, :], rr + shift @ (xr + xy)]])
    return np.concatenate([[share.sum()], shift, about.ravel(), sums.ravel()])


def _with(sums, others, d):
    """Known statistics: the exact rows' sums and X'X of the others; then the latter alone."""
    whole = sums.reshape(d, d).copy()
    whole[: d - 1, : d - 1] += others
    return np.concatenate([whole.ravel(), others.ravel()])
