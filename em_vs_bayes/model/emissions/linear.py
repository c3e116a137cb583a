"""What univariate exponential-family emissions share: the log density is h(y) + t(y) . eta."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from em_vs_bayes.common.arguments import brief
from em_vs_bayes.common.contract import (
    Array,
    Block,
    Context,
    Emission,
    Params,
    Stream,
)
from em_vs_bayes.common.values import scalars_per_component
from em_vs_bayes.data import read
from em_vs_bayes.kernels import tables
from em_vs_bayes.model.emissions import blocks
from em_vs_bayes.model.priors import Prior


class LinearEmission(Emission, ABC):
    """Abstract base of emissions with two sufficient statistics and one parameter per component."""

    __slots__ = ()

    @staticmethod
    def linear(statistics: Array, block: Block, base: Array | None, kind: int = tables.LINEAR) -> Stream:
        columns = np.ascontiguousarray(statistics, dtype=float)
        return Stream(kind, columns, np.zeros(columns.shape[1]), columns.shape[1], block, base)

    @staticmethod
    def mean(values: Array, context: Context) -> float:
        """Mean of the observed values, case weights counted; 1 where nothing is observed."""
        seen = blocks.counts(values[:, None], context.weights)
        return float(blocks.means(values[:, None], seen, context.weights)[0]) if seen[0] > 0 else 1.0

    @staticmethod
    def fixed_values(context: Context, name: str, n_components: int, low: float, high: float) -> Array:
        return scalars_per_component(context.fixed.get(name), n_components, context.prefix + name, low, high)

    def public(self, params: Params, centre: Mapping[str, Array]) -> Params:
        return dict(params)

    def internal(self, params: Mapping[str, Any], centre: Mapping[str, Array]) -> Params:
        return {name: np.asarray(params[name], dtype=float) for name in self.dims()}

    @staticmethod
    def where_seen(log_density: Callable[[Array], Any], values: Array) -> Any:
        """PyTensor: ``log_density`` of the values (n, 1); a missing one contributes 0 to every component."""
        import pytensor.tensor as pt

        seen = ~np.isnan(values)[:, None]
        density = log_density(np.where(seen, values[:, None], 0.0))
        return density if seen.all() else pt.where(seen, density, 0.0)

    def seeds(self, y: Any) -> Array:
        return read.vector(y, "y", type(self).__name__)[:, None]

    def to_dict(self) -> dict[str, Any]:
        return {"emission": type(self).__name__}


def resolve_prior(context: Context, name: str, families: tuple[type, ...], default: Any, shape: Any) -> Any:
    """The user's prior for ``name`` (or for the whole ``"emission"``), broadcast; the default where there is none."""
    given: Any = context.priors.get(name, context.priors.get("emission", default))
    wanted = " or ".join(f.__name__ for f in families)
    if isinstance(given, Prior):
        return given
    if type(given) not in families:
        raise TypeError(
            f"priors[{context.prefix + name!r}] must be {wanted} (conjugate) or evb.Prior(name, ...); got "
            f"{brief(given)}."
        )
    try:
        return given.broadcast(*np.atleast_1d(shape))
    except ValueError as error:
        raise ValueError(f"priors[{context.prefix + name!r}]: {error}") from None
