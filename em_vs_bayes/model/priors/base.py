"""What every prior is: an immutable value, and the verbs the methods call on it.

The same object is what a user writes as a prior and what a method holds as a posterior. Improper members
(flat priors, and their posteriors before enough data came) exist too, but only ``flat`` and ``update`` make
them: they are measures without a normaliser, and their density is written with the constant one.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self, final

import numpy as np

from em_vs_bayes.common.arguments import as_floats, brief

type Array = np.ndarray
type Values = Any  # scalar or array when written by the user; a read-only float64 array once stored
type Size = int | tuple[int, ...] | None


class Value(ABC):
    """Immutable named float64 arrays with equality, repr and a JSON form.

    Implement: the fields of a frozen dataclass (``slots=True, eq=False, repr=False``) and ``_check``.
    Get: conversion and validation at construction, ``==`` (exact), ``repr``, ``to_dict``, ``from_dict``,
    ``proper``.
    """

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]  # arrays have no hash
    __dataclass_fields__: ClassVar[dict[str, Any]]

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            object.__setattr__(self, name, _frozen(name, getattr(self, name)))
        self._check()

    @abstractmethod
    def _check(self) -> None:
        """Raise ValueError (the argument, what it got, what it wants) unless this member is proper."""

    @classmethod
    def _unchecked(cls, **values: Values) -> Self:
        """The member with these values, improper ones included."""
        new = object.__new__(cls)
        for name in cls.__dataclass_fields__:
            object.__setattr__(new, name, _frozen(name, values[name]))
        return new

    @property
    def proper(self) -> bool:
        """Whether the density integrates to one."""
        try:
            self._check()
        except ValueError:
            return False
        return True

    def _require_proper(self, verb: str) -> None:
        try:
            self._check()
        except ValueError as reason:
            raise ValueError(f"{verb}: wants a proper {type(self).__name__}, got an improper one ({reason})") from None

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        pairs = [(getattr(self, name), getattr(other, name)) for name in self.__dataclass_fields__]
        return all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)

    def __repr__(self) -> str:
        shown = (f"{name}={getattr(self, name).tolist()}" for name in self.__dataclass_fields__)
        return f"{type(self).__name__}({', '.join(shown)})"

    def to_dict(self) -> dict[str, Any]:
        """Plain strings, numbers and lists; non-finite numbers as strings, so that the JSON is strict."""
        values = {name: plain(getattr(self, name).tolist()) for name in self.__dataclass_fields__}
        return {"family": type(self).__name__, **values} | ({} if self.proper else {"improper": True})

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The value whose ``to_dict`` is ``data``. Errors: ValueError if names or values do not fit."""
        if data.get("family") != cls.__name__:
            raise ValueError(f"family: got {data.get('family')!r}, wants {cls.__name__!r}")
        values = {name: unplain(value) for name, value in data.items() if name not in ("family", "improper")}
        if set(values) != set(cls.__dataclass_fields__):
            raise ValueError(f"{cls.__name__}: got keys {sorted(values)}, wants {sorted(cls.__dataclass_fields__)}")
        return cls._unchecked(**values) if data.get("improper") else cls(**values)


class Family(Value):
    """A family of densities over parameters.

    Implement: ``broadcast``, ``flat``, ``mode``, ``expected``, ``draw``, ``log_density``,
    ``expected_log_density``.
    Get: ``kl``, zero between equal members to the last bit.
    """

    __slots__ = ()

    @abstractmethod
    def broadcast(self, *shape: Any, **named: Any) -> Self:
        """Every hyperparameter at its full shape. Errors: ValueError where one does not fit."""

    @classmethod
    @abstractmethod
    def flat(cls, *shape: Any, **named: Any) -> Self:
        """The member, improper where need be, whose density is constant in the parameters."""

    @abstractmethod
    def mode(self, *args: Any, **named: Any) -> Any:
        """Joint mode in the parameters themselves (Sigma, not log Sigma)."""

    @abstractmethod
    def expected(self, *args: Any, **named: Any) -> Any:
        """Mean of each parameter."""

    @abstractmethod
    def draw(self, rng: np.random.Generator, size: Size = None, *args: Any, **named: Any) -> Any:
        """Independent draws; the axes of ``size`` come first."""

    @abstractmethod
    def log_density(self, *values: Any, **named: Any) -> float:
        """Log density at the parameters, summed over components; -inf outside the support."""

    @abstractmethod
    def expected_log_density(self, other: Self) -> float:
        """Expectation under this member of the log density of ``other``, summed over components."""

    @final
    def kl(self, other: Self) -> float:
        """Kullback-Leibler divergence of ``other`` from this member, summed over components.

        Where ``other`` is improper this is E[log q - log (its constant-one density)], the term the ELBO
        needs.
        """
        if type(other) is not type(self):
            raise TypeError(f"other: got {type(other).__name__}, wants {type(self).__name__}")
        for name in self.__dataclass_fields__:
            mine, yours = getattr(self, name).shape, getattr(other, name).shape
            if mine != yours:
                raise ValueError(f"other.{name}: got shape {yours}, wants {mine}; broadcast the prior first")
        self._require_proper("kl")
        return self.expected_log_density(self) - self.expected_log_density(other)


class Conjugate(Family):
    """A family closed under its likelihood. Implement besides: ``update`` and ``expected_potentials``."""

    __slots__ = ()

    @abstractmethod
    def update(self, *stats: Any, **named: Any) -> Self:
        """The posterior given additive statistics; ``flat(...).update(stats).mode()`` is the MLE."""

    @abstractmethod
    def expected_potentials(self) -> Any:
        """What CAVI's E-step reads: expectations of the natural parameters."""


def leading(size: Size) -> tuple[int, ...]:
    """The axes of ``size`` as a tuple."""
    return () if size is None else (size,) if isinstance(size, int) else tuple(size)


def plain(value: Any) -> Any:
    """Nested lists of numbers with inf and NaN as the strings ``float`` reads back."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value if not isinstance(value, float) or np.isfinite(value) else str(value)


def unplain(value: Any) -> Any:
    """What `plain` was given."""
    if isinstance(value, list):
        return [unplain(item) for item in value]
    return float(value) if value in ("inf", "-inf", "nan") else value


def _frozen(name: str, value: Values) -> Array:
    array = as_floats(value)
    if array is None:
        raise TypeError(f"{name}: got {brief(value)}, wants a number or a rectangular array of numbers")
    if not array.size:
        raise ValueError(f"{name}: got an empty array, wants a number or a rectangular array of numbers")
    array = np.array(array)  # a copy of our own
    array.flags.writeable = False
    return array
