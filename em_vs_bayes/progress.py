"""A progress bar that appears only when a fit takes longer than two seconds."""

from __future__ import annotations

from time import perf_counter
from types import TracebackType
from typing import Any, Self

from em_vs_bayes.arguments import yes_or_no

PATIENCE = 2.0  # seconds


class Progress:
    """Context manager; `show` may be called as often as one likes."""

    def __init__(self, title: str, *, shown: bool) -> None:
        yes_or_no("progressbar", shown)
        self._title, self._shown = title, shown
        self._began = perf_counter()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        return self

    def show(self, done: float, text: str) -> None:
        """Fraction done and a short text."""
        if not self._shown:
            return
        if self._bar is None:
            if perf_counter() - self._began < PATIENCE:
                return
            from rich import progress

            columns = ("[bold]{task.description}", progress.BarColumn(), progress.TaskProgressColumn())
            self._bar = progress.Progress(*columns, progress.TimeElapsedColumn(), "{task.fields[text]}", transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self._title, total=1.0, text=text)
        self._bar.update(self._task, completed=done, text=text)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()
