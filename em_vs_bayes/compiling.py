"""Say so when kernels are compiled: it happens once on a machine, and takes longer than people expect of a fit."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numba.core import event

PACKAGE = __name__.rpartition(".")[0]
MESSAGE = f"{PACKAGE}: compiling for this machine, once; this takes a minute or so."


class _Announcement(event.Listener):
    """One line on stderr at the first kernel that is not in the cache."""

    def __init__(self) -> None:
        self.said = False

    def on_start(self, event: Any) -> None:
        module = event.data["dispatcher"].py_func.__module__
        if not self.said and module.startswith(PACKAGE):
            self.said = True
            print(MESSAGE, file=sys.stderr, flush=True)

    def on_end(self, event: Any) -> None:
        """Nothing: the result follows."""


@contextmanager
def announced(shown: bool) -> Iterator[None]:
    """Announce compilation inside the block, unless not ``shown``."""
    if not shown:
        yield
        return
    with event.install_listener("numba:compile", _Announcement()):
        yield
