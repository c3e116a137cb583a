"""What people ask of a hidden Markov model row by row: paths, filtered probabilities, predictive densities.

In logarithms throughout: these run once or once per draw, not once per iteration.
"""

import math

import numpy as np

from em_vs_bayes.kernels.chain import densities, make_chain
from em_vs_bayes.kernels.chain_log import log_first_row, log_forward, log_sum, log_times
from em_vs_bayes.kernels.chain_scaled import padded
from em_vs_bayes.kernels.jit import inner, kernel
from em_vs_bayes.kernels.rows import base_measure, harden
from em_vs_bayes.kernels.stream_block import ROWS, allocate, load
from em_vs_bayes.kernels.stream_missing import allocate_conditionals
from em_vs_bayes.kernels.streams import add_statistics, finish, prepare
from em_vs_bayes.kernels.tables import Data, Streams

LOO, PREDICTIVE, SEQUENCE, FILTERED = 0, 1, 2, 3


@inner
def _longest(data):
    longest = 0
    for s in range(data.starts.size - 1):
        longest = max(longest, data.starts[s + 1] - data.starts[s])
    return longest


@kernel
def viterbi(data, streams, pot, K, z, stats):
    """The most probable path of each sequence (Viterbi 1967); of several, the first in order of the last states.

    Parameters
    ----------
    z : (n,) int64
        Overwritten: the path; -1 in a sequence that is impossible.
    stats : (S,) or (0,) float64
        Overwritten, unless empty: the statistics of the path.

    Returns
    -------
    float
        sum_s w_s log p(y_s, path_s).
    """
    work, conditionals = allocate(data, streams, pot, K), allocate_conditionals(data, streams, K)
    P, longest = padded(K), _longest(data)
    chain = make_chain(pot, K, longest, longest, 0, np.empty(0))
    came = np.empty((longest, K), np.int32)
    prepare(streams, pot, K, work)
    stats[:] = 0.0
    chosen = np.empty(ROWS, np.int64)
    total = base_measure(data, 0, data.columns.shape[1])
    for s in range(data.starts.size - 1):
        start, stop = data.starts[s], data.starts[s + 1]
        weight = data.weights[start] if data.weights.size > 0 else 1.0
        densities(data, streams, pot, K, start, stop, start, True, work, conditionals, chain)
        best, score = chain.alpha, -math.inf
        for k in range(K):
            best[P + k] = chain.log_initial[k] + chain.b[P + k]
        for t in range(1, stop - start):
            row = (1 + t) * P
            for k in range(K):
                top, origin = -math.inf, 0
                for j in range(K):
                    value = best[row - P + j] + chain.M[j * P + k]
                    if value > top:
                        top, origin = value, j
                best[row + k], came[t, k] = top + chain.b[row + k], origin
        row, at = (stop - start) * P, -1
        for k in range(K):
            if best[row + k] > score:
                score, at = best[row + k], k
        for t in range(stop - start - 1, -1, -1):
            z[start + t] = at
            if t > 0 and at >= 0:
                at = came[t, at]
        total += weight * score if weight != 0.0 else 0.0
        if stats.size == 0 or at < 0:
            continue
        stats[z[start]] += weight
        for t in range(start + 1, stop):
            stats[K + z[t - 1] * K + z[t]] += weight
        for block in range(start, stop, ROWS):
            rows = load(data, block, stop, work)
            for q in range(rows):
                chosen[q] = z[block + q]
            harden(K, chosen, rows, work, chain.counts)
            add_statistics(data, streams, pot, K, block, rows, work, conditionals, False, stats)
    if stats.size > 0:
        finish(data, streams, K, chain.counts, stats)
    return total


@kernel
def _scores(data, streams, pot, K, kind, terms, filtered, predicted):
    """Terms of a kind (n,) or (sequences,), or probabilities (n, K) given the rows up to and before each."""
    work, conditionals = allocate(data, streams, pot, K), allocate_conditionals(data, streams, K)
    P = padded(K)
    longest = _longest(data)
    chain = make_chain(pot, K, longest, longest, 0, np.empty(0))
    prepare(streams, pot, K, work)
    ahead, beta, without = np.empty(P), np.empty(P), np.empty(P)
    for s in range(data.starts.size - 1):
        start, stop = data.starts[s], data.starts[s + 1]
        densities(data, streams, pot, K, start, stop, start, True, work, conditionals, chain)
        first = log_first_row(chain.log_initial, chain.b, P, K, P, chain.alpha)
        rest = log_forward(chain.M, chain.b, 2 * P, stop - start - 1, K, P, chain.top, chain.alpha, chain.norm)
        if kind == SEQUENCE:
            terms[s] = first + rest + base_measure(data, start, stop)
            continue
        for k in range(P):
            beta[k] = 0.0
        for t in range(stop - start - 1, -1, -1):
            row = (1 + t) * P
            if kind == PREDICTIVE:
                terms[start + t] = chain.norm[t - 1] if t > 0 else first
                continue
            if t > 0:
                log_times(chain.alpha, row - P, chain.M, K, P, chain.top, ahead, 0)
            else:
                ahead[:] = chain.log_initial
            if kind == FILTERED:
                for k in range(K):
                    filtered[start + t, k] = math.exp(chain.alpha[row + k])
                    predicted[start + t, k] = math.exp(ahead[k])
                continue
            for k in range(P):
                without[k] = ahead[k] + beta[k]
                chain.v[k] = chain.b[row + k] + beta[k]
                chain.u[k] = ahead[k] + chain.v[k]
            terms[start + t] = log_sum(chain.u, 0, K)
            if terms[start + t] > -math.inf:
                terms[start + t] -= log_sum(without, 0, K)
            log_times(chain.v, 0, chain.Mt, K, P, chain.top, beta, 0)
            largest = log_sum(beta, 0, K)
            for k in range(P):
                beta[k] -= largest if largest > -math.inf else 0.0


def pointwise(data: Data, streams: Streams, pot: np.ndarray, K: int, kind: str) -> np.ndarray:
    """Log predictive densities, unweighted, base measure included.

    ``kind``: "loo", p(y_t | all other rows of the sequence) (n,); "predictive", p(y_t | rows before) (n,); "sequence",
    p(y_s) (sequences,).
    """
    n, none = data.columns.shape[1], np.empty((0, K))
    code = {"loo": LOO, "predictive": PREDICTIVE, "sequence": SEQUENCE}[kind]
    terms = np.empty(data.starts.size - 1 if code == SEQUENCE else n)
    plain = data._replace(weights=np.empty(0))
    _scores(plain, streams, pot, K, code, terms, none, none)
    if code != SEQUENCE and data.base.size > 0:
        terms += data.base
    return terms


def rows(data: Data, streams: Streams, pot: np.ndarray, K: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of the states given the rows up to and including each (n, K), and before each (n, K)."""
    filtered, predicted = np.empty((data.columns.shape[1], K)), np.empty((data.columns.shape[1], K))
    _scores(data, streams, pot, K, FILTERED, np.empty(0), filtered, predicted)
    return filtered, predicted
