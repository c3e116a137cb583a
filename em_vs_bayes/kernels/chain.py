"""The E-step of a hidden Markov model, fused: densities, forward, backward and statistics, a piece of rows at a time.

Short sequences are packed into pieces of up to `PIECE` rows, which stay in the cache; a longer one is worked in such
pieces. Its rows are kept for the way back as far as the caller's memory goes: what is longer is cut into spans, a first
pass forward leaves only the row of alpha before each, and the way back does each span's densities and forward rows once
more. So working memory need not grow with the data.

Sequences are independent: any range of them can be given to `expect`, and statistics add over ranges. A case weight
is a power of a whole sequence's likelihood; that of its first row counts.
"""

import math
from typing import NamedTuple

import numpy as np

from em_vs_bayes.kernels import fours
from em_vs_bayes.kernels.chain_four import both
from em_vs_bayes.kernels.chain_log import (
    log_backward,
    log_first_row,
    log_forward,
    log_last_row,
    log_weigh,
)
from em_vs_bayes.kernels.chain_scaled import (
    DENSE,
    HARDLY,
    LOG_RAISE,
    NOTHING,
    backward,
    first_row,
    forward,
    last_row,
    padded,
    weigh,
)
from em_vs_bayes.kernels.jit import (
    inlined,
    inner,
    kernel,
    lean,
    spliced,
)
from em_vs_bayes.kernels.rows import (
    TOP,
    base_measure,
    harden,
    largest,
    log_potentials,
)
from em_vs_bayes.kernels.stream_block import (
    BLOCK,
    ROWS,
    allocate,
    lane,
    load,
)
from em_vs_bayes.kernels.stream_missing import allocate_conditionals
from em_vs_bayes.kernels.streams import add_statistics, draw_hidden, finish, prepare
from em_vs_bayes.kernels.tables import Data, Streams
from em_vs_bayes.kernels.vectormath import decay

PIECE = 16 * ROWS
FOUR, ZERO = np.uint64(4), np.uint64(0)
LOG_HARDLY, LOG_NOTHING = math.log(HARDLY), math.log(NOTHING)


class Chain(NamedTuple):
    """A chain's probabilities and their logarithms, rows padded, and the rows in work."""

    initial: np.ndarray  # (P,)
    A: np.ndarray  # (K P,)
    At: np.ndarray  # (K P,) transposed
    log_initial: np.ndarray
    M: np.ndarray  # log A
    Mt: np.ndarray
    dense: bool  # every transition has at least probability DENSE
    lossy: bool  # a transition is possible, but hardly: products with it may underflow
    b: np.ndarray  # (1 + rows, P): densities over the largest of their row, or log densities
    alpha: np.ndarray  # (1 + rows, P): forward rows, then posterior probabilities; row 0 is the row before the span
    span: int  # rows of a long sequence that are held at once
    cut: np.ndarray  # (spans, P): the row before each span of a long sequence
    v: np.ndarray  # (P,): b beta of the row after
    u: np.ndarray  # (P,)
    top: np.ndarray  # (P,)
    norm: np.ndarray  # (rows,): logs of what rows of alpha were divided by
    pairs: np.ndarray  # (K P,): sums of alpha v / c
    counts: np.ndarray  # (P,): expected number of rows in each state
    lost: np.ndarray  # (2,): what may have been lost to underflow, forward and backward


@lean
def room(data, first, last, K, memory):
    """Rows to hold at once of sequences first, ..., last - 1, and spans of the longest sequence."""
    rows, longest = 0, 0
    for s in range(first, last):
        length = data.starts[s + 1] - data.starts[s]
        rows += length
        longest = max(longest, length)
    held = max(PIECE, (memory.size // (2 * padded(K)) - 1) // PIECE * PIECE)
    return min(rows, max(PIECE, min(longest, held))), held, (longest + held - 1) // held


@inner
def make_chain(pot, K, rows, span, spans, memory):
    """Read the potentials; rows lie in ``memory`` where that is enough for them."""
    P = padded(K)
    half = (1 + rows) * P
    if memory.size < 2 * half:
        memory = np.empty(2 * half)
    initial, A, At = np.zeros(P), np.zeros(K * P), np.zeros(K * P)
    log_initial, M, Mt = np.full(P, -math.inf), np.full(K * P, -math.inf), np.full(K * P, -math.inf)
    least, lossy = 1.0, False
    for j in range(K):
        log_initial[j] = pot[j]
        initial[j] = math.exp(pot[j])
        for k in range(K):
            value = pot[K + j * K + k]
            probability = math.exp(value) if not value < LOG_NOTHING else 0.0
            M[j * P + k] = Mt[k * P + j] = value
            A[j * P + k] = At[k * P + j] = probability
            least = min(least, probability)
            lossy = lossy or -math.inf < value < LOG_HARDLY
    return Chain(
        initial,
        A,
        At,
        log_initial,
        M,
        Mt,
        least >= DENSE,
        lossy,
        memory[:half],
        memory[half : 2 * half],
        span,
        np.empty(spans * P),
        np.empty(P),
        np.empty(P),
        np.empty(P),
        np.empty(rows),
        np.zeros(K * P),
        np.zeros(P),
        np.zeros(2),
    )


@lean
def _group_end(data, s, last):
    """Sequences s, ..., end - 1 fit into one piece; or s alone is longer than that."""
    end = s + 1
    while end < last and data.starts[end + 1] - data.starts[s] <= PIECE:
        end += 1
    return end


@lean
def _weight(data, s):
    return data.weights[data.starts[s]] if data.weights.size > 0 else 1.0


@inlined
def _quad(a, k, K, q):
    """Four rows of lane k from row q on; zeros past the last of K."""
    return fours.load(a, lane(k) + q) if k < K else fours.spread(0.0)


@lean
def _scatter(K, P, rows, at, logarithmic, work, b):
    """Rows of b from lanes of log potentials."""
    logp, row = work.logp, work.row
    for q in range(BLOCK):
        row[TOP + q] = row[TOP + q] if row[TOP + q] != -math.inf and not logarithmic else 0.0
    for k in range(K if not logarithmic else 0):
        t = lane(k)
        for q in range(BLOCK):
            logp[t + q] = decay(logp[t + q] - row[TOP + q])
    width, at, whole = np.uint64(P), np.uint64(at), np.uint64(rows - rows % 4)
    for k in range(0, K, 4):
        for q in range(ZERO, whole, FOUR):
            o = at + q * width + np.uint64(k)
            w, x, y, z = fours.turned(
                _quad(logp, k, K, q), _quad(logp, k + 1, K, q), _quad(logp, k + 2, K, q), _quad(logp, k + 3, K, q)
            )
            fours.store(b, o, w)
            fours.store(b, o + width, x)
            fours.store(b, o + width + width, y)
            fours.store(b, o + width + width + width, z)
    for q in range(whole, np.uint64(rows)):
        for k in range(width):
            b[at + q * width + k] = logp[lane(k) + q] if k < K else 0.0


@lean
def _gather(K, P, rows, at, gamma, work, counts):
    """Lanes of responsibilities from rows of gamma; their sums go to counts."""
    logp = work.logp
    width, at, whole = np.uint64(P), np.uint64(at), np.uint64(rows - rows % 4)
    for k in range(0, K, 4):
        sums, more = fours.spread(0.0), fours.spread(0.0)
        for q in range(ZERO, whole, FOUR):
            o = at + q * width + np.uint64(k)
            w, x = fours.load(gamma, o), fours.load(gamma, o + width)
            y, z = fours.load(gamma, o + width + width), fours.load(gamma, o + width + width + width)
            sums, more = sums + (w + x), more + (y + z)
            w, x, y, z = fours.turned(w, x, y, z)
            fours.store(logp, lane(k) + q, w)
            if k + 1 < K:
                fours.store(logp, lane(k + 1) + q, x)
            if k + 2 < K:
                fours.store(logp, lane(k + 2) + q, y)
            if k + 3 < K:
                fours.store(logp, lane(k + 3) + q, z)
        fours.store(counts, k, fours.load(counts, k) + (sums + more))
    for k in range(np.uint64(K)):
        for q in range(whole, np.uint64(rows)):
            logp[lane(k) + q] = gamma[at + q * width + k]
            counts[k] += logp[lane(k) + q]
        for q in range(np.uint64(rows), BLOCK):
            logp[lane(k) + q] = 0.0


@lean
def densities(data, streams, pot, K, start, stop, origin, logarithmic, work, conditionals, chain):
    """Rows of b for rows start, ..., stop - 1 of the data, ``origin`` being the first that is held.

    Returns the weighted sum of what was divided out.
    """
    P, row = padded(K), work.row  # taken out of the tuple here: within the loop that would be counted at every row
    divided = 0.0
    for block in range(start, stop, ROWS):
        rows = log_potentials(data, streams, pot, K, False, block, stop, work, conditionals)
        largest(K, work)
        _scatter(K, P, rows, (1 + block - origin) * P, logarithmic, work, chain.b)
        for q in range(rows):
            divided += row[np.uint64(q)] * row[TOP + np.uint64(q)]
    return divided


@lean
def forward_rows(data, K, s, end, start, stop, origin, logarithmic, chain):
    """Forward rows of a piece; the row before it is there. Returns the evidence's part, and safe."""
    P = padded(K)
    evidence = 0.0
    total = 1.0
    for i in range(s, end):
        begin, close = max(data.starts[i], start), min(data.starts[i + 1], stop)
        weight = _weight(data, i)
        at, rows, safe = (1 + begin - origin) * P, close - begin, True
        if logarithmic:
            part = 0.0
            if begin == data.starts[i]:
                part = log_first_row(chain.log_initial, chain.b, at, K, P, chain.alpha)
                at, rows = at + P, rows - 1
            part += log_forward(chain.M, chain.b, at, rows, K, P, chain.top, chain.alpha, chain.norm)
            evidence += weight * part
            continue
        if begin == data.starts[i]:
            total, safe = first_row(chain.initial, chain.b, at, P, not chain.dense, chain.alpha, chain.lost)
            at, rows = at + P, rows - 1
        if safe:
            raised, total, safe = forward(
                chain.A,
                chain.b,
                at,
                rows,
                K,
                P,
                not chain.dense,
                chain.lossy,
                total,
                chain.alpha,
                chain.u,
                chain.lost,
            )
            evidence -= weight * raised * LOG_RAISE
        if not safe:
            return evidence, False
        if close == data.starts[i + 1]:
            evidence += weight * math.log(total)
    return evidence, True


@spliced
def _backward_rows(data, K, s, end, start, stop, origin, logarithmic, chain, stats):
    """Posterior probabilities of a piece, in place of alpha; chain.v goes over to the piece before. Returns safe."""
    P = padded(K)
    transitions = stats[K : K + K * K]
    for i in range(end - 1, s - 1, -1):
        begin, close = max(data.starts[i], start), min(data.starts[i + 1], stop)
        weight = _weight(data, i)
        at, rows, safe = (1 + begin - origin) * P, close - begin, True
        if close == data.starts[i + 1]:
            rows -= 1
            if logarithmic:
                log_last_row(chain.b, at + rows * P, K, P, weight, chain.alpha, chain.v)
            else:
                last_row(chain.b, at + rows * P, P, weight, chain.alpha, chain.v, chain.lost)
        if logarithmic:
            log_backward(
                chain.M,
                chain.Mt,
                chain.b,
                at,
                rows,
                K,
                P,
                weight,
                chain.alpha,
                chain.v,
                chain.u,
                chain.top,
                transitions,
            )
        else:
            safe = backward(
                chain.At,
                chain.b,
                at,
                rows,
                K,
                P,
                not chain.dense,
                chain.lossy,
                weight,
                chain.alpha,
                chain.v,
                chain.u,
                chain.pairs,
                chain.lost,
            )
        if not safe:
            return False
        if begin == data.starts[i]:
            for k in range(K):
                stats[k] += chain.alpha[at + k]
    return True


@spliced
def _meet(data, streams, pot, K, s, end, work, conditionals, chain, stats):
    """Posterior probabilities of sequences s, ..., end - 1, all held at once. Returns evidence and safe."""
    P, lo = padded(K), data.starts[s]
    evidence = 0.0
    for start in range(lo, data.starts[end], PIECE):
        stop = min(start + PIECE, data.starts[end])
        evidence += densities(data, streams, pot, K, start, stop, lo, False, work, conditionals, chain)
    for i in range(s, end):
        at, rows, weight = (1 + data.starts[i] - lo) * P, data.starts[i + 1] - data.starts[i], _weight(data, i)
        if rows > 1:
            raised, total, safe = both(
                chain.initial, chain.A, chain.At, chain.b, at, rows, K, weight, chain.alpha, chain.pairs
            )
        else:
            raised = 0
            total, safe = first_row(chain.initial, chain.b, at, P, False, chain.alpha, chain.lost)
            last_row(chain.b, at, P, weight, chain.alpha, chain.v, chain.lost)
        if not safe:
            return evidence, False
        evidence += weight * (math.log(total) - raised * LOG_RAISE)
        for k in range(K):
            stats[k] += chain.alpha[at + k]
    return evidence, True


@lean
def _forward_span(data, streams, pot, K, s, end, origin, logarithmic, work, conditionals, chain):
    """All pieces of the span from row ``origin`` on, forward from the row before it. Returns evidence and safe."""
    evidence, stop = 0.0, min(origin + chain.span, data.starts[end])
    for start in range(origin, stop, PIECE):
        close = min(start + PIECE, stop)
        evidence += densities(data, streams, pot, K, start, close, origin, logarithmic, work, conditionals, chain)
        part, safe = forward_rows(data, K, s, end, start, close, origin, logarithmic, chain)
        evidence += part
        if not safe:
            return evidence, False
    return evidence, True


@spliced
def _forward_group(data, streams, pot, K, s, end, logarithmic, work, conditionals, chain):
    """All spans forward: the last one stays in memory, the row before each is kept. Returns evidence and safe."""
    P, lo, hi, span = padded(K), data.starts[s], data.starts[end], chain.span
    evidence = 0.0
    for origin in range(lo, hi, span):
        if origin > lo:
            for k in range(P):
                chain.alpha[k] = chain.cut[(origin - lo) // span * P + k] = chain.alpha[span * P + k]
        part, safe = _forward_span(data, streams, pot, K, s, end, origin, logarithmic, work, conditionals, chain)
        evidence += part
        if not safe:
            return evidence, False
    return evidence, True


@spliced
def _again(data, streams, pot, K, s, end, origin, logarithmic, work, conditionals, chain):
    """One span forward from the row kept before it."""
    P, lo = padded(K), data.starts[s]
    for k in range(P):
        chain.alpha[k] = chain.cut[(origin - lo) // chain.span * P + k] if origin > lo else 0.0
    chain.lost[0] = 0.0  # the first time it was enough
    _forward_span(data, streams, pot, K, s, end, origin, logarithmic, work, conditionals, chain)


@spliced
def _expect_group(data, streams, pot, K, s, end, logarithmic, work, conditionals, chain, stats, out):
    """Evidence and statistics of sequences s, ..., end - 1; not safe: to be done again in logarithms.

    Where ``out`` (n, K) is not empty it gets the posterior probabilities, and the emission no statistics.
    """
    P, lo, hi = padded(K), data.starts[s], data.starts[end]
    meet = P == FOUR and chain.dense and not logarithmic and hi - lo <= chain.span
    if meet:
        evidence, safe = _meet(data, streams, pot, K, s, end, work, conditionals, chain, stats)
    else:
        evidence, safe = _forward_group(data, streams, pot, K, s, end, logarithmic, work, conditionals, chain)
    if not safe or not evidence > -math.inf:
        return evidence, safe
    held = lo + (hi - lo - 1) // chain.span * chain.span
    for piece in range((hi - lo - 1) // PIECE, -1, -1):
        start, stop = lo + piece * PIECE, min(lo + (piece + 1) * PIECE, hi)
        if start < held:
            held -= chain.span
            _again(data, streams, pot, K, s, end, held, logarithmic, work, conditionals, chain)
        if not meet and not _backward_rows(data, K, s, end, start, stop, held, logarithmic, chain, stats):
            return evidence, False
        if out.size > 0:
            for t in range(start, stop):
                for k in range(K):
                    out[t, k] = chain.alpha[(1 + t - held) * P + k]
            continue
        for block in range(start, stop, ROWS):
            rows = load(data, block, stop, work)
            _gather(K, P, rows, (1 + block - held) * P, chain.alpha, work, chain.counts)
            add_statistics(data, streams, pot, K, block, rows, work, conditionals, False, stats)
    return evidence, True


@lean
def _keep(stats, chain, kept):
    """What was added up before a group of sequences that may have to be done again."""
    n, m = stats.size, chain.pairs.size
    for i in range(n):
        kept[i] = stats[i]
    for i in range(m):
        kept[n + i] = chain.pairs[i]
    for i in range(chain.counts.size):
        kept[n + m + i] = chain.counts[i]


@lean
def _put_back(stats, chain, kept):
    n, m = stats.size, chain.pairs.size
    for i in range(n):
        stats[i] = kept[i]
    for i in range(m):
        chain.pairs[i] = kept[n + i]
    for i in range(chain.counts.size):
        chain.counts[i] = kept[n + m + i]


@lean
def _expect_all(data, streams, pot, K, first, last, work, conditionals, chain, kept, stats, out):
    """`_expect` when memory has been found: group after group of sequences. Returns the evidence."""
    evidence, P = 0.0, padded(K)
    s = alone = first
    while s < last:
        end = _group_end(data, s, last if s >= alone else s + 1)
        _keep(stats, chain, kept)
        part, safe = 0.0, False
        for logarithmic in (False, True):  # a variable: constants would be compiled once each
            if safe:
                break
            if logarithmic:
                _put_back(stats, chain, kept)
            part, safe = _expect_group(
                data, streams, pot, K, s, end, logarithmic, work, conditionals, chain, stats, out
            )
        if not part > -math.inf and end > s + 1:  # one of them is impossible: one by one
            alone = end
            continue
        evidence += part if _weight(data, s) != 0.0 or part > -math.inf else 0.0
        s = end
    for j in range(K):
        for k in range(K):
            stats[K + j * K + k] += math.exp(chain.M[j * P + k]) * chain.pairs[j * P + k]
    return evidence


@spliced
def _expect(data, streams, pot, K, first, last, stats, out, memory):
    """Statistics to ``stats`` or, where ``out`` is not empty, posterior probabilities to it."""
    for i in range(stats.size):
        stats[i] = 0.0
    work, conditionals = allocate(data, streams, pot, K), allocate_conditionals(data, streams, K)
    rows, span, spans = room(data, first, last, K, memory)
    chain = make_chain(pot, K, rows, span, spans, memory)
    prepare(streams, pot, K, work)
    kept = np.empty(stats.size + chain.pairs.size + chain.counts.size)
    evidence = base_measure(data, data.starts[first], data.starts[last])
    evidence += _expect_all(data, streams, pot, K, first, last, work, conditionals, chain, kept, stats, out)
    if out.size == 0:
        finish(data, streams, K, chain.counts, stats)
    return evidence


@kernel
def expect(data, streams, pot, K, first, last, stats, memory):
    """Log evidence of sequences first, ..., last - 1; their expected statistics are written to ``stats``.

    Parameters
    ----------
    data : Data
        With ``starts``.
    streams : Streams
    pot : (P,) float64
        Potentials: log initial (K,), log transition (K, K), then each stream's group.
    K : int
        Number of states.
    stats : (S,) float64
        Overwritten: expected starts (K,), expected transitions (K, K), then each stream's group.
    memory : (m,) float64
        Working memory, see `memory_for`. With less of it, long sequences take longer.

    Returns
    -------
    float
        sum_s w_s log p(y_s). Minus infinity, with meaningless statistics, if a sequence is impossible.
    """
    return _expect(data, streams, pot, K, first, last, stats, np.empty((0, K)), memory)


@kernel
def _smoothed(data, streams, pot, K, stats, out):
    return _expect(data, streams, pot, K, 0, data.starts.size - 1, stats, out, np.empty(0))


def smoothed(data: Data, streams: Streams, pot: np.ndarray, K: int, out: np.ndarray) -> None:
    """Write p(state | whole sequence) of each row to ``out`` (n, K); zeros in a sequence that is impossible."""
    out[:] = 0.0
    data = data._replace(weights=np.empty(0))
    stats = np.empty(K + K * K)
    _smoothed(data, streams, pot, K, stats, out)


@spliced
def _sample_rows(data, K, s, end, start, stop, origin, logarithmic, chain, rng, z, stats):
    """Draw the states of a piece, the last row first, into z; counts of starts and transitions go to stats."""
    P, p = padded(K), chain.u
    for i in range(end - 1, s - 1, -1):
        begin, close = max(data.starts[i], start), min(data.starts[i + 1], stop)
        after = z[close] if close < data.starts[i + 1] else -1
        for t in range(close - 1, begin - 1, -1):
            at = (1 + t - origin) * P
            if logarithmic:
                log_weigh(chain.alpha, at, chain.Mt, after, K, P, p)
            else:
                weigh(chain.alpha, at, chain.At, after, P, p)
            total = 0.0
            for k in range(K):
                total += p[k]
            left, k = rng.random() * total, 0
            left -= p[0]
            while left >= 0.0 and k < K - 1:
                k += 1
                left -= p[k]
            while p[k] == 0.0 and k > 0:  # rounding chose a state of probability 0
                k -= 1
            z[t] = k
            if after >= 0:
                stats[K + k * K + after] += 1.0
            after = k
        if begin == data.starts[i]:
            stats[after] += 1.0


@spliced
def _draw_group(data, streams, pot, K, s, end, logarithmic, work, conditionals, chain, rng, z, chosen, stats):
    """Draw the states of sequences s, ..., end - 1. Not safe: nothing was drawn."""
    lo, hi = data.starts[s], data.starts[end]
    evidence, safe = _forward_group(data, streams, pot, K, s, end, logarithmic, work, conditionals, chain)
    if not safe or not evidence > -math.inf:
        z[lo:hi] = -1
        return evidence, safe
    held = lo + (hi - lo - 1) // chain.span * chain.span
    for piece in range((hi - lo - 1) // PIECE, -1, -1):
        start, stop = lo + piece * PIECE, min(lo + (piece + 1) * PIECE, hi)
        if start < held:
            held -= chain.span
            _again(data, streams, pot, K, s, end, held, logarithmic, work, conditionals, chain)
        _sample_rows(data, K, s, end, start, stop, held, logarithmic, chain, rng, z, stats)
        for block in range(start, stop, ROWS):
            rows = load(data, block, stop, work)
            for q in range(rows):
                chosen[q] = z[block + q]
            harden(K, chosen, rows, work, chain.counts)
            draw_hidden(data, streams, pot, K, block, rows, work, conditionals, rng, chosen)
            add_statistics(data, streams, pot, K, block, rows, work, conditionals, True, stats)
    return evidence, True


@lean
def _draw_all(data, streams, pot, K, last, work, conditionals, chain, rng, z, chosen, stats):
    """`draw` when memory has been found. Returns the evidence."""
    evidence = 0.0
    s = alone = np.int64(0)
    while s < last:
        end = _group_end(data, s, last if s >= alone else s + 1)
        part, safe = 0.0, False
        for logarithmic in (False, True):
            if safe:
                break
            part, safe = _draw_group(
                data, streams, pot, K, s, end, logarithmic, work, conditionals, chain, rng, z, chosen, stats
            )
        if not part > -math.inf and end > s + 1:
            alone = end
            continue
        evidence += part
        s = end
    return evidence


@kernel
def draw(data, streams, pot, K, rng, z, stats):
    """Draw every sequence's states from their conditional, and missing Gaussian values given them.

    Forward filtering, backward sampling (Chib 1996, "Calculating posterior distributions and modal estimates in
    Markov mixture models", J. Econometrics 75, eq. 9-11). Case weights must be absent.

    Parameters
    ----------
    rng : numpy.random.Generator
        Gives one uniform per row, the last first, then one normal per missing value of a GAUSS_FULL stream
        and one gamma per value of a STUDENT stream.
    z : (n,) int64
        Overwritten: the states; -1 in a sequence that the model cannot have produced.
    stats : (S,) float64
        Overwritten: the statistics of the completed data.

    Returns
    -------
    float
        The log evidence, as ``expect`` returns it.
    """
    for i in range(stats.size):
        stats[i] = 0.0
    work, conditionals = allocate(data, streams, pot, K), allocate_conditionals(data, streams, K)
    last = data.starts.size - 1
    memory = np.empty(0)
    rows, span, spans = room(data, 0, last, K, memory)
    chain = make_chain(pot, K, rows, span, spans, memory)
    prepare(streams, pot, K, work)
    chosen = np.empty(ROWS, np.int64)
    evidence = base_measure(data, 0, data.columns.shape[1])
    evidence += _draw_all(data, streams, pot, K, last, work, conditionals, chain, rng, z, chosen, stats)
    finish(data, streams, K, chain.counts, stats)
    return evidence
