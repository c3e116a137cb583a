"""Independent streams of observations, each with its own emission, sharing one component per row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
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
from em_vs_bayes.data import read


@final
class Product(Emission):
    """Several emissions side by side, independent given the component.

    Parameters
    ----------
    **streams : Emission
        Name -> emission. y is then a frame or dict with those names; a stream's parameters carry its name:
        ``u_means``, ``v_rates``. Priors and fixed values are given under the same names.
    """

    def __init__(self, **streams: Emission) -> None:
        if not streams:
            raise ValueError("Product wants at least one stream: Product(name=emission, ...).")
        for name, emission in streams.items():
            if not name or "/" in name or not name.isprintable():
                raise ValueError(
                    f"Product got a stream {name!r}; its name starts those of parameters, which a DataTree holds "
                    "without '/', and wants printable characters without '/'. Rename the column."
                )
            if not isinstance(emission, Emission) or isinstance(emission, Product):
                raise TypeError(f"Product({name}=...) must be an emission other than Product; got {brief(emission)}.")
            if getattr(emission, "formula", None) is not None:
                raise ValueError(f"Product({name}=...) cannot have a formula; give its regression the design as exog.")
        self._parts = dict(streams)

    @property
    def parts(self) -> dict[str, Emission]:
        """Name -> emission."""
        return dict(self._parts)

    @property
    def by_name(self) -> bool:
        return True

    @property
    def takes_exog(self) -> bool:
        return any(emission.takes_exog for emission in self._parts.values())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Product) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        return f"Product({', '.join(f'{name}={emission!r}' for name, emission in self._parts.items())})"

    def _split(self, y: Any) -> dict[str, Any]:
        names = list(y.keys()) if callable(getattr(y, "keys", None)) else list(getattr(y, "columns", []))
        missing = [name for name in self._parts if name not in names]
        if missing:
            raise ValueError(
                f"y must be a frame or dict with {list(self._parts)}; it lacks {missing} (it has {names})."
            )
        split = {name: y[name] for name in self._parts}
        lengths = {name: read.rows(values) for name, values in split.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"The streams of y must have one length; got {lengths}.")
        return split

    def streams(self, y: Any, n_components: int, context: Context) -> tuple[Stream, ...]:
        split = self._split(y)
        return tuple(
            replace(stream, prefix=name + "_")
            for name, emission in self._parts.items()
            for stream in emission.streams(split[name], n_components, context.narrowed(name + "_"))
        )

    def public(self, params: Params, centre: Mapping[str, Array]) -> Params:
        return self._map("public", params, centre)

    def internal(self, params: Mapping[str, Any], centre: Mapping[str, Array]) -> Params:
        return self._map("internal", params, centre)

    def _map(self, verb: str, params: Mapping[str, Any], centre: Mapping[str, Array]) -> Params:
        out: Params = {}
        for name, emission in self._parts.items():
            cut = {k.removeprefix(name + "_"): v for k, v in params.items() if k.startswith(name + "_")}
            where = {k.removeprefix(name + "_"): v for k, v in centre.items() if k.startswith(name + "_")}
            mapped = emission.public(cut, where) if verb == "public" else emission.internal(cut, where)
            out |= {f"{name}_{k}": v for k, v in mapped.items()}
        return out

    def dims(self) -> dict[str, tuple[str, ...]]:
        own = {"feature", "feature_to", "category", "predictor"}
        return {
            f"{name}_{parameter}": tuple(f"{name}_{d}" if d in own else d for d in dims)
            for name, emission in self._parts.items()
            for parameter, dims in emission.dims().items()
        }

    def seeds(self, y: Any) -> Array:
        split = self._split(y)
        return np.column_stack([emission.seeds(split[name]) for name, emission in self._parts.items()])

    def simulate(self, params: Mapping[str, Array], z: Any, rng: np.random.Generator) -> dict[str, Any]:
        return {
            name: emission.simulate(
                {k.removeprefix(name + "_"): v for k, v in params.items() if k.startswith(name + "_")}, z, rng
            )
            for name, emission in self._parts.items()
        }

    def symbolic_log_density(self, y: Any, params: Mapping[str, Any], n_components: int) -> Any:
        split = self._split(y)
        terms = [
            emission.symbolic_log_density(
                split[name],
                {k.removeprefix(name + "_"): v for k, v in params.items() if k.startswith(name + "_")},
                n_components,
            )
            for name, emission in self._parts.items()
        ]
        return sum(terms[1:], terms[0])

    def to_dict(self) -> dict[str, Any]:
        return {"emission": "Product", "streams": {name: e.to_dict() for name, e in self._parts.items()}}
