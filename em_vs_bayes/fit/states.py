"""What people ask of the states of a hidden Markov model once it is fitted: probabilities, paths, how long visits last.

Smoothed probabilities and the Viterbi path are `Fit.predict_proba` and `Fit.predict`, as for mixtures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from em_vs_bayes.common.arguments import affordable, fraction, generator, positive_integer
from em_vs_bayes.common.contract import Array, Params
from em_vs_bayes.fit.record import Record
from em_vs_bayes.model.latents import MarkovChain
from em_vs_bayes.model.markov import dwell_times, stationary_distribution
from em_vs_bayes.program.feasible import require_answers
from em_vs_bayes.program.program import Program

if TYPE_CHECKING:
    import pandas as pd


def chain_of(program: Program, what: str) -> MarkovChain:
    """The Markov chain of a program; ValueError in words where it has none."""
    if not isinstance(program.latent, MarkovChain):
        raise ValueError(f"{what} belongs to hidden Markov models; {program.spec!r} has no states.")
    return program.latent


def filtered(program: Program, theta: Array) -> Array:
    """p(z_t | rows up to t) (n, K)."""
    latent = chain_of(program, "filtered_proba")
    probabilities = latent.filtered(program.data, program.streams, program.potentials(theta))
    require_answers(program, theta, "filtered_proba", probabilities.any(axis=1))
    return probabilities


def predicted(program: Program, theta: Array) -> Array:
    """p(z_t | rows before t) (n, K)."""
    latent = chain_of(program, "predicted_proba")
    pot = program.potentials(theta)
    require_answers(program, theta, "predicted_proba", latent.filtered(program.data, program.streams, pot).any(axis=1))
    return latent.predicted(program.data, program.streams, pot)


def some_draws(fit: Record, at_most: int) -> Array:
    """Evenly thinned posterior draws of theta (S, P); the point estimate alone where there are none."""
    if fit.draws is None:
        return fit.theta[None]
    flat = fit.draws.reshape(-1, fit.draws.shape[-1])
    return flat[np.unique(np.linspace(0, len(flat) - 1, min(at_most, len(flat))).round().astype(np.int64))]


def sample_states(fit: Record, n: int, seed: Any) -> NDArray[np.int64]:
    """See `Fit.sample_states`."""
    latent = chain_of(fit.program, "sample_states")
    positive_integer("n", n)
    affordable(f"n={n} path(s) of {fit.program.n} rows", float(n) * fit.program.n)
    rng = generator(seed)
    thetas = fit.theta[None] if fit.draws is None else fit.draws.reshape(-1, fit.draws.shape[-1])
    chosen = rng.choice(len(thetas), n, replace=n > len(thetas))
    program, stats, draws = fit.program, np.empty(fit.program.stats_layout.size), []
    for i in chosen:
        draws.append(latent.draw(program.data, program.streams, program.potentials(thetas[i]), rng, stats))
        require_answers(program, thetas[i], "sample_states", draws[-1] >= 0)
    return np.stack(draws)


def transition(fit: Record, what: str) -> Array:
    """The transition matrix at ``params`` (K, K)."""
    chain_of(fit.program, what)
    return fit.params["transition"]


def state_summary(fit: Record, level: float, draws: int, seed: Any) -> pd.DataFrame:
    """See `Fit.state_summary`."""
    import pandas as pd

    fraction("level", level)
    matrix, k = transition(fit, "state_summary"), fit.spec.size
    path = fit.program.assign(fit.theta)
    require_answers(fit.program, fit.theta, "state_summary", path >= 0)
    point = {
        "stationary": stationary_distribution(matrix),
        "dwell_time": dwell_times(matrix),
        "share": np.bincount(path, minlength=k) / len(path),
    }
    if fit.draws is None:
        return pd.DataFrame(point).rename_axis("state")
    matrices = fit.program.public(fit.draws.reshape(-1, fit.draws.shape[-1]))["transition"]
    paths = sample_states(fit, draws, seed)
    sampled: Params = {
        "stationary": stationary_distribution(matrices),
        "dwell_time": dwell_times(matrices),
        "share": np.stack([(paths == state).mean(axis=1) for state in range(k)], axis=1),
    }
    columns: dict[str, Array] = {}
    tails = [0.5 - level / 2, 0.5 + level / 2]
    for name, value in point.items():
        low, high = np.quantile(sampled[name], tails, axis=0)
        columns |= {name: value, f"{name}_lower": low, f"{name}_upper": high}
    return pd.DataFrame(columns).rename_axis("state")
