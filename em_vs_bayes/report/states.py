"""Figures of hidden Markov models: data with the decoded path, transition matrices, pseudo-residuals."""

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from em_vs_bayes.comparison.findings import known_columns, sequential
from em_vs_bayes.data import times
from em_vs_bayes.data.times import label_axis
from em_vs_bayes.fit.responses import LAWS, Response
from em_vs_bayes.model.emissions import Categorical
from em_vs_bayes.report.figures import (
    COMPONENT,
    INK,
    WIDTH,
    canvas,
    colour,
    dash,
    plain,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from em_vs_bayes.comparison.aligned import Aligned
    from em_vs_bayes.comparison.compare import Comparison

SEQUENCES, COLUMNS = 3, 3  # shown of many
ROWS = 1500  # shown of a long sequence
MATRICES = 4  # transition matrices side by side
STEPS, PAST = 12, 24  # rows of a forecast, and rows shown before them
DRAWS = 200  # posterior draws that a forecast averages over
CELLS = 5  # states from which on cells are too small for intervals


def reference(c: "Comparison") -> "Aligned":
    """The fit whose labels all others take."""
    return next(a for a in c.aligned if a.fit is c.reference)


def path(a: "Aligned") -> np.ndarray:
    """Viterbi path (n,) in the labels of the reference."""
    return np.asarray(np.argsort(a.order)[a.fit.predict()])


def shown(c: "Comparison") -> list[tuple[int, int]]:
    """First row and one past the last of each sequence in the figure."""
    starts = c.fits[0].program.data.starts
    return [(start, min(stop, start + ROWS)) for start, stop in list(pairwise(starts))[:SEQUENCES]]


def paths(c: "Comparison") -> Figure | None:
    """Data over time in the colours of the decoded states, and below them the smoothed probabilities."""
    if not sequential(c):
        return None
    a, pieces, columns, index = reference(c), shown(c), known_columns(c)[:COLUMNS], c.fits[0].program.index
    each = [2.0 if len(columns) < 2 else 1.4] * len(columns) + [0.8]
    figure = Figure(figsize=(WIDTH, len(pieces) * (sum(each) + 0.25) + 0.3), layout="constrained")
    grid = figure.subplots(len(pieces) * len(each), 1, squeeze=False, height_ratios=each * len(pieces))[:, 0]
    decoded, smoothed = path(a), a.fit.predict_proba()[:, a.order]
    for i, (start, stop) in enumerate(pieces):
        panels = grid[i * len(each) : (i + 1) * len(each)]
        rows = np.arange(start, stop)
        for panel in panels:
            tidy(panel)
            panel.set_xlim(-0.5, stop - start - 0.5)
        for panel, column in zip(panels, columns, strict=False):
            _data(panel, a, column, rows, decoded[start:stop])
            panel.set_ylim(*_limits(a, column, pieces))
            panel.set_xticklabels([])
        _probabilities(panels[-1], smoothed[start:stop])
        if len(c.fits[0].program.data.starts) > 2:
            panels[0].set_title(f"sequence {i}", loc="left", fontsize=9, color=INK)
        if index is not None:
            label_axis(panels[-1], index[start:stop])
    grid[-1].set_xlabel("row of the sequence" if index is None else plain(str(index.name or "")), fontsize=8)
    states = [figure.axes[0].plot([], [], "s", color=_shade(k), label=f"state {k}")[0] for k in range(len(a.order))]
    figure.legend(handles=states, loc="outside upper right", ncols=len(states), frameon=False, fontsize=9)
    return figure


def _shade(k: int) -> str:
    return COMPONENT[k % len(COMPONENT)]


def _limits(a: "Aligned", column: Response, pieces: list[tuple[int, int]]) -> tuple[float, float]:
    """One range for a column in every sequence, so that sequences compare."""
    rows = np.concatenate([np.arange(*piece) for piece in pieces])
    values, means = column.values[rows], column.means(a.params)[rows]
    known = np.r_[values[np.isfinite(values)], means.min(), means.max()]
    pad = 0.06 * max(np.ptp(known), 1e-9 * max(1.0, np.abs(known).max()))
    return known.min() - pad, known.max() + pad


def _data(ax: "Axes", a: "Aligned", column: Response, rows: np.ndarray, decoded: np.ndarray) -> None:
    """Bands and points in the colours of the states; a line at the mean of the state the path is in, but of codes."""
    values = column.values[rows]
    edges = np.flatnonzero(np.diff(decoded, prepend=-2, append=-2))
    means, codes = column.means(a.params)[rows], column.law is LAWS[Categorical]
    for begin, end in pairwise(edges):
        k = int(decoded[begin])
        if k < 0:
            continue
        ax.axvspan(begin - 0.5, end - 0.5, color=_shade(k), alpha=0.13, linewidth=0)
        if codes:
            continue
        edge = np.repeat(np.arange(begin, end + 1) - 0.5, 2)[1:-1]  # each row's mean from its left to its right end
        ax.plot(edge, np.repeat(means[begin:end, k], 2), color=_shade(k), linewidth=1.4)
    if len(values) <= 400 and not codes:
        ax.plot(np.arange(len(values)), values, color="#9aa5b1", linewidth=0.6, zorder=1)
    shades = np.array([*COMPONENT, "#000000"])[np.where(decoded >= 0, decoded % len(COMPONENT), -1)]
    ax.scatter(np.arange(len(values)), values, s=10 if len(values) <= 400 else 3, c=shades, linewidths=0, zorder=2)
    ax.set_ylabel(plain(column.name), fontsize=8)


def _probabilities(ax: "Axes", smoothed: np.ndarray) -> None:
    edges = np.arange(len(smoothed) + 1) - 0.5
    below = np.zeros(len(smoothed))
    for k in range(smoothed.shape[1]):
        above = below + smoothed[:, k]
        ax.stairs(above, edges, baseline=below, fill=True, color=_shade(k), alpha=0.75, linewidth=0)
        below = above
    ax.set_ylim(0, 1)
    ax.set_yticks([0, 1])
    ax.set_ylabel("probability", fontsize=8)


def transitions(c: "Comparison") -> Figure | None:
    """The transition matrix of each method as a table whose shade is the probability, with intervals."""
    if not sequential(c):
        return None
    k, columns = c.fits[0].spec.size, min(len(c.aligned), MATRICES)
    lines = -(-len(c.aligned) // columns)
    figure, axes = canvas(lines, columns, lines * (min(WIDTH / columns, 2.6) + 0.3), width=min(WIDTH, 2.8 * columns))
    cells = {place: label for label, place in c.cells.items()}
    size = 8 if k < 4 and columns < 4 else 7 if k < CELLS else 6
    for ax in axes.ravel()[len(c.aligned) :]:
        ax.set_axis_off()
    for ax, a in zip(axes.ravel(), c.aligned, strict=False):
        matrix = a.params["transition"]
        ax.imshow(matrix, vmin=0, vmax=1, cmap="Blues")
        for i, j in np.ndindex(k, k):
            row = c.table[a.name].loc[cells["transition", (i, j)]]
            known = np.isfinite(row["sd"]) and k < CELLS
            interval = f"\n{row['lower']:.2f} – {row['upper']:.2f}" if known else ""
            ink = "white" if matrix[i, j] > 0.6 else INK
            ax.text(j, i, f"{matrix[i, j]:.2f}{interval}", ha="center", va="center", fontsize=size, color=ink)
        ax.set_title(a.name, loc="left", fontsize=11, color=colour(a), fontweight="bold")
        ax.set_xticks(range(k))
        ax.set_yticks(range(k))
        ax.set_xlabel("to state", fontsize=8)
        ax.grid(visible=False)
        ax.spines[:].set_visible(False)
    for ax in axes[:, 0]:
        ax.set_ylabel("from state", fontsize=8)
    return figure


def ahead(c: "Comparison") -> Figure | None:
    """The last rows of one sequence and each method's forecast of the next; None with several sequences."""
    columns = known_columns(c) if sequential(c) else []
    foreseen = [x for x in columns if not x.by_row and x.law is not LAWS[Categorical]][:COLUMNS]
    program = c.fits[0].program
    if not foreseen or len(program.data.starts) > 2 or any(column.by_row for column in columns):
        return None
    figure, axes = canvas(len(foreseen), 1, 2.3 * len(foreseen) + 0.3, sharex="all")
    tables = [(a, a.fit.forecast(STEPS, c.level, draws=DRAWS)) for a in c.aligned]
    last = np.arange(max(0, program.n - PAST), program.n)
    for ax, column in zip(axes[:, 0], foreseen, strict=True):
        prefix = "" if len(columns) == 1 else f"{column.name}_"
        ax.plot(last, column.values[last], ".-", color="#9aa5b1", linewidth=0.6, markersize=5)
        for i, (a, table) in enumerate(tables):
            at = program.n + np.arange(STEPS) + 0.6 * ((i + 0.5) / len(tables) - 0.5)
            lower, upper = table[f"{prefix}lower"], table[f"{prefix}upper"]
            ax.vlines(at, lower, upper, color=colour(a), linewidth=1.6, linestyle=dash(a))
            ax.plot(at, table[f"{prefix}mean"], "o", color=colour(a), markersize=3.5, label=a.name)
        ax.axvline(program.n - 0.5, color="#9aa5b1", linewidth=0.8, linestyle=":")
        ax.set_xlim(last[0] - 0.5, program.n + STEPS - 0.5)
        ax.set_ylabel(plain(column.name), fontsize=8)
    labels = times.ahead(program.index, program.data.starts, STEPS)
    if labels is not None:
        label_axis(axes[-1, 0], [*program.index, *labels])
    axes[-1, 0].set_xlabel("row" if labels is None else plain(str(program.index.name or "")), fontsize=8)
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper right", ncols=len(tables), frameon=False, fontsize=9)
    return figure


def residuals(c: "Comparison") -> Figure | None:
    """Forecast pseudo-residuals of the reference: those that the true model makes independent as well as normal."""
    return reference(c).fit.plot_pseudo_residuals("forecast") if sequential(c) and known_columns(c) else None
