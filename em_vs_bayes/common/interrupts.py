"""Ctrl-C in a loop over fits ends the loop, though a fit on its own takes it as a wish to end that fit alone.

While a result is being put together it waits: hours of draws are not lost to a second of relabelling.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self


class Watch:
    """Context manager that remembers whether Ctrl-C was pressed inside, whoever took it.

    Parameters
    ----------
    holds : bool
        Whether the first Ctrl-C is kept from the code inside. A second one gets through.

    Attributes
    ----------
    pressed : bool
    """

    def __init__(self, *, holds: bool = False) -> None:
        self.pressed = False
        self._holds = holds
        self._former: Any = None

    def __enter__(self) -> Self:
        former = signal.getsignal(signal.SIGINT)
        # other threads hear of no signals; what is ignored, or handled outside Python, stays so
        if threading.current_thread() is threading.main_thread() and callable(former):
            self._former = former
            signal.signal(signal.SIGINT, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        again, self.pressed = self.pressed, True
        if again or not self._holds:
            self._former(number, frame)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._former is not None:
            signal.signal(signal.SIGINT, self._former)
