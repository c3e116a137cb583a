"""The contract: what latent structures, emissions and parameter blocks owe the methods, and what they get for it.

A model is an exponential family once its latent variables are known. Potentials flow one way, statistics the other:

    parameters --potentials--> latent structure --statistics--> parameters

Implement a `Block` and EM, CAVI, Gibbs and NUTS can update it. Implement an `Emission` (usually: name its block and
its sufficient statistics) and every latent structure can use it. Implement a `Latent` and every emission runs in it.
Methods see none of these: they talk to the `Program` that `compile` makes of them.

This module imports nothing of ours.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate, pairwise
from math import prod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Params = dict[str, Array]
Shapes = tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One named array of parameters in internal coordinates.

    Parameters
    ----------
    name : str
        The name in ``fixed`` and in error messages.
    shape : tuple of int
    dims : tuple of str
        One name per axis; ``component`` or ``state`` first where the parameter belongs to a component.
    support : str
        ``"real"``, ``"positive"``, ``"unit"``, ``"simplex"`` (last axis) or ``"spd"`` (last two axes).
    """

    name: str
    shape: tuple[int, ...]
    dims: tuple[str, ...]
    support: str


@dataclass(frozen=True)
class Layout:
    """Where named arrays lie in one flat vector. Immutable; `add` returns a longer one."""

    shapes: Shapes = ()

    def add(self, name: str, shape: tuple[int, ...]) -> Layout:
        return Layout((*self.shapes, (name, shape)))

    @cached_property
    def size(self) -> int:
        return sum(prod(shape) for _, shape in self.shapes)

    @cached_property
    def _slices(self) -> tuple[slice, ...]:
        return tuple(slice(a, b) for a, b in pairwise(accumulate((prod(s) for _, s in self.shapes), initial=0)))

    @cached_property
    def _items(self) -> tuple[tuple[str, slice, tuple[int, ...]], ...]:
        return tuple((name, where, shape) for (name, shape), where in zip(self.shapes, self._slices, strict=True))

    def items(self) -> Iterator[tuple[str, slice, tuple[int, ...]]]:
        """Name, place and shape of each array."""
        return iter(self._items)

    def offset(self, name: str) -> int:
        return next(where.start for n, where, _ in self.items() if n == name)

    def unpack(self, flat: Array) -> Params:
        """Named views of the last axis of ``flat``, leading axes kept."""
        if flat.ndim == 1:  # once or twice per block of every iteration
            return {name: flat[where].reshape(shape) for name, where, shape in self._items}
        lead = flat.shape[:-1]
        return {name: flat[..., where].reshape(lead + shape) for name, where, shape in self._items}

    def labels(self, at: Any, shapes: Mapping[str, tuple[int, ...]] | None = None) -> list[str]:
        """``name[i, j]`` of elements ``at``, ascending, of a flat vector; by ``shapes`` where they are other ones."""
        out = []
        for name, where, shape in self._items:
            own = (shapes or {}).get(name, shape)
            for i in (j - where.start for j in at if where.start <= j < where.stop):
                out.append(f"{name}[{', '.join(map(str, np.unravel_index(i, own)))}]")
        return out

    def pack(self, arrays: Mapping[str, Any]) -> Array:
        flat = np.empty(self.size)
        for name, where, shape in self.items():
            flat[where] = np.broadcast_to(np.asarray(arrays[name], dtype=float), shape).ravel()
        return flat


@dataclass(frozen=True, slots=True, eq=False)
class Stats:
    """Expected sufficient statistics: named arrays that add over rows and scale.

    Law: ``stats(whole) = sum(stats(parts))``.
    """

    layout: Layout
    flat: Array

    def __getitem__(self, name: str) -> Array:
        return self.layout.unpack(self.flat)[name]

    def __add__(self, other: Stats) -> Stats:
        if self.layout != other.layout:
            raise ValueError("Stats of different models cannot be added.")
        return Stats(self.layout, self.flat + other.flat)

    def __rmul__(self, rho: float) -> Stats:
        return Stats(self.layout, rho * self.flat)


@dataclass(frozen=True, slots=True)
class Maximum:
    """What a block's M-step returns: parameters, and which components needed a floor (or a bound) to stay proper.

    ``unbounded`` names parameters that would be infinite; they stay where they were.
    """

    params: Params
    floored: tuple[int, ...] = ()
    unbounded: tuple[str, ...] = ()


class Block(ABC):
    """A group of parameters with its prior, updated together given expected sufficient statistics.

    Implement these; arrays are dicts by parameter name in internal coordinates (means relative to the data centre).

    Attributes
    ----------
    parameters : tuple of Parameter
    statistics : tuple of (name, shape)
        The statistics it reads, in the order of the flat vector.
    potentials : tuple of (name, shape)
        The potentials it supplies, likewise.
    """

    @property
    @abstractmethod
    def parameters(self) -> tuple[Parameter, ...]: ...

    @property
    @abstractmethod
    def statistics(self) -> Shapes: ...

    @property
    @abstractmethod
    def potentials(self) -> Shapes: ...

    @abstractmethod
    def codes(self) -> dict[str, int]:
        """The block's row of `kernels.tables.Blocks`, offsets apart."""

    @abstractmethod
    def hyper(self) -> Array:
        """The prior's hyperparameters, flat, as KERNELS lay them out for this code."""

    @abstractmethod
    def elementwise(self) -> dict[str, Any]:
        """Parameter name -> `evb.Prior` with a density known to the kernels, for priors that are not conjugate."""

    @abstractmethod
    def fixed_values(self) -> Params:
        """Parameter name -> internal values, NaN where free."""

    @abstractmethod
    def neutral(self) -> Params:
        """Valid parameters on the scale of the data, the same for every component."""

    @abstractmethod
    def describe(self) -> tuple[tuple[tuple[str, ...], Any], ...]:
        """(parameter names, prior in the user's coordinates) pairs, for people."""

    @abstractmethod
    def steps(self) -> tuple[str, ...]:
        """The Gibbs steps that leave the posterior invariant: ``conjugate``, ``means`` and ``spread``, or ``slice``."""

    @abstractmethod
    def maximize(self, params: Params, stats: Params, *, flat_prior: bool, floor: float) -> Maximum:
        """One conditional maximisation of expected complete-data log-likelihood plus log prior.

        Law 5: the result is a stationary point (joint prior), or no worse than ``params`` (conditional priors: ECM).
        """

    @abstractmethod
    def refuses_vi(self) -> str | None:
        """Why CAVI cannot run on this block, in words; None when it can."""

    @abstractmethod
    def factor(self, params: Params, stats: Params) -> Any:
        """The first variational factor, from the statistics at ``params``."""

    @abstractmethod
    def update(self, factor: Any, stats: Params) -> Any:
        """The next variational factor. Law 2: the ELBO does not fall."""

    @abstractmethod
    def expected_potentials(self, factor: Any) -> Params:
        """Potentials averaged over the factor."""

    @abstractmethod
    def kl(self, factor: Any) -> float:
        """KL(factor || prior)."""

    @abstractmethod
    def factor_mean(self, factor: Any) -> Params:
        """Posterior means of the parameters; not finite where a mean does not exist."""

    @abstractmethod
    def factor_centre(self, factor: Any) -> Params:
        """A point that every factor has: the location of a mean, and the inverse of an expected precision."""

    @abstractmethod
    def factor_draw(self, factor: Any, rng: np.random.Generator, size: int) -> Params:
        """Independent draws, leading axis ``size``."""

    @abstractmethod
    def factor_log_density(self, factor: Any, params: Params) -> Array:
        """Log density (size,) of the factor at draws of the block's own parameters, up to a constant."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Columns of data, ready for the kernels, with the block that supplies their potentials.

    Parameters
    ----------
    kind : int
        A stream kind of `kernels.tables`.
    columns : ndarray (n, c)
        Observations (Gaussian, NaN where missing), sufficient statistics (linear) or category codes (lookup).
    centre : ndarray (c,)
        What kernels subtract as they read.
    size : int
        Features, statistics or categories.
    block : Block
    base : ndarray (n,) or None
        Log base measure h(y).
    prefix : str
        What a product puts before the names of this stream's parameters.
    design : Design or None
        Columns and encoding of a regression's design matrix.
    products : ndarray (p, p) or None
        X'X of the rows with a response, case weights counted, where reading a regression summed it.
    basis : ndarray (p, p + 1) or None
        Coordinates of the coefficients, where those of a regression are not the user's: see `emissions.basis`.
    seen : ndarray (n, c) or None
        The columns as the user sees them, where there is a basis.
    undetermined : str
        What the rows alone do not tell, in words, where the user's priors do.
    """

    kind: int
    columns: Array
    centre: Array
    size: int
    block: Block
    base: Array | None = None
    prefix: str = ""
    design: Any = None
    products: Array | None = None
    basis: Array | None = None
    seen: Array | None = None
    undetermined: str = ""


class Emission(ABC):
    """The distribution of an observation given its component or state.

    Implement these, get every latent structure and every method. Final classes are frozen dataclasses without arrays.
    Emissions of a response given predictors find the design matrix in ``params["exog"]`` when they simulate and in
    symbolic densities.
    """

    @property
    def takes_exog(self) -> bool:
        """Whether ``exog`` means something to it."""
        return False

    def observed(self, y: Any) -> Any:
        """What of ``y`` is observed: all of it, unless a formula names the response among the columns of a frame."""
        return y

    @property
    def ends(self) -> tuple[str, ...]:
        """Names of the columns of `observed` where a response is an interval; empty where it is not."""
        return ()

    @property
    def univariate(self) -> bool:
        """Whether an observation is one number."""
        return not self.ends and all("feature" not in dims for dims in self.dims().values())

    @property
    def by_name(self) -> bool:
        """Whether it picks the columns of a frame by their names, so that their order does not matter."""
        return False

    @abstractmethod
    def streams(self, y: Any, n_components: int, context: Context) -> tuple[Stream, ...]:
        """Check ``y`` (errors in words), reduce it to sufficient statistics and name the block of each stream."""

    @abstractmethod
    def public(self, params: Params, centre: Mapping[str, Array]) -> Params:
        """Internal parameters (any leading axes) to the user's."""

    @abstractmethod
    def internal(self, params: Mapping[str, Any], centre: Mapping[str, Array]) -> Params:
        """The user's parameters to internal ones."""

    @abstractmethod
    def dims(self) -> dict[str, tuple[str, ...]]:
        """Public parameter name -> dims after the component."""

    @abstractmethod
    def seeds(self, y: Any) -> Array:
        """Features (n, f) for k-means++ starts, NaN where missing; they are standardised there."""

    @abstractmethod
    def simulate(self, params: Mapping[str, Array], z: NDArray[np.int64], rng: np.random.Generator) -> Any:
        """Observations given components ``z`` (n,) and public parameters, of the type `streams` reads."""

    @abstractmethod
    def symbolic_log_density(self, y: Any, params: Mapping[str, Any], n_components: int) -> Any:
        """PyTensor: log p(y_i | z_i = k), shape (n, K). Shares no code with the kernels."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """JSON-ready description."""


@dataclass(frozen=True, slots=True)
class Context:
    """What an emission needs besides its data: the user's priors and fixed values under this emission's names."""

    prefix: str = ""
    priors: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    leading: str = "component"
    like: Mapping[str, Any] | None = None  # centres and designs of the data the model was fitted to, when y is new
    weights: Array | None = None  # case weights, for defaults that are scaled to the data
    exog: Any = None  # the design matrix of a regression, as the user gave it
    called: Mapping[str, str] = field(default_factory=dict)  # what the user calls a name that is not the emission's own
    fitting: bool = True  # else parameters are given, and data from which none could be estimated will do

    def name(self, own: str) -> str:
        """The user's name of a parameter or prior, for messages."""
        return self.prefix + self.called.get(own, own)

    def narrowed(self, prefix: str) -> Self:
        """The part of the context for one stream of a product."""
        cut = {k.removeprefix(prefix): v for k, v in self.priors.items() if k.startswith(prefix)}
        fixed = {k.removeprefix(prefix): v for k, v in self.fixed.items() if k.startswith(prefix)}
        like = self.like and {k.removeprefix(prefix): v for k, v in self.like.items() if k.startswith(prefix)}
        return replace(self, prefix=self.prefix + prefix, priors=cut, fixed=fixed, like=like, called={})


class Structure(ABC):
    """What is latent, as methods and results ask about it.

    Attributes
    ----------
    sequential : bool
        Whether the order of rows matters, and so ``lengths`` and whole rows without values have a meaning.
    """

    @property
    @abstractmethod
    def sequential(self) -> bool: ...

    @property
    @abstractmethod
    def derived(self) -> tuple[str, ...]:
        """Its public parameters that follow from the others, or have one value: nobody need give them."""

    @property
    @abstractmethod
    def pointwise_kinds(self) -> dict[str, str]:
        """Kind -> what a term is, in words; the default first."""

    @abstractmethod
    def blocks(self, context: Context) -> tuple[Block, ...]:
        """The blocks of its own parameters."""

    @abstractmethod
    def public(self, params: Params) -> Params:
        """Its internal parameters (any leading axes) to the user's."""

    @abstractmethod
    def internal(self, params: Mapping[str, Any]) -> Params:
        """The user's parameters to internal ones; ValueError in words where they are no probabilities."""

    @property
    @abstractmethod
    def concave(self) -> bool:
        """Whether the log-likelihood is concave in some parameters, whatever the data: any maximum is the maximum."""

    @abstractmethod
    def occupancy(self, stats: Array) -> Array:
        """Expected number of rows of each component or state (K,), case weights counted, out of flat statistics."""

    @abstractmethod
    def sample(self, n: int, starts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows that carry the labels of a draw well enough, and where sequences start among them."""

    @abstractmethod
    def simulate(
        self, params: Mapping[str, Array], lengths: NDArray[np.int64], rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Assignments of all rows, sequence after sequence."""


class Latent(Structure):
    """A latent structure: turns potentials into evidence and statistics.

    Implement these; ``data``, ``streams`` are kernel tables, ``pot`` the flat potentials. Its own blocks come first in
    the flat vectors, then those of the emission's streams.

    Attributes
    ----------
    code : int
        Of `kernels.tables`: MIXTURE, CHAIN.
    """

    @property
    @abstractmethod
    def code(self) -> int: ...

    @abstractmethod
    def prepared(self, data: Any, streams: Any) -> Any:
        """The data as `expect`, and the kernels of samplers, read them: once for all iterations."""

    @abstractmethod
    def expect(self, data: Any, streams: Any, pot: Array, stats: Array, cores: int) -> float:
        """Fill ``stats`` with expected statistics and return the log evidence; law 3 lets threads share the work."""

    @abstractmethod
    def decode(self, data: Any, streams: Any, pot: Array, stats: Array) -> float:
        """The same for the most probable assignment; returns the complete-data log-likelihood."""

    @abstractmethod
    def assign(self, data: Any, streams: Any, pot: Array) -> NDArray[np.int64]:
        """The most probable assignment (n,)."""

    @abstractmethod
    def pointwise(self, data: Any, streams: Any, pot: Array, kind: str) -> Array:
        """Log predictive density terms, of a ``kind`` in `pointwise_kinds`."""

    @abstractmethod
    def probabilities(self, data: Any, streams: Any, pot: Array) -> Array:
        """Posterior probabilities of the components or states (n, K)."""
