"""Work shared by threads, since the kernels let go of Python's lock: an E-step, whose statistics add, or many calls."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from em_vs_bayes.common.contract import Array

FEW = 50  # short calls that are not worth a thread


def processors() -> int:
    """How many this process may run on: threads beyond them would only wait."""
    allowed = getattr(os, "sched_getaffinity", None)  # not on every system
    return len(allowed(0)) if allowed is not None else os.cpu_count() or 1


def each(do: Callable[[int], None], count: int) -> None:
    """``do(0)`` to ``do(count - 1)``, in no certain order: each writes to a place of its own."""
    workers = min(processors(), count // FEW + 1)

    def part(first: int) -> None:
        for i in range(first, count, workers):
            do(i)

    if workers == 1:
        part(0)
        return
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(part, range(workers)))


def shared(expect: Callable[[int, int, Array], float], cuts: Sequence[int], stats: Array) -> float:
    """Sum of ``expect(first, last, its statistics)`` over the parts between ``cuts``, one thread each.

    Sums of statistics go to ``stats``.
    """
    if len(cuts) == 2:
        return expect(cuts[0], cuts[1], stats)
    parts = np.empty((len(cuts) - 1, stats.size))
    with ThreadPoolExecutor(len(parts)) as pool:
        total = sum(pool.map(expect, cuts[:-1], cuts[1:], parts))
    stats[:] = parts.sum(axis=0)
    return total
