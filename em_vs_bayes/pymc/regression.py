"""Regression coefficients and standard deviations as PyMC variables, under whatever names and shapes the model has."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from em_vs_bayes.common.contract import Parameter
from em_vs_bayes.model.blocks import RegressionBlock, Renamed
from em_vs_bayes.model.priors import Prior
from em_vs_bayes.pymc.variables import Variables, standard_deviation_inverse_gamma


def write_renamed(block: Renamed, prefix: str, into: Variables) -> None:
    """A regression under other names: one without components, or one of an intercept alone."""
    if not isinstance(block.inner, RegressionBlock):
        raise TypeError(f"{type(block.inner).__name__} has no PyMC form under other names.")
    _write(block.inner, block.own, prefix, into)


def write_regression(block: RegressionBlock, prefix: str, into: Variables) -> None:
    """``sigmas``, and ``coefficients`` given them (joint prior) or on their own."""
    _write(block, block.parameters, prefix, into)


def _write(block: RegressionBlock, own: tuple[Parameter, ...], prefix: str, into: Variables) -> None:
    """``own``: what the coefficients (K, p) and standard deviations (K,) are called, and their shapes."""
    mine, spread = own
    sigmas = _sigmas(block, spread, prefix, into)
    name, shape, inner = prefix + mine.name, mine.shape, block.fixed_coefficients.shape
    fixed = block.fixed_coefficients.reshape(shape)
    options: dict[str, Any] = {
        "dims": into.dims[name],
        "read": lambda params: np.asarray(params[name]),
        "gap": float(np.sqrt(block.scale)) / len(fixed),
    }
    if isinstance(block.coefficient_prior, Prior):
        into.public[name] = into.named(name, block.coefficient_prior, fixed, inner=inner, **options)
    elif block.given_prior is None:
        prior = block.coefficient_prior
        arguments = {"mu": np.reshape(prior.mean, shape), "sigma": np.reshape(prior.sd, shape)}
        into.public[name] = into.elementwise(name, pm.Normal, arguments, fixed, **options)
    elif not np.isnan(fixed).all():
        value = into.flat(name, fixed, dims=options["dims"], read=options["read"])
        whole, scales = pt.reshape(value, inner), pt.reshape(sigmas, inner[:1])
        pm.Potential(name + "_prior", _joint_log_density(block.given_prior, whole, scales))
        into.public[name] = value
    elif shape == spread.shape:  # one coefficient for each sigma
        scale = sigmas / np.sqrt(np.reshape(block.given_prior.kappa, shape))
        arguments = {"mu": np.reshape(block.given_prior.mean, shape), "sigma": scale}
        into.public[name] = into.elementwise(name, pm.Normal, arguments, fixed, **options)
    else:  # b = mean + sigma z, Cov z = kappa^-1
        root = np.linalg.cholesky(np.linalg.inv(block.given_prior.kappa)).reshape(*shape, inner[1])
        into.public[name] = pm.MvNormal(
            name,
            mu=np.reshape(block.given_prior.mean, shape),
            chol=pt.as_tensor(sigmas)[..., None, None] * root,
            dims=options["dims"],
        )
        into.start[name] = options["read"]


def _sigmas(block: RegressionBlock, own: Parameter, prefix: str, into: Variables) -> Any:
    name, shape = prefix + own.name, own.shape
    prior = block.sigma_prior if block.given_prior is None else block.given_prior
    fixed = block.fixed_sigmas.reshape(shape)
    options: dict[str, Any] = {"dims": into.dims[name], "read": lambda params: np.asarray(params[name])}
    if isinstance(prior, Prior):
        into.public[name] = into.named(name, prior, fixed, inner=block.fixed_sigmas.shape, **options)
    else:
        arguments = {"shape_": np.reshape(prior.shape, shape), "rate": np.reshape(prior.rate, shape)}
        into.public[name] = into.elementwise(name, standard_deviation_inverse_gamma, arguments, fixed, **options)
    return into.public[name]


def _joint_log_density(prior: Any, coefficients: Any, sigmas: Any) -> Any:
    """sum_k log N(b_k; mean_k, sigma_k^2 kappa_k^-1), fixed elements included."""
    z = (coefficients - prior.mean) / sigmas[:, None]
    squares = (z * (prior.kappa * z[:, None, :]).sum(axis=-1)).sum(axis=-1)
    p = prior.mean.shape[-1]
    log_det = np.linalg.slogdet(prior.kappa)[1]
    return (0.5 * (log_det - p * np.log(2.0 * np.pi) - squares) - p * pt.log(sigmas)).sum()
