"""The E-step of a finite mixture, in one pass over blocks of rows: log potentials, responsibilities, statistics.

``expect`` returns the log evidence sum_i w_i (log sum_k exp(log potential_ik) + base_i) and its gradient with
respect to the potentials (Fisher's identity): the expected statistics. No array of size n x K exists. Where
``labels`` gives a row's component, the sum over k has that term alone, and the evidence is the joint log density of
row and label.

A row that no component can have produced has evidence -inf, and adds nothing to the statistics. Values of y must be
finite, with finite squares, or missing.
"""

import math

import numpy as np

from em_vs_bayes.kernels.jit import kernel, lean
from em_vs_bayes.kernels.rows import (
    TOP,
    TOTAL,
    base_measure,
    harden,
    largest,
    log_potentials,
)
from em_vs_bayes.kernels.stream_block import (
    BLOCK,
    ROWS,
    STRIDE,
    allocate,
    lane,
)
from em_vs_bayes.kernels.stream_missing import allocate_conditionals
from em_vs_bayes.kernels.streams import add_statistics, draw_hidden, finish, prepare
from em_vs_bayes.kernels.tables import Data, Streams
from em_vs_bayes.kernels.vectormath import decay, log


@lean
def _exponentiate(K, work):
    """logp = exp(logp - TOP), TOTAL = its sum over k: at least 1, or 0 where every logp is -inf."""
    logp, row = work.logp, work.row
    for q in range(BLOCK):
        row[TOTAL + q] = 0.0
        row[TOP + q] = row[TOP + q] if row[TOP + q] != -math.inf else 0.0
    for k in range(K):
        t = lane(k)
        for q in range(BLOCK):
            value = decay(logp[t + q] - row[TOP + q])
            logp[t + q] = value
            row[TOTAL + q] += value


@lean
def _evidence(work):
    """Sum over rows of case weight times log evidence, without base. Weight 0 removes a row, whatever its evidence."""
    row = work.row
    total = 0.0
    for q in range(BLOCK):
        value = row[TOP + q] + log(row[TOTAL + q])
        total += row[q] * value if row[q] != 0.0 else 0.0
    return total


@lean
def _responsibilities(K, work, stats):
    """logp = case weight times logp / TOTAL; its sums over rows go to stats[0:K]."""
    logp, row = work.logp, work.row
    for q in range(BLOCK):
        row[TOTAL + q] = row[q] / row[TOTAL + q] if row[TOTAL + q] != 0.0 and row[q] != 0.0 else 0.0
    for k in range(K):
        t = lane(k)
        count = 0.0
        for q in range(BLOCK):
            value = logp[t + q] * row[TOTAL + q]
            logp[t + q] = value
            count += value
        stats[k] += count


@lean
def _first(K, work, q, top):
    """The first component whose logp equals the largest, ``top``; 0 if none does (NaN)."""
    for k in range(K):
        if work.logp[lane(k) + q] == top:
            return k
    return 0


@lean
def _choose(K, rng, rows, work, z):
    """Draw z[b] with probabilities proportional to logp, from one uniform per row; -1 if all are 0.

    The sums are those of TOTAL, term by term, so that rounding never chooses a component of probability 0.
    """
    logp, row, scratch = work.logp, work.row, work.z
    for b in range(rows):
        q = np.uint64(b)
        scratch[q] = rng.random() * row[TOTAL + q]
        scratch[STRIDE + q] = 0.0
        z[b] = 0 if row[TOTAL + q] > 0.0 else -K
    for k in range(K - 1):
        t = lane(k)
        for b in range(rows):
            q = np.uint64(b)
            scratch[STRIDE + q] += logp[t + q]
            z[b] += 1 if scratch[STRIDE + q] <= scratch[q] else 0
    for b in range(rows):
        z[b] = max(z[b], -1)


@kernel
def expect(data, streams, pot, K, first, last, stats, memory):
    """Log evidence of rows first, ..., last - 1; their expected statistics are written to ``stats``.

    Parameters
    ----------
    data : Data
    streams : Streams
    pot : (P,) float64
        Potentials: log weights, then each stream's group.
    K : int
        Number of components.
    stats : (S,) float64
        Overwritten: counts, then each stream's group.

    Returns
    -------
    float
        sum_i w_i (log sum_k exp(log potential_ik) + base_i).
    """
    for i in range(stats.size):
        stats[i] = 0.0
    work = allocate(data, streams, pot, K)
    conditionals = allocate_conditionals(data, streams, K)
    prepare(streams, pot, K, work)
    evidence = 0.0
    for start in range(first, last, ROWS):
        rows = log_potentials(data, streams, pot, K, True, start, last, work, conditionals)
        largest(K, work)
        _exponentiate(K, work)
        evidence += _evidence(work)
        _responsibilities(K, work, stats)
        add_statistics(data, streams, pot, K, start, rows, work, conditionals, False, stats)
    finish(data, streams, K, stats, stats)
    return evidence + base_measure(data, first, last)


@kernel
def decode(data, streams, pot, K, stats):
    """Hard assignment: as ``expect``, with each row given whole to its most probable component.

    Returns
    -------
    float
        sum_i w_i (max_k log potential_ik + base_i), log weights included.
    """
    for i in range(stats.size):
        stats[i] = 0.0
    work = allocate(data, streams, pot, K)
    conditionals = allocate_conditionals(data, streams, K)
    prepare(streams, pot, K, work)
    z = np.empty(ROWS, np.int64)
    total = 0.0
    for start in range(0, data.columns.shape[1], ROWS):
        rows = log_potentials(data, streams, pot, K, True, start, data.columns.shape[1], work, conditionals)
        largest(K, work)
        for b in range(rows):
            q = np.uint64(b)
            top, z[b] = work.row[TOP + q], -1
            if top > -math.inf:
                z[b] = _first(K, work, q, top)
            total += work.row[q] * top if work.row[q] != 0.0 else 0.0
        harden(K, z, rows, work, stats)
        add_statistics(data, streams, pot, K, start, rows, work, conditionals, False, stats)
    finish(data, streams, K, stats, stats)
    return total + base_measure(data, 0, data.columns.shape[1])


@kernel
def draw(data, streams, pot, K, rng, z, stats):
    """Draw every row's component from its conditional, and what else it hides given that.

    Parameters
    ----------
    rng : numpy.random.Generator
        Gives one uniform per row, then one normal per missing value of a GAUSS_FULL stream and one gamma
        per value of a STUDENT stream, block after block.
    z : (n,) int64
        Overwritten: the components drawn; -1 for a row that no component can have produced.
    stats : (S,) float64
        Overwritten: the statistics of the completed data. Missing values of GAUSS_DIAG streams are left out.

    Returns
    -------
    float
        The log evidence, as ``expect`` returns it.
    """
    for i in range(stats.size):
        stats[i] = 0.0
    work = allocate(data, streams, pot, K)
    conditionals = allocate_conditionals(data, streams, K)
    prepare(streams, pot, K, work)
    chosen = np.empty(ROWS, np.int64)
    evidence = 0.0
    for start in range(0, data.columns.shape[1], ROWS):
        rows = log_potentials(data, streams, pot, K, True, start, data.columns.shape[1], work, conditionals)
        largest(K, work)
        _exponentiate(K, work)
        evidence += _evidence(work)
        _choose(K, rng, rows, work, chosen)
        harden(K, chosen, rows, work, stats)
        draw_hidden(data, streams, pot, K, start, rows, work, conditionals, rng, chosen)
        add_statistics(data, streams, pot, K, start, rows, work, conditionals, True, stats)
        for b in range(rows):
            z[start + b] = chosen[b]
    finish(data, streams, K, stats, stats)
    return evidence + base_measure(data, 0, data.columns.shape[1])


@kernel
def _scores(data, streams, pot, K, evidence, responsibility, best):
    """Write, to each of the three that is not empty, what ``pointwise``, ``responsibilities`` and ``assign`` return."""
    work = allocate(data, streams, pot, K)
    conditionals = allocate_conditionals(data, streams, K)
    prepare(streams, pot, K, work)
    for start in range(0, data.columns.shape[1], ROWS):
        rows = log_potentials(data, streams, pot, K, True, start, data.columns.shape[1], work, conditionals)
        largest(K, work)
        if best.size > 0:
            for b in range(rows):
                q = np.uint64(b)
                best[start + b] = _first(K, work, q, work.row[TOP + q])
        _exponentiate(K, work)
        if evidence.size > 0:
            for b in range(rows):
                q = np.uint64(b)
                evidence[start + b] = work.row[TOP + q] + log(work.row[TOTAL + q])
                if data.base.size > 0:
                    evidence[start + b] += data.base[start + b]
        if responsibility.size > 0:
            for b in range(rows):
                q = np.uint64(b)
                total = work.row[TOTAL + q]
                for k in range(K):
                    value = work.logp[lane(k) + q]
                    responsibility[start + b, k] = value / total if total != 0.0 else 0.0


def pointwise(data: Data, streams: Streams, pot: np.ndarray, K: int, out: np.ndarray) -> None:
    """Write the log evidence of each row, base included and unweighted, to ``out`` (n,)."""
    _scores(data, streams, pot, K, out, np.empty((0, K)), np.empty(0, np.int64))


def responsibilities(data: Data, streams: Streams, pot: np.ndarray, K: int, out: np.ndarray) -> None:
    """Write p(component | row) to ``out`` (n, K). A row that no component can have produced gets zeros."""
    _scores(data, streams, pot, K, np.empty(0), out, np.empty(0, np.int64))


def assign(data: Data, streams: Streams, pot: np.ndarray, K: int, out: np.ndarray) -> None:
    """Write the most probable component of each row (the first, if several) to ``out`` (n,) int64."""
    _scores(data, streams, pot, K, np.empty(0), np.empty((0, K)), out)
