"""Tables with ratios and verdicts."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

console = Console(width=150)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], caption: str | None = None) -> None:
    """Print one table: the first column is the case, the others are figures."""
    made = Table(title=title, caption=caption, title_justify="left", caption_justify="left")
    for i, column in enumerate(columns):
        made.add_column(column, justify="right" if i else "left", no_wrap=True)
    for row in rows:
        made.add_row(*row)
    console.print(made)


def at_least(value: float, target: float, unit: str = "x") -> str:
    """A figure that should be high, with its verdict."""
    colour, word = ("green", "ok") if value >= target else ("red", "short")
    return f"[{colour}]{value:,.3g}{unit} (target {target:g}): {word}[/]"


def at_most(value: float, target: float, unit: str) -> str:
    """A figure that should be low, with its verdict."""
    colour, word = ("green", "ok") if value <= target else ("red", "over")
    return f"[{colour}]{value:,.3g} {unit} (target {target:g}): {word}[/]"


def ms(value: float) -> str:
    return f"{1e3 * value:,.3g} ms"
