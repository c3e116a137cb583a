"""What a comparison says, in sentences: one rule, one function, from the comparison to its findings."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from em_vs_bayes.emissions import Categorical
from em_vs_bayes.report.words import number, percent
from em_vs_bayes.residuals import autocorrelation
from em_vs_bayes.responses import LAWS, Response, responses

if TYPE_CHECKING:
    from em_vs_bayes.compare import Aligned, Comparison

__all__ = ["RULES", "SEVERITY", "Finding", "gather"]

RHAT = 1.05  # above it the chains have not mixed (Vehtari et al. 2021 ask 1.01 of a final run)
ESS = 400.0  # bulk effective draws below which quantiles are rough (Vehtari et al. 2021)
NEAR = 0.25  # a difference of means below so many posterior standard deviations changes no conclusion
APART = 0.75  # a mode parts from a mean by so much for skewness alone
NARROW = 0.8  # ratio of standard deviations below which an approximation is called underdispersed
GAP, FAR = 5.0, 3.0  # a chain so many standard deviations, and so much, of log-likelihood below is stuck
EDGE = 1e-6  # a probability so near to 0 or 1 is on the boundary
BETTER = 0.5  # a log-likelihood higher by so much is another mode, not rounding
CORRELATED = 3.0  # standard errors beyond which neighbouring residuals are correlated
AMBIGUOUS = 0.9  # probability of a row's likeliest state below which its state is open
FEATURES = 3  # columns by which a sentence describes a state
SURE = 0.8  # mean probability of a row's likeliest component below which components overlap

SEVERITY = {
    "agreement": "good",
    "label_switching": "note",
    "states": "note",
    "ambiguous": "note",
    "dwell_times": "note",
    "decoding": "note",
    "initial": "note",
    "disagreement": "warning",
    "prior_conflict": "warning",
    "underdispersed": "warning",
    "weak_identification": "warning",
    "slow_mixing": "warning",
    "boundary": "warning",
    "empty_state": "warning",
    "dependence": "warning",
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
        gap[_on_edge(c, a, "initial", "transition")] = np.nan  # rules of their own say it
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
                f"{a.name}: the chains {within} ({kinds} orders of the {_parts(c)}s were seen). The posterior "
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
        edges = column[_on_edge(c, a, *PROBABILITIES)]
        for where, value in edges.items():
            if c.cells[where][0] != "weights":
                continue
            yield Finding(
                "boundary",
                str(where),
                float(value),
                f"{a.name} puts {where} at {number(value)}, on the boundary: standard errors mean nothing "
                "there, and "
                "the model may have a component too many.",
            )
        never = [str(where) for where in edges.index if c.cells[where][0].endswith("probs")]
        if never:
            yield Finding(
                "boundary",
                never[0],
                float(edges[never[0]]),
                f"{a.name} puts {_counted(len(never), 'probability', 'probabilities')} of what is observed on the "
                f"boundary, 0 or 1: {_listed(never)}. What was never seen in a {_parts(c)} is not impossible there; "
                "standard errors mean nothing. A prior (objective='map') keeps them inside.",
            )
        moves = [str(where) for where in edges.index if c.cells[where][0] == "transition"]
        if moves:
            yield Finding(
                "boundary",
                moves[0],
                float(edges[moves[0]]),
                f"{a.name} puts {_counted(len(moves), 'transition probability', 'transition probabilities')} on the "
                f"boundary, 0 or 1: {_listed(moves)}. No such move is among the likely paths, which does not make it "
                "impossible; standard errors mean nothing there. A prior (objective='map') keeps them inside.",
            )


def initial(c: "Comparison") -> Iterator[Finding]:
    """Maximum likelihood makes the first state sure where there are few sequences."""
    if not sequential(c) or c.fits[0].spec.to_dict()["initial"] != "free":
        return
    sequences = len(c.fits[0].program.data.starts) - 1
    for a in c.aligned:
        start = a.params["initial"]
        if len(start) > 1 and start.max() > 1 - EDGE:
            each = "one sequence" if sequences == 1 else f"{sequences} sequences"
            yield Finding(
                "initial",
                f"initial[state {int(start.argmax())}]",
                float(start.max()),
                f"{a.name} is sure that sequences start in state {int(start.argmax())}: with {each} the likelihood is "
                "highest at such an edge, which says little, and there the observed information gives no standard "
                "errors. initial='stationary' or 'uniform' has no such parameter.",
            )


def states(c: "Comparison") -> Iterator[Finding]:
    """What each state looks like: its mean, or its most probable category."""
    if not sequential(c):
        return
    a = yardstick(c) or _of_reference(c)
    columns = [column for column in known_columns(c) if not column.by_row]
    if not columns:
        return
    sizes = range(c.fits[0].spec.size)
    if len(columns) == 1 and columns[0].law is not LAWS[Categorical]:
        means = columns[0].law.mean(columns[0].pick(a.params))
        each = [f"state {k} ({number(means[k])})" for k in np.argsort(means)]
        said = f"the states, from the lowest to the highest mean of {columns[0].name}, are {', '.join(each)}"
    else:
        seen = [_typical(column, a.params) for column in columns[:FEATURES]]
        said = "; ".join(f"state {k} has " + ", ".join(column[k] for column in seen) for k in sizes)
    yield Finding("states", "", float(len(sizes)), f"Under {a.name} {said}.")


def _typical(column: Response, params: Any) -> list[str]:
    """Mean of the column in each state, or the most probable category with its probability."""
    own = column.pick(params)
    if column.law is LAWS[Categorical]:
        return [f"{column.name} {p.argmax()} most often ({percent(p.max())})" for p in own["probs"]]
    return [f"mean {column.name} {number(mean)}" for mean in column.law.mean(own)]


def dwell_times(c: "Comparison") -> Iterator[Finding]:
    """How long visits to each state last, and how much of the time is spent there."""
    if not sequential(c):
        return
    a = yardstick(c) or _of_reference(c)
    table = a.fit.state_summary(c.level).iloc[a.order].reset_index(drop=True)
    words: list[str] = []
    for k, row in table.iterrows():
        limits = [number(row[f"dwell_time_{end}"]) for end in ("lower", "upper") if f"dwell_time_{end}" in row]
        interval = f" ({'' if words else percent(c.level) + ' interval '}{' to '.join(limits)})" if limits else ""
        dwell, share = number(row["dwell_time"]), percent(row["stationary"])
        lasts = f"lasts {dwell} rows a visit{interval}" if np.isfinite(row["dwell_time"]) else "is never left"
        words.append(f"state {k} {lasts} and fills {share} of the long run")
    yield Finding("dwell_times", "", float(table["dwell_time"].max()), f"Under {a.name} {'; '.join(words)}.")


def ambiguous(c: "Comparison") -> Iterator[Finding]:
    """Rows whose state the whole sequence leaves open."""
    if not sequential(c) or c.fits[0].spec.size == 1:
        return
    a = _of_reference(c)
    best = a.fit.predict_proba().max(axis=1)
    n, rows = len(best), np.flatnonzero(best < AMBIGUOUS)
    limit = percent(AMBIGUOUS)
    if not rows.size:
        said = f"The state of every row is clear under {a.name}: its probability given the whole sequence is at least "
        yield Finding("ambiguous", "", 0.0, f"{said}{limit}.")
        return
    runs = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
    longest = max(runs, key=len)
    where = f"; the longest run of them is rows {longest[0]} to {longest[-1]}" if len(longest) > 1 else ""
    yield Finding(
        "ambiguous",
        "",
        float(len(rows)),
        f"Under {a.name} the state of {len(rows):,} of {n:,} rows ({percent(len(rows) / n)}) is ambiguous: even given "
        f"the whole sequence, the likeliest one has a probability below {limit}{where}.",
    )


def empty_state(c: "Comparison") -> Iterator[Finding]:
    """A state to which no row is decoded."""
    if not sequential(c):
        return
    for a in c.aligned:
        share = a.fit.state_summary(c.level, draws=1)["share"].to_numpy()[a.order]
        expected = a.fit.predict_proba().sum(axis=0)[a.order]
        for k in np.flatnonzero(share == 0):
            yield Finding(
                "empty_state",
                f"state {k}",
                float(expected[k]),
                f"{a.name}: the most probable path never visits state {k} (expected number of rows there: "
                f"{number(expected[k])}). The data ask for fewer states, or the fit stopped at a poor maximum: try "
                "n_states one lower, or more starts.",
            )


def dependence(c: "Comparison") -> Iterator[Finding]:
    """Rows that depend on the one before beyond what the states carry: forecast residuals would be independent."""
    if not sequential(c):
        return
    a = _of_reference(c)
    try:
        table = a.fit.pseudo_residuals("forecast")
    except NotImplementedError:  # no distribution function, no residuals
        return
    names = list(dict.fromkeys(table.columns.get_level_values(0))) if table.columns.nlevels > 1 else [None]
    for name in names:
        z = (table["mid"] if name is None else table[name, "mid"]).to_numpy()
        at_one = float(autocorrelation(z, a.fit.program.data.starts, 1)[0])
        if abs(at_one) > CORRELATED / np.sqrt(max(np.isfinite(z).sum(), 1)):
            whose = "" if name is None else f" of {name}"
            yield Finding(
                "dependence",
                "",
                at_one,
                f"Under {a.name} the forecast residuals{whose} of neighbouring rows have correlation "
                f"{number(at_one, 2)}; those of the true model have none. A row depends on the one before beyond what "
                "the states carry: more states, or an emission with memory, may be wanted, and standard errors and "
                "intervals are too narrow.",
            )


def decoding(c: "Comparison") -> Iterator[Finding]:
    """How many rows the methods decode alike."""
    if not sequential(c) or len(c.aligned) < 2:
        return
    base = _of_reference(c)
    mine = base.fit.predict_proba()[:, base.order].argmax(axis=1)
    same = {
        a.name: float((a.fit.predict_proba()[:, a.order].argmax(axis=1) == mine).mean())
        for a in c.aligned
        if a is not base
    }
    worst = min(same, key=lambda name: same[name])
    (first, share), *rest = same.items()
    each = "".join(f", {name} in {percent(value)}" for name, value in rest)
    yield Finding(
        "decoding",
        "",
        same[worst],
        f"Most probable states, row by row: {first} agrees with {base.name} in {percent(share)} of rows{each}.",
    )


def weak_identification(c: "Comparison") -> Iterator[Finding]:
    """Curvature that gives no standard error, or components that the data hardly tell apart."""
    for a in c.aligned:
        if a.sample is None and isinstance(a.errors, str):
            edge = sequential(c) and any(_on_edge(c, a, name) for name in ("initial", "transition"))
            why = "Probabilities on the boundary have none; fix them, or keep them inside by objective='map'."
            sentence = f"{a.name} has no standard errors. {why if edge else a.errors}"
            yield Finding("weak_identification", "", float("nan"), sentence)
    probabilities = c.reference.predict_proba()
    if probabilities.shape[1] > 1:
        sure = float(probabilities.max(1).mean())
        if sure < SURE:
            yield Finding(
                "weak_identification",
                "",
                sure,
                f"The {_parts(c)}s overlap: on average a row's likeliest {_parts(c)} has probability "
                f"{number(sure)} under "
                f"{c.reference.method}. {'Transitions' if sequential(c) else 'Weights'} and spreads then trade against "
                "each other, and normal intervals mislead.",
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
    empty_state,
    weak_identification,
    dependence,
    states,
    dwell_times,
    ambiguous,
    decoding,
    initial,
    label_switching,
    unreliable_elpd,
)
PROBABILITIES = ("weights", "initial", "transition", "probs")


def sequential(c: "Comparison") -> bool:
    """Whether the fits have states that follow one another."""
    return bool(c.fits[0].spec.leading == "state")


def yardstick(c: "Comparison") -> "Aligned | None":
    """The posterior to measure others by: the best-mixed chains, else any posterior sample."""
    sampled = [a for a in c.aligned if a.is_chain]
    mixed = [a for a in sampled if not c.table[a.name]["rhat"].max() > RHAT]
    pool = mixed or sampled or [a for a in c.aligned if a.sample is not None]
    return max(pool, key=lambda a: np.nan_to_num(c.table[a.name]["ess_bulk"].min()), default=None)


def _of_reference(c: "Comparison") -> "Aligned":
    """The fit whose labels all others take."""
    return next(a for a in c.aligned if a.fit is c.reference)


def known_columns(c: "Comparison") -> list[Response]:
    """The columns of the data whose laws are known; none where an emission has no distribution function."""
    try:
        return responses(c.fits[0].program, "the report")
    except NotImplementedError:
        return []


def _parts(c: "Comparison") -> str:
    return str(c.fits[0].spec.leading)


def _counted(n: int, one: str, several: str) -> str:
    return f"one {one}" if n == 1 else f"{n} {several}"


def _listed(words: list[str], most: int = 4) -> str:
    return ", ".join(words[:most]) + (f" and {len(words) - most} more" if len(words) > most else "")


def _on_edge(c: "Comparison", a: "Aligned", *names: str) -> list[str]:
    """Labels of the probabilities of these names that ``a`` puts at 0 or 1."""
    column = c.table[a.name]["estimate"]
    return [str(where) for where, x in column.items() if c.cells[where][0] in names and not EDGE < x < 1 - EDGE]


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
