"""Densities by their formulas: those of SciPy check and broadcast their arguments, a hundred times the work of one."""

import numpy as np
from scipy.special import gammaln

HALF_LOG_2PI = np.log(2.0 * np.pi) / 2.0


def log_density(x, mean=0.0, sd=1.0):
    """Of N(mean, sd^2)."""
    z = (x - mean) / sd
    return -0.5 * z * z - HALF_LOG_2PI - np.log(sd)


def density(x, mean=0.0, sd=1.0):
    return np.exp(log_density(x, mean, sd))


def log_density_of_vector(x, mean, covariance):
    """Of N(mean, covariance), by elimination."""
    root = np.linalg.cholesky(covariance)
    z = np.linalg.solve(root, x - mean)
    return -0.5 * z @ z - len(z) * HALF_LOG_2PI - np.log(np.diag(root)).sum()


def density_of_multiplier(u, df):
    """Of Gamma(df / 2, rate df / 2), which makes a normal with precision u a Student t."""
    shape = 0.5 * df
    return np.exp(shape * np.log(shape) - gammaln(shape) + (shape - 1.0) * np.log(u) - shape * u)
