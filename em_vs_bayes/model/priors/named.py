"""Priors that are any PyMC distribution, by name, and the columns that compiled code reads."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, ClassVar, Self, final

import numpy as np

from em_vs_bayes.common.arguments import brief
from em_vs_bayes.common.values import plain as scalar
from em_vs_bayes.kernels.tables import DENSITY
from em_vs_bayes.model.priors.base import Array, plain
from em_vs_bayes.model.priors.columns import COLUMNS, REAL, Columns


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False, init=False)
class Prior:
    """A PyMC distribution by name, applied elementwise: ``Prior("HalfNormal", sigma=2.0)``.

    Nothing is handed to PyMC here. The names in ``Prior.COMPILED`` are known to the compiled methods too (a
    ``TruncatedNormal`` with ``lower=0`` and no ``upper``); their arguments are checked at once. Any other is kept as it
    is and sampled through a PyMC model.

    Parameters
    ----------
    name : str
        Name in the ``pymc`` namespace.
    **arguments : number or array
        The distribution's own arguments, as PyMC names them; arrays hold per-component values.

    Raises
    ------
    TypeError
        If a known distribution has no such argument, lacks one, or a value is not numeric.
    ValueError
        If a value of a known distribution is outside its domain.
    """

    name: str
    arguments: Mapping[str, Array]
    COMPILED: ClassVar[tuple[str, ...]] = tuple(COLUMNS)
    __hash__ = None  # type: ignore[assignment]  # arrays have no hash

    def __init__(self, name: str, /, **arguments: Any) -> None:
        if not (isinstance(name, str) and name.isidentifier()):
            raise TypeError(f"name: got {brief(name)}, wants the name of a PyMC distribution, such as 'HalfNormal'")
        stored = {key: _numeric(key, value) for key, value in arguments.items()}
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "arguments", MappingProxyType(stored))
        if self.compiled:
            self._values()

    @property
    def compiled(self) -> bool:
        """Whether the compiled methods know this density."""
        if self.name == "TruncatedNormal":
            lower, upper = self.arguments.get("lower", -np.inf), self.arguments.get("upper", np.inf)
            return bool(np.all(np.asarray(lower) == 0) and np.all(np.asarray(upper) == np.inf))
        return self.name in COLUMNS

    def columns(self, *shape: int) -> tuple[int, Array, Array, Array]:
        """The code in ``DENSITY`` and its parameters a, b, c, broadcast to ``shape`` (zeros where unused).

        A vector of length K fits (K, 1) as one value per component. ``HalfFlat`` has the code of ``Flat``:
        the caller owes that the parameter is positive (see ``support``). Errors: ValueError if the name is
        not in ``Prior.COMPILED`` or an argument does not fit ``shape``.
        """
        if not self.compiled:
            raise ValueError(f"prior: got {self!r}, wants one of {', '.join(self.COMPILED)} (or the PyMC model)")
        values = [np.asarray(value, dtype=np.float64) for value in self._values()]
        values = [value[:, None] if len(shape) == 2 and value.shape == shape[:1] and shape[1] == 1 else value
                  for value in values]  # fmt: skip
        try:
            a, b, c = (np.broadcast_to(value, shape).copy() for value in values + [np.zeros(())] * (3 - len(values)))
        except ValueError:
            raise ValueError(f"{self}: got arguments that do not fit, wants scalars or arrays for {shape}") from None
        return DENSITY["Flat" if self.name == "HalfFlat" else self.name], a, b, c

    def support(self) -> tuple[Array, Array]:
        """Lower and upper end of a compiled distribution's support. Errors: ValueError for others."""
        if not self.compiled:
            raise ValueError(f"prior: got {self!r}, wants one of {', '.join(self.COMPILED)}")
        if self.name == "Uniform":
            lower, upper = self._values()
            return np.asarray(lower), np.asarray(upper)
        upper = 1.0 if self.name == "Beta" else np.inf
        return np.asarray(-np.inf if self.name in REAL else 0.0), np.asarray(upper)

    def to_dict(self) -> dict[str, Any]:
        """Plain strings, numbers and lists."""
        arguments = {key: plain(value.tolist()) for key, value in self.arguments.items()}
        return {"family": "Prior", "name": self.name, "arguments": arguments}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The prior whose ``to_dict`` is ``data``."""
        if set(data) != {"family", "name", "arguments"} or data["family"] != "Prior":
            raise ValueError(f"Prior: got {data!r}, wants the keys family='Prior', name and arguments")
        return cls(data["name"], **{key: _from_plain(value) for key, value in data["arguments"].items()})

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Prior):
            return NotImplemented
        mine, yours = self.arguments, other.arguments
        same = self.name == other.name and mine.keys() == yours.keys()
        return same and all(np.array_equal(mine[key], yours[key]) for key in mine)

    def __repr__(self) -> str:
        shown = [repr(self.name), *(f"{key}={value.tolist()}" for key, value in self.arguments.items())]
        return f"Prior({', '.join(shown)})"

    def __reduce__(self) -> tuple[Any, ...]:  # a mappingproxy does not pickle
        return _rebuild, (self.name, dict(self.arguments))

    def _values(self) -> Columns:
        columns = COLUMNS[self.name]
        signature = _signature(self.name)
        try:
            signature.bind(**self.arguments)
        except TypeError as reason:
            wants = ", ".join(signature.parameters)
            raise TypeError(f"Prior({self.name!r}): {reason}; wants {wants or 'no arguments'}") from None
        try:
            return columns(**self.arguments)
        except ValueError as reason:
            raise ValueError(f"Prior({brief(self.name)}): {reason}") from None


@cache
def _signature(name: str) -> inspect.Signature:
    return inspect.signature(COLUMNS[name])


def _numeric(name: str, value: Any) -> Array:
    try:
        array = np.array(scalar(value))
    except ValueError:  # ragged
        array = np.array(None)
    if array.dtype.kind not in "iufb":
        raise TypeError(f"{name}: got {brief(value)}, wants a number or an array of numbers")
    array.flags.writeable = False
    return array


def _from_plain(value: Any) -> Array:
    array = np.array(value)  # non-finite numbers travel as strings
    return array.astype(np.float64) if array.dtype.kind == "U" else array


def _rebuild(name: str, arguments: dict[str, Array]) -> Prior:
    return Prior(name, **arguments)
