"""The one place where compilation flags live.

``kernel`` is for loops over data: sums may be reassociated and multiplications fused, which lets LLVM use vector
registers. NaN and infinity keep their meaning (no ``nnan``, no ``ninf``): guards against them must work.
``exact`` keeps IEEE order, for code whose correctness needs it (range reduction, compensated sums).
``inner`` and ``spliced`` have the flags of ``kernel``, for functions that only other kernels call. Without entry points
for Python and C they compile in half the time; ``spliced`` ones become part of their caller, and are worth it for long
functions that hand much to a few others. ``inlined`` ones leave no trace of their own.
"""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numba

Decorator = Callable[[Callable[..., Any]], Any]

# Numba recompiles a cached function when its own file changes, but not when a function that it calls does, and would
# then run old code. Here any change in this folder makes every kernel stale.
SOURCES = sha256(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))).hexdigest()


def stamp(dispatcher: Any, sources: str) -> None:
    """Let what is cached of a function be valid for these sources only.

    They are part of the version too, which numba compares before it reads on: what is stale may name classes that are
    no more.
    """
    file = dispatcher._cache._cache_file
    file._source_stamp, file._version = sources, f"{file._version} {sources}"


def _cached(**flags: Any) -> Decorator:
    """``njit`` with a cache that depends on all kernel sources."""
    njit: Any = numba.njit
    config: Any = numba.config

    def decorate(function: Callable[..., Any]) -> Any:
        dispatcher = njit(cache=True, nogil=True, error_model="numpy", **flags)(function)
        if not config.DISABLE_JIT:
            stamp(dispatcher, SOURCES)
        return dispatcher

    return decorate


FAST = {"reassoc", "contract", "nsz", "arcp"}
HIDDEN = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}

kernel = _cached(fastmath=FAST)
exact = _cached(fastmath={"contract"})
inner = _cached(fastmath=FAST, **HIDDEN)
spliced = _cached(fastmath=FAST, **HIDDEN, inline="always")
inlined = numba.njit(inline="always")
