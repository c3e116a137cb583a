"""Categorical outcomes 0, ..., C - 1 with a table of probabilities per component."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from em_vs_bayes.common.arguments import brief
from em_vs_bayes.common.contract import (
    Array,
    Context,
    Emission,
    Params,
    Stream,
)
from em_vs_bayes.common.values import plain_fields, probability_table
from em_vs_bayes.data import read
from em_vs_bayes.kernels import tables
from em_vs_bayes.model.blocks import ProbabilityRows
from em_vs_bayes.model.emissions.linear import resolve_prior
from em_vs_bayes.model.priors import Dirichlet


@final
@dataclass(frozen=True, slots=True)
class Categorical(Emission):
    """Categories coded 0, ..., n_categories - 1.

    Parameters
    ----------
    n_categories : int
        At least 2.

    Notes
    -----
    Fitted parameters: ``probs (component, category)``. Default prior: Dirichlet(1) on each row. A mixture on a single
    categorical outcome is not identified; in a `Product` of several items or an HMM it is.
    """

    n_categories: int

    def __post_init__(self) -> None:
        plain_fields(self)
        if not (isinstance(self.n_categories, (int, np.integer)) and self.n_categories >= 2):
            raise ValueError(f"n_categories must be an integer of at least 2; got {brief(self.n_categories)}.")

    def streams(self, y: Any, n_components: int, context: Context) -> tuple[Stream, ...]:
        name = context.prefix + "y"
        values = read.vector(y, name, "Categorical")
        seen = ~np.isnan(values)
        bad = values[seen][~np.isin(values[seen], np.arange(self.n_categories))]
        if bad.size:
            raise ValueError(
                f"{name} must hold category codes 0, ..., {self.n_categories - 1} for "
                f"Categorical(n_categories={self.n_categories}); got {bad[0]:g}."
            )
        shape = (n_components, self.n_categories)
        prior = resolve_prior(context, "probs", (Dirichlet,), Dirichlet(1.0), shape)
        fixed = probability_table(context.fixed.get("probs"), shape, context.prefix + "probs")
        block = ProbabilityRows("probs", prior, (context.leading, "category"), fixed)
        codes = np.where(seen, values, -1.0)[:, None]
        return (Stream(tables.LOOKUP, codes, np.zeros(1), self.n_categories, block),)

    def public(self, params: Params, centre: Mapping[str, Array]) -> Params:
        return dict(params)

    def internal(self, params: Mapping[str, Any], centre: Mapping[str, Array]) -> Params:
        return {"probs": np.asarray(params["probs"], dtype=float)}

    def dims(self) -> dict[str, tuple[str, ...]]:
        return {"probs": ("category",)}

    def seeds(self, y: Any) -> Array:
        values = read.vector(y, "y", "Categorical")
        return (values[:, None] == np.arange(self.n_categories)).astype(float)

    def simulate(self, params: Mapping[str, Array], z: Any, rng: np.random.Generator) -> Array:
        cumulative = params["probs"].cumsum(axis=1)
        return (rng.random(len(z))[:, None] > cumulative[z][:, :-1]).sum(axis=1)

    def symbolic_log_density(self, y: Any, params: Mapping[str, Any], n_components: int) -> Any:
        import pytensor.tensor as pt

        codes = read.vector(y, "y", "Categorical")
        seen = ~np.isnan(codes)
        picked = pt.log(params["probs"])[:, np.where(seen, codes, 0).astype(int)].T
        return pt.where(seen[:, None], picked, 0.0)

    def to_dict(self) -> dict[str, Any]:
        return {"emission": "Categorical", "n_categories": int(self.n_categories)}
