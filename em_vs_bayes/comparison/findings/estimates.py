"""Where point estimates and posteriors agree, and where they part."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from em_vs_bayes.common.status import Status
from em_vs_bayes.common.words import number, percent
from em_vs_bayes.comparison.aligned import Aligned
from em_vs_bayes.comparison.compared import Compared
from em_vs_bayes.comparison.findings.base import (
    PROBABILITIES,
    Finding,
    on_edge,
    trusted,
    yardstick,
)

NEAR = 0.25  # a difference of means below so many posterior standard deviations changes no conclusion
APART = 0.75  # a mode parts from a mean by so much for skewness alone
NARROW = 0.8  # ratio of standard deviations below which an approximation is called underdispersed
EDGEWISE = 2.0  # standard deviations by which a posterior's mean lies inside where its mode is on the edge, and more
ELSEWHERE = 5.0  # of an approximation's standard deviations, which are too small as a rule
BETTER = 0.5  # a log-likelihood higher by so much is another mode, not rounding


def agreement(c: Compared) -> Iterator[Finding]:
    """Point estimates and means against those of the best-mixed posterior, in its standard deviations."""
    best = yardstick(c)
    if best is None or not trusted(c, best):  # chains that have not mixed agree with nothing
        yield from _elsewhere(c)
        return
    base = c.table[best.name]
    for a in c.aligned:
        own = c.table[a.name]
        if a is best or not trusted(c, a):
            continue
        gap = (own["estimate"] - base["estimate"]).abs() / base["sd"].replace(0, np.nan)
        gap = _off_edges(c, a, gap)
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
        elif a.fit.method == "em" and _is_mle(a) and _pulled(a, best):
            continue  # `prior_conflict` says it
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


def _off_edges(c: Compared, a: Aligned, gap: Any) -> Any:
    """Distances in standard deviations but for estimates on an edge, which is outside every interval."""
    gap[on_edge(c, a, "initial", "transition")] = np.nan  # rules of their own say it
    return gap.mask(gap.index.isin(on_edge(c, a, *PROBABILITIES)) & (gap < EDGEWISE))


def _elsewhere(c: Compared) -> Iterator[Finding]:
    """Approximations that describe another place than EM's end, where no chains say which the posterior holds."""
    em = next((a for a in c.aligned if a.fit.method == "em"), None)
    if em is None or len(c.modes) > 1:  # `several_modes` says it
        return
    for a in c.aligned:
        if a.is_chain or a.sample is None:
            continue
        own, base = c.table[em.name]["estimate"], c.table[a.name]
        gap = _off_edges(c, em, (own - base["estimate"]).abs() / base["sd"].replace(0, np.nan))
        if not gap.max() > ELSEWHERE:
            continue
        where = gap.idxmax()
        yield Finding(
            "disagreement",
            where,
            float(gap.max()),
            f"{em.name} and {a.name} describe different places: {where} is {number(own[where])} by {em.name} and "
            f"{number(base['estimate'][where])} by {a.name}, {number(gap.max(), 2)} of its standard deviations away. "
            "No chains that have mixed say which of them the posterior holds: start each from the other (init=).",
        )


def underdispersed(c: Compared) -> Iterator[Finding]:
    """An approximation or a normal interval narrower than the sampled posterior."""
    best = yardstick(c)
    if best is None or not best.is_chain or not trusted(c, best):
        return
    for a in c.aligned:
        if a.is_chain:
            continue
        own = c.table[a.name]["sd"].replace(0, np.nan)  # held at an edge: notes say so
        ratio = (own / c.table[best.name]["sd"].replace(0, np.nan)).dropna()
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


def better_mode(c: Compared) -> Iterator[Finding]:
    """A method found a higher maximum of the likelihood than EM, or EM sits where the chains never were."""
    em = next((a for a in c.aligned if a.fit.method == "em" and _is_mle(a)), None)
    if em is None or not em.fit.converged:  # its status says what its end is worth
        return
    reached = em.fit.log_likelihood
    for a in c.aligned:
        if a is em or _pulled(em, a):
            continue
        every = a.log_likelihood
        top = a.fit.log_likelihood if every is None else max(a.fit.log_likelihood, float(every.max()))
        if top > reached + BETTER:
            yield _above(a, top, reached)
        elif every is not None and a.is_chain and reached - top > 5 + len(c.table):
            yield Finding(
                "better_mode",
                "",
                float(top - reached),
                f"em reached log-likelihood {number(reached, 6)}, {number(reached - top)} above the best draw of "
                f"{a.name}: either a narrow spike with little posterior mass, or a mode that {a.name} never visited.",
            )


def _above(a: Aligned, top: float, reached: float) -> Finding:
    """What lies above EM's end: a maximum, or a spike without end (tied values, a component on few rows)."""
    from em_vs_bayes.fit.modes import summit

    fit, every = a.fit, a.log_likelihood
    theta = fit.theta
    if every is not None and fit.draws is not None and float(every.max()) > fit.log_likelihood:
        theta = fit.draws[np.unravel_index(int(every.argmax()), every.shape)]
    end = summit(fit.program, theta)
    if end.status not in (Status.COLLAPSED, Status.UNBOUNDED):
        return Finding(
            "better_mode",
            "",
            float(end.height - reached),
            f"{a.name} found a higher maximum: from its best point EM climbs to {number(end.height, 6)}, that is "
            f"{number(end.height - reached)} above the log-likelihood {number(reached, 6)} of em, which stopped at "
            "a local one. Give it more starts (n_init), or start it there (init=).",
        )
    return Finding(
        "unbounded",
        "",
        float(top - reached),
        f"{a.name} reached log-likelihood {number(top, 6)}, {number(top - reached)} above em, on the flank of a spike "
        "of the likelihood that has no maximum (a component on a few rows, or on tied values). em's end is the maximum "
        "that means something; more starts would not help. A prior (objective='map') takes such spikes away.",
    )


def prior_conflict(c: Compared) -> Iterator[Finding]:
    """A prior so far from the data that the posterior leaves the maximum of the likelihood."""
    em = next((a for a in c.aligned if a.fit.method == "em" and _is_mle(a)), None)
    for a in c.aligned:
        if em is None or a is em or not _pulled(em, a):
            continue
        best, base = float(np.asarray(a.log_likelihood, dtype=float).max()), c.table[a.name]
        gap = ((c.table[em.name]["estimate"] - base["estimate"]).abs() / base["sd"].replace(0, np.nan)).dropna()
        where = str(gap.idxmax()) if len(gap) else ""
        at, there = (number(c.table[name]["estimate"][where]) if where else "" for name in (em.name, a.name))
        yield Finding(
            "prior_conflict",
            where,
            float(em.fit.log_likelihood - best),
            f"The prior and the data are at odds: {em.name}'s estimate has a log-likelihood "
            f"{number(em.fit.log_likelihood - best)} above that of any draw of {a.name}, and yet a lower posterior "
            f"density, for the prior holds {where} at {there} where the data say {at}. Look at the prior's location "
            "and scale.",
        )
        return


def _pulled(em: Aligned, a: Aligned) -> bool:
    """Whether draws lie far below EM's end in likelihood, but not in posterior density: the prior holds them there."""
    every, joint, peak = a.log_likelihood, a.log_joint, em.log_joint
    if every is None or joint is None or peak is None or not a.is_chain:
        return False
    size = 5 + sum(value.size for value in a.params.values())
    return bool(em.fit.log_likelihood - every.max() > size and joint.max() > peak.max())


def _beyond_noise(own: Any, base: Any, where: str) -> bool:
    noise = np.hypot(own["mcse"][where], base["mcse"][where])
    return bool(abs(own["estimate"][where] - base["estimate"][where]) > 4 * noise)


def _noise(a: Aligned, worst: float) -> str:
    return ", within Monte-Carlo error" if a.is_chain and worst >= NEAR else ""


def _why(a: Aligned) -> str:
    if a.fit.method == "em":
        return " em reports the highest point, the other the mean: a skewed posterior or the prior parts them."
    if a.is_chain:
        return " Both sample one posterior, so at least one has not converged."
    return " An approximation pays with such a shift where the posterior is skewed or has dependent blocks."


def _too_sure(a: Aligned) -> str:
    if a.fit.method == "vi" and not a.fit.spec.leading:
        return "Mean-field variational Bayes ignores how parameters depend on the responses that limits hide."
    if a.fit.method == "vi":
        return "Mean-field variational Bayes ignores how parameters and allocations depend on each other."
    return "A normal curve at the mode misses the tails of this posterior."


def _is_mle(a: Aligned) -> bool:
    """Whether EM maximised the likelihood itself, so that log-likelihoods compare."""
    last = float(np.asarray(a.fit.history["objective"])[-1])
    return abs(last - a.fit.log_likelihood) <= 1e-6 * (1 + abs(last))
