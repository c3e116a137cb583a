"""Four float64 side by side in a vector register, as a value.

LLVM finds vectors by itself in loops over rows. A recursion has but the states of one row, and it made scalars of them.
Interpreted, a four is an array of four.
"""

import operator
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, lower_builtin, models, overload, register_model, type_callable

REGISTER = ir.VectorType(ir.DoubleType(), 4)
ALIGNED = 8  # bytes: rows begin anywhere
FLAGS = ("contract",)  # in the order written: what a recursion waits for is last


class Four(types.Type):
    """Numba's type of it."""

    def __init__(self) -> None:
        super().__init__("four")


FOUR = Four()


@register_model(Four)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, REGISTER)


for _sign, _instruction in ((operator.add, "fadd"), (operator.mul, "fmul")):

    @type_callable(_sign)
    def _typed(context):
        return lambda a, b: FOUR if a is FOUR and b is FOUR else None

    def _lowered(context, builder, signature, arguments, instruction=_instruction):
        return getattr(builder, instruction)(*arguments, flags=FLAGS)

    lower_builtin(_sign, FOUR, FOUR)(_lowered)


def _place(context, builder, kind, array, at):
    view = context.make_array(kind)(context, builder, array)
    pointer = cgutils.get_item_pointer(context, builder, kind, view, [at], wraparound=False)
    return builder.bitcast(pointer, REGISTER.as_pointer())


@intrinsic
def _load(context, array, at):
    def generate(context, builder, signature, arguments):
        loaded = builder.load(_place(context, builder, signature.args[0], *arguments))
        loaded.align = ALIGNED
        return loaded

    return FOUR(array, at), generate


@intrinsic
def _store(context, array, at, four):
    def generate(context, builder, signature, arguments):
        stored = builder.store(arguments[2], _place(context, builder, signature.args[0], *arguments[:2]))
        stored.align = ALIGNED
        return context.get_dummy_value()

    return types.void(array, at, four), generate


@intrinsic
def _spread(context, value):
    def generate(context, builder, signature, arguments):
        lanes = ir.VectorType(ir.IntType(32), 4)
        one = builder.insert_element(ir.Constant(REGISTER, ir.Undefined), arguments[0], ir.IntType(32)(0))
        return builder.shuffle_vector(one, ir.Constant(REGISTER, ir.Undefined), ir.Constant(lanes, None))

    return FOUR(types.float64), generate


@intrinsic
def _lanes(context, four):
    kind = types.UniTuple(FOUR, 4)

    def generate(context, builder, signature, arguments):
        spread = [builder.shuffle_vector(arguments[0], arguments[0], _pick(i, i, i, i)) for i in range(4)]
        return context.make_tuple(builder, kind, spread)

    return kind(four), generate


@intrinsic
def _turned(context, a, b, c, d):
    kind = types.UniTuple(FOUR, 4)

    def generate(context, builder, signature, arguments):
        a, b, c, d = arguments
        low = [builder.shuffle_vector(a, b, _pick(0, 4, 2, 6)), builder.shuffle_vector(c, d, _pick(0, 4, 2, 6))]
        high = [builder.shuffle_vector(a, b, _pick(1, 5, 3, 7)), builder.shuffle_vector(c, d, _pick(1, 5, 3, 7))]
        turned = [
            builder.shuffle_vector(*pair, _pick(*at)) for at in ((0, 1, 4, 5), (2, 3, 6, 7)) for pair in (low, high)
        ]
        return context.make_tuple(builder, kind, turned)

    return kind(a, b, c, d), generate


@intrinsic
def _total(context, four):
    def generate(context, builder, signature, arguments):
        halves = [builder.shuffle_vector(arguments[0], arguments[0], _pick(i, i + 1)) for i in (0, 2)]
        pair = builder.fadd(*halves, flags=FLAGS)
        ends = [builder.extract_element(pair, ir.IntType(32)(i)) for i in (0, 1)]
        return builder.fadd(*ends, flags=FLAGS)

    return types.float64(four), generate


def _pick(*lanes):
    return ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), [ir.IntType(32)(i) for i in lanes])


@intrinsic
def _fades(context, before, after, least):
    def generate(context, builder, signature, arguments):
        before, after, least = arguments
        there = builder.fcmp_ordered(">", before, ir.Constant(REGISTER, [0.0] * 4))
        gone = builder.and_(there, builder.fcmp_ordered("<", after, least))
        bits = builder.bitcast(gone, ir.IntType(4))
        return builder.icmp_unsigned("!=", bits, ir.IntType(4)(0))

    return types.boolean(before, after, least), generate


def load(array, at):
    """array[at : at + 4]."""
    return array[int(at) : int(at) + 4].copy()


def store(array, at, four):
    """array[at : at + 4] = four."""
    array[int(at) : int(at) + 4] = four


def spread(value):
    """The value four times."""
    return np.full(4, value)


def lanes(four):
    """Each of the four, four times."""
    return tuple(np.full(4, value) for value in four)


def turned(a, b, c, d):
    """The columns of the matrix with rows a, b, c and d."""
    return tuple(np.array([a, b, c, d]).T.copy())


def total(four):
    """The sum of the four."""
    return four.sum()


def fades(before, after, least):
    """Whether one is positive before, and below ``least`` (a four) after."""
    return bool(((before > 0.0) & (after < least)).any())


@overload(load, inline="always")
def _compiled_load(array, at):
    return lambda array, at: _load(array, at)  # type: ignore[call-arg]  # numba adds context


@overload(store, inline="always")
def _compiled_store(array, at, four):
    return lambda array, at, four: _store(array, at, four)  # type: ignore[call-arg]  # numba adds context


@overload(spread, inline="always")
def _compiled_spread(value):
    return lambda value: _spread(value)  # type: ignore[call-arg]  # numba adds context


@overload(lanes, inline="always")
def _compiled_lanes(four):
    return lambda four: _lanes(four)  # type: ignore[call-arg]  # numba adds context


@overload(turned, inline="always")
def _compiled_turned(a, b, c, d):
    return lambda a, b, c, d: _turned(a, b, c, d)  # type: ignore[call-arg]  # numba adds context


@overload(total, inline="always")
def _compiled_total(four):
    return lambda four: _total(four)  # type: ignore[call-arg]  # numba adds context


@overload(fades, inline="always")
def _compiled_fades(before, after, least):
    return lambda before, after, least: _fades(before, after, least)  # type: ignore[call-arg]  # numba adds context
