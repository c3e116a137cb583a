"""What `print(fit)` shows: the model, the data, how it ended, and a table of parameters. It never raises."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from em_vs_bayes.common import printable
from em_vs_bayes.common.arguments import brief
from em_vs_bayes.fit import diagnosis, layout
from em_vs_bayes.fit.describe import summary
from em_vs_bayes.fit.record import Record
from em_vs_bayes.kernels import tables

if TYPE_CHECKING:
    import pandas as pd

    from em_vs_bayes.program.program import Program

ROWS = 30  # of a table; the rest is a line that says where it is
SCALARS = 200  # that draws have; of more, and of a hundred times as many estimates, NumPy's arrays are shown
WIDTH = 110  # characters of a line
STYLE = (
    ".em-vs-bayes-fit table {border-collapse: collapse; font-size: inherit; font-variant-numeric: tabular-nums}"
    ".em-vs-bayes-fit th, .em-vs-bayes-fit td {padding: 0.1em 0.7em; text-align: right; white-space: nowrap}"
    ".em-vs-bayes-fit tbody th {text-align: left; font-weight: normal}"
    ".em-vs-bayes-fit thead th {border-bottom: 1px solid}"
)


@dataclass(frozen=True, slots=True)
class Page:
    """What is shown of a fit.

    Attributes
    ----------
    head : str
        The spec.
    facts : list of str
        Rows, status, height.
    tables : list of (str, DataFrame or str)
        Captions; what is too long for a table is text.
    notes : list of str
    good : bool
        Whether the fit did what it set out to do.
    """

    head: str
    facts: list[str]
    tables: list[tuple[str, Any]]
    notes: list[str]
    good: bool


def text(fit: Record) -> str:
    """See `Fit.__repr__`."""
    page = _page(fit)
    parts = [page.head, *page.facts]
    for caption, table in page.tables:
        parts += ["", *([caption] if caption else []), table if isinstance(table, str) else _lines(table)]
    if page.notes:
        parts += ["", *page.notes]
    return printable.page("\n".join(parts))


def html(fit: Record) -> str:
    """For notebooks: the same, in tables."""
    page = _page(fit)
    mark = f'<span style="color: {"#2a7d3f" if page.good else "#b3261e"}">&#9679;</span>'
    facts = "<br>".join((mark + " " if i == 1 else "") + escape(fact) for i, fact in enumerate(page.facts))
    parts = [f"<p><b>{escape(page.head)}</b><br>{facts}</p>"]
    for caption, table in page.tables:
        parts.append(f'<p style="margin-bottom: 0"><i>{escape(caption)}</i></p>' if caption else "")
        parts.append(f"<pre>{escape(table)}</pre>" if isinstance(table, str) else _grid(table))
    if page.notes:
        parts.append(f"<ul>{''.join(f'<li>{escape(note)}</li>' for note in page.notes)}</ul>")
    return f'<div class="em-vs-bayes-fit"><style>{STYLE}</style>{printable.page("".join(parts))}</div>'


def _page(fit: Record) -> Page:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        tables, why = _or_why(lambda: _tables(fit), lambda words: ([("", words)], ""))
        notes = _or_why(lambda: [f"note: {note}" for note in diagnosis.notes(fit)], lambda words: [words])
        return Page(
            head=_or_why(lambda: brief(fit.spec, 400), str),
            facts=[
                _or_why(lambda: f"{fit.method}: {rows(fit.program)}", str),
                _or_why(lambda: str(diagnosis.diagnose(fit)[0]), str),
                _or_why(lambda: _height(fit), str),
            ],
            tables=tables,
            notes=[*([why] if why else []), *notes],
            good=_or_why(lambda: diagnosis.diagnose(fit)[0].good or fit.method == "given", lambda _: False),
        )


def rows(program: Program) -> str:
    """How many rows, sequences and missing observations, in words."""
    said = f"{program.n:,} row{'' if program.n == 1 else 's'}"
    if (sequences := len(program.data.starts) - 1) > 1:
        said += f" in {sequences:,} sequences"
    if missing := incomplete(program):
        said += f", {missing:,} with missing values"
    if program.data.weights.size:
        said += f", total weight {program.total_weight:,.10g}"
    return said


def incomplete(program: Program) -> int:
    """Rows of which something is missing."""
    missing, columns = np.zeros(program.n, dtype=bool), program.data.columns
    for kind, first, size in zip(*program.streams[:3], strict=True):
        if kind == tables.LOOKUP:
            missing |= columns[first] < 0
        elif kind in (tables.LINEAR, tables.COUNTS):
            missing |= ~columns[first : first + size].any(axis=0)
        else:
            missing |= np.isnan(columns[first : first + size]).any(axis=0)
    return int(missing.sum())


def _or_why[T](show: Callable[[], T], otherwise: Callable[[str], T]) -> T:
    try:
        return show()
    except Exception as error:  # a fit that cannot be shown whole is shown in part
        return otherwise(f"({type(error).__name__}: {brief(str(error))})")


def _height(fit: Record) -> str:
    """The log-likelihood and, of a maximum, what criteria make of it: of a posterior's mean they mean nothing."""
    height = f"log-likelihood {fit.log_likelihood:,.4f}"
    if fit.method not in ("em", "given"):
        return f"{height} at the posterior means ({fit.n_parameters} parameters)"
    return f"{height} (df = {fit.n_parameters}), AIC {fit.aic:,.2f}, BIC {fit.bic:,.2f}"


def _tables(fit: Record) -> tuple[list[tuple[str, Any]], str]:
    """Captions with tables of estimates, and why there are no standard errors, if so."""
    if sum(v.size for v in fit.params.values()) > (SCALARS if fit.draws is not None else 100 * SCALARS):
        return [("", _arrays(fit))], "summaries: fit.summary()"
    if fit.draws is not None:
        table = summary(fit).drop(columns=["ess_tail", "mcse"], errors="ignore")
        return [("", table)], ""
    errors, why = layout.errors(fit)
    return list(layout.tables(fit, errors)), why


def _arrays(fit: Record) -> str:
    return "\n".join(
        f"{name}: {np.array2string(v, precision=4, suppress_small=True, threshold=60, prefix=name + ': ')}"
        for name, v in fit.params.items()
    )


def _lines(table: pd.DataFrame) -> str:
    """A table in at most `WIDTH` characters a line."""
    shown = table.head(ROWS).to_string(**_format(table), line_width=WIDTH)
    return shown + (f"\n... {len(table) - ROWS} more rows: fit.summary()" if len(table) > ROWS else "")


def _grid(table: pd.DataFrame) -> str:
    """A table of a page."""
    shown = table.head(ROWS).to_html(**_format(table), border=0)
    more = f"<p>... {len(table) - ROWS} more rows: <code>fit.summary()</code></p>" if len(table) > ROWS else ""
    return shown + more


def _format(table: pd.DataFrame) -> dict[str, Any]:
    formatters = {"p": lambda p: "<2e-16" if p < 2e-16 else f"{p:.3g}"} if "p" in table.columns else {}
    return {"float_format": lambda x: f"{x:.4g}", "na_rep": "", "formatters": formatters}
