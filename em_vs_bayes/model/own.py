"""`Model`: a latent-variable model that a user writes down in one short class."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Self, final

import numpy as np
from numpy.typing import NDArray

from em_vs_bayes.common.contract import Array, Block, Context, Emission, Params, Stream, Structure
from em_vs_bayes.data import read
from em_vs_bayes.model.params import Param
from em_vs_bayes.model.spec import Spec


class Model(Spec, ABC):
    """A model of one's own: parameters as class attributes, and what latent variables make of potentials.

    Subclasses declare parameters (`evb.params`) and write ``expect``; with ``draw`` they get Gibbs sampling, with
    ``simulate`` the parametric bootstrap and `evb.check`'s test of the score.

    ``expect(self, y, NAME, ...)`` is given the data and the potentials of each parameter, by its name. It returns the
    log evidence (one number, or one per row of y) and a dict of expected sufficient statistics, one entry for each
    parameter. Since it reads potentials, averages of natural parameters, and never the parameters themselves, EM and
    variational inference are one function. A model whose latent variables cannot be summed out from potentials alone
    sets ``reads = "values"``; variational inference is then refused.

    ``draw(self, y, NAME, ..., rng)`` returns the same dict for one completed data set, latent variables drawn from
    their conditional distribution.

    ``simulate(self, params, rng)`` returns new data, given a dict of parameters.

    ``start(self, y)`` returns parameters from which fits start, where probabilities of a half, rates of one and a
    standard normal law are far from the data.

    Parameters
    ----------
    priors : dict, optional
        Parameter name -> prior.
    fixed : dict, optional
        Parameter name -> value; NaN marks free elements.
    """

    reads: ClassVar[str] = "potentials"
    ordered = None

    def __init__(self, priors: Mapping[str, Any] | None = None, fixed: Mapping[str, Any] | None = None) -> None:
        self.priors = dict(priors or {}) if priors is None or isinstance(priors, Mapping) else priors
        self.fixed = dict(fixed or {}) if fixed is None or isinstance(fixed, Mapping) else fixed
        if not self.declared:
            raise TypeError(f"{type(self).__name__} declares no parameter: p = evb.params.Probability(), say.")
        if type(self).reads not in ("potentials", "values"):
            raise ValueError(f"{type(self).__name__}.reads must be 'potentials' or 'values'; got {self.reads!r}.")
        self._check()

    # --- what a subclass writes ---------------------------------------------------------------------------------

    def expect(self, y: Any, *args: Any, **potentials: Any) -> tuple[Any, dict[str, Any]]:
        """Log evidence, and expected sufficient statistics of each parameter."""
        raise ValueError(self._wants("expect", "it returns (log evidence, {parameter: statistics})"))

    def draw(self, y: Any, *args: Any, **potentials: Any) -> dict[str, Any]:
        """Statistics of one completion of the data; ``rng`` is among the keywords."""
        raise ValueError(
            self._wants("draw", "method='gibbs' draws latent variables by it; it returns {parameter: statistics}")
        )

    def simulate(self, params: Params, rng: np.random.Generator) -> Any:
        """New data at given parameters."""
        raise ValueError(self._wants("simulate", "it returns data as expect reads them"))

    def start(self, y: Any) -> Params:
        """Parameters from which fits start, for data of any scale."""
        raise ValueError(self._wants("start", "it returns {parameter: value}"))

    def _wants(self, name: str, what: str) -> str:
        arguments = (
            "params, rng" if name == "simulate" else ", ".join(["y", *self.declared, *(["rng"] * (name == "draw"))])
        )
        return f"{type(self).__name__} has no method {name}(self, {arguments}): {what}."

    def changed(self, priors: Mapping[str, Any], fixed: Mapping[str, Any]) -> Self:
        """The same model with other priors and fixed values."""
        new = copy(self)
        new.priors, new.fixed = dict(priors), dict(fixed)
        new._check()
        return new

    def writes(self, name: str) -> bool:
        """Whether the subclass wrote a method of that name."""
        return getattr(type(self), name) is not getattr(Model, name)

    # --- what a spec owes ---------------------------------------------------------------------------------------

    @property
    def declared(self) -> dict[str, Param]:
        """The parameters, in the order in which the class lists them."""
        return _declared(type(self))

    @property
    def model_emission(self) -> Emission:
        return _Whole(self)

    @property
    def size(self) -> int:
        return 1

    @property
    def leading(self) -> str:
        return ""

    @property
    def joint_prior(self) -> str:
        return "emission"

    @property
    def latent_dims(self) -> dict[str, tuple[str, ...]]:
        out: dict[str, tuple[str, ...]] = {}
        for name, param in self.declared.items():
            out |= param.dims(name)
        return out

    @property
    def latent(self) -> OwnStructure:
        return OwnStructure(self)

    def _arguments(self) -> dict[str, Any]:
        return {"class": f"{type(self).__module__}.{type(self).__qualname__}"}

    def _shown(self) -> dict[str, Any]:
        return {}


@cache
def _declared(kind: type) -> dict[str, Param]:
    found: dict[str, Param] = {}
    for base in reversed(kind.__mro__):
        found |= {name: value for name, value in vars(base).items() if isinstance(value, Param)}
    return found


@final
@dataclass(frozen=True, eq=False)
class OwnStructure(Structure):
    """What is asked of a model's structure besides its E-step.

    Parameters
    ----------
    model : Model
    by_row : bool
        Whether its evidence has a term for each row.
    """

    model: Model
    by_row: bool = False

    @property
    def sequential(self) -> bool:
        return False

    @property
    def derived(self) -> tuple[str, ...]:
        return ()

    @property
    def pointwise_kinds(self) -> dict[str, str]:
        if self.by_row:
            return {"row": "log p(y_i)"}
        return {"sequence": "log p(y), of all the data"}

    def placed(self, context: Context) -> list[tuple[str, Block]]:
        """Prefixes and blocks of the declared parameters."""
        return [param.block(name, context) for name, param in self.model.declared.items()]

    def blocks(self, context: Context) -> tuple[Block, ...]:
        return tuple(block for _, block in self.placed(context))

    def public(self, params: Params) -> Params:
        out: Params = {}
        for name, param in self.model.declared.items():
            out |= param.public(name, params)
        return out

    def internal(self, params: Mapping[str, Any]) -> Params:
        out: Params = {}
        for name, param in self.model.declared.items():
            out |= param.internal(name, params)
        return out

    @property
    def concave(self) -> bool:
        return False

    def occupancy(self, stats: Array) -> Array:
        return np.array([np.inf])  # there are no components that could be empty

    def sample(self, n: int, starts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return np.arange(n), starts

    def simulate(
        self, params: Mapping[str, Array], lengths: NDArray[np.int64], rng: np.random.Generator
    ) -> NDArray[np.int64]:
        return np.zeros(int(np.sum(lengths)), dtype=np.int64)


@final
@dataclass(frozen=True, eq=False)
class _Whole(Emission):
    """The data of a model as the rest of the package asks of them."""

    model: Model

    def observed(self, y: Any) -> Array:
        if isinstance(y, np.ndarray) and y.ndim:
            return y
        try:
            return read.matrix(y, finite=False)
        except (TypeError, ValueError):  # data of a kind of the user's own
            return np.full((rows_of(y), 1), np.nan)

    def streams(self, y: Any, n_components: int, context: Context) -> tuple[Stream, ...]:
        return ()

    def public(self, params: Params, centre: Mapping[str, Array]) -> Params:
        return {}

    def internal(self, params: Mapping[str, Any], centre: Mapping[str, Array]) -> Params:
        return {}

    def dims(self) -> dict[str, tuple[str, ...]]:
        return {}

    def seeds(self, y: Any) -> Array:
        return np.empty((0, 0))

    def simulate(self, params: Mapping[str, Array], z: NDArray[np.int64], rng: np.random.Generator) -> Any:
        return self.model.simulate(dict(params), rng)

    def symbolic_log_density(self, y: Any, params: Mapping[str, Any], n_components: int) -> Any:
        raise ValueError(
            f"{type(self.model).__name__} is known by its expected statistics, not by a density that PyMC could read: "
            "use method='nuts' (sampler='direct'), 'gibbs', 'laplace', 'vi' or 'em'."
        )

    def to_dict(self) -> dict[str, Any]:
        return {}


def rows_of(y: Any) -> int:
    """How many rows data of any kind are taken to have: one where they have no length, or are named."""
    try:
        return max(len(y), 1) if not isinstance(y, Mapping) else 1
    except TypeError:
        return 1
