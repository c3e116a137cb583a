"""One thread of BLAS where matrices are small: waking others takes longer than the products they would share.

The number is the process's, and OpenBLAS lets the main thread alone set it. So each calling thread sets the limit and
takes it back, to what was there before the first of those that hold it together: where they overlap it may end early.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, local
from typing import Any

SMALL = 1000  # rows of the largest matrix up to which one thread is as fast


class _Limit:
    """How many threads of Python hold the limit, and what takes it back."""

    def __init__(self) -> None:
        self.lock, self.holders, self.depth = Lock(), 0, local()
        self.controller: Any = None
        self.before: Any = None

    def enter(self) -> None:
        depth = getattr(self.depth, "value", 0)
        if depth == 0:
            with self.lock:
                if self.controller is None:
                    from threadpoolctl import ThreadpoolController  # it looks for libraries: five milliseconds

                    self.controller = ThreadpoolController()
                limiter = self.controller.limit(limits=1, user_api="blas")
                if self.holders == 0:
                    self.before = limiter
                self.holders += 1
        self.depth.value = depth + 1

    def leave(self) -> None:
        self.depth.value -= 1
        if self.depth.value == 0:
            with self.lock:
                self.before.restore_original_limits()
                self.holders -= 1


_limit = _Limit()


@contextmanager
def one_thread(size: int) -> Iterator[None]:
    """BLAS on one thread, if the largest matrices have no more than `SMALL` rows."""
    if size > SMALL:
        yield
        return
    _limit.enter()
    try:
        yield
    finally:
        _limit.leave()
