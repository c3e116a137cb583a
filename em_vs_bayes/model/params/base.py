"""What a declared parameter owes a model: a block, potentials that a user can read, statistics that a block can."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from em_vs_bayes.common.arguments import as_floats, brief
from em_vs_bayes.common.contract import Array, Block, Context, Params


class Potentials:
    """Averages of a parameter's natural parameters, under names: at a point, or under a factor of q.

    Which names there are says the class of the parameter.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def __getattr__(self, name: str) -> Any:
        try:
            return object.__getattribute__(self, "_values")[name]
        except KeyError:
            raise AttributeError(f"potentials have no {name!r}; they have {', '.join(self._values)}.") from None

    def __dir__(self) -> list[str]:
        return sorted(self._values)

    def __repr__(self) -> str:
        return f"Potentials({', '.join(f'{k}={v!r}' for k, v in self._values.items())})"


class Param(ABC):
    """A parameter, or an array of them, declared as an attribute of a `Model`.

    Parameters
    ----------
    shape : int or tuple of int
        Of an array of such parameters, each with a prior of its own; () for one.
    dim : str or tuple of str, optional
        A name for each axis, by which results call them; by default that of the attribute and a number.
    """

    def __init__(self, shape: int | tuple[int, ...] = (), dim: str | tuple[str, ...] | None = None) -> None:
        self.shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
        if not all(isinstance(n, (int, np.integer)) and n > 0 for n in self.shape):
            raise ValueError(f"shape must be a positive integer or a tuple of them; got {brief(shape)}.")
        self.dim = (dim,) if isinstance(dim, str) else dim

    @property
    def count(self) -> int:
        """How many there are."""
        return prod(self.shape)

    def axes(self, name: str, shape: tuple[int, ...]) -> tuple[str, ...]:
        """Names of the axes of an array of this parameter."""
        own = self.dim or tuple(f"{name}_dim_{i}" for i in range(len(shape)))
        if len(own) != len(shape):
            raise ValueError(f"{name}: dim={brief(self.dim)} names {len(own)} axes; the parameter has {len(shape)}.")
        return own

    @abstractmethod
    def dims(self, name: str) -> dict[str, tuple[str, ...]]:
        """Public parameters -> dims."""

    @abstractmethod
    def block(self, name: str, context: Context) -> tuple[str, Block]:
        """The prefix of its parameters' names, and the block."""

    @abstractmethod
    def public(self, name: str, internal: Params) -> Params:
        """The block's parameters (any leading axes), under their full names, to the user's."""

    @abstractmethod
    def internal(self, name: str, public: Mapping[str, Array]) -> Params:
        """And back."""

    @abstractmethod
    def potentials(self, flat: Params) -> Potentials:
        """Those of the block, for the user."""

    @property
    @abstractmethod
    def wanted(self) -> tuple[tuple[int, ...], str]:
        """The shape of its statistics, and what they are, in words."""

    @abstractmethod
    def statistics(self, given: Array) -> Params:
        """Those of the user, of the shape `wanted`, for the block."""

    def checked(self, given: Any, who: str, what: str, name: str) -> Array:
        """Statistics as the user's method returned them: numbers, finite, of the shape that is wanted."""
        shape, words = self.wanted
        plain = type(given) is np.ndarray and given.dtype == np.float64
        array = given if plain else as_floats(given)
        if array is not None and array.shape == shape and np.isfinite(array).all():
            return array
        told = f"{who}.{what}: statistics[{name!r}] must be"
        if array is None:
            raise TypeError(f"{told} {words}, an array of shape {shape}; got {brief(given)}.")
        if array.shape != shape:
            raise ValueError(f"{told} {words}, of shape {shape}; got shape {array.shape}.")
        raise ValueError(f"{told} finite; got {brief(array.tolist())}.")
