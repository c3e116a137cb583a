"""The one place where compilation flags live.

``kernel`` is for what Python calls. To other kernels it is a part like any other.
``unit`` is for what is called by its address, and for long loops that are faster on their own: machine code without
entry points for Python and C, which would cost as much again.
``inner`` and ``spliced`` are parts: they become machine code inside what calls them, and only there (see `linked`).
``spliced`` ones are merged before types are known, so that what they are given is not packed and unpacked; it is worth
it for long functions that hand much to a few others. ``inlined`` ones leave no trace of their own.
``lean``, ``lean_unit`` and ``lean_kernel`` are ``inner``, ``unit`` and ``kernel`` that make no arrays, return none and
call nothing that returns any: they count no references to those they are given, which in short loops takes longer than
the arithmetic.
``exact`` is a kernel that keeps IEEE order, for code whose correctness needs it (range reduction, compensated sums). In
all others sums may be reassociated and multiplications fused, which lets LLVM use vector registers. NaN and infinity
keep their meaning everywhere (no ``nnan``, no ``ninf``): guards against them must work.
"""

from collections.abc import Callable
from typing import Any

import numba
from numba.core import types

from em_vs_bayes.kernels.linked import PartCompiler
from em_vs_bayes.kernels.shelf import shelved

Decorator = Callable[[Callable[..., Any]], Any]

FAST = {"reassoc", "contract", "nsz", "arcp"}
HIDDEN = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
COUNTED = {"_nrt": True}  # said always: what says nothing takes after its first caller
COMMON: dict[str, Any] = {"nogil": True, "error_model": "numpy", **COUNTED}
INTERPRETED: bool = bool(vars(numba.config)["DISABLE_JIT"])


def _cached(**flags: Any) -> Decorator:
    """``njit`` with a cache."""
    njit: Any = numba.njit

    def decorate(function: Callable[..., Any]) -> Any:
        dispatcher = njit(**{**COMMON, **flags})(function)
        return dispatcher if INTERPRETED else shelved(dispatcher)

    return decorate


def _part(**flags: Any) -> Decorator:
    """``njit`` for what only kernels call."""
    njit: Any = numba.njit
    decorate: Decorator = njit(pipeline_class=PartCompiler, **{**COMMON, **HIDDEN, **flags})
    return decorate


class Inner:
    """A part of other kernels, and nothing to Python."""

    def __init__(self, part: Any) -> None:
        self.part = part

    def __call__(self, *_: Any) -> Any:
        raise TypeError(
            f"{self.part.__name__} is part of other kernels and has no code of its own; call it from a kernel."
        )

    @property
    def _numba_type_(self) -> Any:
        """What numba takes the name for inside a kernel."""
        return types.Dispatcher(self.part)


class Kernel:
    """A compiled function to Python, a part of theirs to other kernels."""

    def __init__(self, entry: Any, part: Any) -> None:
        self.entry, self.part = entry, part
        self.__doc__, self.__name__ = entry.__doc__, entry.__name__

    def __call__(self, *arguments: Any) -> Any:
        try:
            return self.entry(*arguments)
        except SystemError as error:  # Ctrl-C came while arguments were read
            if isinstance(error.__cause__, KeyboardInterrupt):
                raise KeyboardInterrupt from None
            raise

    @property
    def _numba_type_(self) -> Any:
        """What numba takes the name for inside another kernel."""
        return types.Dispatcher(self.part)


def _inner(**flags: Any) -> Decorator:
    return lambda function: function if INTERPRETED else Inner(_part(**flags)(function))


def _kernel(*, counted: bool = True, **flags: Any) -> Decorator:
    def decorate(function: Callable[..., Any]) -> Any:
        return function if INTERPRETED else Kernel(_cached(**flags)(function), _part(_nrt=counted, **flags)(function))

    return decorate


def machine_code(function: Any) -> Any:
    """Numba's own function behind a kernel: what is compiled once and kept, not once more inside each caller."""
    return function.entry if isinstance(function, Kernel) else function


kernel = _kernel(fastmath=FAST)
exact = _kernel(fastmath={"contract"})
unit = _cached(fastmath=FAST, **HIDDEN)
inner = _inner(fastmath=FAST)
lean_unit = _cached(fastmath=FAST, _nrt=False, **HIDDEN)
lean = _inner(fastmath=FAST, _nrt=False)
lean_kernel = _kernel(fastmath=FAST, counted=False)
spliced = _part(fastmath=FAST, inline="always")
inlined = numba.njit(inline="always")
