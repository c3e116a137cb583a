"""What a comparison says, in sentences: one rule, one function, from the comparison to its findings."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from em_vs_bayes.report.words import number, percent

if TYPE_CHECKING:
    from em_vs_bayes.compare import Aligned, Comparison

__all__ = ["RULES", "SEVERITY", "Finding", "gather"]

RHAT = 1.05  # above it the chains have not mixed (Vehtari et al. 2021 ask 1.01 of a final run)
ESS = 400.0  # bulk effective draws below which quantiles are rough (Vehtari et al. 2021)
NEAR = 0.25  # a difference of means below so many posterior standard deviations changes no conclusion
APART = 0.75  # a mode parts from a mean by so much for skewness alone
NARROW = 0.8  # ratio of standard deviations below which an approximation is called underdispersed
GAP, FAR = 5.0, 3.0  # a chain so many standard deviations, and so much, of log-likelihood below is stuck
BETTER = 0.5  # a log-likelihood higher by so much is another mode, not rounding
SURE = 0.8  # mean probability of a row's likeliest component below which components overlap

SEVERITY = {
    "agreement": "good",
    "label_switching": "note",
    "disagreement": "warning",
    "prior_conflict": "warning",
    "underdispersed": "warning",
    "weak_identification": "warning",
    "slow_mixing": "warning",
    "boundary": "warning",
    "unreliable_elpd": "warning",
    "better_mode": "bad",
    "multimodal": "bad",
    "stuck_chain": "bad",
    "not_converged": "bad",
}


@dataclass(frozen=True)
class Finding:
    """One thing the comparison says.

    Attributes
    ----------
    kind : a key of ``SEVERITY``
    parameter : the scalar parameter it is about, as in the table, or "" for the fit as a whole
    figure : the number the sentence rests on
    sentence : the finding in plain language
    """

    kind: str
    parameter: str
    figure: float
    sentence: str

    @property
    def severity(self) -> str:
        """How much it matters: "good", "note", "warning" or "bad"."""
        return SEVERITY[self.kind]


def gather(comparison: "Comparison") -> tuple[Finding, ...]:
    """Findings of every rule, in the order of ``RULES``."""
    return tuple(finding for rule in RULES for finding in rule(comparison))


def headline(findings: tuple[Finding, ...]) -> str:
    """One sentence that says how to read the rest."""
    count = {s: sum(f.severity == s for f in findings) for s in ("good", "warning", "bad")}
    if count["bad"]:
        return "Something went wrong in at least one fit: read what is in red before any number below."
    if count["warning"]:
        few = "one reservation" if count["warning"] == 1 else f"{count['warning']} reservations"
        agree = "The methods agree in part" if count["good"] else "The methods do not agree"
        return f"{agree}, with {few}."
    return "The methods agree, and every diagnostic is in order." if count["good"] else "Every diagnostic is in order."


def not_converged(c: "Comparison") -> Iterator[Finding]:
    """A fit whose own status says that it did not end well."""
    for a in c.aligned:
        if not a.fit.converged and a.fit.status.name != "GIVEN":
            notes = " ".join(str(note) for note in a.fit.notes)
            yield Finding("not_converged", "", float(a.fit.n_iter), f"{a.name}: {a.fit.status} {notes}".rstrip())


def agreement(c: "Comparison") -> Iterator[Finding]:
    """Point estimates and means against those of the best-mixed posterior, in its standard deviations."""
    best = yardstick(c)
    if best is None:
        return
    base = c.table[best.name]
    for a in c.aligned:
        own = c.table[a.name]
        if a is best or own["rhat"].max() > RHAT:  # chains that have not mixed agree with nothing
            continue
        gap = (own["estimate"] - base["estimate"]).abs() / base["sd"].replace(0, np.nan)
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


def label_switching(c: "Comparison") -> Iterator[Finding]:
    """Chains whose raw draws changed the labels of the components."""
    for a in c.aligned:
        raw = a.raw_labels
        if raw is None:
            continue
        moves = int((raw[:, 1:] != raw[:, :-1]).any(-1).sum())
        kinds = len(np.unique(raw.reshape(-1, raw.shape[-1]), axis=0))
        if kinds > 1:
            times = "once" if moves == 1 else f"{moves} times"
            within = f"changed labels {times} on the way" if moves else "settled on labels of their own"
            yield Finding(
                "label_switching",
                "",
                float(moves),
                f"{a.name}: the chains {within} ({kinds} orders of the components were seen). The posterior "
                "is the "
                "same under any order, so draws were relabelled before anything was summarised.",
            )


def chains(c: "Comparison") -> Iterator[Finding]:
    """Chains that sit apart: one stuck in a worse place, or several modes; else slow mixing."""
    for a in c.aligned:
        if not a.is_chain:
            continue
        column = c.table[a.name]
        rhat, ess = column["rhat"], column["ess_bulk"]
        stuck = list(_stuck(a))
        yield from stuck
        if rhat.notna().any() and rhat.max() > RHAT and not stuck:
            where = rhat.idxmax()
            name, index = c.cells[where]
            means = a.sample[name].to_numpy()[(..., *index)].mean(1)
            yield Finding(
                "multimodal",
                where,
                float(rhat.max()),
                f"{a.name}: the chains disagree on {where} (R-hat {number(rhat.max())}; chain means "
                f"{', '.join(number(m) for m in means)}). More than one mode, or chains far too short: its "
                "intervals "
                "describe neither.",
            )
        elif ess.notna().any() and ess.min() < ESS and not stuck:
            where = ess.idxmin()
            yield Finding(
                "slow_mixing",
                where,
                float(ess.min()),
                f"{a.name}: {where} has {number(ess.min())} effective draws out of "
                f"{a.sample.sizes['chain'] * a.sample.sizes['draw']}; {number(ESS)} are wanted for steady "
                "intervals. "
                "Draw more.",
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


def boundary(c: "Comparison") -> Iterator[Finding]:
    """Estimates on the edge of the parameter space: empty components, sure probabilities."""
    for a in c.aligned:
        column = c.table[a.name]["estimate"]
        for where, value in column.items():
            name = c.cells[where][0]
            if name not in PROBABILITIES or 1e-6 < value < 1 - 1e-6:
                continue
            yield Finding(
                "boundary",
                str(where),
                float(value),
                f"{a.name} puts {where} at {number(value)}, on the boundary: standard errors mean nothing "
                "there, and "
                "the model may have a component too many.",
            )


def weak_identification(c: "Comparison") -> Iterator[Finding]:
    """Curvature that gives no standard error, or components that the data hardly tell apart."""
    for a in c.aligned:
        if a.sample is None and isinstance(a.errors, str):
            sentence = f"{a.name} has no standard errors. {a.errors}"
            yield Finding("weak_identification", "", float("nan"), sentence)
    probabilities = c.reference.predict_proba()
    if probabilities.shape[1] > 1:
        sure = float(probabilities.max(1).mean())
        if sure < SURE:
            yield Finding(
                "weak_identification",
                "",
                sure,
                f"The components overlap: on average a row's likeliest component has probability "
                f"{number(sure)} under "
                f"{c.reference.method}. Weights and spreads then trade against each other, and normal "
                "intervals mislead.",
            )


def unreliable_elpd(c: "Comparison") -> Iterator[Finding]:
    """Observations whose leave-one-out term importance sampling cannot give."""
    for name, row in c.elpd.iterrows():
        if row["bad_khat"]:
            yield Finding(
                "unreliable_elpd",
                "",
                float(row["worst_khat"]),
                f"{name}: {int(row['bad_khat'])} observations have Pareto k above "
                f"{row['good_khat_limit']:.2f} (worst "
                f"{row['worst_khat']:.2f}); its elpd is optimistic about them, and they deserve a look.",
            )


RULES = (
    not_converged,
    chains,
    better_mode,
    agreement,
    underdispersed,
    boundary,
    weak_identification,
    label_switching,
    unreliable_elpd,
)
PROBABILITIES = ("weights", "initial", "transition", "probs")


def yardstick(c: "Comparison") -> "Aligned | None":
    """The posterior to measure others by: the best-mixed chains, else any posterior sample."""
    sampled = [a for a in c.aligned if a.is_chain]
    mixed = [a for a in sampled if not c.table[a.name]["rhat"].max() > RHAT]
    pool = mixed or sampled or [a for a in c.aligned if a.sample is not None]
    return max(pool, key=lambda a: np.nan_to_num(c.table[a.name]["ess_bulk"].min()), default=None)


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
    if a.fit.method == "vi":
        return "Mean-field variational Bayes ignores how parameters and allocations depend on each other."
    return "A normal curve at the mode misses the tails of this posterior."


def _is_mle(a: "Aligned") -> bool:
    """Whether EM maximised the likelihood itself, so that log-likelihoods compare."""
    last = float(np.asarray(a.fit.history["objective"])[-1])
    return abs(last - a.fit.log_likelihood) <= 1e-6 * (1 + abs(last))


def _stuck(a: "Aligned") -> Iterator[Finding]:
    """Chains whose log-likelihood lies far below the others'."""
    every = a.log_likelihood
    if every is None or len(every) < 2:
        return
    centre, spread = np.median(every, axis=1), every.std(axis=1).clip(min=1e-12)
    best = int(centre.argmax())
    for chain in np.flatnonzero(centre[best] - centre > np.maximum(GAP * np.maximum(spread, spread[best]), FAR)):
        behind = float(centre[best] - centre[chain])
        yield Finding(
            "stuck_chain",
            "",
            behind,
            f"{a.name}: chain {chain} is stuck: its typical log-likelihood is {number(behind)} below that "
            "of chain "
            f"{best}. Its draws are in every number of {a.name}; start it elsewhere, or leave it out.",
        )
