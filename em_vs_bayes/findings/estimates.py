"""Where point estimates and posteriors agree, and where they part."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from em_vs_bayes.findings.base import Finding, on_edge, trusted, yardstick
from em_vs_bayes.report.words import number, percent

if TYPE_CHECKING:
    from em_vs_bayes.compare import Aligned, Comparison

NEAR = 0.25  # a difference of means below so many posterior standard deviations changes no conclusion
APART = 0.75  # a mode parts from a mean by so much for skewness alone
NARROW = 0.8  # ratio of standard deviations below which an approximation is called underdispersed
BETTER = 0.5  # a log-likelihood higher by so much is another mode, not rounding


def agreement(c: "Comparison") -> Iterator[Finding]:
    """Point estimates and means against those of the best-mixed posterior, in its standard deviations."""
    best = yardstick(c)
    if best is None or not trusted(c, best):  # chains that have not mixed agree with nothing
        return
    base = c.table[best.name]
    for a in c.aligned:
        own = c.table[a.name]
        if a is best or not trusted(c, a):
            continue
        gap = (own["estimate"] - base["estimate"]).abs() / base["sd"].replace(0, np.nan)
        gap[on_edge(c, a, "initial", "transition")] = np.nan  # rules of their own say it
        if gap.isna().all():
            continue
        where, worst = gap.idxmax(), float(gap.max())
        at, there = own["estimate"][where], base["estimate"][where]
        pair = f"{a.name} and {best.name}"
        if worst < (APART if a.fit.method == "em" else NEAR) or (a.is_chain and not _beyond_noise(own, base, where)):
            yield Finding(
                "agreement",
                where,
                worst,
                f"{pair} agree: no estimate differs by more than {number(worst, 2)} posterior standard "
                "deviations "
                f"(most in {where}: {number(at)} against {number(there)}){_noise(a, worst)}.",
            )
        elif a.fit.method == "em" and not base["lower"][where] <= at <= base["upper"][where]:
            yield Finding(
                "prior_conflict",
                where,
                worst,
                f"{pair} part: em puts {where} at {number(at)}, outside the {percent(c.level)} interval of "
                f"{best.name} "
                f"({number(base['lower'][where])} to {number(base['upper'][where])}). The prior, or mass "
                "away from "
                "the mode, moves the posterior; look at the prior's scale and at other modes.",
            )
        else:
            yield Finding(
                "disagreement",
                where,
                worst,
                f"{pair} differ most in {where}: {number(at)} against {number(there)}, {number(worst, 2)} "
                "posterior "
                f"standard deviations.{_why(a)}",
            )


def underdispersed(c: "Comparison") -> Iterator[Finding]:
    """An approximation or a normal interval narrower than the sampled posterior."""
    best = yardstick(c)
    if best is None or not best.is_chain:
        return
    for a in c.aligned:
        if a.is_chain:
            continue
        ratio = (c.table[a.name]["sd"] / c.table[best.name]["sd"].replace(0, np.nan)).dropna()
        if len(ratio) and ratio.min() < NARROW:
            where = ratio.idxmin()
            yield Finding(
                "underdispersed",
                where,
                float(ratio.min()),
                f"{a.name} is too sure: its standard deviation of {where} is {percent(ratio.min())} of that "
                "of "
                f"{best.name} (median over parameters {percent(ratio.median())}). {_too_sure(a)}",
            )


def better_mode(c: "Comparison") -> Iterator[Finding]:
    """A method found a higher log-likelihood than EM, or EM sits on a spike the chains never saw."""
    em = next((a for a in c.aligned if a.fit.method == "em" and _is_mle(a)), None)
    if em is None:
        return
    reached = em.fit.log_likelihood
    for a in c.aligned:
        if a is em:
            continue
        every = a.log_likelihood
        top = a.fit.log_likelihood if every is None else max(a.fit.log_likelihood, float(every.max()))
        if top > reached + BETTER:
            yield Finding(
                "better_mode",
                "",
                float(top - reached),
                f"{a.name} reached log-likelihood {number(top, 6)}, which is {number(top - reached)} above "
                "the "
                f"{number(reached, 6)} of em: em stopped at a local maximum. Give it more starts (n_init).",
            )
        elif every is not None and a.is_chain and reached - top > 5 + len(c.table):
            yield Finding(
                "better_mode",
                "",
                float(top - reached),
                f"em reached log-likelihood {number(reached, 6)}, {number(reached - top)} above the best "
                "draw of "
                f"{a.name}: either a narrow spike with little posterior mass, or a mode that {a.name} never "
                "visited.",
            )


def _beyond_noise(own: Any, base: Any, where: str) -> bool:
    noise = np.hypot(own["mcse"][where], base["mcse"][where])
    return bool(abs(own["estimate"][where] - base["estimate"][where]) > 4 * noise)


def _noise(a: "Aligned", worst: float) -> str:
    return ", within Monte-Carlo error" if a.is_chain and worst >= NEAR else ""


def _why(a: "Aligned") -> str:
    if a.fit.method == "em":
        return " em reports the highest point, the other the mean: a skewed posterior or the prior parts them."
    if a.is_chain:
        return " Both sample one posterior, so at least one has not converged."
    return " An approximation pays with such a shift where the posterior is skewed or has dependent blocks."


def _too_sure(a: "Aligned") -> str:
    if a.fit.method == "vi" and not a.fit.spec.leading:
        return "Mean-field variational Bayes ignores how parameters depend on the responses that limits hide."
    if a.fit.method == "vi":
        return "Mean-field variational Bayes ignores how parameters and allocations depend on each other."
    return "A normal curve at the mode misses the tails of this posterior."


def _is_mle(a: "Aligned") -> bool:
    """Whether EM maximised the likelihood itself, so that log-likelihoods compare."""
    last = float(np.asarray(a.fit.history["objective"])[-1])
    return abs(last - a.fit.log_likelihood) <= 1e-6 * (1 + abs(last))
