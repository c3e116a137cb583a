"""Every spec under its name."""

from em_vs_bayes.model.regressions import CensoredRegression, Tobit, TruncatedRegression
from em_vs_bayes.model.spec import (
    HMM,
    GaussianHMM,
    GaussianMixture,
    Mixture,
    Spec,
)

SPECS: dict[str, type[Spec]] = {
    "Mixture": Mixture,
    "GaussianMixture": GaussianMixture,
    "HMM": HMM,
    "GaussianHMM": GaussianHMM,
    "Tobit": Tobit,
    "CensoredRegression": CensoredRegression,
    "TruncatedRegression": TruncatedRegression,
}
