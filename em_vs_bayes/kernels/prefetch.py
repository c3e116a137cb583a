"""The processor's instruction to fetch a cache line that will be read soon, while it computes on others.

Hardware foresees only the rest of a run of neighbouring lines. A block of rows is a short run in every column, each in
a part of memory of its own: most of their beginnings would be waited for.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

READ, EVERY_LEVEL, DATA = 0, 3, 1  # arguments of LLVM's prefetch: to read, into all caches, no instructions


@intrinsic
def _prefetch(context, array, row, column):
    def generate(context, builder, signature, arguments):
        kind, word = signature.args[0], ir.IntType(32)
        view = context.make_array(kind)(context, builder, arguments[0])
        at = cgutils.get_item_pointer(context, builder, kind, view, arguments[1:], wraparound=False)
        at = builder.bitcast(at, cgutils.voidptr_t)
        shape = ir.FunctionType(ir.VoidType(), [at.type, word, word, word])
        instruction = builder.module.declare_intrinsic("llvm.prefetch", [at.type], shape)
        builder.call(instruction, [at, word(READ), word(EVERY_LEVEL), word(DATA)])
        return context.get_dummy_value()

    return types.void(array, row, column), generate


def prefetch(array, row, column):
    """Ask for the cache line of array[row, column]; nothing where kernels are interpreted."""


@overload(prefetch, inline="always")
def _compiled(array, row, column):
    return lambda array, row, column: _prefetch(array, row, column)  # type: ignore[call-arg]  # numba adds context
