"""The one place where compilation flags live.

``kernel`` is for loops over data: sums may be reassociated and multiplications fused, which lets LLVM use vector
registers. NaN and infinity keep their meaning (no ``nnan``, no ``ninf``): guards against them must work.
``exact`` keeps IEEE order, for code whose correctness needs it (range reduction, compensated sums).
"""

import numba

kernel = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz", "arcp"})
exact = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
