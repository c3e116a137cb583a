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
from em_vs_bayes.model.own import Model
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


def from_dict(description: Mapping[str, Any], model: Any = None) -> Spec:
    """The spec that `Spec.to_dict` described; of a user's model the class, or an instance of it, must be given."""
    if "class" in description or model is not None:
        return _of_users(description, model)
    name = description.get("spec")
    if not isinstance(name, str) or name not in SPECS:
        raise ValueError(f"spec={brief(name)} is unknown; known are {', '.join(SPECS)}.")
    arguments = {k: v for k, v in description.items() if k != "spec"}
    if isinstance(arguments.get("emission"), Mapping):
        arguments["emission"] = emission_from_dict(arguments["emission"])
    arguments |= _priors_and_fixed(description)
    ordered = arguments.pop("ordered", None)
    if ordered is not None:
        arguments["ordered"] = tuple(ordered) if isinstance(ordered, list) else ordered
    return SPECS[name](**arguments)


def _priors_and_fixed(description: Mapping[str, Any]) -> dict[str, Any]:
    for part in ("priors", "fixed"):
        if not isinstance(description.get(part, {}), Mapping):
            raise TypeError(f"{part} must be a dict of parameter name -> value; got {brief(description[part])}.")
    return {
        "priors": {k: prior_families.from_dict(v) for k, v in description.get("priors", {}).items()},
        "fixed": {k: np.asarray(v, dtype=float) for k, v in description.get("fixed", {}).items()},
    }


def _of_users(description: Mapping[str, Any], model: Any) -> Spec:
    """A user's model with the priors and fixed values described."""
    name = str(description.get("class", description.get("spec")))
    if model is None:
        raise ValueError(
            f"it is of the class {name}, a user's own: give it as model=. Nothing that a file names is imported."
        )
    kind = model if isinstance(model, type) else type(model)
    if not issubclass(kind, Model):
        raise TypeError(f"model must be a subclass of evb.Model, or an instance of one; got {brief(model)}.")
    if name.rpartition(".")[2] != kind.__name__:
        raise ValueError(f"it is of {name}; model= gives {kind.__module__}.{kind.__qualname__}.")
    made = model if isinstance(model, Model) else kind()
    told = _priors_and_fixed(description)
    return made.changed(**told)
