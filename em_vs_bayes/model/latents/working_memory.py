"""Memory for the forward and backward rows of long sequences, kept from one E-step to the next.

Fresh memory is slow the first time it is written: the operating system hands it over page by page. So what an E-step
has used is put aside, and taken up again by the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from em_vs_bayes.common.contract import Array
from em_vs_bayes.kernels.chain import PIECE

MOST = 2**22  # elements: 32 MiB, which hold 500,000 rows of up to four states
NO_MEMORY = np.empty(0)  # of the caller, for E-steps that need none
_spare: list[Array] = []


@contextmanager
def working_memory(longest: int, n_states: int) -> Iterator[Array]:
    """Memory for sequences of up to ``longest`` rows, as far as it is worth having; used by one thread at a time."""
    row = 2 * (-(-n_states // 4) * 4)  # two arrays, states padded to a multiple of four
    wanted = min(row * (1 + -(-longest // PIECE) * PIECE), MOST) if longest > PIECE else 0
    array = _spare.pop() if _spare else np.empty(0)
    if array.size < wanted:
        array = np.empty(wanted)
    try:
        yield array
    finally:
        _spare.append(array)
