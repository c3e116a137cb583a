"""A comparison as text for a terminal."""

from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from em_vs_bayes.report import words

if TYPE_CHECKING:
    from em_vs_bayes.compare import Comparison

MARK = {"good": ("+", "green"), "note": ("i", "blue"), "warning": ("!", "yellow"), "bad": ("x", "red")}


def text(c: "Comparison", width: int = 110) -> str:
    """Parameters, elpd and findings as plain text."""
    console = Console(width=width, no_color=True, force_terminal=False)
    with console.capture() as captured:
        show(c, console)
    return captured.get().rstrip()


def show(c: "Comparison", console: Console) -> None:
    """Print parameters, elpd, seconds and findings."""
    console.print(Text(str(c.fits[0].spec), style="bold"))
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("parameter", no_wrap=True)
    for a in c.aligned:
        table.add_column(a.name, justify="right")
    for label in c.table.index:
        table.add_row(Text(label), *(_cell(c, a.name, label) for a in c.aligned))
    table.add_section()
    table.add_row("seconds", *(words.number(c.timing["total"][a.name]) for a in c.aligned))
    if len(c.elpd):
        told = {name: f"{row['elpd']:,.1f} ± {row['se']:,.1f}" for name, row in c.elpd.iterrows()}
        table.add_row("elpd (loo)", *(told.get(a.name, "–") for a in c.aligned))
    console.print(table)
    console.print(
        Text(
            f"estimate ± sd (standard error for em); intervals of {words.percent(c.level)} in .table\n", "dim"
        )
    )
    for f in c.findings:
        mark, style = MARK[f.severity]
        console.print(Text.assemble((f"{mark} {f.kind.replace('_', ' ')}: ", style), f.sentence))


def _cell(c: "Comparison", name: str, label: str) -> str:
    row = c.table[name].loc[label]
    spread = f" ± {words.number(row['sd'], 2)}" if np.isfinite(row["sd"]) else ""
    return words.to_precision_of(row["estimate"], row["sd"]) + spread
