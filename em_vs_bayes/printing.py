"""What `print(fit)` shows: the model, the data, how it ended, and a table of parameters. It never raises."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from em_vs_bayes import printable
from em_vs_bayes.arguments import brief
from em_vs_bayes.kernels import tables

if TYPE_CHECKING:
    import pandas as pd

    from em_vs_bayes.program import Program
    from em_vs_bayes.results import Fit

ROWS = 30  # of a table; the rest is a line that says where it is
SCALARS = 200  # beyond, arrays are shown, shortened by NumPy


def text(fit: Fit) -> str:
    """See `Fit.__repr__`."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        parts = [
            _or_why(lambda: brief(fit.spec, 400)),
            _or_why(lambda: f"{fit.method}: {rows(fit.program)}"),
            _or_why(lambda: str(fit.status)),
            _or_why(lambda: _height(fit)),
            "",
            _or_why(lambda: _table(fit)),
            *_or_why(lambda: "".join(f"\nnote: {note}" for note in fit.notes)).splitlines(),
        ]
    return printable.page("\n".join(parts))


def html(fit: Fit) -> str:
    """For notebooks: the same text."""
    return f"<pre>{escape(text(fit))}</pre>"


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
        elif kind == tables.LINEAR:
            missing |= ~columns[first : first + size].any(axis=0)
        else:
            missing |= np.isnan(columns[first : first + size]).any(axis=0)
    return int(missing.sum())


def _or_why(show: Callable[[], str]) -> str:
    try:
        return show()
    except Exception as error:  # a fit that cannot be shown whole is shown in part
        return f"({type(error).__name__}: {brief(str(error))})"


def _height(fit: Fit) -> str:
    return f"log-likelihood {fit.log_likelihood:,.4f} (df = {fit.n_parameters}), AIC {fit.aic:,.2f}, BIC {fit.bic:,.2f}"


def _table(fit: Fit) -> str:
    many = sum(v.size for v in fit.params.values()) > SCALARS
    if many or (fit.draws is None and fit.spec.leading):  # of components or states, arrays are easier to read
        return "\n".join(
            f"{name}: {np.array2string(v, precision=4, suppress_small=True, threshold=60, prefix=name + ': ')}"
            for name, v in fit.params.items()
        )
    why = ""
    if fit.draws is not None:
        table = fit.summary().drop(columns=["ess_tail", "mcse"], errors="ignore")
    else:
        table, why = _tests(fit)
    shown = table.head(ROWS).to_string(float_format=lambda x: f"{x:.4g}", na_rep="")
    more = f"\n... {len(table) - ROWS} more rows: fit.summary()" if len(table) > ROWS else ""
    return shown + more + why


def _tests(fit: Fit) -> tuple[pd.DataFrame, str]:
    """Estimates, standard errors and normal tests of coefficients being zero, as R's survreg prints; or why not."""
    import pandas as pd
    from scipy.special import ndtr

    from em_vs_bayes.describe import scalar_names

    estimate = np.concatenate([np.ravel(v) for v in fit.params.values()])
    table = pd.DataFrame({"estimate": estimate}, index=scalar_names(fit))
    if fit.method != "em":  # given parameters were not estimated
        return table, ""
    try:
        se = np.concatenate([np.ravel(v) for v in fit.std_errors().values()])
    except ValueError as reason:
        return table, f"\nno standard errors: {reason}"
    free = np.array([name.startswith("coefficients") for name in table.index]) & (se > 0)
    z = np.where(free, estimate / np.where(se > 0, se, 1.0), np.nan)
    table["se"], table["z"], table["p"] = se, z, 2.0 * ndtr(-np.abs(z))
    return table, ""
