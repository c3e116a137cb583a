"""A progress bar that appears when something takes longer than two seconds, and only then."""

from __future__ import annotations

from threading import Lock, Timer
from types import TracebackType
from typing import Any, Self

from em_vs_bayes.common.arguments import yes_or_no

PATIENCE = 2.0  # seconds


class Progress:
    """Context manager; `show` may be called as often as one likes, or never: the bar comes all the same."""

    def __init__(self, title: str, *, shown: bool) -> None:
        yes_or_no("progressbar", shown)
        self._title, self._shown = title, shown
        self._done, self._text = 0.0, ""
        self._lock = Lock()
        self._timer: Timer | None = None
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        if self._shown:
            self._timer = Timer(PATIENCE, self._appear)
            self._timer.daemon = True
            self._timer.start()
        return self

    def show(self, done: float, text: str) -> None:
        """Fraction done and a short text."""
        self._done, self._text = done, text
        if self._bar is not None:
            self._bar.update(self._task, completed=done, text=text)

    def _appear(self) -> None:
        from rich import progress

        with self._lock:
            if self._timer is None:  # it ended meanwhile
                return
            columns = ("[bold]{task.description}", progress.BarColumn(), progress.TaskProgressColumn())
            bar = progress.Progress(*columns, progress.TimeElapsedColumn(), "{task.fields[text]}", transient=True)
            bar.start()
            self._task = bar.add_task(self._title, total=1.0, text=self._text)
            bar.update(self._task, completed=self._done)
            self._bar = bar

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        with self._lock:
            timer, self._timer = self._timer, None
            if timer is not None:
                timer.cancel()
            if self._bar is not None:
                self._bar.stop()
                self._bar = None
