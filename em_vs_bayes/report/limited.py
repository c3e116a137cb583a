"""What limits let through: responses against fits, their distribution, residuals, marginal effects."""

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from scipy.special import ndtr, ndtri
from scipy.stats import beta, truncnorm

from em_vs_bayes.common import words
from em_vs_bayes.common.align import even_rows
from em_vs_bayes.common.contract import Array
from em_vs_bayes.comparison.findings import yardstick
from em_vs_bayes.comparison.findings.regressions import Share, is_regression, shares
from em_vs_bayes.fit.fitted import Fitted, regression_of
from em_vs_bayes.model.emissions import CensoredNormal, expectations
from em_vs_bayes.report.figures import (
    INK,
    canvas,
    colour,
    dash,
    plain,
)
from em_vs_bayes.report.predictive import Scale, check
from em_vs_bayes.report.survival import survival

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from em_vs_bayes.comparison.aligned import Aligned
    from em_vs_bayes.comparison.compare import Comparison

ROWS = 4000  # rows drawn of a large data set, evenly chosen
POINTS = 300  # of a smooth curve
OPEN: dict[str, Any] = {"facecolors": "none", "linewidths": 0.9, "s": 22}


def response(c: "Comparison") -> str:
    """What the response is called."""
    formula = regression_of(c.fits[0], "The report").spec.formula  # type: ignore[attr-defined]
    return "y" if formula is None else str(formula.split("~")[0].strip())


def shown(c: "Comparison", a: "Aligned") -> Fitted:
    """The regression of ``a`` on the rows that are drawn: with a response, evenly thinned."""
    fitted = regression_of(a.fit, "The report").seen
    return fitted.of_rows(even_rows(len(fitted.low), ROWS))


def reference(c: "Comparison") -> "Aligned":
    """The fit whose line the responses are drawn against."""
    return next(a for a in c.aligned if a.fit is c.reference)


def has_line(c: "Comparison") -> bool:
    """Whether anything but an intercept is fitted."""
    return is_regression(c) and bool(np.ptp(regression_of(c.fits[0], "The report").design, axis=0).any())


def fits(c: "Comparison") -> Figure | None:
    """Left, responses against the line x'b, censored ones marked; right, normal quantiles of the residuals."""
    if not is_regression(c):
        return None
    a = reference(c)
    fitted, varies = shown(c, a), has_line(c)
    figure, axes = canvas(1, 1 + varies, 3.9, width=10.0 if varies else 5.4)
    if varies:
        _responses(axes[0, 0], fitted, response(c))
    _quantiles(axes[0, -1], c)
    return figure


def _responses(ax: "Axes", fitted: Fitted, name: str) -> None:
    x, low, high = fitted.line, fitted.low, fitted.high
    left, right, exact = np.isneginf(low), np.isposinf(high), low == high
    both = ~(left | right | exact)
    ax.scatter(x[exact], low[exact], s=13, color="#52606d", alpha=0.55, linewidths=0, label="exact")
    ax.vlines(x[both], low[both], high[both], color="#52606d", linewidth=0.8, alpha=0.6)
    if both.any():
        ax.plot([], [], color="#52606d", linewidth=0.8, label="interval")
    for rows, end, marker, words_of in ((left, high, "v", "there or below"), (right, low, "^", "there or above")):
        if rows.any():
            ax.scatter(x[rows], end[rows], marker=marker, edgecolors="#b44d12", label=words_of, **OPEN)
    line = np.linspace(x.min(), x.max(), POINTS)
    ax.plot(line, line, color="#7b8794", linestyle="--", linewidth=1.2, label="latent, x'b")
    if fitted.ends is not None and fitted.law.has_mean(fitted.ends):
        function = expectations.conditional if fitted.truncated else expectations.observed
        seen = function(fitted.law, line, np.full(POINTS, fitted.sigma), *fitted.ends).value
        ax.plot(line, seen, color="#4b2e83", linewidth=1.8, label="expected y")
    ax.set_xlabel("fitted line, x'b", fontsize=9)
    ax.set_ylabel(plain(name), fontsize=9)
    ax.set_title("Responses and the fitted line", loc="left", fontsize=10, color=INK)
    ax.legend(frameon=False, fontsize=8)


def _quantiles(ax: "Axes", c: "Comparison") -> None:
    """Quantile residuals of every method; the band holds 95 % of each order statistic of independent normals."""
    weighted = False
    for a in c.aligned:
        whole = regression_of(a.fit, "The report")
        z = a.fit.residuals("quantile", seed=0)
        known = np.flatnonzero(np.isfinite(z))
        order = known[np.argsort(z[known], kind="stable")]
        w = whole.weights[order]
        weighted = not np.all(w == w[0])
        at = ndtri((np.cumsum(w) - 0.5 * w) / w.sum())
        few = even_rows(len(order), ROWS)
        ax.plot(at[few], z[order][few], ".", color=colour(a), markersize=4, alpha=0.8, label=a.name)
    n = len(order)
    if not weighted:  # copies are not independent
        i = even_rows(n, ROWS) + 1.0
        below, above = (ndtri(beta.ppf(p, i, n + 1 - i)) for p in (0.025, 0.975))
        ax.fill_between(at[few], below, above, color="#e9edf1", zorder=0)
    ends = np.array(ax.get_xlim())
    ax.plot(ends, ends, color="#7b8794", linewidth=1)
    ax.set_xlim(*ends)
    ax.set_xlabel("normal quantile", fontsize=9)
    ax.set_ylabel("quantile residual", fontsize=9)
    ax.set_title("Quantile residuals", loc="left", fontsize=10, color=INK)
    ax.legend(frameon=False, fontsize=8, markerscale=2)


def scale(c: "Comparison") -> Scale:
    """That of the responses; of residuals where rows have limits of their own.

    Such limits may go with the predictors, and then no estimate that forgets the predictors is right. That of the
    residuals is, under the model.
    """
    a = reference(c)
    fitted = shown(c, a)
    if fitted.ends is None:
        return Scale(fitted.line, fitted.sigma, f"(y - x'b) / sigma, by {a.name}")
    return Scale(0.0, 1.0, response(c))


def distributions(c: "Comparison") -> Figure | None:
    """P(y > t): without a model, as fitted, and in data sets drawn from the posterior predictive distribution."""
    if not is_regression(c):
        return None
    sampled = [a for a in (yardstick(c),) if a is not None]
    figure, axes = canvas(1, 1 + len(sampled), 3.6, width=10.0 if sampled else 5.8, sharey="all")
    first, of = shown(c, c.aligned[0]), scale(c)
    low, high = of.ends(first)
    known = survival(low, high, first.weights)
    left, right = _range(np.concatenate([low, high]))
    grid = np.linspace(left, right, POINTS)
    axes[0, 0].plot(*known, color=INK, linewidth=1.6, label="without a model", zorder=4)
    for ax in axes[0]:
        ax.set_xlabel(plain(of.name), fontsize=9)
    top = known[1].max(initial=0.0)
    for a in c.aligned:
        curve = marginal(shown(c, a), grid, of)
        top = max(top, curve[0])
        axes[0, 0].plot(grid, curve, color=colour(a), linestyle=dash(a), linewidth=1.6, label=a.name)
    axes[0, 0].set_xlim(left, right)
    axes[0, 0].set_ylim(-0.02 * top, min(1.25 * top, 1.02))
    axes[0, 0].set_ylabel("share above", fontsize=9)
    axes[0, 0].set_title("As fitted", loc="left", fontsize=10, color=INK)
    axes[0, 0].legend(frameon=False, fontsize=8)
    for ax, a in zip(axes[0, 1:], sampled, strict=True):
        check(ax, shown(c, a), a.fit, of, colour(a))
        ax.set_xlim(left, right)
        ax.set_title(f"Data sets drawn by {a.name}", loc="left", fontsize=10, color=INK)
    return figure


def _range(ends: Array) -> tuple[float, float]:
    finite = ends[np.isfinite(ends)]
    pad = 0.08 * (np.ptp(finite) or 1.0)
    return float(finite.min() - pad), float(finite.max() + pad)


def marginal(fitted: Fitted, t: Array, of: Scale) -> Array:
    """Share of latent responses above each of ``t``, over the rows; of a truncated response, within its limits."""
    z = (of.centre + of.unit * t[:, None] - fitted.line) / fitted.sigma
    if fitted.truncated:
        a, b = ((end - fitted.line) / fitted.sigma for end in fitted.limits("The report"))
        above = truncnorm.sf(z, a, b)
    else:
        above = np.exp(fitted.law.log_below(-z))
    return np.asarray(above @ (fitted.weights / fitted.weights.sum()))


def mixture(c: "Comparison") -> Figure | None:
    """Of normals seen through limits: share above, without a model and under each method's mixture."""
    if not isinstance(c.fits[0].spec.model_emission, CensoredNormal):
        return None
    program = c.fits[0].program
    low, high = program.seen[:, -2:].T
    rows = np.flatnonzero(~np.isnan(low))
    weights = program.data.weights[rows] if program.data.weights.size else np.ones(len(rows))
    left, right = _range(np.concatenate([low, high]))
    grid = np.linspace(left, right, POINTS)
    figure, axes = canvas(1, 1, 3.6)
    ax = axes[0, 0]
    ax.plot(*survival(low[rows], high[rows], weights), color=INK, linewidth=1.6, label="without a model", zorder=4)
    for a in c.aligned:
        share = a.params["weights"] if "weights" in a.params else a.fit.predict_proba().mean(axis=0)[a.order]
        above = ndtr((a.params["means"] - grid[:, None]) / a.params["sigmas"]) @ share
        ax.plot(grid, above, color=colour(a), linestyle=dash(a), linewidth=1.6, label=a.name)
    ax.set_xlim(left, right)
    ax.set_xlabel("y", fontsize=9)
    ax.set_ylabel("share above", fontsize=9)
    ax.legend(frameon=False, fontsize=8)
    return figure


def censored(c: "Comparison") -> list[dict[str, Any]]:
    """Per limit: the share of responses there or beyond, and what each method expects, with intervals from draws."""
    if not is_regression(c):
        return []
    return [
        {"words": share.words, "observed": words.percent(share.observed), "cells": [_share(p) for p in share.predicted]}
        for share in shares(c)
    ]


def _share(p: Share) -> dict[str, str]:
    known = np.isfinite(p.lower)
    return {
        "estimate": words.percent(p.mean),
        "interval": f"[{words.percent(p.lower)}, {words.percent(p.upper)}]" if known else "",
    }


def margins(c: "Comparison") -> list[tuple[str, list[dict[str, str]]]]:
    """Per predictor the average marginal effect on the expected response, by method; nothing where there is none."""
    if not is_regression(c):
        return []
    if regression_of(c.fits[0], "The report").ends is None or not has_line(c):
        return []
    try:
        tables = [a.fit.margins(at="each", level=c.level) for a in c.aligned]
    except ValueError:  # no covariance at an estimate on the boundary, which the findings say; errors without a mean
        return []
    return [(str(name), [_effect(table.loc[name]) for table in tables]) for name in tables[0].index]


def _effect(row: Any) -> dict[str, str]:
    return {
        "estimate": words.to_precision_of(row["estimate"], row["sd"]),
        "sd": words.number(row["sd"], 2),
        "interval": words.interval(row["lower"], row["upper"], row["sd"]),
    }
