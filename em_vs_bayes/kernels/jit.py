"""The one place where compilation flags live.

``kernel`` is for loops over data: sums may be reassociated and multiplications fused, which lets LLVM use vector
registers. NaN and infinity keep their meaning (no ``nnan``, no ``ninf``): guards against them must work.
``exact`` keeps IEEE order, for code whose correctness needs it (range reduction, compensated sums).
``inner`` and ``spliced`` have the flags of ``kernel``, for functions that only other kernels call. Without entry points
for Python and C they compile in half the time; ``spliced`` ones become part of their caller, and are worth it for long
functions that hand much to a few others.
"""

import numba

FLAGS = {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": {"reassoc", "contract", "nsz", "arcp"}}
INNER = {**FLAGS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}

kernel = numba.njit(**FLAGS)
exact = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
inner = numba.njit(**INNER)
spliced = numba.njit(**INNER, inline="always")
