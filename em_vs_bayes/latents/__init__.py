"""Latent structures. A new one is one file here and its kernels."""

from em_vs_bayes.latents.iid_categorical import IidCategorical

__all__ = ["IidCategorical"]
