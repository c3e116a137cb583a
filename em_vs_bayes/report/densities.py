"""The data and the densities fitted to them: one dimension, two, or pairs of the first few."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import EllipseCollection
from matplotlib.figure import Figure

from em_vs_bayes.data import read
from em_vs_bayes.data.intake import all_column_names
from em_vs_bayes.model.emissions import CensoredNormal, Product
from em_vs_bayes.report import states
from em_vs_bayes.report.figures import (
    COMPONENT,
    INK,
    WIDTH,
    canvas,
    colour,
    dash,
    plain,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from em_vs_bayes.comparison.aligned import Aligned
    from em_vs_bayes.comparison.compare import Comparison
    from em_vs_bayes.fit.results import Fit

PAIRS = 4  # features shown of more than two
POINTS = 4000  # points drawn of a large data set, evenly chosen
WIDE = 1000  # range of counts beyond which a bar for each would be none
CONTOURS = np.array([8.0, 6.0, 4.5, 3.0, 2.0, 1.0, 0.4])  # log density below the highest
RADII = (1.177, 2.448)  # of the ellipses that hold 50 % and 95 % of a bivariate normal


def densities(c: "Comparison") -> Figure | None:
    """Data with the density of each method, or None where the data are not one table of numbers."""
    y = observed(c)
    if y is None:
        return None
    if y.shape[1] == 1:
        return _bars(c, y[:, 0]) if _counts(c, y) and np.nanmax(y) - np.nanmin(y) <= WIDE else _curves(c, y[:, 0])
    if y.shape[1] == 2:
        return _planes(c, y)
    return _pairs(c, y)


def observed(c: "Comparison") -> np.ndarray | None:
    """(n, d) float data of the comparison, or None if it has several streams, or limits instead of numbers."""
    emission = c.fits[0].spec.model_emission
    other = isinstance(emission, (Product, CensoredNormal)) or not c.fits[0].spec.leading  # no components
    return None if other or c.fits[0].program.exogs else read.matrix(c.fits[0].program.y)


def names(c: "Comparison") -> list[str]:
    """Names of the columns of the data."""
    y = c.fits[0].program.y
    if c.fits[0].program.exogs and not isinstance(c.fits[0].spec.model_emission, Product):
        return ["y"]  # a frame holds the predictors too
    if isinstance(c.fits[0].spec.model_emission, CensoredNormal):
        return ["y"]  # of intervals too, one name
    if isinstance(y, Mapping):
        return [str(name) for name in y]
    count = read.matrix(y).shape[1]
    return all_column_names(y) or (["y"] if count == 1 else [f"y{j}" for j in range(count)])


def without_order(a: "Aligned") -> "Fit":
    """The fit itself or, of a hidden Markov model, the mixture that its rows are when their order is forgotten.

    The weights of the states are their shares of the rows, so that the density is that of a histogram of the data.
    """
    from em_vs_bayes.model.mixtures import Mixture

    fit, spec = a.fit, a.fit.spec
    if spec.leading != "state":
        return fit
    y = read.matrix(fit.program.y)
    own = {name: value for name, value in fit.params.items() if name not in spec.latent_dims}
    share = fit.predict_proba().mean(axis=0)
    seen = y[np.isfinite(y).any(axis=1)]
    return Mixture(spec.model_emission, spec.size).at(seen, own | {"weights": share / share.sum()})


def _case_weights(c: "Comparison") -> np.ndarray | None:
    weights = c.fits[0].program.data.weights
    return weights if weights.size else None


def _counts(c: "Comparison", y: np.ndarray) -> bool:
    seen = y[np.isfinite(y)]
    return "means" not in c.aligned[0].params and bool((seen == np.round(seen)).all())


def _curves(c: "Comparison", y: np.ndarray) -> Figure:
    figure, axes = canvas(1, 1, 3.8)
    ax = axes[0, 0]
    known, weights = np.isfinite(y), _case_weights(c)
    seen, weights = y[known], None if weights is None else weights[known]
    pad = 0.08 * np.ptp(seen)
    positive = "means" not in c.aligned[0].params and seen.min() >= 0
    low = seen.min() - pad
    grid = np.linspace(max(low, 1e-9 * np.ptp(seen)) if positive else low, seen.max() + pad, 500)
    grid = np.unique(np.round(grid)) if _counts(c, y) else grid
    bins = int(np.clip(2 * np.sqrt(len(seen)), 12, 80))
    ax.hist(seen, bins=bins, weights=weights, density=True, color="#e3e8ee", edgecolor="white")
    for a in c.aligned:
        ax.plot(
            grid,
            np.exp(without_order(a).score_samples(grid)),
            color=colour(a),
            linestyle=dash(a),
            linewidth=1.8,
            label=a.name,
        )
    for k, part in enumerate(_components(c.aligned[0], grid)):
        ax.plot(grid, part, color=COMPONENT[k % len(COMPONENT)], linestyle=":", linewidth=1.5)
        ax.annotate(f"{k}", (grid[part.argmax()], part.max()), fontsize=8, color=INK, ha="center", va="bottom")
    ax.set_xlabel(plain(names(c)[0]), fontsize=9)
    ax.set_ylabel("density", fontsize=9)
    ax.legend(frameon=False, fontsize=9)
    return figure


def _components(a: "Aligned", grid: np.ndarray) -> np.ndarray:
    """(K, n): weighted density of each component, which is density times responsibility."""
    static = without_order(a)
    density, parts = np.exp(static.score_samples(grid)), np.zeros((static.spec.size, len(grid)))
    there = density > 0.0
    if there.any():
        parts[:, there] = density[there] * static.predict_proba(grid[there])[:, a.order].T
    return parts


def _bars(c: "Comparison", y: np.ndarray) -> Figure:
    figure, axes = canvas(1, 1, 3.6)
    ax = axes[0, 0]
    known, weights = np.isfinite(y), _case_weights(c)
    seen = y[known].astype(np.int64)
    support = np.arange(seen.min(), seen.max() + 1)
    share = np.bincount(seen - seen.min(), None if weights is None else weights[known])
    share = share / share.sum()
    ax.bar(support, share, color="#e3e8ee", width=0.9, label="data")
    for i, a in enumerate(c.aligned):
        at = support + 0.5 * ((i + 0.5) / len(c.aligned) - 0.5)
        ax.plot(at, np.exp(without_order(a).score_samples(support)), "o", color=colour(a), markersize=5, label=a.name)
    for k, part in enumerate(_components(c.aligned[0], support)):
        ax.plot(support, part, color=COMPONENT[k % len(COMPONENT)], linestyle=":", linewidth=1.5)
        ax.annotate(f"{k}", (support[part.argmax()], part.max()), fontsize=8, color=INK, ha="center", va="bottom")
    ax.set_xlabel(plain(names(c)[0]), fontsize=9)
    ax.set_ylabel("probability", fontsize=9)
    ax.legend(frameon=False, fontsize=9)
    return figure


def _planes(c: "Comparison", y: np.ndarray) -> Figure:
    """One panel per method: points in the colour of their likeliest component, contours, ellipses."""
    columns = min(2, len(c.aligned))
    rows = -(-len(c.aligned) // columns)
    figure, axes = canvas(rows, columns, 3.7 * rows, sharex="all", sharey="all")
    keep = _few(y)
    lines = [_range(y[:, j]) for j in (0, 1)]
    mesh = np.array(np.meshgrid(*lines, indexing="xy"))
    points = mesh.reshape(2, -1).T
    for ax in axes.ravel()[len(c.aligned) :]:
        ax.set_axis_off()
    for ax, a in zip(axes.ravel(), c.aligned, strict=False):
        density = without_order(a).score_samples(points).reshape(mesh.shape[1:])
        levels = density.max() - CONTOURS
        ax.contour(*mesh, density, levels=levels, colors="#b8c2cc", linewidths=0.8, linestyles="solid")
        _points(ax, a, y[keep], keep, 0, 1)
        _ellipses(ax, a, 0, 1)
        ax.set_title(a.name, loc="left", fontsize=11, color=colour(a), fontweight="bold")
    first, second = names(c)
    for ax in axes[-1]:
        ax.set_xlabel(plain(first), fontsize=9)
    for ax in axes[:, 0]:
        ax.set_ylabel(plain(second), fontsize=9)
    return figure


def _pairs(c: "Comparison", y: np.ndarray) -> Figure:
    """Every two of the first features: the reference's colours and every method's 95 % ellipses."""
    d = min(y.shape[1], PAIRS)
    figure, axes = canvas(d - 1, d - 1, WIDTH * 0.85, sharex="col", sharey="row")
    reference = next(a for a in c.aligned if a.fit is c.reference)
    keep, labels = _few(y), names(c)
    for i in range(1, d):
        for j in range(d - 1):
            ax = axes[i - 1, j]
            if j >= i:
                ax.set_axis_off()
                continue
            _points(ax, reference, y[keep], keep, j, i)
            for rank, a in enumerate(c.aligned):  # ever thinner, so that ellipses that coincide all show
                width = 1.2 + 0.9 * (len(c.aligned) - 1 - rank)
                _ellipses(ax, a, j, i, radii=RADII[1:], edge=colour(a), width=width)
            ax.set_xlim(*_range(y[:, j])[[0, -1]])
            ax.set_ylim(*_range(y[:, i])[[0, -1]])
            if i == d - 1:
                ax.set_xlabel(plain(labels[j]), fontsize=9)
            if j == 0:
                ax.set_ylabel(plain(labels[i]), fontsize=9)
    handles = [figure.axes[0].plot([], [], color=colour(a), label=a.name)[0] for a in c.aligned]
    figure.legend(handles=handles, loc="upper right", frameon=False, fontsize=10)
    return figure


def _few(y: np.ndarray) -> np.ndarray:
    from em_vs_bayes.common.align import even_rows

    return even_rows(len(y), POINTS)


def _range(x: np.ndarray) -> np.ndarray:
    low, high = np.nanmin(x), np.nanmax(x)
    pad = 0.12 * (high - low)
    return np.linspace(low - pad, high + pad, 90)


def _points(ax: "Axes", a: "Aligned", y: np.ndarray, keep: np.ndarray, j: int, i: int) -> None:
    labels = (
        states.path(a)[keep] if a.fit.spec.leading == "state" else a.fit.predict_proba()[keep][:, a.order].argmax(1)
    )
    shades = np.array(COMPONENT)[labels % len(COMPONENT)]
    ax.scatter(y[:, j], y[:, i], s=9 if len(y) < 1000 else 4, c=shades, alpha=0.65, linewidths=0)


def _ellipses(
    ax: "Axes",
    a: "Aligned",
    j: int,
    i: int,
    radii: tuple[float, ...] = RADII,
    edge: str | None = None,
    width: float = 1.6,
) -> None:
    """Ellipses of each Gaussian component in the plane of features j and i; none for other emissions."""
    if "covariances" not in a.params or "means" not in a.params:
        return
    means = a.params["means"][:, [j, i]]
    spread = full_covariances(a)[:, [j, i]][:, :, [j, i]]
    values, vectors = np.linalg.eigh(spread)
    angles = np.degrees(np.arctan2(vectors[:, 1, 1], vectors[:, 0, 1]))
    edges = [edge or COMPONENT[k % len(COMPONENT)] for k in range(len(means))]
    for radius in radii:
        size = 2 * radius * np.sqrt(np.maximum(values, 0))
        ax.add_collection(
            EllipseCollection(
                size[:, 1], size[:, 0], angles, units="xy", offsets=means, offset_transform=ax.transData,
                facecolors="none", edgecolors=edges, linewidths=width,
            )
        )  # fmt: skip
    if edge is None:
        ax.scatter(means[:, 0], means[:, 1], marker="+", s=60, c=INK, linewidths=1.4)


def full_covariances(a: "Aligned") -> np.ndarray:
    """(K, d, d) covariances of a Gaussian mixture, from whichever structure the spec has."""
    k, d = a.params["means"].shape
    dims = a.fit.spec.parameter_dims()["covariances"]
    value = a.params["covariances"]
    if dims[-1].endswith("_to"):  # full (K, d, d) or tied (d, d)
        return np.broadcast_to(value, (k, d, d))
    per_feature = value if "feature" in dims else value.reshape(-1, 1)  # diagonal, or spherical (K,)
    return np.broadcast_to(per_feature, (k, d))[:, :, None] * np.eye(d)
