"""One regression for all rows: the regression of a single component, under the names that it has on its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from em_vs_bayes.common.contract import (
    Array,
    Context,
    Emission,
    Parameter,
    Params,
    Stream,
)
from em_vs_bayes.model.blocks import Renamed
from em_vs_bayes.model.emissions.basis import inwards, outwards

INWARDS = {"coefficients": "coefficients", "sigma": "sigmas", "regression": "emission"}  # own name -> a component's
OUTWARDS = {inner: own for own, inner in INWARDS.items()}


@final
@dataclass(frozen=True, slots=True)
class Single(Emission):
    """``coefficients (predictor)`` and ``sigma`` in place of ``coefficients (component, predictor)`` and ``sigmas``.

    Parameters
    ----------
    regression : Emission
        One with ``coefficients`` and ``sigmas``.
    """

    regression: Emission

    @property
    def by_name(self) -> bool:
        return self.regression.by_name

    @property
    def takes_exog(self) -> bool:
        return self.regression.takes_exog

    def observed(self, y: Any) -> Any:
        return self.regression.observed(y)

    @property
    def ends(self) -> tuple[str, ...]:
        return self.regression.ends

    def streams(self, y: Any, n_components: int, context: Context) -> tuple[Stream, ...]:
        priors, fixed = (
            {INWARDS[name]: value for name, value in given.items()} for given in (context.priors, context.fixed)
        )
        streams = self.regression.streams(
            y, n_components, replace(context, priors=priors, fixed=fixed, called=OUTWARDS)
        )
        return tuple(replace(stream, block=Renamed(stream.block, _own(stream.block.parameters))) for stream in streams)

    def public(self, params: Params, centre: Mapping[str, Array]) -> Params:
        return outwards(params, centre)

    def internal(self, params: Mapping[str, Any], centre: Mapping[str, Array]) -> Params:
        return inwards(params, centre, self.dims())

    def dims(self) -> dict[str, tuple[str, ...]]:
        return {OUTWARDS[name]: dims for name, dims in self.regression.dims().items()}

    def seeds(self, y: Any) -> Array:
        return self.regression.seeds(y)

    def _inner(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters of the one component; a design stays as it is."""
        return {INWARDS.get(name, name): value[None] if name in INWARDS else value for name, value in params.items()}

    def simulate(self, params: Mapping[str, Array], z: Any, rng: np.random.Generator) -> Any:
        arrays = {name: np.asarray(value) for name, value in params.items()}
        return self.regression.simulate(self._inner(arrays), z, rng)

    def symbolic_log_density(self, y: Any, params: Mapping[str, Any], n_components: int) -> Any:
        return self.regression.symbolic_log_density(y, self._inner(params), n_components)

    def to_dict(self) -> dict[str, Any]:
        return {"emission": "Single", "regression": self.regression.to_dict()}


def _own(parameters: tuple[Parameter, ...]) -> tuple[Parameter, ...]:
    """Without the leading axis."""
    return tuple(Parameter(OUTWARDS[p.name], p.shape[1:], p.dims[1:], p.support) for p in parameters)
