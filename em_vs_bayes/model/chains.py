"""Hidden Markov models: rows follow one another, each from a state that nobody saw."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

from em_vs_bayes.common.arguments import brief
from em_vs_bayes.common.contract import Emission, Latent
from em_vs_bayes.common.values import plain_fields
from em_vs_bayes.model.emissions import MvNormal
from em_vs_bayes.model.latents import MarkovChain
from em_vs_bayes.model.spec import Spec

CHAIN_DIMS: dict[str, tuple[str, ...]] = {"initial": ("state",), "transition": ("state", "state_to")}
INITIAL = ("free", "uniform", "stationary")


class States(Spec, ABC):
    """What all hidden Markov models are."""

    n_states: int
    initial: str

    @property
    def size(self) -> int:
        return self.n_states

    @property
    def leading(self) -> str:
        return "state"

    @property
    def joint_prior(self) -> str:
        return "emission"

    @property
    def latent_dims(self) -> dict[str, tuple[str, ...]]:
        return CHAIN_DIMS

    @property
    def latent(self) -> Latent:
        return MarkovChain(self.size, self.initial)

    def _check_initial(self) -> None:
        if not isinstance(self.initial, str) or self.initial not in INITIAL:
            raise ValueError(
                f"initial must be one of {', '.join(map(repr, INITIAL))}; got {brief(self.initial)}. "
                "A known distribution goes into fixed={'initial': [...]}."
            )
        if self.initial != "free":
            for argument, given in (("priors", self.priors), ("fixed", self.fixed)):
                if "initial" in given:
                    raise ValueError(
                        f"{argument}['initial'] has no meaning with initial={brief(self.initial)}; leave one of them "
                        "out."
                    )


@final
@dataclass(frozen=True, eq=False, repr=False)
class HMM(States):
    """A hidden Markov model: rows follow one another, each from the state the chain is in.

    Parameters
    ----------
    emission : Emission
        Distribution of a row given its state, from `evb.emissions`.
    n_states : int
    initial : {"free", "uniform", "stationary"}
        Distribution of the first state of a sequence: a parameter, 1 / n_states, or the stationary distribution of
        ``transition``. Any other known distribution goes into ``fixed={"initial": ...}``.
    priors : dict, optional
        Parameter name (or ``"emission"`` for a joint prior) -> prior. A sticky chain is
        ``{"transition": Dirichlet(1 + 10 * np.eye(n_states))}``.
    fixed : dict, optional
        Parameter name -> value; NaN marks free elements. Zeros in ``transition`` stay zeros.
    ordered : str or tuple of str, optional
        One-dimensional parameters that increase over states.
    """

    emission: Emission
    n_states: int
    initial: str = "free"
    priors: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    ordered: str | tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        plain_fields(self)
        self._check()
        self._check_initial()

    @property
    def model_emission(self) -> Emission:
        return self.emission

    def _arguments(self) -> dict[str, Any]:
        return {"emission": self.emission.to_dict(), "n_states": int(self.n_states), "initial": self.initial}

    def _shown(self) -> dict[str, Any]:
        shown = {"emission": self.emission, "n_states": int(self.n_states), "initial": self.initial}
        return {name: value for name, value in shown.items() if (name, value) != ("initial", "free")}


@final
@dataclass(frozen=True, eq=False, repr=False)
class GaussianHMM(States):
    """A hidden Markov model with multivariate normal emissions.

    Parameters
    ----------
    n_states : int
    covariance : {"full", "tied", "diag", "spherical"}
    initial : {"free", "uniform", "stationary"}
    priors : dict, optional
    fixed : dict, optional
    ordered : str or tuple of str, optional
        These as in `HMM`.
    """

    n_states: int
    covariance: str = "full"
    initial: str = "free"
    priors: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    ordered: str | tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        plain_fields(self)
        MvNormal(self.covariance)
        self._check()
        self._check_initial()

    @property
    def model_emission(self) -> Emission:
        return MvNormal(self.covariance)

    def _arguments(self) -> dict[str, Any]:
        return {"n_states": int(self.n_states), "covariance": self.covariance, "initial": self.initial}

    def _shown(self) -> dict[str, Any]:
        return {name: value for name, value in self._arguments().items() if (name, value) != ("initial", "free")}
