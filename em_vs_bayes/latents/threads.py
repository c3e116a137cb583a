"""An E-step shared by threads: expected statistics add over parts of the data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from em_vs_bayes.contract import Array


def shared(expect: Callable[[int, int, Array], float], cuts: Sequence[int], stats: Array) -> float:
    """Sum of ``expect(first, last, its statistics)`` over the parts between ``cuts``, one thread each.

    The kernels let go of Python's lock. Sums of statistics go to ``stats``.
    """
    if len(cuts) == 2:
        return expect(cuts[0], cuts[1], stats)
    parts = np.empty((len(cuts) - 1, stats.size))
    with ThreadPoolExecutor(len(parts)) as pool:
        total = sum(pool.map(expect, cuts[:-1], cuts[1:], parts))
    stats[:] = parts.sum(axis=0)
    return total
