"""Priors: conjugate families, conditionally conjugate ones, and any PyMC distribution by name."""

from collections.abc import Mapping
from typing import Any

from em_vs_bayes.common.arguments import brief
from em_vs_bayes.model.priors.base import Value
from em_vs_bayes.model.priors.beta import Beta
from em_vs_bayes.model.priors.dirichlet import Dirichlet
from em_vs_bayes.model.priors.g_prior import GPrior
from em_vs_bayes.model.priors.gamma import Gamma
from em_vs_bayes.model.priors.gaussian_factor import GaussianFactor
from em_vs_bayes.model.priors.inverse_gamma import InverseGamma
from em_vs_bayes.model.priors.inverse_wishart import InverseWishart
from em_vs_bayes.model.priors.named import Prior
from em_vs_bayes.model.priors.normal import Normal
from em_vs_bayes.model.priors.normal_inverse_gamma import NormalInverseGamma
from em_vs_bayes.model.priors.normal_inverse_wishart import NormalInverseWishart
from em_vs_bayes.model.priors.regression_normal_inverse_gamma import RegressionNormalInverseGamma
from em_vs_bayes.model.priors.spherical_normal_inverse_gamma import SphericalNormalInverseGamma
from em_vs_bayes.model.priors.tied_normal_inverse_wishart import TiedNormalInverseWishart

__all__ = [
    "Beta",
    "Dirichlet",
    "GPrior",
    "Gamma",
    "InverseGamma",
    "InverseWishart",
    "Normal",
    "NormalInverseGamma",
    "NormalInverseWishart",
    "Prior",
]

_FAMILIES: dict[str, type[Value] | type[Prior]] = {
    cls.__name__: cls
    for cls in (
        Beta,
        Dirichlet,
        GPrior,
        Gamma,
        GaussianFactor,
        InverseGamma,
        InverseWishart,
        Normal,
        NormalInverseGamma,
        NormalInverseWishart,
        Prior,
        RegressionNormalInverseGamma,
        SphericalNormalInverseGamma,
        TiedNormalInverseWishart,
    )
}


def from_dict(data: dict[str, Any]) -> Value | Prior:
    """The prior whose ``to_dict`` is ``data``. Errors: ValueError for an unknown family."""
    family = data.get("family") if isinstance(data, Mapping) else data
    if not isinstance(family, str) or family not in _FAMILIES:
        raise ValueError(f"family: got {brief(family)}, wants one of {', '.join(sorted(_FAMILIES))}")
    return _FAMILIES[family].from_dict(data)
