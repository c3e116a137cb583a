"""Fits that ended badly, on the boundary, or where the data say little."""

from collections.abc import Iterator

from em_vs_bayes.common.printable import listed
from em_vs_bayes.common.status import Status
from em_vs_bayes.common.words import number
from em_vs_bayes.comparison.compared import Compared
from em_vs_bayes.comparison.findings.base import (
    PROBABILITIES,
    Finding,
    counted,
    on_edge,
    parts,
    sequential,
)

SURE = 0.8  # mean probability of a row's likeliest component below which components overlap


def left_out(c: Compared) -> Iterator[Finding]:
    """Methods that the comparison would have run, had the model them."""
    for method, reason in c.left_out.items():
        yield Finding("left_out", "", float("nan"), f"{method} is left out: {reason}")


def not_converged(c: Compared) -> Iterator[Finding]:
    """A fit whose own status says that it did not end well; what chains' diagnostics warn of is said by `chains`."""
    for a in c.aligned:
        if a.fit.converged or a.fit.status is Status.GIVEN:
            continue
        if not (a.is_chain and a.fit.status is Status.SUSPECT):
            notes = " ".join(str(note) for note in a.fit.notes)
            yield Finding("not_converged", "", float(a.fit.n_iter), f"{a.name}: {a.fit.status} {notes}".rstrip())


def boundary(c: Compared) -> Iterator[Finding]:
    """Estimates on the edge of the parameter space: empty components, sure probabilities."""
    for a in c.aligned:
        column = c.table[a.name]["estimate"]
        edges = column[on_edge(c, a, *PROBABILITIES)]
        for where, value in edges.items():
            if c.cells[where][0] != "weights":
                continue
            yield Finding(
                "boundary",
                str(where),
                float(value),
                f"{a.name} puts {where} at {number(value)}, on the boundary: it is held there "
                "for standard errors, and the model may have a component too many.",
            )
        never = [str(where) for where in edges.index if c.cells[where][0].endswith("probs")]
        if never:
            yield Finding(
                "boundary",
                never[0],
                float(edges[never[0]]),
                f"{a.name} puts {counted(len(never), 'probability', 'probabilities')} of what is observed on the "
                f"boundary, 0 or 1: {listed(never)}. What was never seen in a {parts(c)} is not impossible there; "
                "for standard errors they are held. A prior (objective='map') keeps them inside.",
            )
        moves = [str(where) for where in edges.index if c.cells[where][0] == "transition"]
        if moves:
            yield Finding(
                "boundary",
                moves[0],
                float(edges[moves[0]]),
                f"{a.name} puts {counted(len(moves), 'transition probability', 'transition probabilities')} on the "
                f"boundary, 0 or 1: {listed(moves)}. No such move is among the likely paths, which does not make it "
                "impossible; for standard errors they are held. A prior (objective='map') keeps them inside.",
            )


def weak_identification(c: Compared) -> Iterator[Finding]:
    """Curvature that gives no standard error, or components that the data hardly tell apart."""
    for a in c.aligned:
        if a.sample is None and isinstance(a.errors, str):
            yield Finding("weak_identification", "", float("nan"), f"{a.name} has no standard errors. {a.errors}")
    if c.reference.spec.size > 1:
        sure = float(c.reference.predict_proba().max(1).mean())
        if sure < SURE:
            yield Finding(
                "weak_identification",
                "",
                sure,
                f"The {parts(c)}s overlap: on average a row's likeliest {parts(c)} has probability "
                f"{number(sure)} under "
                f"{c.reference.method}. {'Transitions' if sequential(c) else 'Weights'} and spreads then trade against "
                "each other, and normal intervals mislead.",
            )
