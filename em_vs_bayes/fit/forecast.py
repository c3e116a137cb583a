"""What comes after the last row of a sequence: states by powers of the transition matrix, rows by their mixtures.

Zucchini, MacDonald & Langrock (2016), "Hidden Markov Models for Time Series", 2nd ed., chapter 5:
p(y_{T+h} | y_1, ..., y_T) is the mixture of the states' distributions with weights p(z_T | y_1, ..., y_T) A^h. Averaged
over posterior draws it is the posterior predictive distribution. Means and quantiles are those of that mixture itself,
so nothing is random here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import brentq

from em_vs_bayes.common.arguments import affordable, fraction, positive_integer
from em_vs_bayes.common.contract import Array, Params
from em_vs_bayes.data import times
from em_vs_bayes.fit.record import Record
from em_vs_bayes.fit.responses import LAWS, Law, Tails, responses
from em_vs_bayes.fit.states import chain_of, some_draws
from em_vs_bayes.model.emissions import Categorical
from em_vs_bayes.program.feasible import require_answers
from em_vs_bayes.program.program import Program

if TYPE_CHECKING:
    import pandas as pd

MOST = 1e300  # quantiles beyond are none


def forecast(fit: Record, program: Program, steps: int, level: float, draws: int) -> pd.DataFrame:
    """See `Fit.forecast`."""
    import pandas as pd

    chain_of(program, "forecast")
    for name, value in (("steps", steps), ("draws", draws)):
        positive_integer(name, value)
    fraction("level", level)
    columns = responses(program, "forecast")
    if any(column.by_row for column in columns):
        raise NotImplementedError(
            f"forecast does not take the predictors of rows to come, which {program.spec.model_emission!r} needs."
        )
    thetas = some_draws(fit, draws)
    ends = len(program.data.starts) - 1
    affordable(
        f"steps={steps} for {ends} sequence(s), {len(thetas)} draw(s)", float(steps) * ends * len(thetas) * program.k
    )
    params = program.public(thetas)
    ahead = state_probabilities(program, thetas, params["transition"], int(steps))  # (steps, sequences, S, K)
    order = ahead.swapaxes(0, 1).reshape(-1, *ahead.shape[2:]) / len(thetas)  # step runs fastest
    table: dict[str, Array] = {}
    for column in columns:
        prefix = "" if len(columns) == 1 else column.name + "_"
        own = column.pick(params)
        if column.law is LAWS[Categorical]:
            chances = np.einsum("rsk,skc->rc", order, own["probs"])
            table |= {f"{prefix}prob_{c}": chances[:, c] for c in range(chances.shape[1])}
            continue
        table[prefix + "mean"] = np.einsum("rsk,sk->r", order, column.law.mean(own))
        at = {"median": 0.5, "lower": 0.5 - level / 2, "upper": 0.5 + level / 2}
        limits = np.array([[_quantile(w, own, column.law, p) for p in at.values()] for w in order])
        table |= {prefix + name: limits[:, i] for i, name in enumerate(at)}
    table |= {f"state_{k}": order.sum(axis=1)[:, k] for k in range(order.shape[-1])}
    labels = times.ahead(program.index, program.data.starts, int(steps))
    if labels is not None:
        return pd.DataFrame(table, index=labels)
    step = np.arange(1, steps + 1)
    if ahead.shape[1] == 1:
        return pd.DataFrame(table, index=pd.Index(step, name="step"))
    index = pd.MultiIndex.from_product([range(ahead.shape[1]), step], names=["sequence", "step"])
    return pd.DataFrame(table, index=index)


def state_probabilities(program: Program, thetas: Array, transition: Array, steps: int) -> Array:
    """p(z_{T+h} | the sequence) of each draw: (steps, sequences, draws, K)."""
    latent, last = chain_of(program, "forecast"), program.data.starts[1:] - 1
    out = np.empty((steps, len(last), len(thetas), program.k))
    for s, theta in enumerate(thetas):
        known = latent.filtered(program.data, program.streams, program.potentials(theta))
        require_answers(program, theta, "forecast", known.any(axis=1))
        now = known[last]
        for h in range(steps):
            now = now @ transition[s]
            out[h, :, s] = now
    return out


def _quantile(weights: Array, params: Params, law: Law, p: float) -> float:
    """The least y with P(Y <= y) >= p under a mixture with weights (S, K)."""

    def excess(y: float, tails: Callable[[Array, Params], Tails] = law.tails) -> float:
        below, above = tails(np.asarray(y), params)
        # both sides of p keep their digits
        return float((weights * np.exp(below)).sum() - p if p < 0.5 else 1.0 - p - (weights * np.exp(above)).sum())

    for atom in law.atoms:
        if excess(atom, law.before) < 0.0 <= excess(atom):
            return atom
    mean = float((weights * law.mean(params)).sum())
    centre = mean if np.isfinite(mean) else 0.0
    if law.discrete:
        return _least_integer(lambda y: excess(y) >= -1e-12, max(1.0, np.ceil(centre)))
    reach = max(1e-3, 1e-3 * abs(centre))
    while excess(centre - reach) > 0.0 or excess(centre + reach) < 0.0:
        reach *= 2.0
        if reach > MOST:
            raise ValueError(f"forecast: the {p:g} quantile lies beyond {MOST:g} on either side of {centre:g}.")
    return float(brentq(excess, centre - reach, centre + reach, xtol=1e-13 * reach, rtol=1e-13))


def _least_integer(holds: Callable[[float], bool], high: float) -> float:
    """The least of 0, 1, ... from which on it holds."""
    low = -1.0
    while not holds(high):
        if high > MOST:
            return np.inf
        low, high = high, 2.0 * high
    while high - low > 1.0:
        middle = np.floor(low + (high - low) / 2.0)
        if not low < middle < high:  # beyond 2^53 there are gaps between them
            break
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
