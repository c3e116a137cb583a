"""A hidden Markov model by sums over every path, in plain Python: it shares no code with what it checks."""

from itertools import product

import numpy as np


def paths(initial, transition, density):
    """Every path of one sequence with its joint density p(z, y); ``density`` is (T, K), ones where y is missing."""
    steps, k = density.shape
    for z in product(range(k), repeat=steps):
        p = initial[z[0]] * density[0, z[0]]
        for t in range(1, steps):
            p *= transition[z[t - 1], z[t]] * density[t, z[t]]
        yield z, p


def marginal(initial, transition, density, t):
    """P(z_t = k | y) (K,)."""
    out = np.zeros(density.shape[1])
    for z, p in paths(initial, transition, density):
        out[z[t]] += p
    return out / out.sum()


def given(initial, transition, density, t, rows):
    """P(z_t = k | y_s, s in rows)."""
    known = np.ones_like(density)
    known[list(rows)] = density[list(rows)]
    return marginal(initial, transition, known, t)


def forward(initial, transition, density):
    """Filtered and predicted probabilities (T, K) of a sequence of any length, by the recursion in probabilities."""
    ahead, filtered, predicted = initial, [], []
    for b in density:
        predicted.append(ahead)
        now = ahead * b
        filtered.append(now / now.sum())
        ahead = filtered[-1] @ transition
    return np.array(filtered), np.array(predicted)
