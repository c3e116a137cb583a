"""Normal pseudo-residuals of hidden Markov models: where each row lies in what the model expects, given the others.

Zucchini, MacDonald & Langrock (2016), "Hidden Markov Models for Time Series", 2nd ed., section 6.2. If the model is
right, the uniform residual u_t = P(Y_t <= y_t | other rows) is uniform and z_t = Phi^-1(u_t) standard normal. The
conditional distribution is a mixture of the states' own, its weights the probabilities of the states given the other
rows (ordinary residuals) or given the rows before (forecast residuals).
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import logsumexp, ndtr, ndtri, ndtri_exp

from em_vs_bayes.common.arguments import brief, one_of
from em_vs_bayes.common.contract import Array
from em_vs_bayes.data.times import label_axis
from em_vs_bayes.fit.record import Record
from em_vs_bayes.fit.responses import Tails, responses
from em_vs_bayes.fit.states import chain_of
from em_vs_bayes.program.feasible import require_answers

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


KINDS = ("ordinary", "forecast")
BOUNDS = ("lower", "mid", "upper")
LAGS = 20
BLUE, GREY, INK = "#0072b2", "#9aa5b1", "#1f2933"


def _listed(ax: Any) -> list[Any]:
    return list(ax) if isinstance(ax, (list, tuple)) else [ax]


def pseudo_residuals(fit: Record, kind: str) -> pd.DataFrame:
    """See `Fit.pseudo_residuals`."""
    import pandas as pd

    program = fit.program
    latent = chain_of(program, "pseudo_residuals")
    one_of("kind", kind, tuple(KINDS))
    pot = program.potentials(fit.theta)
    require_answers(
        program, fit.theta, "pseudo_residuals", latent.filtered(program.data, program.streams, pot).any(axis=1)
    )
    states = latent.left_out if kind == "ordinary" else latent.predicted
    with np.errstate(divide="ignore"):
        weights = np.log(states(program.data, program.streams, pot))
    frames = {}
    for column in responses(program, "pseudo_residuals"):
        known = np.isfinite(column.values)
        own, y = column.pick(fit.params), np.where(known, column.values, 0.0)[:, None]
        upper = _mixed(weights, column.law.tails(y, own))
        lower = _mixed(weights, column.law.before(y, own)) if column.law.discrete or column.law.atoms else upper
        middle = tuple(np.logaddexp(a, b) - np.log(2.0) for a, b in zip(lower, upper, strict=True))
        bounds = (np.where(known, _normal(tails), np.nan) for tails in (lower, middle, upper))
        frames[column.name] = pd.DataFrame(dict(zip(BOUNDS, bounds, strict=True)))
    if len(frames) == 1:
        table = next(iter(frames.values()))
    else:
        table = pd.concat(frames, axis=1, names=["response", "bound"])
    return table.rename_axis("row") if program.index is None else table.set_axis(program.index)


def _mixed(log_weights: Array, tails: Tails) -> Any:
    return tuple(logsumexp(log_weights + tail, axis=1) for tail in tails)


def _normal(tails: Any) -> Array:
    """The normal quantile, from whichever tail is the smaller."""
    below, above = (np.minimum(tail, 0.0) for tail in tails)
    return np.where(below < above, ndtri_exp(below), -ndtri_exp(above))


def plot(fit: Record, kind: str, response: str | None, ax: Any) -> Figure:
    """See `Fit.plot_pseudo_residuals`."""
    import pandas as pd

    table = pseudo_residuals(fit, kind)
    if table.columns.nlevels > 1:
        names = list(table.columns.get_level_values(0).unique())
        response = names[0] if response is None else response
        if response not in names:
            raise ValueError(f"response={brief(response)} is no column of the data; it has {brief(names)}.")
        table = pd.DataFrame({bound: table[response, bound] for bound in BOUNDS})
    elif response is not None:
        raise ValueError(f"response={brief(response)}: there is one column only; leave response out.")
    if ax is None:
        from matplotlib.figure import Figure

        axes = Figure(figsize=(10.0, 5.4), layout="constrained").subplots(2, 2)
    else:
        from matplotlib.axes import Axes

        axes = np.array(list(np.ravel(ax)) if isinstance(ax, np.ndarray) else _listed(ax), dtype=object)
        if axes.size != 4 or not all(isinstance(place, Axes) for place in axes):
            raise ValueError(f"ax must hold four matplotlib axes; got {brief(ax)}.")
    places = [*axes.ravel()]
    for draw, place in zip((_index, _histogram, _quantiles), places, strict=False):
        draw(place, table)
    _autocorrelation(places[3], table["mid"].to_numpy(), fit.program.data.starts)
    for place in places:
        place.spines[["top", "right"]].set_visible(False)
        place.tick_params(labelsize=8)
    return places[0].figure


def _index(ax: Axes, table: pd.DataFrame) -> None:
    rows, low, mid, high = np.arange(len(table)), *(table[bound].to_numpy() for bound in BOUNDS)
    if (high > low).any():
        edge = np.nanmax(np.abs(mid[np.isfinite(mid)]), initial=3.0) + 0.5
        ax.vlines(rows, np.maximum(low, -edge), np.minimum(high, edge), color=BLUE, linewidth=0.6, alpha=0.5)
    ax.plot(rows, mid, ".", color=BLUE, markersize=3)
    for level in (-2.576, -1.96, 0.0, 1.96, 2.576):  # 99 % and 95 % of rows lie between these
        ax.axhline(level, color=GREY, linewidth=0.8, linestyle=":" if level else "-")
    if table.index.name != "row":
        label_axis(ax, table.index)
    ax.set_xlabel(str(table.index.name or ""), fontsize=8)
    ax.set_ylabel("pseudo-residual", fontsize=8)


def _histogram(ax: Axes, table: pd.DataFrame) -> None:
    n = len(_finite(table["mid"]))
    edges = np.linspace(-4.0, 4.0, int(np.clip(2 * np.sqrt(n), 16, 48)) // 2 * 2 + 1)
    density = np.diff(_distribution(table, edges)) / np.diff(edges)
    ax.bar(edges[:-1], density, np.diff(edges), align="edge", color="#cfe0ec", edgecolor="white")
    grid = np.linspace(-4, 4, 161)
    ax.plot(grid, np.exp(-0.5 * grid**2) / np.sqrt(2 * np.pi), color=INK, linewidth=1.2)
    ax.set_xlabel("pseudo-residual, and the standard normal", fontsize=8)


def _quantiles(ax: Axes, table: pd.DataFrame) -> None:
    if (table["upper"] > table["lower"]).any():
        seen = np.linspace(-3.0, 3.0, 121)
        normal = ndtri(_distribution(table, seen))
        seen, normal = seen[np.isfinite(normal)], normal[np.isfinite(normal)]
    else:
        seen = np.sort(_finite(table["mid"]))
        normal = ndtri((np.arange(len(seen)) + 0.5) / len(seen))
    ax.plot(normal, normal, color=GREY, linewidth=1.0)
    ax.plot(normal, seen, ".", color=BLUE, markersize=3)
    ax.set_xlabel("normal quantile", fontsize=8)
    ax.set_ylabel("residual quantile", fontsize=8)


def _distribution(table: pd.DataFrame, at: Array) -> Array:
    """Share of residuals up to ``at``, each count spread evenly over its segment of probability.

    Czado, Gneiting & Held (2009), "Predictive model assessment for count data", eq. 2: normal if the model is right,
    whatever the width of the segments.
    """
    seen = table[table["mid"].notna()]
    low, high = ndtr(seen["lower"].to_numpy())[:, None], ndtr(seen["upper"].to_numpy())[:, None]
    width = np.maximum(high - low, 1e-15)
    return np.asarray(np.clip((ndtr(at) - low) / width, 0.0, 1.0).mean(axis=0))


def _autocorrelation(ax: Axes, z: Array, starts: Any) -> None:
    lags = min(LAGS, max(1, int(np.diff(starts).max()) - 1))
    at = np.arange(1, lags + 1)
    band = 1.96 / np.sqrt(np.isfinite(z).sum())
    ax.axhspan(-band, band, color="#e9edf1")
    ax.axhline(0.0, color=GREY, linewidth=0.8)
    ax.vlines(at, 0.0, autocorrelation(z, starts, lags), color=BLUE, linewidth=1.8)
    ax.set_xticks(range(5, lags + 1, 5) if lags >= 5 else at)
    ax.set_xlabel("lag", fontsize=8)
    ax.set_ylabel("autocorrelation", fontsize=8)


def autocorrelation(z: Array, starts: Any, lags: int) -> Array:
    """Autocorrelations at lags 1, ..., lags, within sequences; what is missing or infinite is left out."""
    centred = np.where(np.isfinite(z), z, np.nan)
    centred = np.nan_to_num(centred - np.nanmean(centred))
    products = np.zeros(lags)
    for start, stop in pairwise(starts):
        part = centred[start:stop]
        products += [part[:-lag] @ part[lag:] for lag in range(1, lags + 1)]
    return products / max(float(centred @ centred), 1e-300)


def _finite(values: Any) -> Array:
    array = np.asarray(values)
    return array[np.isfinite(array)]
