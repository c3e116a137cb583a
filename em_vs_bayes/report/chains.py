"""Trace and rank plots of Markov chains."""

from typing import TYPE_CHECKING

import arviz_stats  # noqa: F401  (registers the xarray accessor that computes ranks)
import numpy as np
from matplotlib.figure import Figure

from em_vs_bayes.report.figures import INK, canvas, plain

if TYPE_CHECKING:
    from em_vs_bayes.comparison.aligned import Aligned
    from em_vs_bayes.comparison.compare import Comparison

SHOWN = 8  # parameters shown of each method, the worst-mixed ones
CHAIN = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
STEPS = 500  # points of a trace that the eye can tell apart


def worst(c: "Comparison", a: "Aligned") -> list[str]:
    """Labels of the parameters that mixed worst, in the order of the table."""
    ess = c.table[a.name]["ess_bulk"]
    chosen = set(ess[ess.notna()].nsmallest(SHOWN).index)
    return [label for label in c.table.index if label in chosen]


def traces(c: "Comparison", a: "Aligned") -> Figure | None:
    """Left, the draws of every chain in order; right, the ECDF of their ranks less that of a uniform.

    Chains that mix keep within the grey band: Kolmogorov's 95 % band for as many independent draws as a chain
    is worth. For rank plots see Vehtari et al. (2021) and Säilynoja, Bürkner and Vehtari (2022).
    """
    labels = worst(c, a)
    if not labels:
        return None
    ranks = a.sample.azstats.compute_ranks(dim=["chain", "draw"], relative=True)
    figure, axes = canvas(len(labels), 2, 1.15 * len(labels) + 0.5, sharex="col")
    for (left, right), label in zip(axes, labels, strict=True):
        name, index = c.cells[label]
        values = a.sample[name].to_numpy()[(..., *index)]
        rank = ranks[name].transpose("chain", "draw", ...).to_numpy()[(..., *index)]
        draws = values.shape[1]
        shown = np.arange(0, draws, max(1, draws // STEPS))
        for chain, (value, own) in enumerate(zip(values, rank, strict=True)):
            shade = CHAIN[chain % len(CHAIN)]
            left.plot(shown, value[shown], color=shade, linewidth=0.5, alpha=0.85)
            at = np.linspace(0, 1, 201)
            ecdf = np.searchsorted(np.sort(own), at, side="right") / draws
            right.plot(at, ecdf - at, color=shade, linewidth=1.2)
        effective = max(c.table[a.name]["ess_bulk"][label] / len(values), 4.0)
        band = 1.36 / np.sqrt(effective)
        right.fill_between(at, -band, band, color="#e9edf1", zorder=0)
        left.set_title(plain(label), loc="left", fontsize=9, color=INK)
        right.set_title(f"R-hat {c.table[a.name]['rhat'][label]:.3f}", loc="left", fontsize=9, color=INK)
    axes[-1, 0].set_xlabel("draw", fontsize=8)
    axes[-1, 1].set_xlabel("rank among all draws, 0 to 1", fontsize=8)
    return figure
