"""Covariances and means as PyMC wants them, batched over components.

`SPDTransform` lets a covariance matrix itself be a free random variable, so that a prior on Sigma is written as a
prior on Sigma, and the chain runs on its Cholesky factor.
"""

from __future__ import annotations

from math import prod
from typing import Any, final

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.logprob.transforms import Transform
from scipy.special import multigammaln

from em_vs_bayes.common.contract import Array
from em_vs_bayes.model.priors import InverseWishart as InverseWishartFamily
from em_vs_bayes.model.symbolic.gaussian import LOG_2PI, apply_to, log_det
from em_vs_bayes.model.symbolic.products import product
from em_vs_bayes.model.symbolic.whiten import inverse_cholesky
from em_vs_bayes.pymc.python_draws import draw_in_python


@final
class SPDTransform(Transform):
    """Sigma (..., d, d) = L L' to x (..., d (d + 1) / 2): L row by row, its diagonal as logarithms.

    The Jacobian is that of x to the lower triangle of Sigma: log |J| = d log 2 + sum_i (d - i + 1) log L_ii,
    i = 0, ..., d - 1 (Stan Reference Manual, covariance matrices).
    """

    name = "spd"
    ndim_supp = 2

    def __init__(self, d: int) -> None:
        self.d = d
        self.rows, self.columns = np.tril_indices(d)
        self.diagonal = self.rows == self.columns

    def _root(self, value: Any) -> Any:
        filled = pt.where(self.diagonal, pt.exp(value), value)
        root = pt.zeros((*(value.shape[i] for i in range(value.ndim - 1)), self.d, self.d))
        return root[..., self.rows, self.columns].set(filled)

    def forward(self, value: Any, *inputs: Any) -> Any:
        packed = pt.linalg.cholesky(value)[..., self.rows, self.columns]
        return pt.where(self.diagonal, pt.log(packed), packed)

    def backward(self, value: Any, *inputs: Any) -> Any:
        root = self._root(value)
        d, batch = self.d, [value.shape[i] for i in range(value.ndim - 1)]
        stack = root.reshape((-1, d, d))
        return product(stack, stack.mT).reshape((*batch, d, d))

    def log_jac_det(self, value: Any, *inputs: Any) -> Any:
        power = self.d - np.arange(self.d) + 1.0
        return self.d * np.log(2.0) + (value[..., self.diagonal] * power).sum(axis=-1)


def inverse_wishart_log_density(sigma: Any, df: Array, scale: Array) -> Any:
    """log IW(Sigma; df, scale) per matrix (Gelman et al. 2013, table A.1): scale is Psi, mean Psi / (df - d - 1).

    Parameters
    ----------
    sigma : tensor (..., d, d)
    df : ndarray (...)
    scale : ndarray (..., d, d)
    """
    d = scale.shape[-1]
    root = np.linalg.cholesky(scale)
    log_scale = 2.0 * np.log(np.diagonal(root, axis1=-2, axis2=-1)).sum(axis=-1)
    constant = 0.5 * df * (log_scale - d * np.log(2.0)) - multigammaln(0.5 * df, d)
    w = inverse_cholesky(sigma)
    k = max(1, prod(scale.shape[:-2]))
    white = product(w.reshape((k, d, d)), root.reshape((k, d, d))).reshape(scale.shape)
    return constant + (df + d + 1.0) * log_det(w) - 0.5 * (white**2).sum(axis=(-2, -1))


def inverse_wishart(name: str, df: Array, scale: Array, dims: Any = None) -> Any:
    """A free random variable Sigma ~ IW(df, scale), (K, d, d) or (d, d), sampled as its Cholesky factor.

    Parameters
    ----------
    name : str
    df : ndarray (K,) or ()
    scale : ndarray (K, d, d) or (d, d)
    dims : sequence of str, optional
    """
    df, scale = np.asarray(df, dtype=float), np.asarray(scale, dtype=float)
    d = scale.shape[-1]
    batch = scale.shape[:-2]

    def logp(value: Any, df_: Any, scale_: Any) -> Any:
        return inverse_wishart_log_density(value, df, scale)

    def random(df_: Any, scale_: Any, rng: Any = None, size: Any = None) -> Array:
        family = InverseWishartFamily(np.ravel(df), scale.reshape(-1, d, d))
        lead = tuple(size or ())
        lead = lead[: len(lead) - len(batch)]
        return family.draw(rng, lead).reshape(*lead, *batch, d, d)

    def random_one(df_: Any, scale_: Any, rng: Any = None, size: Any = None) -> Array:
        return InverseWishartFamily(np.ravel(df_), scale_[None]).draw(rng, ())[0]

    def support_point(rv: Any, size: Any, df_: Any, scale_: Any) -> Any:
        return pt.as_tensor(scale / (df + d + 1.0)[..., None, None])

    variable = pm.CustomDist(
        name,
        df,
        scale,
        logp=logp,
        random=random,
        support_point=support_point,
        signature="(),(d,d)->(d,d)",
        default_transform=SPDTransform(d),
        class_name="InverseWishart",
        dims=dims,
    )
    return draw_in_python(variable, random_one)


def scaled_normal_log_density(means: Any, prior_mean: Array, kappa: Array, covariances: Any) -> Any:
    """log N(mu_k; m_k, Sigma_k / kappa_k), (K,)."""
    d = prior_mean.shape[-1]
    w = inverse_cholesky(covariances)
    z2 = (apply_to(w, means - prior_mean) ** 2).sum(axis=-1)
    return log_det(w) + 0.5 * (d * (np.log(kappa) - LOG_2PI) - kappa * z2)


def scaled_normal(name: str, prior_mean: Array, kappa: Array, covariances: Any, dims: Any = None) -> Any:
    """A free random variable mu_k | Sigma_k ~ N(m_k, Sigma_k / kappa_k).

    Parameters
    ----------
    name : str
    prior_mean : ndarray (K, d)
    kappa : ndarray (K,)
    covariances : tensor (K, d, d), or (d, d) for one that all components share
    dims : sequence of str, optional
    """

    def logp(value: Any, prior_mean_: Any, kappa_: Any, covariances_: Any) -> Any:
        return scaled_normal_log_density(value, prior_mean, kappa, covariances_)

    def random(mean: Array, kappa_: Array, covariance: Array, rng: Any = None, size: Any = None) -> Array:
        shape = tuple(size) + mean.shape[-1:] if size is not None else mean.shape
        noise = rng.standard_normal(shape)
        return mean + (np.linalg.cholesky(covariance) @ noise[..., None])[..., 0] / np.sqrt(kappa_)[..., None]

    variable = pm.CustomDist(
        name,
        prior_mean,
        kappa,
        covariances,
        logp=logp,
        random=random,
        support_point=lambda rv, size, mean, *_: pt.as_tensor(prior_mean),
        signature="(d),(),(d,d)->(d)",
        class_name="ScaledMvNormal",
        dims=dims,
    )
    return draw_in_python(variable, random)
