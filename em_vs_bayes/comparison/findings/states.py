"""Hidden Markov models: what the states are, how long they last, what they leave open."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from em_vs_bayes.common.words import number, percent
from em_vs_bayes.comparison.compared import Compared
from em_vs_bayes.comparison.findings.base import (
    EDGE,
    Finding,
    described,
    known_columns,
    of_reference,
    sequential,
)
from em_vs_bayes.fit.residuals import autocorrelation
from em_vs_bayes.fit.responses import LAWS, Response
from em_vs_bayes.model.emissions import Categorical, LinearRegression

CORRELATED = 3.0  # standard errors beyond which neighbouring residuals are correlated
AMBIGUOUS = 0.9  # probability of a row's likeliest state below which its state is open
FEATURES = 3  # columns by which a sentence describes a state


def states(c: Compared) -> Iterator[Finding]:
    """What each state looks like: its mean, its most probable category, or its regression line."""
    if not sequential(c):
        return
    a = described(c)
    every, sizes = known_columns(c), range(c.fits[0].spec.size)
    columns = [column for column in every if not column.by_row]
    if isinstance(c.fits[0].spec.model_emission, LinearRegression):
        lines = zip(sizes, a.params["coefficients"], a.params["sigmas"], strict=True)
        names = c.fits[0].program.predictors["predictor"]
        each = [f"in state {k} {every[0].name} = {_line(b, names)}, sd {number(sd)}" for k, b, sd in lines]
        said = "; ".join(each)
    elif not columns:
        return
    elif len(columns) == 1 and columns[0].law is not LAWS[Categorical]:
        means = columns[0].law.mean(columns[0].pick(a.params))
        each = [f"state {k} ({number(means[k])})" for k in np.argsort(means)]
        said = f"the states, from the lowest to the highest mean of {columns[0].name}, are {', '.join(each)}"
    else:
        seen = [_typical(column, a.params) for column in columns[:FEATURES]]
        said = "; ".join(f"state {k} has " + ", ".join(column[k] for column in seen) for k in sizes)
    yield Finding("states", "", float(len(sizes)), f"Under {a.name} {said}.")


def _line(coefficients: Any, names: list[str]) -> str:
    """``0.25 + 0.90 lagged - 0.10 gap``."""
    terms = [
        number(abs(b)) + ("" if name == "Intercept" else f" {name}")
        for b, name in zip(coefficients, names, strict=True)
    ]
    signs = ["-" if b < 0 else "+" for b in coefficients]
    rest = "".join(f" {sign} {term}" for sign, term in zip(signs[1:], terms[1:], strict=True))
    return ("-" if signs[0] == "-" else "") + terms[0] + rest


def _typical(column: Response, params: Any) -> list[str]:
    """Mean of the column in each state, or the most probable category with its probability."""
    own = column.pick(params)
    if column.law is LAWS[Categorical]:
        return [f"{column.name} {p.argmax()} most often ({percent(p.max())})" for p in own["probs"]]
    return [f"mean {column.name} {number(mean)}" for mean in column.law.mean(own)]


def dwell_times(c: Compared) -> Iterator[Finding]:
    """How long visits to each state last, and how much of the time is spent there."""
    if not sequential(c):
        return
    a = described(c)
    table = a.fit.state_summary(c.level).iloc[a.order].reset_index(drop=True)
    words: list[str] = []
    for k, row in table.iterrows():
        limits = [number(row[f"dwell_time_{end}"]) for end in ("lower", "upper") if f"dwell_time_{end}" in row]
        interval = f" ({'' if words else percent(c.level) + ' interval '}{' to '.join(limits)})" if limits else ""
        dwell, share = number(row["dwell_time"]), percent(row["stationary"])
        lasts = f"lasts {dwell} rows a visit{interval}" if np.isfinite(row["dwell_time"]) else "is never left"
        words.append(f"state {k} {lasts} and fills {share} of the long run")
    yield Finding("dwell_times", "", float(table["dwell_time"].max()), f"Under {a.name} {'; '.join(words)}.")


def ambiguous(c: Compared) -> Iterator[Finding]:
    """Rows whose state the whole sequence leaves open."""
    if not sequential(c) or c.fits[0].spec.size == 1:
        return
    a = of_reference(c)
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


def decoding(c: Compared) -> Iterator[Finding]:
    """How many rows the methods decode alike."""
    if not sequential(c) or len(c.aligned) < 2:
        return
    base = of_reference(c)
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


def empty_state(c: Compared) -> Iterator[Finding]:
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


def dependence(c: Compared) -> Iterator[Finding]:
    """Rows that depend on the one before beyond what the states carry: forecast residuals would be independent."""
    if not sequential(c):
        return
    a = of_reference(c)
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


def initial(c: Compared) -> Iterator[Finding]:
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
                "highest at such an edge, which says little: its intervals take that for known. "
                "initial='stationary' or 'uniform' has no such parameter.",
            )
