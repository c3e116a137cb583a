"""Every spec under its name, and back from what `Spec.to_dict` described."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from em_vs_bayes.common.arguments import brief
from em_vs_bayes.model import priors as prior_families
from em_vs_bayes.model.chains import HMM, GaussianHMM
from em_vs_bayes.model.emissions import from_dict as emission_from_dict
from em_vs_bayes.model.mixtures import GaussianMixture, Mixture
from em_vs_bayes.model.regressions import CensoredRegression, Tobit, TruncatedRegression
from em_vs_bayes.model.spec import Spec

SPECS: dict[str, type[Spec]] = {
    "Mixture": Mixture,
    "GaussianMixture": GaussianMixture,
    "HMM": HMM,
    "GaussianHMM": GaussianHMM,
    "Tobit": Tobit,
    "CensoredRegression": CensoredRegression,
    "TruncatedRegression": TruncatedRegression,
}


def from_dict(description: Mapping[str, Any]) -> Spec:
    """The spec that `Spec.to_dict` described."""
    name = description.get("spec")
    if not isinstance(name, str) or name not in SPECS:
        raise ValueError(f"spec={brief(name)} is unknown; known are {', '.join(SPECS)}.")
    arguments = {k: v for k, v in description.items() if k != "spec"}
    if isinstance(arguments.get("emission"), Mapping):
        arguments["emission"] = emission_from_dict(arguments["emission"])
    for part in ("priors", "fixed"):
        if not isinstance(arguments.get(part, {}), Mapping):
            raise TypeError(f"{part} must be a dict of parameter name -> value; got {brief(arguments[part])}.")
    arguments["priors"] = {k: prior_families.from_dict(v) for k, v in arguments.get("priors", {}).items()}
    arguments["fixed"] = {k: np.asarray(v, dtype=float) for k, v in arguments.get("fixed", {}).items()}
    ordered = arguments.pop("ordered", None)
    if ordered is not None:
        arguments["ordered"] = tuple(ordered) if isinstance(ordered, list) else ordered
    return SPECS[name](**arguments)
