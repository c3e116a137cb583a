"""em_vs_bayes: write a latent-variable model once, fit it by EM, variational Bayes, Gibbs or NUTS, and compare.

The names below follow the road of an analysis. Heavy parts (PyMC, ArviZ, matplotlib, pandas) load when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from em_vs_bayes.common.status import Status
from em_vs_bayes.data import datasets
from em_vs_bayes.model import emissions, params, priors
from em_vs_bayes.model.chains import HMM, GaussianHMM
from em_vs_bayes.model.mixtures import GaussianMixture, Mixture
from em_vs_bayes.model.own import Model
from em_vs_bayes.model.priors import Prior
from em_vs_bayes.model.regressions import CensoredRegression, Tobit, TruncatedRegression

if TYPE_CHECKING:
    from em_vs_bayes import pymc
    from em_vs_bayes.comparison.compare import Comparison, compare
    from em_vs_bayes.comparison.select import Selection, select
    from em_vs_bayes.fit.checking import check
    from em_vs_bayes.fit.results import Fit, load

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

_LAZY = {
    "Comparison": ("em_vs_bayes.comparison.compare", "Comparison"),
    "Selection": ("em_vs_bayes.comparison.select", "Selection"),
    "check": ("em_vs_bayes.fit.checking", "check"),
    "compare": ("em_vs_bayes.comparison.compare", "compare"),
    "select": ("em_vs_bayes.comparison.select", "select"),
    "Fit": ("em_vs_bayes.fit.results", "Fit"),
    "load": ("em_vs_bayes.fit.results", "load"),
    "pymc": ("em_vs_bayes.pymc", None),
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _LAZY[name]
    loaded = import_module(module)
    value = loaded if attribute is None else getattr(loaded, attribute)
    globals()[name] = value  # a submodule of the same name must not shadow the function
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, "__version__", "__doc__", "__all__"})
