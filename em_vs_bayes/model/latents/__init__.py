"""Latent structures. A new one is one file here and its kernels."""

from em_vs_bayes.model.latents.censoring import Censoring
from em_vs_bayes.model.latents.iid_categorical import IidCategorical
from em_vs_bayes.model.latents.markov_chain import MarkovChain

__all__ = ["Censoring", "IidCategorical", "MarkovChain"]
