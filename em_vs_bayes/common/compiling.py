"""Say so when kernels are compiled: it happens once on a machine, and takes longer than people expect of a fit."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

from numba.core import event

PACKAGE = __name__.partition(".")[0]
MESSAGE = f"{PACKAGE}: compiling for this machine, once; this takes a minute or so."
MODEL = f"{PACKAGE}: PyTensor is compiling the model, once for models of its form; this takes up to a minute."
PATIENCE = 2.0  # seconds that PyTensor's functions may take before anything is said


class _Announcement(event.Listener):
    """One line on stderr at the first kernel that is not in the cache, and one where a PyMC model takes long."""

    def __init__(self) -> None:
        self.said: set[str] = set()
        self.depth, self.began, self.seconds = 0, 0.0, 0.0  # functions compile those that they call

    def on_start(self, event: Any) -> None:
        module = event.data["dispatcher"].py_func.__module__ or ""
        now = perf_counter()
        self.began = self.began if self.depth else now
        self.depth += 1
        if module.startswith(PACKAGE + ".kernels"):
            self._say(MESSAGE)
        elif self.seconds + now - self.began > PATIENCE and not self.said:
            self._say(MODEL)

    def _say(self, words: str) -> None:
        if words not in self.said:
            self.said.add(words)
            print(words, file=sys.stderr, flush=True)

    def on_end(self, event: Any) -> None:
        self.depth -= 1
        self.seconds += 0.0 if self.depth else perf_counter() - self.began


@contextmanager
def announced(shown: bool) -> Iterator[None]:
    """Announce compilation inside the block, unless not ``shown``."""
    if not shown:
        yield
        return
    with event.install_listener("numba:compile", _Announcement()):
        yield
