"""Finite mixtures: each row comes from a component that nobody saw."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

from em_vs_bayes.common.contract import Emission, Latent
from em_vs_bayes.common.values import plain_fields
from em_vs_bayes.model.emissions import MvNormal
from em_vs_bayes.model.latents import IidCategorical
from em_vs_bayes.model.spec import Spec


class Components(Spec, ABC):
    """What all mixtures are."""

    n_components: int

    @property
    def size(self) -> int:
        return self.n_components

    @property
    def leading(self) -> str:
        return "component"

    @property
    def joint_prior(self) -> str:
        return "emission"

    @property
    def latent_dims(self) -> dict[str, tuple[str, ...]]:
        return {"weights": ("component",)}

    @property
    def latent(self) -> Latent:
        return IidCategorical(self.size)


@final
@dataclass(frozen=True, eq=False, repr=False)
class Mixture(Components):
    """A finite mixture: each row comes from one of ``n_components`` unknown components.

    Parameters
    ----------
    emission : Emission
        Distribution of a row given its component, from `evb.emissions`.
    n_components : int
    priors : dict, optional
        Parameter name (or ``"emission"`` for a joint prior) -> prior.
    fixed : dict, optional
        Parameter name -> value; NaN marks free elements.
    ordered : str or tuple of str, optional
        One-dimensional parameters that increase over components.
    """

    emission: Emission
    n_components: int
    priors: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    ordered: str | tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        plain_fields(self)
        self._check()

    @property
    def model_emission(self) -> Emission:
        return self.emission

    def _arguments(self) -> dict[str, Any]:
        return {"emission": self.emission.to_dict(), "n_components": int(self.n_components)}

    def _shown(self) -> dict[str, Any]:
        return {"emission": self.emission, "n_components": int(self.n_components)}


@final
@dataclass(frozen=True, eq=False, repr=False)
class GaussianMixture(Components):
    """A mixture of multivariate normals.

    Parameters
    ----------
    n_components : int
    covariance : {"full", "tied", "diag", "spherical"}
    priors : dict, optional
    fixed : dict, optional
    ordered : str or tuple of str, optional
        These as in `Mixture`.
    """

    n_components: int
    covariance: str = "full"
    priors: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    ordered: str | tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        plain_fields(self)
        MvNormal(self.covariance)
        self._check()

    @property
    def model_emission(self) -> Emission:
        return MvNormal(self.covariance)

    def _arguments(self) -> dict[str, Any]:
        return {"n_components": int(self.n_components), "covariance": self.covariance}
