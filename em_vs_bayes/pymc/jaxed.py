"""Our Ops in PyTensor's JAX backend, and so for ``pymc.sample(nuts_sampler="numpyro")`` and ``"blackjax"``.

JAX need not be installed: PyTensor's table of conversions is told of ours by a rewrite that changes no graph, and that
PyTensor runs in its JAX mode alone.

The chain stays with its compiled kernels, which JAX calls back; derivatives are those of `ChainGradient`. Mixtures
become JAX itself.
"""

from __future__ import annotations

from functools import cache
from typing import Any, final

import numpy as np
from pytensor.compile.mode import optdb
from pytensor.graph.rewriting.basic import GraphRewriter

from em_vs_bayes.kernels import chain_rows
from em_vs_bayes.model.symbolic.products import Products
from em_vs_bayes.model.symbolic.whiten import InverseCholesky
from em_vs_bayes.pymc.chain import ChainGradient, ChainTerms, ChainWalk
from em_vs_bayes.pymc.marginal import LogMarginal

NAME = "em_vs_bayes_in_jax"


@final
class Conversions(GraphRewriter):
    """Tells of the conversions, once."""

    def add_requirements(self, fgraph: Any) -> None:
        """None."""

    def apply(self, fgraph: Any) -> None:
        """Leave the graph as it is."""
        register()


optdb.register(NAME, Conversions(), "jax", position=0.01)


@cache
def register() -> None:
    """Put our Ops into `pytensor.link.jax.dispatch.jax_funcify`; imports JAX."""
    from pytensor.link.jax.dispatch import jax_funcify

    conversions = {
        LogMarginal: _marginal(),
        Products: _products,
        InverseCholesky: _inverse_cholesky,
        ChainTerms: _terms(),
        ChainGradient: _run_back,
        ChainWalk: _walk,
    }
    for kind, function in conversions.items():
        jax_funcify.register(kind)(lambda op, node=None, function=function, **_: function)


def _marginal() -> Any:
    import jax
    import jax.numpy as jnp

    def both(log_joint: Any) -> Any:
        top = log_joint.max(axis=1, keepdims=True)
        scaled = jnp.where(jnp.isneginf(top), 0.0, jnp.exp(log_joint - jnp.where(jnp.isneginf(top), 0.0, top)))
        total = scaled.sum(axis=1, keepdims=True)
        none = total == 0.0
        return (top + jnp.log(total))[:, 0], jnp.where(none, 0.0, scaled / jnp.where(none, 1.0, total))

    def forward(log_joint: Any) -> Any:
        evidence, responsibilities = both(log_joint)
        return (evidence, responsibilities), responsibilities

    def back(r: Any, cotangents: Any) -> Any:
        evidence, own = cotangents
        return (evidence[:, None] * r + r * (own - (r * own).sum(axis=1, keepdims=True)),)

    out = jax.custom_vjp(both)
    out.defvjp(forward, back)
    return out


def _products(a: Any, b: Any) -> Any:
    import jax.numpy as jnp

    return jnp.matmul(a, b)


def _inverse_cholesky(covariances: Any) -> Any:
    import jax
    import jax.numpy as jnp

    root = jnp.linalg.cholesky(covariances)
    return jax.scipy.linalg.solve_triangular(root, jnp.broadcast_to(jnp.eye(root.shape[-1]), root.shape), lower=True)


def _called(kernel: Any, shapes: Any, *inputs: Any) -> Any:
    """What a kernel gives, asked for by JAX when it computes; of several chains at once, one after another."""
    import jax

    def call(*arrays: Any) -> Any:
        return kernel(*(np.array(x) for x in arrays))  # JAX's own cannot be written to; kernels take what can

    return jax.pure_callback(call, shapes, *inputs, vmap_method="sequential")


def _shaped(*shapes: Any, last: Any = float) -> Any:
    import jax

    kinds = [float] * (len(shapes) - 1) + [last]
    return tuple(jax.ShapeDtypeStruct(shape, kind) for shape, kind in zip(shapes, kinds, strict=True))


def _run_forward(initial: Any, transition: Any, emission: Any, starts: Any) -> Any:
    n, k = emission.shape
    rows = (n * ((k + 3) // 4 * 4),)
    shapes = _shaped((n,), rows, rows, (initial.shape[0],), last=np.int64)
    return _called(chain_rows.forward_pass, shapes, initial, transition, emission, starts)


def _run_back(*inputs: Any) -> Any:
    return _called(chain_rows.backward_pass, _shaped(*(x.shape for x in inputs[:3])), *inputs)


def _terms() -> Any:
    import jax

    def forward(*inputs: Any) -> Any:
        outputs = _run_forward(*inputs)
        return outputs, (*inputs, *outputs)

    def back(kept: Any, cotangents: Any) -> Any:
        return (*_run_back(*kept, cotangents[0]), np.zeros(kept[3].shape, jax.dtypes.float0))  # starts are no numbers

    out = jax.custom_vjp(_run_forward)
    out.defvjp(forward, back)
    return out


def _walk(initial: Any, transition: Any, starts: Any, uniforms: Any) -> Any:
    shapes = _shaped(uniforms.shape, last=np.int64)
    return _called(lambda *inputs: (chain_rows.walk(*inputs),), shapes, initial, transition, starts, uniforms)[0]
