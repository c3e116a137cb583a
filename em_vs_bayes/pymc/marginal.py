"""The Op that sums a categorical latent variable out, row by row, and hands back the responsibilities.

value     log sum_k exp(a_ik)                    the log evidence of row i
gradient  r_ik = exp(a_ik - log evidence_i)      Fisher's identity: the E-step is the gradient

Both come from one pass, so the gradient costs a multiplication. The pull-back is written in the outputs
themselves; it can be differentiated again (Hessians work).
"""

from __future__ import annotations

from math import exp, inf, log
from typing import Any, final

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key

from em_vs_bayes.model.symbolic.versions import source_version


def evidence_and_responsibilities(log_joint):  # type: ignore[no-untyped-def]  # compiled by numba as it stands
    """Rows of log p(y_i, z_i = k) to log p(y_i) and p(z_i = k | y_i)."""
    n, K = log_joint.shape
    evidence, responsibilities = np.empty(n), np.empty((n, K))
    for i in range(n):
        top = -inf
        for k in range(K):
            a = log_joint[i, k]
            if a > top or a != a:  # NaN goes through to the result
                top = a
        if top == -inf:  # no component can make this row: probability zero, and nothing to say about whose it is
            evidence[i] = -inf
            for k in range(K):
                responsibilities[i, k] = 0.0
            continue
        total = 0.0
        for k in range(K):
            responsibilities[i, k] = exp(log_joint[i, k] - top)
            total += responsibilities[i, k]
        evidence[i] = top + log(total)
        for k in range(K):
            responsibilities[i, k] /= total
    return evidence, responsibilities


@final
class LogMarginal(Op):
    """Log joint densities (n, K) to pointwise log evidence (n,) and responsibilities (n, K).

    A row of nothing but minus infinity has evidence minus infinity and responsibilities of zero.
    """

    __props__ = ()
    gufunc_signature = "(n,k)->(n),(n,k)"

    def make_node(self, log_joint: Any) -> Apply:
        log_joint = pt.as_tensor_variable(log_joint).astype("float64")
        if log_joint.type.ndim != 2:
            raise ValueError(f"log_joint must be (n, K); got {log_joint.type.ndim} dimension(s).")
        n, k = log_joint.type.shape
        return Apply(
            self, [log_joint], [pt.tensor(shape=(n,), dtype="float64"), pt.tensor(shape=(n, k), dtype="float64")]
        )

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        (a,) = inputs
        top = a.max(axis=1, initial=-np.inf)[:, None]
        with np.errstate(invalid="ignore"):
            scaled = np.where(np.isneginf(top), 0.0, np.exp(a - top))
        total = scaled.sum(axis=1, keepdims=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            outputs[0][0] = (top + np.log(total))[:, 0]
            outputs[1][0] = np.where(total == 0.0, 0.0, scaled / total)

    def infer_shape(self, node: Apply, input_shapes: Any) -> Any:
        ((n, k),) = input_shapes
        return [(n,), (n, k)]

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        r, (d_evidence, d_responsibilities) = outputs[1], cotangents
        total = pt.zeros_like(r)
        if not isinstance(d_evidence.type, DisconnectedType):
            total = d_evidence[:, None] * r
        if not isinstance(d_responsibilities.type, DisconnectedType):
            total = total + r * (d_responsibilities - (r * d_responsibilities).sum(axis=1, keepdims=True))
        return [total]


@register_funcify_default_op_cache_key(LogMarginal)
def _(op: LogMarginal, node: Apply, **kwargs: Any) -> tuple[Any, int]:
    return numba_njit(evidence_and_responsibilities), source_version(evidence_and_responsibilities)


def log_marginal(log_weights: Any, log_densities: Any) -> tuple[Any, Any]:
    """The latent component summed out.

    Parameters
    ----------
    log_weights : tensor (K,) or (n, K)
        Log prior probabilities of the components, minus infinity where impossible.
    log_densities : tensor (n, K)
        log p(y_i | z_i = k).

    Returns
    -------
    evidence : tensor (n,)
        log p(y_i).
    responsibilities : tensor (n, K)
        p(z_i = k | y_i).
    """
    evidence, responsibilities = LogMarginal()(pt.as_tensor(log_weights) + pt.as_tensor(log_densities))
    return evidence, responsibilities
