"""Streams that are linear in given statistics (Poisson, Bernoulli, ...), large counts, and categories looked up."""

from math import isfinite

from em_vs_bayes.kernels.jit import spliced
from em_vs_bayes.kernels.saddle import deviance
from em_vs_bayes.kernels.stream_block import BLOCK, combine, lane


@spliced
def add_linear(pot, o, first, n, K, work):
    """logp += sum_q eta_kq T_q. Where eta is infinite (a rate or probability of 0), 0 times it counts as 0."""
    x, out = work.x, work.logp
    for k in range(K):
        finite = True
        for j in range(n):
            finite = finite and isfinite(pot[o + k * n + j])
        if finite:
            combine(x, first, n, pot, o + k * n, out, k)
            continue
        t = lane(k)
        for j in range(n):
            c, at = pot[o + k * n + j], lane(first + j)
            for q in range(BLOCK):
                out[t + q] += c * x[at + q] if x[at + q] != 0.0 else 0.0


@spliced
def add_counts(pot, o, first, K, work):
    """logp += excess_k - deviance(y, rate_k); a missing count (0 in the second column) adds nothing."""
    y, seen = lane(first), lane(first + 1)
    for k in range(K):
        rate, excess, t = pot[o + 2 * k], pot[o + 2 * k + 1], lane(k)
        for b in range(BLOCK):
            if work.x[seen + b] != 0.0:
                work.logp[t + b] += excess - deviance(work.x[y + b], rate)


@spliced
def add_lookup(pot, o, column, categories, K, work):
    """logp += eta_k[code]; code -1 (missing) adds nothing."""
    start = lane(column)
    for b in range(BLOCK):
        code = int(work.x[start + b])
        if code >= 0:
            for k in range(K):
                work.logp[lane(k) + b] += pot[o + k * categories + code]


@spliced
def sum_lookup(column, categories, K, work, stats, at):
    """Add sum of r over the rows of each category to stats[at + k C + code]."""
    start = lane(column)
    for b in range(BLOCK):
        code = int(work.x[start + b])
        if code >= 0:
            for k in range(K):
                stats[at + k * categories + code] += work.logp[lane(k) + b]
