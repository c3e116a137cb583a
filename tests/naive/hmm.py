"""A hidden Markov model by enumeration of all paths, and by plain recursions where there are too many of them.

Both read log p(first state), log p(next state | state) and the log density of every row in every state, so they know
nothing of emissions; `log_densities` makes those from `naive.densities`, one row and one state at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
from naive import densities


@dataclass(frozen=True)
class Answers:
    """What can be asked of one sequence of T rows and K states."""

    evidence: float
    smoothed: np.ndarray  # (T, K): p(z_t | all rows)
    transitions: np.ndarray  # (T - 1, K, K): p(z_t, z_{t+1} | all rows)
    filtered: np.ndarray  # (T, K): p(z_t | rows up to t)
    predicted: np.ndarray  # (T, K): p(z_t | rows before t)
    ahead: np.ndarray  # (T,): log p(y_t | rows before t)
    loo: np.ndarray  # (T,): log p(y_t | all other rows)
    path: np.ndarray  # (T,): the most probable path
    score: float  # log p(rows, path)


def path_terms(initial, transition, density):
    """Every path (K^T, T) and its log joint density with the rows (K^T,)."""
    length, size = density.shape
    paths = np.array(list(product(range(size), repeat=length)))
    terms = initial[paths[:, 0]] + density[0, paths[:, 0]]
    for t in range(1, length):
        terms += transition[paths[:, t - 1], paths[:, t]] + density[t, paths[:, t]]
    return paths, terms


def _log_sum(terms, axis=0):
    return np.logaddexp.reduce(terms, axis=axis, initial=-np.inf)


def _last_state(initial, transition, density):
    """p(last state | rows) (K,)."""
    paths, terms = path_terms(initial, transition, density)
    return np.exp([_log_sum(terms[paths[:, -1] == k]) - _log_sum(terms) for k in range(density.shape[1])])


def _without(density, t):
    out = density.copy()
    out[t] = 0.0
    return out


def enumerated(initial, transition, density):
    """`Answers` by listing all paths; the sequence must be possible."""
    length, size = density.shape
    paths, terms = path_terms(initial, transition, density)
    evidence = _log_sum(terms)
    share = np.exp(terms - evidence)
    smoothed, transitions = np.zeros((length, size)), np.zeros((length - 1, size, size))
    for path, p in zip(paths, share, strict=True):
        smoothed[np.arange(length), path] += p
        for t, step in enumerate(pairwise(path)):
            transitions[(t, *step)] += p
    so_far = [0.0] + [_log_sum(path_terms(initial, transition, density[: t + 1])[1]) for t in range(length)]
    loo = [evidence - _log_sum(path_terms(initial, transition, _without(density, t))[1]) for t in range(length)]
    return Answers(
        evidence=evidence,
        smoothed=smoothed,
        transitions=transitions,
        filtered=np.array([_last_state(initial, transition, density[: t + 1]) for t in range(length)]),
        predicted=np.array([_last_state(initial, transition, _without(density[: t + 1], t)) for t in range(length)]),
        ahead=np.diff(so_far),
        loo=np.array(loo),
        path=paths[terms.argmax()],
        score=terms.max(),
    )


def recursions(initial, transition, density):
    """`Answers` by forward-backward and Viterbi in logarithms (Rabiner 1989), for long sequences."""
    length, size = density.shape
    ahead, back, best = np.empty((length, size)), np.zeros((length, size)), np.empty((length, size))
    came, alpha = np.zeros((length, size), int), np.empty((length, size))
    ahead[0], best[0] = initial, initial + density[0]
    alpha[0] = ahead[0] + density[0]
    for t in range(1, length):
        ahead[t] = _log_sum(alpha[t - 1][:, None] + transition, 0)
        alpha[t] = ahead[t] + density[t]
        steps = best[t - 1][:, None] + transition
        came[t], best[t] = steps.argmax(axis=0), steps.max(axis=0) + density[t]
    for t in range(length - 2, -1, -1):
        back[t] = _log_sum(transition + density[t + 1] + back[t + 1], 1)
    evidence = _log_sum(alpha[-1])
    so_far = _log_sum(alpha, 1)
    path = [int(best[-1].argmax())]
    for t in range(length - 1, 0, -1):
        path.append(int(came[t, path[-1]]))
    joint = alpha[:-1, :, None] + transition + (density[1:] + back[1:])[:, None, :]
    return Answers(
        evidence=evidence,
        smoothed=np.exp(alpha + back - evidence),
        transitions=np.exp(joint - evidence),
        filtered=np.exp(alpha - so_far[:, None]),
        predicted=np.exp(ahead - _log_sum(ahead, 1)[:, None]),
        ahead=np.diff(so_far, prepend=0.0),
        loo=evidence - _log_sum(ahead + back, 1),
        path=np.array(path[::-1]),
        score=best[-1].max(),
    )


# --- in the parameters a person would write --------------------------------------------------------------------------


def log_densities(emission, y, params, labels=None, exog=None):
    """log p(row | state) (n, K), -inf where a known label excludes the state."""
    data, size = densities.rows(y), len(params["initial"])
    design = [None] * len(data) if exog is None else exog
    table = np.array(
        [
            [densities.log_density(emission, row, params, k, x) for k in range(size)]
            for row, x in zip(data, design, strict=True)
        ]
    )
    if labels is not None:
        for row, label in zip(table, labels, strict=True):
            row[[k for k in range(size) if label not in (-1, k)]] = -np.inf
    return table


def answers(emission, y, params, lengths=None, labels=None, exog=None):
    """`Answers` of each sequence, by enumeration."""
    with np.errstate(divide="ignore"):
        initial, transition = np.log(params["initial"]), np.log(params["transition"])
    table = log_densities(emission, y, params, labels, exog)
    cuts = np.cumsum([len(table)] if lengths is None else lengths)[:-1]
    return [enumerated(initial, transition, part) for part in np.split(table, cuts)]
