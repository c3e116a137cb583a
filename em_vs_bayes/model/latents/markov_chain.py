"""A Markov chain of states: the latent structure of hidden Markov models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from em_vs_bayes.common.contract import (
    Array,
    Block,
    Context,
    Latent,
    Params,
)
from em_vs_bayes.common.threads import shared
from em_vs_bayes.kernels import chain, chain_scores, tables
from em_vs_bayes.kernels.streams import DRAW, address_roles
from em_vs_bayes.model.blocks import StationaryRows
from em_vs_bayes.model.latents.probabilities import probability_block, simplex
from em_vs_bayes.model.latents.working_memory import working_memory
from em_vs_bayes.model.markov import closed_classes, sensitivity, stationary_distribution
from em_vs_bayes.model.priors import Dirichlet

KINDS = {
    "loo": "log p(y_t | all other rows of the sequence): leave one row out",
    "predictive": "log p(y_t | rows before it): one step ahead, for leave-future-out",
    "sequence": "log p(y_s): marginal over latent variables, one term per sequence",
}
PRINTED = 1e-4  # what rounding to four digits leaves uncertain
SEGMENT, SEGMENTS = 64, 32  # rows that carry the labels of a draw well enough


@final
@dataclass(frozen=True, slots=True)
class MarkovChain(Latent):
    """z_1 ~ Categorical(initial), z_t ~ Categorical(transition[z_{t-1}]), every sequence a chain of its own.

    Parameters
    ----------
    n_states : int
    initial : {"free", "uniform", "stationary"}
        A parameter of its own; 1 / n_states; or the stationary distribution of ``transition``.
    """

    n_states: int
    initial: str = "free"

    @property
    def code(self) -> int:
        return tables.CHAIN

    @property
    def sequential(self) -> bool:
        return True

    @property
    def derived(self) -> tuple[str, ...]:
        return () if self.initial == "free" else ("initial",)

    @property
    def pointwise_kinds(self) -> dict[str, str]:
        return KINDS

    def blocks(self, context: Context) -> tuple[Block, ...]:
        k, dims = self.n_states, (context.leading, f"{context.leading}_to")
        transition = probability_block(
            "transition", context.priors.get("transition"), Dirichlet(1.0), (k, k), dims, context
        )
        if self.initial == "stationary":
            _require_one_class(np.isnan(transition.fixed) | (transition.fixed > 0.0), "fixed")
            return (StationaryRows(transition),)
        fixed = {**context.fixed, "initial": np.full(k, 1.0 / k)} if self.initial == "uniform" else context.fixed
        own = Context(priors=context.priors, fixed=fixed, leading=context.leading)
        initial = probability_block(
            "initial", context.priors.get("initial"), Dirichlet(1.0), (1, k), (context.leading,), own
        )
        return initial, transition

    def public(self, params: Params) -> Params:
        transition = params["transition"]
        initial = stationary_distribution(transition) if self.initial == "stationary" else params["initial"]
        return {"initial": initial, "transition": transition}

    def internal(self, params: Mapping[str, Any]) -> Params:
        transition = simplex(params["transition"], "transition")
        if self.initial == "free":
            return {"initial": simplex(params["initial"], "initial"), "transition": transition}
        stationary = self.initial == "stationary"
        if transition.ndim == 2:  # draws are positive where they are free
            if stationary:
                _require_one_class(transition > 0.0, "params")
            if "initial" in params:
                self._agrees(np.asarray(params["initial"], dtype=float), transition)
        if stationary:
            return {"transition": transition}
        return {"initial": np.full(transition.shape[:-1], 1.0 / self.n_states), "transition": transition}

    def _agrees(self, given: Array, transition: Array) -> None:
        """Refuse a distribution of the first state that is not the one the others imply, as they print."""
        if self.initial == "uniform":
            right, tolerance, what = np.full(self.n_states, 1.0 / self.n_states), PRINTED, "1 / n_states"
        else:
            right, what = stationary_distribution(transition), "the stationary distribution of params['transition']"
            tolerance = PRINTED * (1.0 + self.n_states * sensitivity(transition))
        if np.abs(given - right).max() > tolerance:
            raise ValueError(
                f"params['initial'] must be {what}, {np.round(right, 5).tolist()}, with initial={self.initial!r}; got "
                f"{given.tolist()}. It may be left out."
            )

    @property
    def concave(self) -> bool:
        return False

    def prepared(self, data: Any, streams: Any) -> Any:
        return data

    def expect(self, data: Any, streams: Any, pot: Array, stats: Array, cores: int) -> float:
        starts, sequences = data.starts, data.starts.size - 1
        longest = int((starts[1:] - starts[:-1]).max())
        cores = min(cores, sequences)
        cuts = [int(np.searchsorted(starts, data.columns.shape[1] * i // cores)) for i in range(1, cores)]

        def part(first: int, last: int, own: Array) -> float:
            with working_memory(longest, self.n_states) as memory:
                return float(chain.expect(data, streams, pot, self.n_states, first, last, own, memory))

        return shared(part, [0, *cuts, sequences], stats)

    def decode(self, data: Any, streams: Any, pot: Array, stats: Array) -> float:
        z = np.empty(data.columns.shape[1], dtype=np.int64)
        return float(chain_scores.viterbi(data, streams, pot, self.n_states, z, stats))

    def assign(self, data: Any, streams: Any, pot: Array) -> NDArray[np.int64]:
        z = np.empty(data.columns.shape[1], dtype=np.int64)
        chain_scores.viterbi(data, streams, pot, self.n_states, z, np.empty(0))
        return z

    def pointwise(self, data: Any, streams: Any, pot: Array, kind: str) -> Array:
        return chain_scores.pointwise(data, streams, pot, self.n_states, kind)

    def probabilities(self, data: Any, streams: Any, pot: Array) -> Array:
        out = np.empty((data.columns.shape[1], self.n_states))
        chain.smoothed(data, streams, pot, self.n_states, out)
        return out

    def filtered(self, data: Any, streams: Any, pot: Array) -> Array:
        """p(z_t | rows up to t) (n, K)."""
        return chain_scores.rows(data, streams, pot, self.n_states)[0]

    def predicted(self, data: Any, streams: Any, pot: Array) -> Array:
        """p(z_t | rows before t) (n, K)."""
        return chain_scores.rows(data, streams, pot, self.n_states)[1]

    def left_out(self, data: Any, streams: Any, pot: Array) -> Array:
        """p(z_t | all other rows of the sequence) (n, K); NaN where they are impossible.

        What comes after a row is the forward recursion on the rows in reverse, with the transposed transitions.
        """
        k, turn = self.n_states, _turned(data.starts)
        rows = {name: getattr(data, name) for name in ("columns", "base", "labels", "pattern")}
        back = data._replace(**{n: np.ascontiguousarray(value[..., turn]) for n, value in rows.items() if value.size})
        reverse = pot.copy()
        reverse[:k], reverse[k : k + k * k] = 0.0, pot[k : k + k * k].reshape(k, k).T.ravel()
        after = np.empty((data.columns.shape[1], k))
        after[turn] = chain_scores.rows(back, streams, reverse, k)[1]
        if data.labels.size:
            known = np.flatnonzero(data.labels >= 0)
            after[known] = np.eye(k)[data.labels[known]]
        weights = chain_scores.rows(data, streams, pot, k)[1] * after
        with np.errstate(invalid="ignore"):
            return np.asarray(weights / weights.sum(axis=1, keepdims=True))

    def draw(self, data: Any, streams: Any, pot: Array, rng: np.random.Generator, stats: Array) -> NDArray[np.int64]:
        """States (n,) from p(z | all rows): forward filtering, backward sampling. ``stats`` is overwritten."""
        z = np.empty(data.columns.shape[1], dtype=np.int64)
        streams = address_roles(streams, DRAW)
        chain.draw(data._replace(weights=np.empty(0)), streams, pot, self.n_states, rng, z, stats)
        return z

    def occupancy(self, stats: Array) -> Array:
        k = self.n_states
        return stats[:k] + stats[k : k + k * k].reshape(k, k).sum(axis=0)  # a row starts a sequence, or is moved to

    def sample(self, n: int, starts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        if n <= SEGMENT * SEGMENTS:
            return np.arange(n), starts
        begins = np.linspace(0, n - SEGMENT, SEGMENTS).astype(np.int64)
        rows = np.unique((begins[:, None] + np.arange(SEGMENT)).ravel())
        breaks = (np.diff(rows, prepend=-2) > 1) | np.isin(rows, starts)
        return rows, np.append(np.flatnonzero(breaks), len(rows)).astype(np.int64)

    def simulate(
        self, params: Mapping[str, Array], lengths: NDArray[np.int64], rng: np.random.Generator
    ) -> NDArray[np.int64]:
        first, rows = np.cumsum(params["initial"]), np.cumsum(params["transition"], axis=1)
        states = []
        for length in lengths:
            uniform = rng.random(length)
            chances = first
            for u in uniform:
                z = int(np.searchsorted(chances, u * chances[-1], side="right"))
                chances = rows[z]
                states.append(z)
        return np.array(states, dtype=np.int64)


def _require_one_class(possible: NDArray[np.bool_], argument: str) -> None:
    classes = closed_classes(possible)
    if classes > 1:
        raise ValueError(
            f"initial='stationary' wants a chain with one stationary distribution; {argument}['transition'] falls into "
            f"{classes} sets of states that are never left. Use initial='free' or 'uniform'."
        )


def _turned(starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows of each sequence in reverse order, sequence after sequence; its own inverse."""
    return np.concatenate([np.arange(b - 1, a - 1, -1) for a, b in pairwise(starts)])
