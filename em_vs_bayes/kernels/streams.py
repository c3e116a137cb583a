"""What a stream owes a latent structure: log potentials of a block of rows, and statistics from responsibilities.

Each kind of stream has a function for each of the roles below. Kernels call them by the addresses in ``streams.code``.
"""

from typing import Any, NamedTuple

import numpy as np

from em_vs_bayes.kernels.addresses import (
    NOTHING,
    UNKNOWN,
    address,
    by_address,
    calls,
    known,
)
from em_vs_bayes.kernels.jit import lean, lean_unit, spliced
from em_vs_bayes.kernels.signatures import (
    ADD_TYPES,
    DRAW_TYPES,
    FILL_TYPES,
    MISSING_TYPES,
    SUM_TYPES,
)
from em_vs_bayes.kernels.stream_block import gram, keep, lane
from em_vs_bayes.kernels.stream_censored import add_censored, add_truncated, draw_censored, draw_truncated
from em_vs_bayes.kernels.stream_discrete import add_counts, add_linear, add_lookup, sum_lookup
from em_vs_bayes.kernels.stream_gauss import (
    add_diag,
    add_full,
    prepare_diag,
    prepare_full,
    sum_diag,
    sum_full,
    unpack_full,
)
from em_vs_bayes.kernels.stream_limited import sum_censored, sum_robust, sum_truncated
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
    COUNTS,
    GAUSS_DIAG,
    GAUSS_FULL,
    LINEAR,
    LOOKUP,
    REGRESSION,
    ROBUST,
    STUDENT,
    TRUNCATED,
    Streams,
)

# --- roles: rows of ``streams.code`` --------------------------------------------------------------------------------
ADD = 0  # work.logp[k] += the log potential of component k
MISSING = 1  # put right what ADD did to rows with missing values; work.kept is what logp was before it
SUM = 2  # add the statistics, with responsibilities times case weights in work.logp
FILL = 3  # add what missing values contribute to them, integrated out
DRAW = 4  # draw what rows hide besides their component z (-1: none), given it, into work


@calls
def _add(typing, code, pot, o, first, size, K, rows, work):
    return by_address(ADD_TYPES)


@calls
def _missing(typing, code, data, streams, s, pot, K, start, rows, work, conditionals):
    return by_address(MISSING_TYPES)


@calls
def _sum(typing, code, data, pot, o, first, size, K, s, start, rows, work, drawn, stats, at):
    return by_address(SUM_TYPES)


@calls
def _fill(typing, code, data, streams, s, pot, K, start, rows, work, conditionals, stats):
    return by_address(FILL_TYPES)


@calls
def _draw(typing, code, data, streams, s, pot, K, start, rows, work, conditionals, rng, z):
    return by_address(DRAW_TYPES)


# --- the roles, kind by kind ----------------------------------------------------------------------------------------


@lean_unit
def _add_full(pot, o, first, size, K, rows, work):
    add_full(pot, o, first, size, K, work)


@lean_unit
def _add_diag(pot, o, first, size, K, rows, work):
    add_diag(o, first, size, K, work)


@lean_unit
def _add_linear(pot, o, first, size, K, rows, work):
    add_linear(pot, o, first, size, K, work)


@lean_unit
def _add_counts(pot, o, first, size, K, rows, work):
    add_counts(pot, o, first, K, work)


@lean_unit
def _add_lookup(pot, o, first, size, K, rows, work):
    add_lookup(pot, o, first, size, K, work)


@lean_unit
def _add_regression(pot, o, first, size, K, rows, work):
    add_regression(pot, o, first, size, K, work)


@lean_unit
def _add_student(pot, o, first, size, K, rows, work):
    add_student(pot, o, first, K, work)


@lean_unit
def _diag_missing(data, streams, s, pot, K, start, rows, work, conditionals):
    add_diag_missing(data, streams.col[s], streams.size[s], pot, streams.pot[s], K, start, rows, work)


@lean_unit
def _response_missing(data, streams, s, pot, K, start, rows, work, conditionals):
    restore_missing(data, streams.col[s], streams.size[s], K, start, rows, work)


@lean_unit
def _sum_full(data, pot, o, first, size, K, s, start, rows, work, drawn, stats, at):
    sum_full(first, size, K, work, stats, at + K)


@lean_unit
def _sum_diag(data, pot, o, first, size, K, s, start, rows, work, drawn, stats, at):
    sum_diag(first, size, K, work, stats, at + K * size)
    if data.pattern.size > 0:
        count_observed(data, first, size, K, start, rows, work, stats, at)


@lean_unit
def _sum_linear(data, pot, o, first, size, K, s, start, rows, work, drawn, stats, at):
    gram(work.logp, K, work.x, lane(first), size, stats, at, size)


@lean_unit
def _sum_lookup(data, pot, o, first, size, K, s, start, rows, work, drawn, stats, at):
    sum_lookup(first, size, K, work, stats, at)


@lean_unit
def _sum_regression(data, pot, o, first, size, K, s, start, rows, work, drawn, stats, at):
    if data.pattern.size > 0:
        blank_missing(data, first, size, start, rows, work)
    sum_regression(first, size, K, work, stats, at + K)
    if data.pattern.size > 0:
        count_observed(data, first + size - 1, np.int64(1), K, start, rows, work, stats, at)


@lean_unit
def _sum_student(data, pot, o, first, size, K, s, start, rows, work, drawn, stats, at):
    sum_student(data, first, pot, o, K, s, start, rows, work, drawn, stats, at)


@lean_unit
def _draw_student(data, streams, s, pot, K, start, rows, work, conditionals, rng, z):
    draw_student(data, streams.col[s], pot, streams.pot[s], K, s, start, rows, work, rng, z)


@lean_unit
def _draw_censored(data, streams, s, pot, K, start, rows, work, conditionals, rng, z):
    draw_censored(streams.col[s], streams.size[s], pot, streams.pot[s], K, rows, work, rng, z)


@lean_unit
def _draw_truncated(data, streams, s, pot, K, start, rows, work, conditionals, rng, z):
    draw_truncated(streams.col[s], streams.size[s], pot, streams.pot[s], K, rows, work, rng, z)


@lean_unit
def _draw_robust(data, streams, s, pot, K, start, rows, work, conditionals, rng, z):
    draw_robust(streams.col[s], streams.size[s], pot, streams.pot[s], K, rows, work, rng, z)


class Roles(NamedTuple):
    """What a kind of stream does in each role, in their order; None: nothing."""

    add: Any
    missing: Any
    sum: Any
    fill: Any = None
    draw: Any = None


TYPES = Roles(ADD_TYPES, MISSING_TYPES, SUM_TYPES, FILL_TYPES, DRAW_TYPES)
KINDS = {
    GAUSS_FULL: Roles(_add_full, add_full_missing, _sum_full, sum_full_missing, draw_full_missing),
    GAUSS_DIAG: Roles(_add_diag, _diag_missing, _sum_diag),
    LINEAR: Roles(_add_linear, None, _sum_linear),
    COUNTS: Roles(_add_counts, None, _sum_linear),
    LOOKUP: Roles(_add_lookup, None, _sum_lookup),
    REGRESSION: Roles(_add_regression, _response_missing, _sum_regression),
    STUDENT: Roles(_add_student, _response_missing, _sum_student, None, _draw_student),
    CENSORED: Roles(add_censored, _response_missing, sum_censored, None, _draw_censored),
    TRUNCATED: Roles(add_truncated, _response_missing, sum_truncated, None, _draw_truncated),
    ROBUST: Roles(add_robust, _response_missing, sum_robust, None, _draw_robust),
}


def table(kind: Any, col: Any, size: Any, pot: Any, stat: Any) -> Streams:
    """The tables of streams, one value per stream each, without addresses: `address_roles` fills those in."""
    unknown = np.full((len(Roles._fields), len(kind)), UNKNOWN, dtype=np.int64)
    return Streams._make([*(np.array(values, dtype=np.int64) for values in (kind, col, size, pot, stat)), unknown])


def address_roles(streams: Streams, *roles: int) -> Streams:
    """The same streams, able to play these roles."""
    for role in roles:
        for s, kind in enumerate(streams.kind):
            if streams.code[role, s] == UNKNOWN:
                function = KINDS[int(kind)][role]
                streams.code[role, s] = NOTHING if function is None else address(function, TYPES[role])
    return streams


# --- what latent structures call ------------------------------------------------------------------------------------


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


@lean
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
        if missing:
            keep(work)
        _add(known(streams.code[ADD, s]), pot, streams.pot[s], streams.col[s], streams.size[s], K, rows, work)
        if missing and streams.code[MISSING, s] != NOTHING:
            _missing(known(streams.code[MISSING, s]), data, streams, s, pot, K, start, rows, work, conditionals)


@spliced
def add_statistics(data, streams, pot, K, start, rows, work, conditionals, drawn, stats):
    """Add the block's statistics, with responsibilities times case weights in work.logp.

    ``drawn``: `draw_hidden` has drawn what rows hide; else it is integrated out.
    """
    missing = _any_missing(data, start, rows)
    for s in range(streams.kind.size):
        o, first, size, at = streams.pot[s], streams.col[s], streams.size[s], streams.stat[s]
        _sum(known(streams.code[SUM, s]), data, pot, o, first, size, K, s, start, rows, work, drawn, stats, at)
        if missing and not drawn and streams.code[FILL, s] != NOTHING:
            _fill(known(streams.code[FILL, s]), data, streams, s, pot, K, start, rows, work, conditionals, stats)


@spliced
def draw_hidden(data, streams, pot, K, start, rows, work, conditionals, rng, z):
    """Draw what rows hide besides their component z (-1: none), given it.

    Missing values of GAUSS_FULL streams replace the zeros in work.x; multipliers of STUDENT streams go to work.u. Drawn
    responses of CENSORED and TRUNCATED streams replace limits in work.x; those of ROBUST ones limits and nu.
    """
    for s in range(streams.kind.size):
        if streams.code[DRAW, s] != NOTHING:
            _draw(known(streams.code[DRAW, s]), data, streams, s, pot, K, start, rows, work, conditionals, rng, z)


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
