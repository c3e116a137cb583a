"""A comparison as text for a terminal."""

from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from em_vs_bayes.common import printable, words
from em_vs_bayes.comparison import tables
from em_vs_bayes.comparison.compared import Compared
from em_vs_bayes.comparison.findings import Finding

MARK = {"good": ("+", "green"), "note": ("i", "blue"), "warning": ("!", "yellow"), "bad": ("x", "red")}


def text(c: Compared, findings: Sequence[Finding], width: int = 110) -> str:
    """Parameters, elpd and findings as plain text."""
    console = Console(width=width, no_color=True, force_terminal=False)
    with console.capture() as captured:
        show(c, findings, console)
    return captured.get().rstrip()


def show(c: Compared, findings: Sequence[Finding], console: Console) -> None:
    """Print parameters, elpd, seconds and findings; methods that do not fit side by side go below."""
    console.print(Text(printable.page(str(c.fits[0].spec)), style="bold"))
    columns = {a.name: _column(c, a.name) for a in c.aligned}
    labels = [*(tables.short(c.fits[0], *cell) for cell in c.cells.values()), "seconds", "elpd (loo)"]
    room = console.width - max(map(len, labels))
    abreast = max(1, room // (2 + max(len(cell) for column in columns.values() for cell in column)))
    for start in range(0, len(columns), abreast):
        console.print(_table(labels, dict(list(columns.items())[start : start + abreast])))
    note = f"estimate ± sd (standard error for em); the table also holds intervals of {words.percent(c.level)}"
    console.print(Text(f"{note}\n", "dim"))
    for f in findings:
        mark, style = MARK[f.severity]
        console.print(Text.assemble((f"{mark} {f.kind.replace('_', ' ')}: ", style), f.sentence))


def _table(labels: Sequence[str], columns: dict[str, list[str]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("parameter", no_wrap=True)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for label, *row in zip(labels, *columns.values(), strict=True):
        table.add_row(Text(label), *row)
    return table


def _column(c: Compared, name: str) -> list[str]:
    cells = [_cell(row["estimate"], row["sd"]) for _, row in c.table[name].iterrows()]
    elpd = (
        f"{c.elpd['elpd'][name]:,.1f} ± {c.elpd['se'][name]:,.1f}"
        if name in c.elpd.index and np.isfinite(c.elpd["elpd"][name])
        else "–"
    )
    return [*cells, words.number(c.timing["total"][name]), elpd]


def _cell(estimate: float, sd: float) -> str:
    spread = f" ± {words.number(sd, 2)}" if np.isfinite(sd) else ""
    return words.to_precision_of(estimate, sd) + spread
