"""The one table of limits that draws are held against, wherever they are read: statuses, findings, reports, pages."""

from __future__ import annotations

from dataclasses import dataclass
from math import log10
from typing import final


@final
@dataclass(frozen=True, slots=True)
class Threshold:
    """One diagnostic and the limit beyond which draws are not to be used as they are.

    Attributes
    ----------
    name : as in sentences
    limit : float
    most : bool
        Whether ``limit`` is the most that is allowed, or the least.
    unit : what ``limit`` counts in, or ""
    why, source : what lies beyond the limit, and who says so
    """

    name: str
    limit: float
    most: bool
    unit: str
    why: str
    source: str

    def passed(self, value: float) -> bool:
        """Whether a value is within the limit; an unknown one (NaN) is not judged."""
        return not (value > self.limit if self.most else value < self.limit)

    @property
    def words(self) -> str:
        """``at most 1.01`` or ``at least 100 per chain``."""
        number = f"{100 * self.limit:g} %" if self.unit == "of draws" else f"{self.limit:g}"
        return f"at {'most' if self.most else 'least'} {number} {self.unit}".rstrip()


RHAT = Threshold("R-hat", 1.01, True, "", "the chains disagree, in place or in spread", "Vehtari et al. 2021")
BULK = Threshold(
    "bulk ESS", 100.0, False, "per chain", "means, and R-hat itself, are too noisy to judge", "Vehtari et al. 2021"
)
TAIL = Threshold("tail ESS", 100.0, False, "per chain", "the ends of intervals are too noisy", "Vehtari et al. 2021")
DIVERGENT = Threshold(
    "divergent transitions",
    0.01,
    True,
    "of draws",
    "part of the posterior was not explored; fewer are said in a note",
    "Betancourt 2017; the share is ours",
)
ENERGY = Threshold(
    "E-BFMI", 0.3, False, "in every chain", "momentum does not carry chains into the tails", "Betancourt 2016"
)
KHAT = Threshold(
    "Pareto k-hat",
    0.7,
    True,
    "(of S < 2,200 draws 1 - 1 / log10 S)",
    "importance sampling fails: the approximation misses mass of the posterior",
    "Vehtari et al. 2024; Yao et al. 2018",
)
TABLE = (RHAT, BULK, TAIL, DIVERGENT, ENERGY, KHAT)


def khat_limit(draws: int) -> float:
    """The limit of k-hat where so few draws may not tell more (Vehtari et al. 2024)."""
    return min(KHAT.limit, 1.0 - 1.0 / log10(draws)) if draws > 1 else 0.0


def markdown() -> str:
    """The table for the pages."""
    rows = [f"| {t.name} | {t.words} | {t.why} | {t.source} |" for t in TABLE]
    return "\n".join(("| diagnostic | wanted | beyond it | source |", "|---|---|---|---|", *rows))
