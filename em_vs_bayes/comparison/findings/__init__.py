"""What a comparison says, in sentences: one rule, one function, from the comparison to its findings."""

from em_vs_bayes.comparison.compared import Compared
from em_vs_bayes.comparison.findings.base import (
    SEVERITY,
    Finding,
    known_columns,
    sequential,
    yardstick,
)
from em_vs_bayes.comparison.findings.estimates import agreement, better_mode, prior_conflict, underdispersed
from em_vs_bayes.comparison.findings.limits import boundary, left_out, not_converged, weak_identification
from em_vs_bayes.comparison.findings.regressions import censoring, hidden_information
from em_vs_bayes.comparison.findings.sampling import chains, label_switching, several_modes, unreliable_elpd
from em_vs_bayes.comparison.findings.states import (
    ambiguous,
    decoding,
    dependence,
    dwell_times,
    empty_state,
    initial,
    states,
)

__all__ = ["RULES", "SEVERITY", "Finding", "gather", "headline", "known_columns", "sequential", "yardstick"]

RULES = (
    left_out,
    prior_conflict,
    not_converged,
    chains,
    several_modes,
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
    censoring,
    hidden_information,
    label_switching,
    unreliable_elpd,
)


def gather(comparison: Compared) -> tuple[Finding, ...]:
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
