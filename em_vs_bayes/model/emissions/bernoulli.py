"""Bernoulli outcomes: t(y) = (y, 1 - y), eta = (log p, log(1 - p))."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from em_vs_bayes.common.contract import Array, Context, Stream
from em_vs_bayes.data import read
from em_vs_bayes.model.blocks import ProbabilityBlock
from em_vs_bayes.model.emissions.linear import LinearEmission, resolve_prior
from em_vs_bayes.model.priors import Beta


@final
@dataclass(frozen=True, slots=True)
class Bernoulli(LinearEmission):
    """Outcomes 0 or 1 with one success probability per component.

    Notes
    -----
    Fitted parameters: ``probs (component,)``. Default prior: Beta(1, 1).

    A mixture of Bernoullis on a single outcome is not identified; in a `Product` of several items (latent class
    analysis) or an HMM it is.
    """

    def streams(self, y: Any, n_components: int, context: Context) -> tuple[Stream, ...]:
        name = context.prefix + "y"
        values = read.vector(y, name, "Bernoulli")
        seen = ~np.isnan(values)
        bad = values[seen][~np.isin(values[seen], (0.0, 1.0))]
        if bad.size:
            raise ValueError(f"{name} must be 0 or 1 for Bernoulli; got {bad[0]:g}.")
        prior = resolve_prior(context, "probs", (Beta,), Beta(1.0, 1.0), n_components)
        block = ProbabilityBlock(
            "probs", prior, context.leading, self.fixed_values(context, "probs", n_components, 0.0, 1.0)
        )
        filled = np.where(seen, values, 0.0)
        return (self.linear(np.column_stack([filled, seen - filled]), block, None),)

    def dims(self) -> dict[str, tuple[str, ...]]:
        return {"probs": ()}

    def simulate(self, params: Mapping[str, Array], z: Any, rng: np.random.Generator) -> Array:
        return (rng.random(len(z)) < params["probs"][z]).astype(np.int64)

    def symbolic_log_density(self, y: Any, params: Mapping[str, Any], n_components: int) -> Any:
        import pymc as pm

        trial = pm.Bernoulli.dist(p=params["probs"])
        return self.where_seen(lambda seen: pm.logp(trial, seen.astype(int)), read.vector(y, "y", "Bernoulli"))
