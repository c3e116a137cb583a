"""Poisson counts: t(y) = (y, 1), eta = (log rate, -rate), h(y) = -log y!."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from scipy.special import gammaln

from em_vs_bayes.blocks import RateBlock
from em_vs_bayes.contract import Array, Context, Stream
from em_vs_bayes.emissions import read
from em_vs_bayes.emissions.linear import LinearEmission, resolve_prior
from em_vs_bayes.priors import Gamma

LARGEST = 1e11  # y log y is then so large that its rounding is a thousandth of a nat


@final
@dataclass(frozen=True, slots=True)
class Poisson(LinearEmission):
    """Counts with one rate per component.

    Notes
    -----
    Fitted parameters: ``rates (component,)``. Default prior: Gamma(1, 1 / mean of y).
    """

    def streams(self, y: Any, n_components: int, context: Context) -> tuple[Stream, ...]:
        name = context.prefix + "y"
        values = read.vector(y, name, "Poisson")
        seen = ~np.isnan(values)
        bad = values[seen][(values[seen] < 0) | (values[seen] != np.floor(values[seen]))]
        if bad.size:
            raise ValueError(f"{name} must hold counts (0, 1, 2, ...) for Poisson; got {bad[0]:g}.")
        if (highest := values[seen].max(initial=0.0)) > LARGEST:
            raise ValueError(
                f"{name} has counts of up to {highest:.3g}: floating point leaves the log-likelihood of counts above "
                f"{LARGEST:g} no digits. At that size a Poisson distribution is normal: use Normal."
            )
        mean = max(self.mean(values, context), 1.0 / len(values))
        prior = resolve_prior(context, "rates", (Gamma,), Gamma(1.0, 1.0 / mean), n_components)
        block = RateBlock(
            "rates", prior, context.leading, self.fixed_values(context, "rates", n_components, 0.0, np.inf)
        )
        filled = np.where(seen, values, 0.0)
        return (self.linear(np.column_stack([filled, seen]), block, -gammaln(filled + 1.0)),)

    def dims(self) -> dict[str, tuple[str, ...]]:
        return {"rates": ()}

    def simulate(self, params: Mapping[str, Array], z: Any, rng: np.random.Generator) -> Array:
        return rng.poisson(params["rates"][z])

    def symbolic_log_density(self, y: Any, params: Mapping[str, Any], n_components: int) -> Any:
        import pymc as pm

        poisson = pm.Poisson.dist(params["rates"])
        return self.where_seen(lambda seen: pm.logp(poisson, seen), read.vector(y, "y", "Poisson"))
