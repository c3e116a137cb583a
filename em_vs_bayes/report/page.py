"""A comparison as one HTML page that needs no network: images, styles and text in one file."""

import platform
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from em_vs_bayes.common import printable, words
from em_vs_bayes.common.progress import Progress
from em_vs_bayes.common.thresholds import BULK, RHAT, TABLE, TAIL
from em_vs_bayes.comparison.findings import headline, sequential
from em_vs_bayes.comparison.findings.regressions import is_regression
from em_vs_bayes.model.regressions import CensoredRegression, TruncatedRegression
from em_vs_bayes.report import (
    chains,
    densities,
    figures,
    limited,
    states,
)

if TYPE_CHECKING:
    from em_vs_bayes.comparison.aligned import Aligned
    from em_vs_bayes.comparison.compare import Comparison

PACKAGES = ("em-vs-bayes", "numpy", "numba", "scipy", "arviz-stats", "pymc", "nutpie", "matplotlib", "pandas")
FIGURES = 11  # of a page, without traces
DESCRIBE = (
    "states",
    "dwell_times",
    "ambiguous",
    "decoding",
    "censoring",
    "hidden_information",
)  # findings that describe rather than judge


def render(c: "Comparison", *, progressbar: bool = False) -> str:
    """The report of a comparison as a complete HTML document."""
    with Progress("report", shown=progressbar) as bar:
        content = _content(c, bar)
        return printable.page(_environment().get_template("page.html.j2").render(**content))


def fragment(c: "Comparison") -> str:
    """Findings and parameters alone, for a notebook cell."""
    return printable.page(_environment().get_template("fragment.html.j2").render(**_numbers(c)))


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("em_vs_bayes", "report/templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": words.number,
        "percent": words.percent,
    }
    return environment


def _numbers(c: "Comparison") -> dict[str, Any]:
    cells = [(label, [_cell(c, a, label) for a in c.aligned]) for label in c.table.index]
    return {
        "c": c,
        "findings": [f for f in c.findings if f.kind not in DESCRIBE],
        "description": [f for f in c.findings if f.kind in DESCRIBE],
        "headline": headline(c.findings),
        "methods": [{"name": a.name, "colour": figures.colour(a)} for a in c.aligned],
        "level": f"{100 * c.level:g} %",
        "cells": cells,
    }


def _cell(c: "Comparison", a: "Aligned", label: str) -> dict[str, str]:
    row = c.table[a.name].loc[label]
    return {
        "estimate": words.to_precision_of(row["estimate"], row["sd"]),
        "sd": words.number(row["sd"], 2) if np.isfinite(row["sd"]) else "",
        "interval": words.interval(row["lower"], row["upper"], row["sd"]) if np.isfinite(row["sd"]) else "",
    }


def _content(c: "Comparison", bar: Progress) -> dict[str, Any]:
    bar.show(0.0, "parameters and findings")
    image = _Images(c, bar)
    sampled, y = [a for a in c.aligned if a.is_chain], densities.observed(c)
    return _numbers(c) | {
        "spec": str(c.fits[0].spec),
        "title": " vs ".join(a.name for a in c.aligned),
        "data": _data(c),
        "density": image(densities.densities),
        "paths": image(states.paths),
        "shown": _shown(c),
        "transitions": image(states.transitions),
        "states": _states(c),
        "ahead": image(states.ahead),
        "limited": image(limited.fits),
        "mixture": image(limited.mixture),
        "distributions": image(limited.distributions),
        "has_line": limited.has_line(c),
        "drawn": any(a.sample is not None for a in c.aligned),
        "truncated": isinstance(c.fits[0].spec, TruncatedRegression),
        "common": not isinstance(c.fits[0].spec, CensoredRegression),
        "reference": c.reference.method,
        "censored": limited.censored(c),
        "margins": limited.margins(c),
        "residuals": image(states.residuals),
        "decoder": states.reference(c).name,
        "kind": c.fits[0].log_likelihood_kind,
        "forest": image(figures.forest),
        "parts": c.fits[0].spec.leading,
        "curves": y is not None and y.shape[1] == 1,
        "forest_left_out": max(0, len(c.table) - figures.ROWS),
        "histories": image(figures.histories),
        "seconds": image(figures.seconds),
        "traces": [
            {
                "name": a.name,
                "image": image(partial(chains.traces, a=a)),
                "shown": len(chains.worst(c, a)),
            }
            for a in sampled
        ],
        "diagnostics": [(label, [_diagnostic(c, a, label) for a in sampled]) for label in c.table.index],
        "limits": TABLE,
        "sampled": [a.name for a in sampled],
        "statuses": [_status(a) for a in c.aligned],
        "elpd": list(c.elpd.iterrows()),
        "timing": list(c.timing.iterrows()),
        "stages": [s for s in c.timing.columns if s not in ("total", "smallest_ess", "ess_per_second")],
        "versions": _versions(),
        "when": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "seed": "not known to the comparison" if c.seed is None else str(c.seed),
    }


def _diagnostic(c: "Comparison", a: "Aligned", label: str) -> dict[str, Any]:
    """Text of each diagnostic of one parameter and whether it is beyond its limit."""
    row, chains = c.diagnostics[a.name].loc[label], a.sample.sizes["chain"] if a.sample is not None else 1
    return {
        "rhat": (f"{row['rhat']:.3f}", RHAT.passed(row["rhat"])),
        "ess_bulk": (f"{row['ess_bulk']:,.0f}", BULK.passed(row["ess_bulk"] / chains)),
        "ess_tail": (f"{row['ess_tail']:,.0f}", TAIL.passed(row["ess_tail"] / chains)),
        "mcse": (words.number(row["mcse"], 2), True),
    }


class _Images:
    """Figures as data addresses, "" where one has nothing to show; the bar says how many are drawn."""

    def __init__(self, c: "Comparison", bar: Progress) -> None:
        self._c, self._bar, self._drawn = c, bar, 0

    def __call__(self, draw: "Callable[[Comparison], Any]") -> str:
        self._drawn += 1
        self._bar.show(self._drawn / (FIGURES + len(self._c.aligned) + 1), f"figure {self._drawn}")
        figure = draw(self._c)
        return "" if figure is None else figures.data_uri(figure)


def _shown(c: "Comparison") -> str:
    """What the figure of the paths leaves out, in words."""
    if not sequential(c):
        return ""
    starts, pieces = c.fits[0].program.data.starts, states.shown(c)
    words = [f"The first {len(pieces)} of {len(starts) - 1} sequences."] if len(pieces) < len(starts) - 1 else []
    if any(stop < end for (_, stop), end in zip(pieces, starts[1:], strict=False)):
        words.append(f"Of a long sequence the first {states.ROWS:,} rows.")
    return " ".join(words)


def _states(c: "Comparison") -> list[dict[str, Any]]:
    """Per state and method: long-run probability, dwell time and share of rows, with intervals from draws."""
    if not sequential(c):
        return []
    tables = [(a, a.fit.state_summary(c.level).iloc[a.order]) for a in c.aligned]
    return [
        {"state": k, "first": i == 0, "name": a.name, "colour": figures.colour(a), **_state(table.iloc[k])}
        for k in range(c.fits[0].spec.size)
        for i, (a, table) in enumerate(tables)
    ]


def _state(row: Any) -> dict[str, str]:
    cells = {}
    for name in ("stationary", "dwell_time", "share"):
        cells[name] = words.number(row[name]).replace("inf", "∞")
        limits = [row.get(f"{name}_{end}", np.nan) for end in ("lower", "upper")]
        known = np.isfinite(limits).all()
        cells[f"{name}_interval"] = f"[{', '.join(words.number(x, 2) for x in limits)}]" if known else ""
    return cells


def _data(c: "Comparison") -> str:
    y, features = densities.observed(c), [limited.response(c)] if is_regression(c) else densities.names(c)
    missing = 0 if y is None else int(np.isnan(y).sum())
    shown = ", ".join(features[:8]) + (" and more" if len(features) > 8 else "")
    holes = f", {missing:,} values missing" if missing else ""
    sequences = max(len(c.fits[0].program.data.starts) - 1, 1)
    parts = f" in {sequences:,} sequences" if sequences > 1 else ""
    return f"{c.fits[0].program.n:,} observations of {shown}{parts}{holes}"


def _status(a: "Aligned") -> dict[str, Any]:
    fit = a.fit
    criteria = {"log-likelihood": fit.log_likelihood}
    if fit.method == "em":
        criteria |= {"AIC": fit.aic, "BIC": fit.bic}
        criteria |= {"ICL": fit.icl} if fit.spec.leading else {}  # components to tell apart
    if fit.method in ("vi", "advi"):
        criteria["ELBO"] = fit.elbo
    return {
        "name": a.name,
        "colour": figures.colour(a),
        "status": str(fit.status),
        "good": fit.converged,
        "iterations": fit.n_iter,
        "criteria": {name: f"{value:,.2f}" for name, value in criteria.items()},
        "at": "estimate" if a.sample is None else "posterior mean",
    }


def _versions() -> dict[str, str]:
    found = {"Python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # not installed, or the package runs from its source tree
            continue
    return found
