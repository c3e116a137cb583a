"""Compiled arithmetic: arrays in, arrays out. Imports only numba, numpy and math."""
