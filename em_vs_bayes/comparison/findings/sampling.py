"""Whether chains mixed: labels, modes, effective draws, importance sampling."""

from collections.abc import Iterator

import numpy as np

from em_vs_bayes.common.printable import listed
from em_vs_bayes.common.words import number, percent
from em_vs_bayes.comparison.aligned import Aligned
from em_vs_bayes.comparison.compared import Compared
from em_vs_bayes.comparison.findings.base import Finding, counted, one_sided, parts
from em_vs_bayes.fit.diagnosis import FEWEST, beyond

GAP, FAR = 5.0, 3.0  # a chain so many standard deviations, and so much, of log-likelihood below is stuck
MANY = 0.05  # share of observations whose leave-one-out terms fail, beyond which it is not those


def label_switching(c: Compared) -> Iterator[Finding]:
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
                f"{a.name}: the chains {within} ({kinds} orders of the {parts(c)}s were seen). The posterior "
                "is the "
                "same under any order, so draws were relabelled before anything was summarised.",
            )


def chains(c: Compared) -> Iterator[Finding]:
    """Chains that sit apart, one stuck in a worse place or several modes, and whatever else their diagnostics say."""
    for a in c.aligned:
        stuck = list(_stuck(a)) if a.is_chain else []
        yield from stuck
        for r in c.remarks[a.name]:
            if not (stuck and r.kind in ("multimodal", "slow_mixing")):
                yield Finding(r.kind, r.parameter, r.figure, f"{a.name}: {r.sentence}")


def several_modes(c: Compared) -> Iterator[Finding]:
    """Maxima that em's starts ended in and that share the posterior mass; whether draws come from all of them."""
    if len(c.modes) < 2:
        return
    heights = ", ".join(number(mode.height, 6) for mode in c.modes)
    masses = ", ".join(percent(round(mode.share, 2)) for mode in c.modes)
    told = f"em's starts ended in {len(c.modes)} maxima that share the posterior mass: log-likelihoods {heights}; "
    told += f"shares, by Laplace's approximation, {masses}."
    for name, share in c.visits.items():
        told += f" {name} has {', '.join(percent(round(x, 3)) for x in share)} of its draws about them."
    blind = [name for name in c.visits if one_sided(c, name)]
    if blind:
        told += (
            f" {listed(blind)} never {'sees' if len(blind) == 1 else 'see'} some of them, or hardly: draws that all "
            "began, and "
        )
        told += "stayed, in one mode agree whatever the others hold."
    else:
        told += " Estimates describe none of them alone: look at each (init=), or tell them apart by a prior."
    yield Finding("multimodal", "", float(c.modes[1].share), told)


def unreliable_elpd(c: Compared) -> Iterator[Finding]:
    """Observations whose leave-one-out term importance sampling cannot give."""
    for name, row in c.elpd.iterrows():
        if np.isnan(row["elpd"]):
            limit = row["good_khat_limit"]
            shape = f"the Pareto k-hat of its draws is {beyond(row['khat'], limit)} (over {number(limit, 2)})"
            a = next(a for a in c.aligned if a.name == name)
            unknown = "it has too few draws" if _few(a) else "the density of its draws is not known"
            why = unknown if np.isnan(row["khat"]) else shape
            yield Finding(
                "unreliable_elpd",
                "",
                float(row["khat"]),
                f"{name}: {why}, so that they cannot be weighted to the posterior: its elpd is not given, and it is "
                "not ranked.",
            )
        elif row["bad_khat"]:
            yield Finding(
                "unreliable_elpd",
                "",
                float(row["worst_khat"]),
                _bad_terms(c, str(name), int(row["bad_khat"]), row["worst_khat"], row["good_khat_limit"]),
            )


def _few(a: Aligned) -> bool:
    return a.sample is not None and a.sample.sizes["chain"] * a.sample.sizes["draw"] < FEWEST


def _bad_terms(c: Compared, name: str, count: int, worst: float, limit: float) -> str:
    """Of single rows, or of so many that it is not they."""
    share = count / c.fits[0].program.n
    one, chain = count == 1, next(a for a in c.aligned if a.name == name).is_chain
    told = f"{name}: {counted(count, 'observation has', 'observations have')} Pareto k above {limit:.2f} "
    told += f"({'' if one else 'worst '}{beyond(worst, limit)})"
    if share <= MANY or one:
        who = "it, and it deserves" if one else "them, and they deserve"
        return f"{told}; its elpd is optimistic about {who} a look."
    why = "the draws are too few, or the model bends to every row" if chain else "that is the approximation, not they"
    elpd = "its elpd is too optimistic to rank by" + ("." if chain else "; that of nuts or gibbs can be better.")
    return f"{told}, {percent(share)} of all: {why}, and {elpd}"


def _stuck(a: Aligned) -> Iterator[Finding]:
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
