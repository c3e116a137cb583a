"""Exponential waiting times: t(y) = (1, y), eta = (log rate, -rate)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from em_vs_bayes.common.contract import Array, Context, Stream
from em_vs_bayes.data import read
from em_vs_bayes.model.blocks import RateBlock
from em_vs_bayes.model.emissions.linear import LinearEmission, resolve_prior
from em_vs_bayes.model.priors import Gamma


@final
@dataclass(frozen=True, slots=True)
class Exponential(LinearEmission):
    """Waiting times with one rate per component (mean 1 / rate).

    Notes
    -----
    Fitted parameters: ``rates (component,)``. Default prior: Gamma(1, mean of y / K^2),
    weak even for the component with the shortest times.
    """

    def streams(self, y: Any, n_components: int, context: Context) -> tuple[Stream, ...]:
        name = context.prefix + "y"
        values = read.vector(y, name, "Exponential")
        seen = ~np.isnan(values)
        if (values[seen] < 0).any():
            raise ValueError(f"{name} must be non-negative for Exponential; got {values[seen].min():g}.")
        prior = resolve_prior(
            context,
            "rates",
            (Gamma,),
            Gamma(1.0, max(self.mean(values, context), 1e-300) / n_components**2),
            n_components,
        )
        block = RateBlock(
            "rates", prior, context.leading, self.fixed_values(context, "rates", n_components, 0.0, np.inf)
        )
        return (self.linear(np.column_stack([seen, np.where(seen, values, 0.0)]), block, None),)

    def dims(self) -> dict[str, tuple[str, ...]]:
        return {"rates": ()}

    def simulate(self, params: Mapping[str, Array], z: Any, rng: np.random.Generator) -> Array:
        return rng.exponential(1.0 / params["rates"][z])

    def symbolic_log_density(self, y: Any, params: Mapping[str, Any], n_components: int) -> Any:
        import pymc as pm

        waiting = pm.Exponential.dist(lam=params["rates"])
        return self.where_seen(lambda seen: pm.logp(waiting, seen), read.vector(y, "y", "Exponential"))
