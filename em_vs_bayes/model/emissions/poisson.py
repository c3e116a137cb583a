"""Poisson counts: t(y) = (y, 1), eta = (log rate, -rate), h(y) = -log y!; large ones relative to a rate that is y."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from scipy.special import gammaln

from em_vs_bayes.common.contract import Array, Context, Stream
from em_vs_bayes.common.saddlepoint import count_base, draw_poisson
from em_vs_bayes.data import read
from em_vs_bayes.kernels import tables
from em_vs_bayes.model.blocks import RateBlock
from em_vs_bayes.model.emissions.linear import LinearEmission, resolve_prior
from em_vs_bayes.model.priors import Gamma

LARGE = 1e6  # y log y is then so large that its rounding is a billionth of a nat
LARGEST = 9e18  # what whole numbers of 64 bits hold


@final
@dataclass(frozen=True, slots=True)
class Poisson(LinearEmission):
    """Counts with one rate per component.

    Notes
    -----
    Fitted parameters: ``rates (component,)``. Default prior: Gamma(1, 1 / mean of y). Counts may be as large as
    9e18.
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
                f"{name} has counts of up to {highest:.3g}; Poisson wants at most {LARGEST:g}, what whole numbers of "
                "64 bits hold. At that size a Poisson distribution is normal: use Normal."
            )
        mean = max(self.mean(values, context), 1.0 / len(values))
        prior = resolve_prior(context, "rates", (Gamma,), Gamma(1.0, 1.0 / mean), n_components)
        large, filled = bool(highest > LARGE), np.where(seen, values, 0.0)
        fixed = self.fixed_values(context, "rates", n_components, 0.0, np.inf)
        block = RateBlock("rates", prior, context.leading, fixed, counts=large)
        kind = tables.COUNTS if large else tables.LINEAR
        base = count_base(filled) if large else -gammaln(filled + 1.0)
        return (self.linear(np.column_stack([filled, seen]), block, base, kind),)

    def dims(self) -> dict[str, tuple[str, ...]]:
        return {"rates": ()}

    def simulate(self, params: Mapping[str, Array], z: Any, rng: np.random.Generator) -> Array:
        counts: Array = draw_poisson(rng, params["rates"][z])
        return counts

    def symbolic_log_density(self, y: Any, params: Mapping[str, Any], n_components: int) -> Any:
        import pymc as pm

        values = read.vector(y, "y", "Poisson")
        if np.nanmax(values, initial=0.0) > LARGE:
            return self.where_seen(lambda seen: _symbolic(seen, params["rates"]), values)
        poisson = pm.Poisson.dist(params["rates"])
        return self.where_seen(lambda seen: pm.logp(poisson, seen), values)


def _symbolic(y: Array, rates: Any) -> Any:
    """PyTensor: the log density of counts of any size, without the terms that cancel."""
    import pytensor.tensor as pt

    some = np.maximum(y, 1.0)
    beyond = (rates - y) / some
    lengths = pt.switch(pt.abs(beyond) < 0.5, pt.log1p(beyond), pt.log(rates / some))
    return count_base(y) + pt.switch(y > 0.0, some * lengths, 0.0) - (rates - y)
