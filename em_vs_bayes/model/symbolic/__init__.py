"""Densities of emissions in PyTensor, for models that PyMC samples."""
