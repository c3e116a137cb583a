"""em_vs_bayes: write a latent-variable model once, fit it by EM, variational Bayes, Gibbs or NUTS, and compare.

The names below follow the road of an analysis. Each loads when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from em_vs_bayes import pymc
    from em_vs_bayes.common.status import Status
    from em_vs_bayes.comparison.compare import Comparison, compare
    from em_vs_bayes.comparison.select import Selection, select
    from em_vs_bayes.data import datasets
    from em_vs_bayes.fit.checking import check
    from em_vs_bayes.fit.results import Fit, load
    from em_vs_bayes.model import emissions, params, priors
    from em_vs_bayes.model.chains import HMM, GaussianHMM
    from em_vs_bayes.model.mixtures import GaussianMixture, Mixture
    from em_vs_bayes.model.own import Model
    from em_vs_bayes.model.priors import Prior
    from em_vs_bayes.model.regressions import CensoredRegression, Tobit, TruncatedRegression

__version__ = "0.1.0"

__all__ = [
    "HMM",
    "CensoredRegression",
    "Comparison",
    "Fit",
    "GaussianHMM",
    "GaussianMixture",
    "Mixture",
    "Model",
    "Prior",
    "Selection",
    "Status",
    "Tobit",
    "TruncatedRegression",
    "check",
    "compare",
    "datasets",
    "emissions",
    "load",
    "params",
    "priors",
    "pymc",
    "select",
]

MODULES = {"datasets", "emissions", "params", "priors", "pymc"}
ROOMS = {  # where each name is kept
    "HMM": "model.chains",
    "CensoredRegression": "model.regressions",
    "Comparison": "comparison.compare",
    "Fit": "fit.results",
    "GaussianHMM": "model.chains",
    "GaussianMixture": "model.mixtures",
    "Mixture": "model.mixtures",
    "Model": "model.own",
    "Prior": "model.priors",
    "Selection": "comparison.select",
    "Status": "common.status",
    "Tobit": "model.regressions",
    "TruncatedRegression": "model.regressions",
    "check": "fit.checking",
    "compare": "comparison.compare",
    "datasets": "data.datasets",
    "emissions": "model.emissions",
    "load": "fit.results",
    "params": "model.params",
    "priors": "model.priors",
    "pymc": "pymc",
    "select": "comparison.select",
}


def __getattr__(name: str) -> Any:
    if name not in ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{ROOMS[name]}")
    value = module if name in MODULES else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, "__version__", "__doc__", "__all__"})
