"""Data sets drawn from the posterior predictive distribution, and responses that limits hide against them."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import truncnorm

from em_vs_bayes.common.contract import Array
from em_vs_bayes.fit.fitted import Fitted, some_draws
from em_vs_bayes.report.figures import INK
from em_vs_bayes.report.survival import survival

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from em_vs_bayes.fit.results import Fit

REPLICATES = 50  # data sets
COPIES = 20_000  # rows of a data set that is drawn, when weights are copies
WIDTH, ALPHA = 0.5, 0.35  # of a line


class Scale(NamedTuple):
    """Where distributions are compared: responses as they are, or as (y - centre) / unit."""

    centre: Array | float
    unit: float
    name: str

    def ends(self, fitted: Fitted) -> tuple[Array, Array]:
        """What is known of each response."""
        return (fitted.low - self.centre) / self.unit, (fitted.high - self.centre) / self.unit


def check(ax: "Axes", fitted: Fitted, fit: "Fit", of: Scale, shade: str) -> None:
    """The share of responses above a value, in the data and in data sets drawn from the fit.

    By ArviZ's `plot_ppc_censored`, which is the product-limit estimate of exact and right-censored responses over the
    data sets. It does not know of intervals, truncated samples and weights that are no counts: there by our own lines.
    """
    copies = _copies(fitted.weights)
    seen = None if copies is None or fitted.truncated else events(*of.ends(fitted))
    rows = np.arange(len(fitted.weights)) if copies is None else copies
    drawn = replicates(fitted, fit, of, rows)
    if seen is not None:
        _by_arviz(ax, seen[0][rows], seen[1][rows], drawn, shade)
        return
    w = fitted.weights if copies is None else np.ones(len(rows))
    for y in drawn:
        order = np.argsort(y)
        ax.step(y[order], 1.0 - np.cumsum(w[order]) / w.sum(), where="post", color=shade, linewidth=WIDTH, alpha=ALPHA)
    ax.plot(*survival(*of.ends(fitted), fitted.weights), color=INK, linewidth=1.6, zorder=4)


def _copies(weights: Array) -> NDArray[np.int64] | None:
    """Rows, each as often as its weight says; None where weights are no counts, or too many."""
    if (weights == np.round(weights)).all() and weights.sum() <= COPIES:
        return np.repeat(np.arange(len(weights)), weights.astype(np.int64))
    return None


def events(low: Array, high: Array) -> tuple[Array, NDArray[np.bool_]] | None:
    """Numbers (n,), and which of them are reached rather than passed: what a product-limit estimate reads.

    Responses known from above alone are put at their limit where nothing is lower: beyond it, where the estimate is
    drawn, all that counts is how many they are. None for intervals and for limits from above anywhere else.
    """
    left, right = np.isneginf(low), np.isposinf(high)
    values = np.where(left, high, low)
    if ((low < high) & ~left & ~right).any() or (left.any() and values[left].max() > values.min()):
        return None
    return values, ~right


def replicates(fitted: Fitted, fit: "Fit", of: Scale, rows: NDArray[np.int64]) -> Array:
    """Responses (draws, rows) at posterior draws of a fit, before any limit but that of the sample."""
    rng, centre = np.random.default_rng(0), np.broadcast_to(of.centre, fitted.weights.shape)[rows]
    out = []
    for b, sigma in zip(*some_draws(fit, REPLICATES), strict=True):
        line = (fitted.design @ b)[rows]
        if fitted.truncated:
            low, high = ((end - line) / sigma for end in fitted.limits("The report"))
            y = line + sigma * truncnorm.rvs(low, high, random_state=rng)
        else:
            y = line + sigma * fitted.law.draw(len(line), rng)
        out.append((y - centre) / of.unit)
    return np.array(out)


def _by_arviz(ax: "Axes", observed: Array, reached: NDArray[np.bool_], drawn: Array, shade: str) -> None:
    """`plot_ppc_censored` on axes of ours: a figure of its own would be pyplot's, and the user's backend's."""
    import xarray as xr
    from arviz_plots import PlotCollection, plot_ppc_censored

    data = xr.DataTree.from_dict(
        {
            "posterior_predictive": xr.Dataset({"y": (("chain", "draw", "obs"), drawn[None])}),
            "observed_data": xr.Dataset({"y": ("obs", observed)}),
            "constant_data": xr.Dataset({"y": ("obs", reached.astype(int))}),  # 1: the response itself, 0: it is more
        }
    )
    places = {"plot": np.array(ax, dtype=object), "row_index": 0, "col_index": 0}
    viz = xr.DataTree(
        xr.Dataset({"figure": np.array(ax.figure, dtype=object)}),
        children={name: xr.DataTree(xr.Dataset({"y": value})) for name, value in places.items()},
    )
    sample = xr.Dataset({"y": ("sample", np.zeros(len(drawn)))}, {"sample": np.arange(len(drawn))})
    plot_ppc_censored(
        data,
        sample_dims=["chain", "draw"],
        num_samples=None,
        extrapolation_factor=None,  # else what is drawn beyond is dropped, and the shares are among the rest
        plot_collection=PlotCollection(sample, viz, aes={"overlay_ppc": ["sample"]}, backend="matplotlib"),
        visuals={
            "predictive": {"color": shade, "width": WIDTH, "alpha": ALPHA},
            "observed_km": {"color": INK, "width": 1.6, "linestyle": "-", "zorder": 4},
            "xlabel": False,
            "ylabel": False,
            "title": False,
        },
    )
    for line in ax.lines:  # it draws each share over the step before the number that it belongs to
        line.set_drawstyle("steps-post")
