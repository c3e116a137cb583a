"""Compiled code: arrays in, arrays out. Imports only numba, numpy and math."""
