"""PyMC: our specs as models, and our marginal likelihoods inside users' own models."""

from em_vs_bayes.model.symbolic.gaussian import mvnormal_log_density
from em_vs_bayes.pymc import jaxed
from em_vs_bayes.pymc.build import initial_values, to_pymc
from em_vs_bayes.pymc.gaussian import SPDTransform, inverse_wishart, scaled_normal
from em_vs_bayes.pymc.hmm import HMM
from em_vs_bayes.pymc.marginal import LogMarginal, log_marginal
from em_vs_bayes.pymc.mixture import Mixture, responsibilities
from em_vs_bayes.pymc.posterior import hmm_log_likelihood, sample_states, state_probabilities
from em_vs_bayes.pymc.rows import Rows
from em_vs_bayes.pymc.states import FFBS, HiddenStates

__all__ = [
    "FFBS",
    "HMM",
    "HiddenStates",
    "LogMarginal",
    "Mixture",
    "Rows",
    "SPDTransform",
    "hmm_log_likelihood",
    "initial_values",
    "inverse_wishart",
    "jaxed",
    "log_marginal",
    "mvnormal_log_density",
    "responsibilities",
    "sample_states",
    "scaled_normal",
    "state_probabilities",
    "to_pymc",
]
