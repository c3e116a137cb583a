"""What a finding is, and what rules ask of a comparison."""

from dataclasses import dataclass

import numpy as np

from em_vs_bayes.common import printable
from em_vs_bayes.common.thresholds import BULK, TAIL
from em_vs_bayes.comparison.aligned import Aligned
from em_vs_bayes.comparison.compared import Compared
from em_vs_bayes.fit.responses import Response, responses

SELDOM = 0.1  # share of draws about a mode, in units of its share of the mass, below which it was not visited
PROBABILITIES = ("weights", "initial", "transition", "probs")
EDGE = 1e-6  # a probability so near to 0 or 1 is on the boundary
SEVERITY = {
    "agreement": "good",
    "label_switching": "note",
    "states": "note",
    "ambiguous": "note",
    "dwell_times": "note",
    "decoding": "note",
    "initial": "note",
    "censoring": "note",
    "hidden_information": "note",
    "disagreement": "warning",
    "prior_conflict": "warning",
    "underdispersed": "warning",
    "weak_identification": "warning",
    "slow_mixing": "warning",
    "low_energy": "warning",
    "unchecked": "warning",
    "few_divergences": "note",
    "boundary": "warning",
    "empty_state": "warning",
    "dependence": "warning",
    "unreliable_elpd": "warning",
    "unbounded": "warning",
    "left_out": "note",
    "better_mode": "bad",
    "multimodal": "bad",
    "stuck_chain": "bad",
    "divergences": "bad",
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

    def __post_init__(self) -> None:
        object.__setattr__(self, "sentence", printable.name(self.sentence))

    @property
    def severity(self) -> str:
        """How much it matters: "good", "note", "warning" or "bad"."""
        return SEVERITY[self.kind]


def sequential(c: Compared) -> bool:
    """Whether the fits have states that follow one another."""
    return bool(c.fits[0].spec.leading == "state")


def yardstick(c: Compared) -> Aligned | None:
    """The posterior to measure others by: the best-mixed chains, else any posterior sample."""
    sampled = [a for a in c.aligned if a.is_chain]
    pool = [a for a in sampled if trusted(c, a)] or sampled or [a for a in c.aligned if a.sample is not None]
    return max(pool, key=lambda a: np.nan_to_num(c.table[a.name]["ess_bulk"].min()), default=None)


def trusted(c: Compared, a: Aligned) -> bool:
    """Whether draws may be measured by: too few effective ones have their noise counted, other warnings forbid it."""
    if one_sided(c, a.name):
        return False
    return not any(r.warns and r.statistic not in (BULK.name, TAIL.name) for r in c.remarks[a.name])


def described(c: Compared) -> Aligned:
    """The fit that sentences on the model itself are about: draws to measure by, or the reference where none are."""
    best, reference = yardstick(c), of_reference(c)
    if best is None or (not trusted(c, best) and reference.fit.converged):
        return reference
    return best


def one_sided(c: Compared, name: str) -> bool:
    """Whether draws hardly visit one of the modes that share the posterior mass."""
    return name in c.visits and any(x < SELDOM * m.share for x, m in zip(c.visits[name], c.modes, strict=True))


def of_reference(c: Compared) -> Aligned:
    """The fit whose labels all others take."""
    return next(a for a in c.aligned if a.fit is c.reference)


def known_columns(c: Compared) -> list[Response]:
    """The columns of the data whose laws are known; none where an emission has no distribution function."""
    try:
        return responses(c.fits[0].program, "the report")
    except NotImplementedError:
        return []


def parts(c: Compared) -> str:
    """What the fits have several of: "component" or "state"."""
    return str(c.fits[0].spec.leading)


def on_edge(c: Compared, a: Aligned, *names: str) -> list[str]:
    """Labels of the probabilities of these names that ``a`` puts at 0 or 1; fixed ones are nobody's estimates.

    Neither are the only weight, state or category there is.
    """
    column, spec = c.table[a.name]["estimate"], c.fits[0].spec
    return [
        str(where)
        for where, x in column.items()
        if (cell := c.cells[where])[0].rsplit("_")[-1] in names
        and not EDGE < x < 1 - EDGE
        and np.isnan(np.broadcast_to(spec.fixed.get(cell[0], np.nan), a.params[cell[0]].shape)[cell[1]])
        and not (cell[0] in ("weights", "initial", "transition") and spec.size == 1)
    ]


def counted(n: int, one: str, several: str) -> str:
    """A number with its noun."""
    return f"one {one}" if n == 1 else f"{n} {several}"
