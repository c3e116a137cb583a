"""W = L^-1, where L is the Cholesky factor of a covariance: all that Gaussian and Wishart densities need of it.

One Op for a stack of small matrices; PyTensor's own batched Cholesky factor and triangular solve go through a
general loop, and their gradients through two more.
"""

from __future__ import annotations

from contextlib import suppress
from math import nan, sqrt
from typing import Any, final

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key

from em_vs_bayes.model.symbolic.products import product
from em_vs_bayes.model.symbolic.versions import source_version


def inverse_cholesky_factors(covariances):  # type: ignore[no-untyped-def]  # compiled by numba as it stands
    """Inverse Cholesky factors of a stack (K, d, d); NaN where a matrix is not positive definite."""
    K, d, _ = covariances.shape
    out = np.zeros((K, d, d))
    root = np.empty((d, d))
    for k in range(K):
        proper = True
        for i in range(d):
            for j in range(i + 1):
                s = covariances[k, i, j]
                for m in range(j):
                    s -= root[i, m] * root[j, m]
                if i == j:
                    proper = proper and s > 0.0
                    root[i, i] = sqrt(s) if s > 0.0 else nan
                else:
                    root[i, j] = s / root[j, j]
        for j in range(d):
            for i in range(j, d):
                s = 1.0 if i == j else 0.0
                for m in range(j, i):
                    s -= root[i, m] * out[k, m, j]
                out[k, i, j] = s / root[i, i] if proper else nan
    return out


@final
class InverseCholesky(Op):
    """Covariances (K, d, d) to W (K, d, d), lower triangular, with W Sigma W' = I."""

    __props__ = ()

    def make_node(self, covariances: Any) -> Apply:
        covariances = pt.as_tensor_variable(covariances).astype("float64")
        if covariances.type.ndim != 3:
            raise ValueError(f"covariances must be (K, d, d); got {covariances.type.ndim} dimension(s).")
        return Apply(self, [covariances], [pt.tensor(shape=covariances.type.shape, dtype="float64")])

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        (covariances,) = inputs
        w = np.full(covariances.shape, np.nan)
        for k, covariance in enumerate(covariances):
            with suppress(np.linalg.LinAlgError):
                w[k] = np.tril(np.linalg.inv(np.linalg.cholesky(covariance)))
        outputs[0][0] = w

    def infer_shape(self, node: Apply, input_shapes: Any) -> Any:
        return [input_shapes[0]]

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        """From W Sigma W' = I: dW = -Phi(W dSigma W') W, Phi = lower triangle, half the diagonal (Murray 2016)."""
        (w,), (g,) = outputs, cotangents
        d = w.shape[-1]
        inner = product(g, w.mT) * (pt.tri(d, dtype="float64") - 0.5 * pt.eye(d))
        return [-0.5 * product(w.mT, product(inner + inner.mT, w))]


@register_funcify_default_op_cache_key(InverseCholesky)
def _(op: InverseCholesky, node: Apply, **kwargs: Any) -> tuple[Any, int]:
    return numba_njit(inverse_cholesky_factors), source_version(inverse_cholesky_factors)


def inverse_cholesky(covariances: Any) -> Any:
    """W with W Sigma W' = I, for covariances (K, d, d) or (d, d)."""
    covariances = pt.as_tensor(covariances)
    if covariances.type.ndim == 2:
        return InverseCholesky()(covariances[None])[0]
    return InverseCholesky()(covariances)
