"""Forward, backward and sampling recursions of a hidden Markov model whose densities come from anywhere.

The row functions are those of the fused kernels, one row at a time; here transition matrices may differ by sequence or
by row, and every row's predictive density is wanted. Arrays:

initial     (S, K)      one distribution for each sequence
transition  (M, K, K)   M = 1: one matrix; M = S: one for each sequence; M = n: row t has that from row t - 1 to row t
emission    (n, K)      log densities
starts      (S + 1,)    first rows of the sequences, and n
terms       (n,)        log p(y_t | y_1, ..., y_{t-1})
alpha, b    (n P,)      padded rows: filtered probabilities up to a power of two and densities over the largest of their
                        row, or the logarithms of both
kind        (S,)        how a sequence was done: `SCALED`, `LOGARITHMIC`, `IMPOSSIBLE` or `NOT_A_NUMBER`
"""

import math

import numpy as np

from em_vs_bayes.kernels.chain_log import (
    log_first_row,
    log_forward,
    log_sum,
    log_times,
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
from em_vs_bayes.kernels.jit import inner, kernel
from em_vs_bayes.kernels.vectormath import exp, log

SCALED, LOGARITHMIC, IMPOSSIBLE, NOT_A_NUMBER = 0, 1, 2, 3
LARGEST = 1e200  # of a derivative in a probability that is zero and should not be: a product with zero stays zero


@inner
def _check(initial, transition, n, K, starts):
    S, M = starts.size - 1, transition.shape[0]
    if S < 1 or starts[0] != 0 or starts[S] != n:
        raise ValueError("lengths must add up to the number of rows.")
    for s in range(S):
        if starts[s + 1] <= starts[s]:
            raise ValueError("lengths must be positive.")
    if initial.shape[0] != S or initial.shape[1] != K:
        raise ValueError("initial must be (K,) or (sequences, K), K the number of states (columns of emission_logp).")
    if transition.shape[1] != K or transition.shape[2] != K or (M != 1 and M != S and n != M):
        raise ValueError("transition must be (K, K), (sequences, K, K) or (n, K, K), n the number of rows.")


@inner
def _check_rows(n, K, S, alpha, b, kind):
    P = padded(K)
    if alpha.size != n * P or b.size != n * P or kind.size != S:
        raise ValueError("The rows of a forward pass belong to other data.")


@inner
def _which(M, S, n, s, t):
    """The transition matrix that leads to row t of sequence s."""
    return 0 if M == 1 else (t if n == M else s)


@inner
def _load(transition, m, P, A, At):
    """Padded rows of a matrix and of its transpose."""
    K = transition.shape[1]
    for j in range(K):
        for k in range(K):
            A[j * P + k] = At[k * P + j] = transition[m, j, k]


@inner
def _drop(A, At):
    """Zeros in the place of transitions that the scaled recursions do without."""
    for i in range(A.size):
        A[i] = A[i] if not A[i] < NOTHING else 0.0
        At[i] = At[i] if not At[i] < NOTHING else 0.0


@inner
def _hardly(transition):
    """Whether a transition is possible, but hardly."""
    found = False
    for value in transition.flat:
        found = found or 0.0 < value < HARDLY
    return found


@inner
def _take_logs(x):
    for i in range(x.size):
        x[i] = log(x[i])


@inner
def _least(x):
    """The smallest element; NaN if there is one."""
    least = math.inf
    for value in x.flat:
        if not value >= least:
            least = value
        if value != value:
            return value
    return least


@inner
def _densities(emission, start, stop, P, b, top):
    """Padded rows of densities over the largest of their row, which goes to ``top``; False if one is not a number."""
    K, proper = emission.shape[1], True
    for t in range(start, stop):
        largest = -math.inf
        for k in range(K):
            value = emission[t, k]
            proper = proper and value < math.inf
            largest = max(largest, value)
        top[t] = largest
        shift = largest if largest > -math.inf else 0.0
        for k in range(K):
            b[t * P + k] = emission[t, k] - shift
        for k in range(K, P):
            b[t * P + k] = -math.inf
    for i in range(start * P, stop * P):
        b[i] = exp(b[i])
    return proper


@inner
def _scaled_sequence(initial, transition, s, start, stop, S, n, careful, lossy, A, At, b, terms, alpha):
    """Forward rows; terms come in as what was divided out of the densities. False where a value got too small."""
    K, M, P = transition.shape[1], transition.shape[0], padded(transition.shape[1])
    first, scratch, lost = np.zeros(P), np.empty(P), np.zeros(2)
    for k in range(K):
        first[k] = initial[s, k]
    total, safe = first_row(first, b, start * P, P, careful, alpha, lost)
    if not safe:
        return False
    before = math.log(total)
    terms[start] += before
    loaded = -1
    for t in range(start + 1, stop):
        m = _which(M, S, n, s, t)
        if m != loaded:
            _load(transition, m, P, A, At)
            _drop(A, At)
            loaded = m
        raised, total, safe = forward(A, b, t * P, 1, K, P, careful, lossy, total, alpha, scratch, lost)
        if not safe:
            return False
        after = math.log(total)
        terms[t] += after - before - raised * LOG_RAISE
        before = after
    return True


@inner
def _log_sequence(initial, transition, emission, s, start, stop, S, n, A, At, b, terms, alpha):
    """Forward rows in logarithms. False where the sequence is impossible: from there on terms are minus infinity."""
    K, M, P = transition.shape[1], transition.shape[0], padded(transition.shape[1])
    log_initial, top = np.full(P, -math.inf), np.empty(P)
    for k in range(K):
        log_initial[k] = math.log(initial[s, k])
    for t in range(start, stop):
        for k in range(P):
            b[t * P + k] = emission[t, k] if k < K else -math.inf
    terms[start] = log_first_row(log_initial, b, start * P, K, P, alpha)
    loaded = -1
    for t in range(start + 1, stop):
        m = _which(M, S, n, s, t)
        if m != loaded:
            A[:] = 0.0
            _load(transition, m, P, A, At)
            _take_logs(A)
            loaded = m
        log_forward(A, b, t * P, 1, K, P, top, alpha, terms[t : t + 1])
    return terms[stop - 1] > -math.inf


@kernel
def forward_pass(initial, transition, emission, starts):
    """Predictive terms of every row, and what the way back needs.

    Returns
    -------
    terms, alpha, b, kind
        As in the head of this file.
    """
    n, K = emission.shape
    _check(initial, transition, n, K, starts)
    P, S = padded(K), starts.size - 1
    terms, alpha, b, kind = np.empty(n), np.empty(n * P), np.empty(n * P), np.empty(S, np.int64)
    A, At = np.zeros(K * P), np.zeros(K * P)
    least = _least(transition)
    careful, lossy = not least >= DENSE, _hardly(transition)
    for s in range(S):
        start, stop = starts[s], starts[s + 1]
        if not _densities(emission, start, stop, P, b, terms) or not least >= 0.0 or not _least(initial[s]) >= 0.0:
            kind[s] = NOT_A_NUMBER
            terms[start:stop] = math.nan
            continue
        A[:] = At[:] = 0.0
        kind[s] = SCALED
        if _scaled_sequence(initial, transition, s, start, stop, S, n, careful, lossy, A, At, b, terms, alpha):
            continue
        kind[s] = LOGARITHMIC
        if not _log_sequence(initial, transition, emission, s, start, stop, S, n, A, At, b, terms, alpha):
            kind[s] = IMPOSSIBLE
    return terms, alpha, b, kind


# --- the way back -------------------------------------------------------------------------------------------------


@inner
def _scaled_back(
    initial,
    transition,
    s,
    start,
    stop,
    S,
    n,
    careful,
    lossy,
    weight,
    A,
    At,
    b,
    alpha,
    g_initial,
    g_transition,
    g_emission,
):
    """Derivatives of weight * sum of terms by the recursion on probabilities; ``alpha`` is overwritten.

    False where a value got too small: nothing is written then.
    """
    K, M, P = transition.shape[1], transition.shape[0], padded(transition.shape[1])
    v, u, pairs, lost = np.empty(P), np.empty(P), np.zeros(K * P), np.zeros(2)
    g_initial[s, :] = 0.0
    last_row(b, (stop - 1) * P, P, weight, alpha, v, lost)
    loaded, safe = -1, True
    for t in range(stop - 1, start, -1):
        m = _which(M, S, n, s, t)
        if m != loaded:
            _load(transition, m, P, A, At)
            _drop(A, At)
            loaded = m
        safe = backward(At, b, (t - 1) * P, 1, K, P, careful, lossy, weight, alpha, v, u, pairs, lost)
        if not safe:
            if n == M:
                g_transition[start:stop] = 0.0
            return False
        if n == M:  # its own matrix
            for j in range(K):
                for k in range(K):
                    g_transition[t, j, k] = pairs[j * P + k]
            pairs[:] = 0.0
    if n != M and stop - start > 1:
        for j in range(K):
            for k in range(K):
                g_transition[loaded, j, k] += pairs[j * P + k]
    total = 0.0
    for k in range(K):
        total += initial[s, k] * v[k]
    for k in range(K):
        g_initial[s, k] = weight * v[k] / total
    for t in range(start, stop):
        for k in range(K):
            g_emission[t, k] = alpha[t * P + k]
    return True


@inner
def _bounded_exp(x):
    return min(exp(x), LARGEST)


@inner
def _log_add(x, y):
    top = max(x, y)
    return top + math.log(math.exp(x - top) + math.exp(y - top)) if top > -math.inf else top


@inner
def _log_back(
    transition, s, start, stop, S, n, weights, sign, A, At, b, terms, alpha, g_initial, g_transition, g_emission
):
    """Adds derivatives of sum_t weights_t terms_t, those of one sign of the weights' differences, in logarithms.

    Terms are differences of evidences: with h_t = d sum / d evidence of the filtered row t,
    h_t[i] = (weights_t - weights_{t+1}) + sum_j A_ij b_{t+1}[j] h_{t+1}[j] / p(y_{t+1} | before).
    """
    K, M, P = transition.shape[1], transition.shape[0], padded(transition.shape[1])
    h, v, top = np.full(P, -math.inf), np.full(P, -math.inf), np.empty(P)
    loaded = -1
    for t in range(stop - 1, start - 1, -1):
        jump = sign * (weights[t] - (weights[t + 1] if t + 1 < stop else 0.0))
        for k in range(K):
            if jump > 0.0:
                h[k] = _log_add(h[k], math.log(jump))
            g_emission[t, k] += sign * _bounded_exp(alpha[t * P + k] + h[k])
            v[k] = b[t * P + k] + h[k] - terms[t]
        if t == start:
            for k in range(K):
                g_initial[s, k] += sign * _bounded_exp(v[k])
            return
        m = _which(M, S, n, s, t)
        if m != loaded:
            At[:] = 0.0
            _load(transition, m, P, A, At)
            _take_logs(At)
            loaded = m
        for j in range(K):
            for k in range(K):
                g_transition[m, j, k] += sign * _bounded_exp(alpha[(t - 1) * P + j] + v[k])
        log_times(v, 0, At, K, P, top, h, 0)


@kernel
def backward_pass(initial, transition, emission, starts, terms, alpha, b, kind, weights):
    """Derivatives of sum_t weights_t terms_t in initial, transition and emission (zero where a sequence is impossible).

    Those in emission are, for weights of one, the posterior probabilities of the states. Those in probabilities are not
    divided by them: an element that is zero has its derivative too, at most `LARGEST`.
    """
    n, K = emission.shape
    P, S = padded(K), starts.size - 1
    _check(initial, transition, n, K, starts)
    _check_rows(n, K, S, alpha, b, kind)
    if terms.size != n or weights.size != n:
        raise ValueError("terms and weights must have one number for each row.")
    g_initial, g_transition, g_emission = np.zeros(initial.shape), np.zeros(transition.shape), np.zeros((n, K))
    A, At = np.zeros(K * P), np.zeros(K * P)
    careful, lossy = not _least(transition) >= DENSE, _hardly(transition)
    alpha, own = alpha.copy(), terms
    for s in range(S):
        start, stop = starts[s], starts[s + 1]
        same, proper, none = True, kind[s] != NOT_A_NUMBER, True
        for t in range(start, stop):
            same = same and weights[t] == weights[start]
            proper = proper and abs(weights[t]) < math.inf
            none = none and weights[t] == 0.0
        if not proper:
            g_initial[s], g_transition[:], g_emission[start:stop] = math.nan, math.nan, math.nan
            continue
        if kind[s] == IMPOSSIBLE or none:
            continue
        if kind[s] == SCALED:
            A[:] = At[:] = 0.0
            if same and _scaled_back(
                initial, transition, s, start, stop, S, n, careful, lossy, weights[start], A, At, b, alpha,
                g_initial, g_transition, g_emission,
            ):  # fmt: skip
                continue
            if own is terms:
                b, own = b.copy(), terms.copy()
            A[:] = At[:] = 0.0
            _log_sequence(initial, transition, emission, s, start, stop, S, n, A, At, b, own, alpha)
        for sign in (1.0, -1.0):
            _log_back(
                transition, s, start, stop, S, n, weights, sign, A, At, b, own, alpha,
                g_initial, g_transition, g_emission,
            )  # fmt: skip
    return g_initial, g_transition, g_emission


# --- paths and scores ---------------------------------------------------------------------------------------------


@kernel
def draw_paths(transition, starts, alpha, kind, uniforms):
    """States of every sequence given its rows, drawn from the last to the first (Chib 1996); -1 where impossible."""
    S, n, M, K = starts.size - 1, uniforms.size, transition.shape[0], transition.shape[1]
    P = padded(K)
    if S < 1 or starts[0] != 0 or starts[S] != n or transition.shape[2] != K or (M != 1 and M != S and n != M):
        raise ValueError("transition must be (K, K), (sequences, K, K) or (n, K, K), n the number of rows.")
    _check_rows(n, K, S, alpha, alpha, kind)
    z, p = np.empty(n, np.int64), np.empty(P)
    A, At = np.zeros(K * P), np.zeros(K * P)
    for s in range(S):
        start, stop = starts[s], starts[s + 1]
        if kind[s] == IMPOSSIBLE or kind[s] == NOT_A_NUMBER:
            z[start:stop] = -1
            continue
        loaded, after = -1, -1
        for t in range(stop - 1, start - 1, -1):
            m = _which(M, S, n, s, t + 1) if after >= 0 else loaded
            if m != loaded:
                A[:] = At[:] = 0.0
                _load(transition, m, P, A, At)
                if kind[s] == LOGARITHMIC:
                    _take_logs(At)
                loaded = m
            if kind[s] == LOGARITHMIC:
                log_weigh(alpha, t * P, At, after, K, P, p)
            else:
                weigh(alpha, t * P, At, after, P, p)
            left, after = uniforms[t] * p[:K].sum(), 0
            left -= p[0]
            while left >= 0.0 and after < K - 1:
                after += 1
                left -= p[after]
            while p[after] == 0.0 and after > 0:  # rounding chose a state of probability 0
                after -= 1
            z[t] = after
    return z


@kernel
def walk(initial, transition, starts, uniforms):
    """Paths of the chain itself: states drawn forward by the inverse distribution function."""
    S, n, M, K = starts.size - 1, uniforms.size, transition.shape[0], transition.shape[1]
    _check(initial, transition, n, K, starts)
    z = np.empty(n, np.int64)
    for s in range(S):
        for t in range(starts[s], starts[s + 1]):
            p = initial[s] if t == starts[s] else transition[_which(M, S, n, s, t), z[t - 1]]
            left, k = uniforms[t] * p.sum() - p[0], 0
            while left >= 0.0 and k < K - 1:
                k += 1
                left -= p[k]
            while p[k] == 0.0 and k > 0:
                k -= 1
            z[t] = k
    return z


@kernel
def leave_one_out(initial, transition, emission, starts):
    """log p(y_t | all other rows of the sequence) (n,), in logarithms."""
    n, K = emission.shape
    _check(initial, transition, n, K, starts)
    P, S, M = padded(K), starts.size - 1, transition.shape[0]
    alpha, b, terms, out = np.empty(n * P), np.empty(n * P), np.empty(n), np.empty(n)
    A, At, ahead, beta, with_row, top = (
        np.zeros(K * P), np.zeros(K * P), np.empty(P), np.empty(P), np.empty(P), np.empty(P),
    )  # fmt: skip
    for s in range(S):
        start, stop = starts[s], starts[s + 1]
        _log_sequence(initial, transition, emission, s, start, stop, S, n, A, At, b, terms, alpha)
        beta[:] = 0.0
        for t in range(stop - 1, start - 1, -1):
            ahead[:] = -math.inf
            if t > start:
                A[:] = At[:] = 0.0
                _load(transition, _which(M, S, n, s, t), P, A, At)
                _take_logs(A)
                _take_logs(At)
                log_times(alpha, (t - 1) * P, A, K, P, top, ahead, 0)
            else:
                for k in range(K):
                    ahead[k] = math.log(initial[s, k])
            for k in range(P):
                ahead[k] += beta[k]
                with_row[k] = ahead[k] + b[t * P + k]
                beta[k] += b[t * P + k]
            out[t] = log_sum(with_row, 0, K) - log_sum(ahead, 0, K)
            if t > start:
                for k in range(P):
                    with_row[k] = beta[k]
                log_times(with_row, 0, At, K, P, top, beta, 0)
                largest = log_sum(beta, 0, K)
                for k in range(P):
                    beta[k] -= largest
    return out
