"""Figures of a comparison: parameters, histories, seconds. Each returns a Figure, or None.

Figures are made as objects, never through pyplot, so no global state of matplotlib is read or left behind.
"""

from base64 import b64encode
from io import BytesIO
from typing import TYPE_CHECKING, Literal

import numpy as np
from matplotlib.figure import Figure

from em_vs_bayes.common import printable
from em_vs_bayes.comparison.findings import yardstick

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from em_vs_bayes.comparison.aligned import Aligned
    from em_vs_bayes.comparison.compare import Comparison

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
    figure.savefig(out, format="webp", dpi=dpi, facecolor="white", pil_kwargs={"lossless": True, "method": 1})
    return "data:image/webp;base64," + b64encode(out.getvalue()).decode("ascii")


def plain(name: str) -> str:
    """A name from the data as matplotlib shall write it: dollars start no formula, control characters move nothing."""
    return printable.name(name).replace("$", r"\$")


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


def origin(c: "Comparison") -> "Aligned | None":
    """The fit whose standard deviations are the unit of the forest; None where no fit has any."""
    candidates = [a for a in (yardstick(c), *c.aligned) if a is not None]
    return next((a for a in candidates if (c.table[a.name]["sd"] > 0).any()), None)


def forest(c: "Comparison") -> Figure | None:
    """Estimates and intervals of every method, as distances from one fit in its standard deviations.

    In their own units parameters differ by orders of magnitude; in these, agreement is a column at zero.
    """
    centre = origin(c)
    if centre is None:
        return None
    base = c.table[centre.name]
    labels = [label for label in c.table.index if base["sd"][label] > 0][:ROWS]
    at = np.arange(len(labels))
    figure, axes = canvas(1, 1, (0.13 * len(c.aligned) + 0.14) * max(len(labels), 2) + 0.9)
    ax = axes[0, 0]
    for row in at[::2]:
        ax.axhspan(row - 0.5, row + 0.5, color="#f2f4f7", zorder=0)
    ax.axvline(0.0, color="#9aa5b1", linewidth=1)
    for i, a in enumerate(c.aligned):
        part = c.table[a.name].loc[labels]
        low, middle, high = (
            (part[name] - base["estimate"][labels]) / base["sd"][labels] for name in ("lower", "estimate", "upper")
        )
        y = at + 0.7 * ((i + 0.5) / len(c.aligned) - 0.5)
        ax.hlines(y, low, high, color=colour(a), linewidth=2, linestyle=dash(a))
        ax.plot(middle, y, "o", color=colour(a), markersize=4.5, label=a.name)
    ax.set_yticks(at, [plain(label) for label in labels])
    ax.set_ylim(len(labels) - 0.5, -0.5)
    ax.grid(visible=False, axis="y")
    middle_of = "estimate" if centre.sample is None else "mean"
    ax.set_xlabel(f"distance from the {middle_of} of {centre.name}, in its standard deviations", fontsize=8)
    figure.legend(loc="outside upper right", ncols=len(c.aligned), frameon=False, fontsize=9)
    return figure


def histories(c: "Comparison") -> Figure | None:
    """How far each iterative method still had to climb, by iteration, on a logarithmic axis."""
    climbing = [a for a in c.aligned if not a.is_chain and len(a.fit.history.get("objective", ())) > 2]
    if not climbing:
        return None
    figure, axes = canvas(1, len(climbing), 2.6)
    for ax, a in zip(axes[0], climbing, strict=True):
        objective = np.asarray(a.fit.history["objective"], dtype=float)
        gap = np.nanmax(objective) - objective
        shown = gap > 0
        ax.semilogy(np.flatnonzero(shown), gap[shown], color=colour(a), marker="o", markersize=3, linewidth=1.2)
        what = "ELBO" if a.fit.method in ("vi", "advi") else "objective"
        ax.set_title(f"{a.name}: {what} up to {np.nanmax(objective):,.2f}", loc="left", fontsize=10, color=INK)
        ax.set_xlabel("iteration", fontsize=8)
    axes[0, 0].set_ylabel("still to climb", fontsize=8)
    return figure


def seconds(c: "Comparison") -> Figure | None:
    """Wall-clock seconds of each method, on a logarithmic axis; None where nothing was fitted."""
    timed = [a for a in c.aligned if c.timing["total"][a.name] > 0]
    if not timed:
        return None
    figure, axes = canvas(1, 1, 0.36 * len(timed) + 0.7, width=7.0)
    ax = axes[0, 0]
    total = np.array([c.timing["total"][a.name] for a in timed], dtype=float)
    at = np.arange(len(total))
    left = total.min() / 3
    shades = [colour(a) for a in timed]
    ax.hlines(at, left, total, color=shades, linewidth=2)
    ax.scatter(total, at, color=shades, s=40, zorder=3)
    for y, value in zip(at, total, strict=True):
        ax.text(value * 1.15, y, f"{value:.3g} s", va="center", fontsize=8, color=INK)
    ax.set_xscale("log")
    ax.set_xlim(left, total.max() * 3)
    ax.set_yticks(at, [a.name for a in timed])
    ax.invert_yaxis()
    ax.grid(visible=False, axis="y")
    ax.set_xlabel("seconds, logarithmic", fontsize=8)
    return figure
