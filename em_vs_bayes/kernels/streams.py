"""What a stream owes a latent structure: log potentials of a block of rows, and statistics from responsibilities.

One function for each, over all streams; which arithmetic a stream needs is read from its kind at run time.
"""

import numpy as np

from em_vs_bayes.kernels.jit import inner, spliced
from em_vs_bayes.kernels.stream_block import gram, keep, lane
from em_vs_bayes.kernels.stream_censored import (
    add_censored,
    add_truncated,
    draw_censored,
    draw_truncated,
)
from em_vs_bayes.kernels.stream_discrete import add_linear, add_lookup, sum_lookup
from em_vs_bayes.kernels.stream_gauss import (
    add_diag,
    add_full,
    prepare_diag,
    prepare_full,
    sum_diag,
    sum_full,
    unpack_full,
)
from em_vs_bayes.kernels.stream_limited import sum_limited
from em_vs_bayes.kernels.stream_missing import (
    add_diag_missing,
    add_full_missing,
    count_observed,
    draw_full_missing,
    sum_full_missing,
)
from em_vs_bayes.kernels.stream_regression import (
    add_regression,
    blank_missing,
    prepare_regression,
    restore_missing,
    sum_regression,
    unpack_regression,
)
from em_vs_bayes.kernels.stream_robust import add_robust, draw_robust
from em_vs_bayes.kernels.stream_student import add_student, draw_student, sum_student
from em_vs_bayes.kernels.tables import (
    CENSORED,
    GAUSS_DIAG,
    GAUSS_FULL,
    LINEAR,
    LOOKUP,
    REGRESSION,
    ROBUST,
    STUDENT,
    TRUNCATED,
)


@spliced
def prepare(streams, pot, K, work):
    """Once per call: from potentials to the form that the loops over rows read."""
    for s in range(streams.kind.size):
        if streams.kind[s] == GAUSS_FULL:
            prepare_full(pot, streams.pot[s], streams.size[s], K, work.bias)
        elif streams.kind[s] == GAUSS_DIAG:
            prepare_diag(pot, streams.pot[s], streams.size[s], K, work.bias)
        elif streams.kind[s] == REGRESSION:
            prepare_regression(pot, streams.pot[s], streams.size[s], K, work.bias)


@inner
def _any_missing(data, start, rows):
    if data.pattern.size > 0:
        for i in range(start, start + rows):
            if data.pattern[i] != 0:
                return True
    return False


@spliced
def add_log_potentials(data, streams, pot, K, start, rows, work, conditionals):
    """work.logp[k] += sum over streams of the log potential of component k, for the loaded block."""
    missing = _any_missing(data, start, rows)
    for s in range(streams.kind.size):
        kind, first, size, o = streams.kind[s], streams.col[s], streams.size[s], streams.pot[s]
        if missing:
            keep(work)
        if kind == GAUSS_FULL:
            add_full(pot, o, first, size, K, work)
            if missing:
                add_full_missing(data, streams, s, pot, K, start, rows, work, conditionals)
        elif kind == GAUSS_DIAG:
            add_diag(o, first, size, K, work)
            if missing:
                add_diag_missing(data, first, size, pot, o, K, start, rows, work)
        elif kind == LINEAR:
            add_linear(pot, o, first, size, K, work)
        elif kind == LOOKUP:
            add_lookup(pot, o, first, size, K, work)
        elif kind == REGRESSION:
            add_regression(pot, o, first, size, K, work)
            if missing:
                restore_missing(data, first, size, K, start, rows, work)
        elif kind in (STUDENT, CENSORED, TRUNCATED, ROBUST):
            if kind == STUDENT:
                add_student(pot, o, first, K, work)
            elif kind == CENSORED:
                add_censored(pot, o, first, size, K, rows, work)
            elif kind == ROBUST:
                add_robust(pot, o, first, size, K, rows, work)
            else:
                add_truncated(pot, o, first, size, K, rows, work)
            if missing:
                restore_missing(data, first, size, K, start, rows, work)


@spliced
def add_statistics(data, streams, pot, K, start, rows, work, conditionals, drawn, stats):
    """Add the block's statistics, with responsibilities times case weights in work.logp.

    ``drawn``: `draw_hidden` has drawn what rows hide; else it is integrated out.
    """
    missing, one = _any_missing(data, start, rows), np.int64(1)
    for s in range(streams.kind.size):
        kind, first, size, at = streams.kind[s], streams.col[s], streams.size[s], streams.stat[s]
        if kind == GAUSS_FULL:
            sum_full(first, size, K, work, stats, at + K)
            if missing and not drawn:
                sum_full_missing(data, streams, s, pot, K, start, rows, work, conditionals, stats, at + K)
        elif kind == GAUSS_DIAG:
            sum_diag(first, size, K, work, stats, at + K * size)
            if data.pattern.size > 0:
                count_observed(data, first, size, K, start, rows, work, stats, at)
        elif kind == LINEAR:
            gram(work.logp, K, work.x, lane(first), size, stats, at, size)
        elif kind == LOOKUP:
            sum_lookup(first, size, K, work, stats, at)
        elif kind == REGRESSION:
            if missing:
                blank_missing(data, first, size, start, rows, work)
            sum_regression(first, size, K, work, stats, at + K)
            if data.pattern.size > 0:
                count_observed(data, first + size - 1, one, K, start, rows, work, stats, at)
        elif kind in (CENSORED, TRUNCATED, ROBUST):
            sum_limited(data, kind, pot, streams.pot[s], first, size, K, start, rows, work, drawn, stats, at)
        elif kind == STUDENT:
            sum_student(data, first, pot, streams.pot[s], K, s, start, rows, work, drawn, stats, at)


@spliced
def draw_hidden(data, streams, pot, K, start, rows, work, conditionals, rng, z):
    """Draw what rows hide besides their component z (-1: none), given it.

    Missing values of GAUSS_FULL streams replace the zeros in work.x; multipliers of STUDENT streams go to work.u. Drawn
    responses of CENSORED and TRUNCATED streams replace limits in work.x; those of ROBUST ones limits and nu.
    """
    missing = _any_missing(data, start, rows)
    for s in range(streams.kind.size):
        if streams.kind[s] == GAUSS_FULL and missing:
            draw_full_missing(data, streams, s, pot, K, start, rows, work, conditionals, rng, z)
        elif streams.kind[s] == STUDENT:
            draw_student(data, streams.col[s], pot, streams.pot[s], K, s, start, rows, work, rng, z)
        elif streams.kind[s] == CENSORED:
            draw_censored(streams.col[s], streams.size[s], pot, streams.pot[s], K, rows, work, rng, z)
        elif streams.kind[s] == TRUNCATED:
            draw_truncated(streams.col[s], streams.size[s], pot, streams.pot[s], K, rows, work, rng, z)
        elif streams.kind[s] == ROBUST:
            draw_robust(streams.col[s], streams.size[s], pot, streams.pot[s], K, rows, work, rng, z)


@spliced
def finish(data, streams, K, counts, stats):
    """Once per call: lay the statistics out as promised, and copy the components' counts to Gaussian streams."""
    for s in range(streams.kind.size):
        size, at = streams.size[s], streams.stat[s]
        if streams.kind[s] == GAUSS_FULL:
            unpack_full(size, K, stats, at + K)
            for k in range(K):
                stats[at + k] = counts[k]
        elif streams.kind[s] == GAUSS_DIAG and data.pattern.size == 0:
            for k in range(K):
                for j in range(size):
                    stats[at + k * size + j] = counts[k]
        elif streams.kind[s] == REGRESSION:
            unpack_regression(size, K, stats, at + K)
            if data.pattern.size == 0:
                for k in range(K):
                    stats[at + k] = counts[k]
        elif streams.kind[s] in (CENSORED, TRUNCATED, ROBUST):
            unpack_regression(size, K, stats, at + K)
