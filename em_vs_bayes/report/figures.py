"""Figures of a comparison: parameters, histories, seconds. Each returns a Figure, or None.

Figures are made as objects, never through pyplot, so no global state of matplotlib is read or left behind.
"""

from base64 import b64encode
from io import BytesIO
from typing import TYPE_CHECKING, Literal

import numpy as np
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from em_vs_bayes.compare import Aligned, Comparison

# Okabe and Ito's colours, told apart by readers with any colour vision.
METHOD = {
    "em": "#d55e00",
    "vi": "#009e73",
    "gibbs": "#0072b2",
    "nuts": "#a5458c",
    "laplace": "#e69f00",
    "advi": "#56b4e9",
}
OTHER = "#555555"
COMPONENT = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#888888")
INK, FAINT = "#1f2933", "#d9dee3"
ROWS = 40  # parameters in the forest plot
WIDTH = 10.0  # inches
type Share = Literal["none", "all", "row", "col"]


def data_uri(figure: Figure, dpi: int = 130) -> str:
    """The figure as an image inside a ``data:`` address: lossless WebP, half the size of PNG."""
    out = BytesIO()
    figure.savefig(out, format="webp", dpi=dpi, facecolor="white", pil_kwargs={"lossless": True})
    return "data:image/webp;base64," + b64encode(out.getvalue()).decode("ascii")


def canvas(
    rows: int,
    columns: int,
    height: float,
    *,
    width: float = WIDTH,
    sharex: Share = "none",
    sharey: Share = "none",
) -> tuple[Figure, np.ndarray]:
    """A figure with a (rows, columns) array of plain axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=sharex, sharey=sharey)
    for ax in axes.ravel():
        tidy(ax)
    return figure, axes


def tidy(ax: "Axes") -> None:
    """Less ink: two spines, a faint grid, small labels."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color("#9aa5b1")
    ax.tick_params(colors=INK, labelsize=8, length=3)
    ax.grid(color=FAINT, linewidth=0.6)
    ax.set_axisbelow(True)


def colour(a: "Aligned") -> str:
    """Colour of a fit, by its method."""
    return METHOD.get(a.fit.method, OTHER)


def dash(a: "Aligned") -> str:
    """A second fit by the same method is dashed."""
    return "-" if a.name == a.fit.method else "--"


def forest(c: "Comparison") -> Figure:
    """Estimates and intervals of every method, one panel per kind of parameter."""
    groups: dict[str, list[str]] = {}
    for label, (name, _) in list(c.cells.items())[:ROWS]:
        groups.setdefault(name, []).append(label)
    sizes = [len(labels) for labels in groups.values()]
    step = 0.16 * len(c.aligned) + 0.2
    figure = Figure(figsize=(WIDTH, step * sum(sizes) + 0.6 * len(sizes) + 0.5), layout="constrained")
    axes = figure.subplots(len(groups), 1, squeeze=False, height_ratios=[s + 0.6 for s in sizes])[:, 0]
    for ax, (name, labels) in zip(axes, groups.items(), strict=True):
        tidy(ax)
        ax.grid(visible=False, axis="y")
        for i, a in enumerate(c.aligned):
            part = c.table[a.name].loc[labels]
            at = np.arange(len(labels)) + 0.6 * ((i + 0.5) / len(c.aligned) - 0.5)
            ax.hlines(at, part["lower"], part["upper"], color=colour(a), linewidth=2, linestyle=dash(a))
            ax.plot(part["estimate"], at, "o", color=colour(a), markersize=4.5, label=a.name)
        ticks = [label[len(name) :].strip("[]") or name for label in labels]
        ax.set_yticks(np.arange(len(labels)), ticks)
        ax.set_ylim(len(labels) - 0.4, -0.6)
        ax.set_title(name, loc="left", fontsize=10, color=INK, fontweight="bold")
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper right", ncols=len(names), frameon=False, fontsize=9)
    return figure


def histories(c: "Comparison") -> Figure | None:
    """Objective by iteration of the methods that climb one, such as CAVI's ELBO."""
    climbing = [
        a for a in c.aligned if not a.is_chain and len(np.atleast_1d(a.fit.history.get("objective", ()))) > 1
    ]
    if not climbing:
        return None
    figure, axes = canvas(1, len(climbing), 2.6)
    for ax, a in zip(axes[0], climbing, strict=True):
        objective = np.asarray(a.fit.history["objective"], dtype=float)
        ax.plot(
            np.arange(len(objective)), objective, color=colour(a), marker="." if len(objective) < 60 else ""
        )
        ax.set_title(
            f"{a.name}: {'ELBO' if a.fit.method in ('vi', 'advi') else 'objective'}, ends at "
            f"{objective[-1]:,.2f}",
            loc="left",
            fontsize=10,
            color=INK,
        )
        ax.set_xlabel("iteration", fontsize=8)
        # The first steps climb so far that they would flatten all that follows.
        if len(objective) > 8:
            low = np.min(objective[2:])
            ax.set_ylim(
                low - 0.05 * np.ptp(objective[2:]), objective.max() + 0.08 * np.ptp(objective[2:]) + 1e-9
            )
    return figure


def seconds(c: "Comparison") -> Figure:
    """Wall-clock seconds of each method, on a logarithmic axis."""
    figure, axes = canvas(1, 1, 0.36 * len(c.aligned) + 0.7, width=7.0)
    ax = axes[0, 0]
    total = c.timing["total"].to_numpy(dtype=float)
    at = np.arange(len(total))
    left = total.min() / 3
    ax.barh(at, total - left, left=left, color=[colour(a) for a in c.aligned], height=0.6)
    for y, value in zip(at, total, strict=True):
        ax.text(value * 1.08, y, f"{value:.3g} s", va="center", fontsize=8, color=INK)
    ax.set_xscale("log")
    ax.set_xlim(left, total.max() * 3)
    ax.set_yticks(at, [a.name for a in c.aligned])
    ax.invert_yaxis()
    ax.grid(visible=False, axis="y")
    ax.set_xlabel("seconds, logarithmic", fontsize=8)
    return figure
