"""What censoring and truncation hide, and whether the fits expect as much of it as there is."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from em_vs_bayes.common.contract import Array
from em_vs_bayes.common.words import percent
from em_vs_bayes.comparison.aligned import Aligned
from em_vs_bayes.comparison.compared import Compared
from em_vs_bayes.comparison.findings.base import Finding, of_reference
from em_vs_bayes.fit.fitted import Fitted, regression_of, some_draws
from em_vs_bayes.fit.information import complete_robust, louis

if TYPE_CHECKING:
    from em_vs_bayes.fit.results import Fit

DRAWS = 400  # posterior draws that a share is averaged over
SLOW = 0.9  # share of the information hidden, from which on EM and Gibbs are slow
LITTLE = 0.05  # below it there is nothing to say


class Share(NamedTuple):
    """A share of rows as one method expects it; limits from posterior draws, else NaN."""

    mean: float
    lower: float
    upper: float


class Shares(NamedTuple):
    """The share of responses at a limit or beyond it: observed, and expected by each method."""

    words: str
    observed: float
    predicted: list[Share]


def is_regression(c: Compared) -> bool:
    """Whether the fits are of one censored or truncated regression."""
    from em_vs_bayes.model.regressions import Regression

    return isinstance(c.fits[0].spec, Regression)


def shares(c: Compared) -> list[Shares]:
    """One entry per limit that holds for every row; none of a truncated sample, which has no rows beyond."""
    fitted = regression_of(c.fits[0], "The report").seen
    if fitted.truncated or fitted.ends is None:
        return []
    w = fitted.weights / fitted.weights.sum()
    out = []
    for end, beyond, side in (
        (fitted.ends[0], np.isneginf(fitted.low), "below"),
        (fitted.ends[1], np.isposinf(fitted.high), "above"),
    ):
        if np.isfinite(end):
            sign = 1.0 if side == "below" else -1.0
            predicted = [_expected(a, w, end, sign, c.level) for a in c.aligned]
            out.append(Shares(f"at {end:g} or {side}", float(w @ beyond), predicted))
    return out


def _expected(a: Aligned, weights: Array, end: float, sign: float, level: float) -> Share:
    fitted = regression_of(a.fit, "The report").seen
    if a.sample is None:
        at = float(weights @ _beyond(fitted, fitted.line, fitted.sigma, end, sign))
        return Share(at, np.nan, np.nan)
    each = np.array(
        [
            weights @ _beyond(fitted, fitted.design @ b, sigma, end, sign)
            for b, sigma in zip(*some_draws(a.fit, DRAWS), strict=True)
        ]
    )
    lower, upper = np.quantile(each, [0.5 - level / 2, 0.5 + level / 2])
    return Share(float(each.mean()), float(lower), float(upper))


def _beyond(fitted: Fitted, line: Array, sigma: float, end: float, sign: float) -> Array:
    return np.asarray(np.exp(fitted.law.log_below(sign * (end - line) / sigma)))


def censoring(c: Compared) -> Iterator[Finding]:
    """How many responses are known by limits alone, and how many at a limit the fits expect."""
    if not is_regression(c):
        return
    fitted = regression_of(c.fits[0], "The report").seen
    if fitted.truncated:
        sentence = f"A sample of the {_within(fitted)} alone: how many rows were left out, nobody knows."
        yield Finding("censoring", "", float("nan"), sentence)
        return
    total = fitted.weights.sum()
    kinds = (
        (np.isneginf(fitted.low), "known from above alone"),
        (np.isposinf(fitted.high), "known from below alone"),
        (np.isfinite(fitted.low) & np.isfinite(fitted.high) & (fitted.low < fitted.high), "known to an interval"),
    )
    counts = [(float(fitted.weights[rows].sum()), what) for rows, what in kinds]
    hidden = sum(count for count, _ in counts)
    parts = ", ".join(f"{count:,.6g} {what}" for count, what in counts if count)
    if not hidden:
        sentence = f"All {total:,.6g} responses are exact: this is a linear regression."
    else:
        sentence = (
            f"Of {total:,.6g} responses {f'{total - hidden:,.6g}' if hidden < total else 'none'} are exact, {parts} "
            f"({percent(hidden / total)} in all)."
        )
    for share in shares(c):
        told = ", ".join(f"{percent(p.mean)} by {a.name}" for p, a in zip(share.predicted, c.aligned, strict=True))
        sentence += f" {share.words.capitalize()} lie {percent(share.observed)}; expected {told}."
    yield Finding("censoring", "", hidden / total, sentence)


def hidden_information(c: Compared) -> Iterator[Finding]:
    """Largest fraction of missing information: EM's rate, plain Gibbs' memory (Dempster et al. 1977; Liu 1994)."""
    if not is_regression(c) or c.fits[0].spec.fixed or not c.reference.converged:
        return
    fit = of_reference(c).fit
    try:
        rate, where = worst_direction(fit)
    except ValueError:  # no standard errors, which other findings say
        return
    if not np.isfinite(rate) or rate < LITTLE:
        return
    cause = "Truncation hides" if fit.spec.truncated else "Censoring hides"  # type: ignore[attr-defined]
    if fit.spec.degrees is not None:  # type: ignore[attr-defined]
        cause = "Censoring, and not to know which errors are the large ones, hide"
    slow = " That is much: expect slow EM without acceleration." if rate > SLOW else ""
    yield Finding(
        "hidden_information",
        where,
        rate,
        f"{cause} {percent(rate)} of what complete data would say of some combination of the parameters, most of "
        f"all {where}. By about that factor a plain EM iteration shrinks its error, draws of a plain Gibbs "
        f"sampler are correlated, and the variance of mean-field VI falls short of the posterior's.{slow}",
    )


def worst_direction(fit: "Fit") -> tuple[float, str]:
    """Largest eigenvalue of complete^-1 missing information, and the parameter that its direction is most about."""
    fitted = regression_of(fit, "The report").seen
    if fitted.spec.degrees is None:
        complete, missing = louis(fitted)
    else:
        complete = complete_robust(fitted, fitted.spec.degrees)
        missing = complete - np.linalg.inv(fit.vcov("observed").to_numpy())
    scale = 1.0 / np.sqrt(np.diag(complete))
    root = np.linalg.cholesky(complete * scale[:, None] * scale)
    inner = np.linalg.solve(root, np.linalg.solve(root, missing * scale[:, None] * scale).T)
    values, vectors = np.linalg.eigh(0.5 * (inner + inner.T))
    direction = np.abs(np.linalg.solve(root.T, vectors[:, -1]))
    names = [*(f"coefficients[{name}]" for name in fitted.names), "sigma"]
    return float(values[-1]), names[int(np.argmax(direction))]


def _within(fitted: Fitted) -> str:
    low, high = fitted.limits("The report")
    if np.isfinite(low) and np.isfinite(high):
        return f"responses between {low:g} and {high:g}"
    return f"responses above {low:g}" if np.isfinite(low) else f"responses below {high:g}"
