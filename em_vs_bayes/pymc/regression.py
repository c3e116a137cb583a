"""Regression coefficients and standard deviations as PyMC variables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from em_vs_bayes.blocks import RegressionBlock
from em_vs_bayes.priors import Prior
from em_vs_bayes.pymc.variables import Variables, standard_deviation_inverse_gamma


def write_regression(block: RegressionBlock, prefix: str, into: Variables) -> None:
    """``sigmas``, and ``coefficients`` given them (joint prior) or on their own."""
    sigmas = _sigmas(block, prefix, into)
    name, fixed = prefix + "coefficients", block.fixed_coefficients
    options: dict[str, Any] = {"dims": into.dims[name], "read": lambda params: np.asarray(params[name])}
    if isinstance(block.coefficient_prior, Prior):
        into.public[name] = into.named(name, block.coefficient_prior, fixed, **options)
    elif block.prior is None:
        prior = block.coefficient_prior
        into.public[name] = into.elementwise(name, pm.Normal, {"mu": prior.mean, "sigma": prior.sd}, fixed, **options)
    elif np.isnan(fixed).all():
        # b = mean + sigma z, Cov z = kappa^-1
        root = np.linalg.cholesky(np.linalg.inv(block.prior.kappa))
        into.public[name] = pm.MvNormal(
            name, mu=block.prior.mean, chol=pt.as_tensor(sigmas)[:, None, None] * root, dims=options["dims"]
        )
        into.start[name] = options["read"]
    else:
        value = into.flat(name, fixed, dims=options["dims"], read=options["read"])
        pm.Potential(name + "_prior", _joint_log_density(block.prior, value, pt.as_tensor(sigmas)))
        into.public[name] = value


def _sigmas(block: RegressionBlock, prefix: str, into: Variables) -> Any:
    name = prefix + "sigmas"
    prior = block.sigma_prior if block.prior is None else block.prior
    options: dict[str, Any] = {"dims": into.dims[name], "read": lambda params: np.asarray(params[name])}
    if isinstance(prior, Prior):
        into.public[name] = into.named(name, prior, block.fixed_sigmas, **options)
    else:
        into.public[name] = into.elementwise(
            name,
            standard_deviation_inverse_gamma,
            {"shape_": prior.shape, "rate": prior.rate},
            block.fixed_sigmas,
            **options,
        )
    return into.public[name]


def _joint_log_density(prior: Any, coefficients: Any, sigmas: Any) -> Any:
    """sum_k log N(b_k; mean_k, sigma_k^2 kappa_k^-1), fixed elements included."""
    z = (coefficients - prior.mean) / sigmas[:, None]
    squares = (z * (prior.kappa * z[:, None, :]).sum(axis=-1)).sum(axis=-1)
    p = prior.mean.shape[-1]
    log_det = np.linalg.slogdet(prior.kappa)[1]
    return (0.5 * (log_det - p * np.log(2.0 * np.pi) - squares) - p * pt.log(sigmas)).sum()
