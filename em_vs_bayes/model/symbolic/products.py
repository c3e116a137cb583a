"""Products of matrices by NumPy's own road through numba.

PyTensor compiles its general BLAS calls anew for every layout of every product, seconds each: half of what a first
model of a Gaussian mixture waited for.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key

from em_vs_bayes.model.symbolic.versions import source_version


def products(a, b):  # type: ignore[no-untyped-def]  # compiled by numba as it stands
    """(K, n, m) times (K, m, q), one after another."""
    out = np.empty((a.shape[0], a.shape[1], b.shape[2]))
    for k in range(a.shape[0]):
        out[k] = np.dot(np.ascontiguousarray(a[k]), np.ascontiguousarray(b[k]))
    return out


@final
class Products(Op):
    """Stacks of matrices (K, n, m) and (K, m, q) to their products (K, n, q)."""

    __props__ = ()

    def make_node(self, a: Any, b: Any) -> Apply:
        a, b = (pt.as_tensor_variable(x).astype("float64") for x in (a, b))
        if a.type.ndim != 3 or b.type.ndim != 3:
            raise ValueError(f"Products takes stacks of matrices; got {a.type.ndim} and {b.type.ndim} dimensions.")
        shape = (a.type.shape[0] if a.type.shape[0] is not None else b.type.shape[0], a.type.shape[1], b.type.shape[2])
        return Apply(self, [a, b], [pt.tensor(shape=shape, dtype="float64")])

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        outputs[0][0] = np.matmul(*inputs)

    def infer_shape(self, node: Apply, input_shapes: Any) -> Any:
        a, b = input_shapes
        return [(a[0], a[1], b[2])]

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        (a, b), (g,) = inputs, cotangents
        return [Products()(g, b.mT), Products()(a.mT, g)]


@register_funcify_default_op_cache_key(Products)
def _(op: Products, node: Apply, **kwargs: Any) -> tuple[Any, int]:
    return numba_njit(products), source_version(products)


def product(a: Any, b: Any) -> Any:
    """``a @ b`` of two matrices, or of two stacks (K, n, m) and (K, m, q)."""
    a, b = pt.as_tensor(a), pt.as_tensor(b)
    if a.type.ndim == 2 and b.type.ndim == 2:
        return Products()(a[None], b[None])[0]
    return Products()(a, b)
