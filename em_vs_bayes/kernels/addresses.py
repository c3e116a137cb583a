"""Compiled functions called by their address, so that a kernel need not be compiled with all that it may call.

Numba merges everything a kernel calls into the kernel and optimises the whole, once per kernel. What differs between
models (the arithmetic of a stream, the E-step of a latent structure) is called by a number in a table instead: such a
function is compiled once, and only where a model has it.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from numba.core import cgutils, types
from numba.extending import intrinsic

from em_vs_bayes.kernels.jit import INTERPRETED, inner, machine_code

NOTHING = 0  # in place of an address: nothing to do
UNKNOWN = -1  # in place of one that has not been asked for
PLACES: list[Callable[..., Any]] = [print]  # where compilation is switched off, addresses are places in this list


@cache
def address(function: Any, signature: Any) -> int:
    """Where the machine code of a kernel for these types lies; it is compiled, or read from the cache, first."""
    if INTERPRETED:
        PLACES.append(function)
        return len(PLACES) - 1
    dispatcher = machine_code(function)
    dispatcher.compile(signature.args)
    compiled = dispatcher.overloads[signature.args]
    return int(compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name))


@inner
def known(code):
    """The address itself, if it is one."""
    if code < 0:
        raise ValueError("code: this table has no addresses yet; call address_roles or address_steps first")
    return code


def calls(declaration: Callable[..., Any]) -> Any:
    """Decorate ``name(typing, code, ...)``, which returns `by_address`: kernels then call ``name(code, ...)``."""
    if INTERPRETED:
        return lambda code, *arguments: PLACES[code](*arguments)
    return intrinsic(declaration)


def by_address(signature: Any) -> tuple[Any, Callable[..., Any]]:
    """Type and code of a call to the function of this signature whose address is the first argument."""

    def emit(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        convention = context.call_conv
        function = convention.get_function_type(signature.return_type, signature.args).as_pointer()
        code = builder.inttoptr(arguments[0], function)
        status, value = convention.call_function(builder, code, signature.return_type, signature.args, arguments[1:])
        with cgutils.if_unlikely(builder, status.is_error):
            convention.return_status_propagate(builder, status)
        return value

    return signature.return_type(types.int64, *signature.args), emit
