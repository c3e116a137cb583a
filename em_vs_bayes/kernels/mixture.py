"""The E-step of a finite mixture, in one pass over blocks of rows: log potentials, responsibilities, statistics.

``expect`` returns the log evidence sum_i w_i (log sum_k exp(log potential_ik) + base_i) and its gradient with respect to
the potentials (Fisher's identity): the expected statistics. No array of size n x K exists. Where ``labels`` gives a
row's component, the sum over k has that term alone, and the evidence is the joint log density of row and label.

A row that no component can have produced has evidence -inf, and adds nothing to the statistics.
"""

import math

import numpy as np

from em_vs_bayes.kernels.jit import kernel
from em_vs_bayes.kernels.stream_block import BLOCK, allocate, lane, load
from em_vs_bayes.kernels.stream_missing import allocate_conditionals
from em_vs_bayes.kernels.streams import add_log_potentials, add_statistics, draw_missing, finish, prepare
from em_vs_bayes.kernels.vectormath import exp, log

TOP = lane(1)  # lanes of work.row: the case weights are in lane 0, largest log potentials here,
TOTAL = lane(2)  # and sums of exp(log potential - largest) here


@kernel
def _potentials(data, streams, pot, K, start, work, conditionals):
    """Load a block and leave log w_k + log potential_k in work.logp; return the number of rows."""
    rows = load(data, start, work)
    logp = work.logp
    for k in range(K):
        t = lane(k)
        for q in range(BLOCK):
            logp[t + q] = pot[k]
    add_log_potentials(data, streams, pot, K, start, rows, work, conditionals)
    if data.labels.size > 0:
        for b in range(rows):
            label = data.labels[start + b]
            if label >= 0:
                for k in range(K):
                    if k != label:
                        logp[lane(k) + np.uint64(b)] = -math.inf
    return rows


@kernel
def _largest(K, work):
    """Lane TOP = max_k logp; NaN if any is NaN."""
    logp, row = work.logp, work.row
    for q in range(BLOCK):
        row[TOP + q] = logp[q]
    for k in range(1, K):
        t = lane(k)
        for q in range(BLOCK):
            value, top = logp[t + q], row[TOP + q]
            row[TOP + q] = value if value > top or value != value else top


@kernel
def _exponentiate(K, work):
    """logp = exp(logp - TOP), TOTAL = its sum over k: at least 1, or 0 where every logp is -inf."""
    logp, row = work.logp, work.row
    for q in range(BLOCK):
        row[TOTAL + q] = 0.0
        row[TOP + q] = row[TOP + q] if row[TOP + q] != -math.inf else 0.0
    for k in range(K):
        t = lane(k)
        for q in range(BLOCK):
            value = exp(logp[t + q] - row[TOP + q])
            logp[t + q] = value
            row[TOTAL + q] += value


@kernel
def _evidence(work):
    """Sum over rows of case weight times log evidence, without base. Weight 0 removes a row, whatever its evidence."""
    row = work.row
    total = 0.0
    for q in range(BLOCK):
        value = row[TOP + q] + log(row[TOTAL + q])
        total += row[q] * value if row[q] != 0.0 else 0.0
    return total


@kernel
def _base(data):
    """sum_i w_i base_i."""
    total = 0.0
    if data.weights.size == 0:
        for i in range(data.base.size):
            total += data.base[i]
    else:
        for i in range(data.base.size):
            total += data.weights[i] * data.base[i]
    return total


@kernel
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


@kernel
def _harden(K, z, start, rows, work, stats):
    """logp = case weight in the lane of the row's component, 0 elsewhere (everywhere if z = -1)."""
    logp, row = work.logp, work.row
    logp[:] = 0.0
    for b in range(rows):
        k = z[start + b]
        if k >= 0:
            q = np.uint64(b)
            logp[lane(k) + q] = row[q]
            stats[k] += row[q]


@kernel
def expect(data, streams, pot, K, stats):
    """Log evidence; the expected statistics are written to ``stats``.

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
    stats[:] = 0.0
    work = allocate(data, streams, pot, K)
    conditionals = allocate_conditionals(data, streams, K)
    prepare(streams, pot, K, work)
    evidence = 0.0
    for start in range(0, data.y.shape[0], np.int64(BLOCK)):
        rows = _potentials(data, streams, pot, K, start, work, conditionals)
        _largest(K, work)
        _exponentiate(K, work)
        evidence += _evidence(work)
        _responsibilities(K, work, stats)
        add_statistics(data, streams, pot, K, start, rows, work, conditionals, False, stats)
    finish(data, streams, K, stats)
    return evidence + _base(data)
