"""PyMC: our specs as models, and our marginal likelihoods inside users' own models."""

from em_vs_bayes.pymc.build import initial_values, to_pymc
from em_vs_bayes.pymc.gaussian import SPDTransform, inverse_wishart, mvnormal_log_density, scaled_normal
from em_vs_bayes.pymc.hmm import HMM
from em_vs_bayes.pymc.marginal import LogMarginal, log_marginal
from em_vs_bayes.pymc.mixture import Mixture, responsibilities

__all__ = [
    "HMM",
    "LogMarginal",
    "Mixture",
    "SPDTransform",
    "initial_values",
    "inverse_wishart",
    "log_marginal",
    "mvnormal_log_density",
    "responsibilities",
    "scaled_normal",
    "to_pymc",
]
