"""What every discrete latent structure does with a block of rows: load it, fill in log potentials, find the largest."""

import math

import numpy as np

from em_vs_bayes.kernels.jit import lean, spliced
from em_vs_bayes.kernels.stream_block import BLOCK, STRIDE, lane, load
from em_vs_bayes.kernels.streams import add_log_potentials

TOP = STRIDE  # work.row: the case weights are in its first lane, the largest log potentials in the second,
TOTAL = STRIDE + STRIDE  # and the sums of exp(log potential - largest) in the third


@spliced
def log_potentials(data, streams, pot, K, weighted, start, stop, work, conditionals):
    """Load a block of rows and leave their log potentials in work.logp; return the number of rows.

    ``weighted``: the first K potentials, log weights, are in the sum. Rows at ``stop`` and after are not read.
    """
    rows = load(data, start, stop, work)
    logp = work.logp
    for k in range(K):
        t = lane(k)
        for q in range(BLOCK):
            logp[t + q] = pot[k] if weighted else 0.0
    add_log_potentials(data, streams, pot, K, start, rows, work, conditionals)
    if data.labels.size > 0:
        for b in range(rows):
            label = data.labels[start + b]
            if label >= 0:
                for k in range(K):
                    if k != label:
                        logp[lane(k) + np.uint64(b)] = -math.inf
    return rows


@lean
def largest(K, work):
    """Lane TOP = max_k logp; NaN if any is NaN."""
    logp, row = work.logp, work.row
    for q in range(BLOCK):
        row[TOP + q] = logp[q]
    for k in range(1, K):
        t = lane(k)
        for q in range(BLOCK):
            value, top = logp[t + q], row[TOP + q]
            row[TOP + q] = value if value > top or value != value else top


@lean
def base_measure(data, start, stop):
    """sum_i w_i base_i over rows start, ..., stop - 1."""
    total = 0.0
    if data.base.size > 0:
        for i in range(start, stop):
            total += data.base[i] * (data.weights[i] if data.weights.size > 0 else 1.0)
    return total


@lean
def harden(K, z, rows, work, counts):
    """logp = case weight in the lane of the row's component, 0 elsewhere (everywhere if z = -1)."""
    logp, row = work.logp, work.row
    for i in range(logp.size):
        logp[i] = 0.0
    for b in range(rows):
        k = z[b]
        if k >= 0:
            q = np.uint64(b)
            logp[lane(k) + q] = row[q]
            counts[k] += row[q]
