"""The Op that sums a hidden Markov chain out: predictive terms of every row, and their gradient by the way back.

value     log p(y_t | y_1, ..., y_{t-1})     the forward pass; the terms of a sequence sum to its log evidence
gradient  posterior probabilities            Fisher's identity: the E-step is the gradient

The forward pass leaves its rows for the way back, so value and gradient together cost one forward-backward pass, at any
number of rows. Probabilities, not their logarithms, are the inputs: a transition that is impossible is a zero, whose
derivative is finite, where the logarithm's would be 0 / 0.
"""

from __future__ import annotations

from typing import Any, NoReturn, final

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_default_op_cache_key

from em_vs_bayes.kernels import chain_rows
from em_vs_bayes.kernels.jit import machine_code
from em_vs_bayes.kernels.shelf import SOURCES

VERSION = int(SOURCES[:8], 16)  # of what PyTensor keeps: it does not notice an edited callee


def _inputs(initial: Any, transition: Any, emission: Any, starts: Any) -> list[Any]:
    tensors = [pt.as_tensor_variable(x).astype("float64") for x in (initial, transition, emission)]
    starts = pt.as_tensor_variable(starts).astype("int64")
    for name, tensor, ndim in zip(("initial", "transition", "emission", "starts"), (*tensors, starts), (2, 3, 2, 1)):
        if tensor.type.ndim != ndim:
            raise ValueError(f"{name} must have {ndim} dimension(s); got {tensor.type.ndim}.")
    return [*tensors, starts]


def _call(function: Any, inputs: Any) -> Any:
    return function(*(np.ascontiguousarray(x) for x in inputs))


@final
class ChainTerms(Op):
    """Initial distributions (S, K), transitions (M, K, K), log densities (n, K), starts (S + 1,) to terms (n,).

    The other outputs are the rows that `ChainGradient` starts from; see `chain_rows`.
    """

    __props__ = ()
    gufunc_signature = "(s,k),(m,k,k),(n,k),(r)->(n),(q),(q),(s)"

    def make_node(self, initial: Any, transition: Any, emission: Any, starts: Any) -> Apply:
        inputs = _inputs(initial, transition, emission, starts)
        (n, _), (s, _) = inputs[2].type.shape, inputs[0].type.shape
        terms, rows, kind = pt.tensor(shape=(n,), dtype="float64"), pt.dvector, pt.tensor(shape=(s,), dtype="int64")
        return Apply(self, inputs, [terms, rows(), rows(), kind])

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        for output, value in zip(outputs, _call(chain_rows.forward_pass, inputs), strict=True):
            output[0] = value

    def infer_shape(self, node: Apply, input_shapes: Any) -> Any:
        (s, _), _, (n, k), _ = input_shapes
        return [(n,), (n * ((k + 3) // 4 * 4),), (n * ((k + 3) // 4 * 4),), (s,)]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True, False, False, False]] * 3 + [[False] * 4]

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        return [*ChainGradient()(*inputs, *outputs, cotangents[0]), DisconnectedType()()]


@final
class ChainGradient(Op):
    """Inputs and outputs of `ChainTerms`, and weights (n,), to derivatives of sum_t weights_t terms_t.

    In initial (S, K), transition (M, K, K) and emission (n, K).
    """

    __props__ = ()
    gufunc_signature = "(s,k),(m,k,k),(n,k),(r),(n),(q),(q),(s),(n)->(s,k),(m,k,k),(n,k)"

    def make_node(self, initial: Any, transition: Any, emission: Any, starts: Any, *rows: Any) -> Apply:
        inputs = _inputs(initial, transition, emission, starts)
        rest = [pt.as_tensor_variable(x) for x in rows]
        rest[-1] = rest[-1].astype("float64")
        return Apply(self, [*inputs, *rest], [x.type() for x in inputs[:3]])

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        for output, value in zip(outputs, _call(chain_rows.backward_pass, inputs), strict=True):
            output[0] = value

    def infer_shape(self, node: Apply, input_shapes: Any) -> Any:
        return input_shapes[:3]

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> NoReturn:
        raise NotImplementedError(
            "The likelihood of a hidden Markov model has no second derivatives here. "
            "Take finite differences of the gradient, or method='laplace' of the spec."
        )


@final
class ChainWalk(Op):
    """Initial distributions, transitions, starts and uniforms (n,) to a path (n,) that is possible."""

    __props__ = ()
    gufunc_signature = "(s,k),(m,k,k),(r),(n)->(n)"

    def make_node(self, initial: Any, transition: Any, starts: Any, uniforms: Any) -> Apply:
        uniforms = pt.as_tensor_variable(uniforms).astype("float64")
        initial, transition, _, starts = _inputs(initial, transition, uniforms[:, None], starts)
        return Apply(
            self, [initial, transition, starts, uniforms], [pt.tensor(shape=uniforms.type.shape, dtype="int64")]
        )

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        outputs[0][0] = _call(chain_rows.walk, inputs)

    def infer_shape(self, node: Apply, input_shapes: Any) -> Any:
        return [input_shapes[3]]


@register_funcify_default_op_cache_key(ChainTerms)
def _(op: ChainTerms, node: Apply, **kwargs: Any) -> tuple[Any, int]:
    forward_pass, contiguous = machine_code(chain_rows.forward_pass), np.ascontiguousarray

    def terms(initial, transition, emission, starts):  # type: ignore[no-untyped-def]  # compiled as it stands
        return forward_pass(contiguous(initial), contiguous(transition), contiguous(emission), contiguous(starts))

    return numba_njit(terms), VERSION


@register_funcify_default_op_cache_key(ChainGradient)
def _(op: ChainGradient, node: Apply, **kwargs: Any) -> tuple[Any, int]:
    backward_pass, contiguous = machine_code(chain_rows.backward_pass), np.ascontiguousarray

    def gradient(initial, transition, emission, starts, terms, alpha, b, kind, weights):  # type: ignore[no-untyped-def]
        return backward_pass(
            contiguous(initial), contiguous(transition), contiguous(emission), contiguous(starts), contiguous(terms),
            contiguous(alpha), contiguous(b), contiguous(kind), contiguous(weights),
        )  # fmt: skip

    return numba_njit(gradient), VERSION


@register_funcify_default_op_cache_key(ChainWalk)
def _(op: ChainWalk, node: Apply, **kwargs: Any) -> tuple[Any, int]:
    walk, contiguous = machine_code(chain_rows.walk), np.ascontiguousarray

    def path(initial, transition, starts, uniforms):  # type: ignore[no-untyped-def]
        return walk(contiguous(initial), contiguous(transition), contiguous(starts), contiguous(uniforms))

    return numba_njit(path), VERSION


def chain_terms(initial: Any, transition: Any, emission: Any, starts: Any) -> Any:
    """The states of a hidden Markov model summed out.

    Parameters
    ----------
    initial : tensor (K,) or (S, K)
    transition : tensor (K, K), (S, K, K) or (n, K, K)
        With (n, K, K), ``transition[t]`` leads from row t - 1 to row t.
    emission : tensor (n, K)
        log p(y_t | z_t = k).
    starts : tensor (S + 1,)
        The first row of each sequence, and n.

    Returns
    -------
    tensor (n,)
        log p(y_t | y_1, ..., y_{t-1}).
    """
    initial, transition, starts = as_chain(initial, transition, starts)
    return ChainTerms()(initial, transition, emission, starts)[0]


def walk_chain(initial: Any, transition: Any, starts: Any, uniforms: Any) -> Any:
    """Paths (n,) of the chain itself by the inverse distribution function, from uniforms (n,)."""
    return ChainWalk()(*as_chain(initial, transition, starts), uniforms)


def as_chain(initial: Any, transition: Any, starts: Any) -> tuple[Any, Any, Any]:
    """Initial distributions (S, K), transitions (M, K, K) and starts as the Ops take them."""
    initial, transition, starts = pt.as_tensor(initial), pt.as_tensor(transition), pt.as_tensor(starts)
    if initial.type.ndim == 1:
        initial = pt.broadcast_to(initial, (starts.shape[0] - 1, initial.shape[0]))
    if transition.type.ndim == 2:
        transition = transition[None]
    return initial, transition, starts
