"""Fits side by side: labels aligned, estimates, intervals, diagnostics, elpd, seconds. No opinions yet."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from em_vs_bayes.comparison import tables
from em_vs_bayes.comparison.aligned import Aligned, to_labels_of
from em_vs_bayes.fit import diagnosis, modes
from em_vs_bayes.fit.results import Fit

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class Compared:
    """Fits of one model to one data set, and the tables they make; see `Comparison` for its attributes."""

    fits: tuple[Fit, ...]
    level: float = 0.95
    seed: int | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.fits:
            raise ValueError("fits is empty; compare wants at least one fit")
        first = self.fits[0]
        for number, fit in enumerate(self.fits[1:], start=1):
            if fit.spec != first.spec:
                raise ValueError(
                    f"fits[{number}] is of another spec: {fit.spec} against {first.spec}; wants fits of one spec"
                )
            if not _same_data(first, fit):
                raise ValueError(
                    f"fits[{number}] is of other data than fits[0]; wants fits of the same data, lengths, weights and "
                    "labels"
                )
            if fit.log_likelihood_kind != first.log_likelihood_kind:
                raise ValueError(
                    f"fits[{number}] has log-likelihood terms of kind {fit.log_likelihood_kind!r}, fits[0] of kind "
                    f"{first.log_likelihood_kind!r}, which do not compare; choose one by log_likelihood="
                )
        if first.log_likelihood_kind == "predictive":
            raise ValueError(
                "log_likelihood='predictive': importance sampling cannot leave out a row with all that come after it, "
                "so these terms give no elpd; choose 'loo' or 'sequence'"
            )

    @cached_property
    def reference(self) -> Fit:
        """The fit whose labels all others take."""
        return next((fit for fit in self.fits if fit.method == "em"), self.fits[0])

    @cached_property
    def aligned(self) -> tuple[Aligned, ...]:
        methods = [fit.method for fit in self.fits]
        seen = [methods[:i].count(m) + 1 for i, m in enumerate(methods)]
        names = [m if i == 1 else f"{m} {i}" for m, i in zip(methods, seen, strict=True)]
        return tuple(to_labels_of(self.reference, fit, name) for fit, name in zip(self.fits, names, strict=True))

    @cached_property
    def cells(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Where each row of ``table`` lies: label -> (parameter, index)."""
        return dict(tables.scalars(self.fits[0]))

    @cached_property
    def table(self) -> "pd.DataFrame":
        return tables.parameters(self.aligned, self.level, self.diagnostics)

    @cached_property
    def modes(self) -> tuple[modes.Mode, ...]:
        """The maxima with a share of the posterior mass in which the starts of em ended."""
        return modes.modes(self.reference) if self.reference.options.get("objective") == "mle" else ()

    @cached_property
    def visits(self) -> dict[str, np.ndarray]:
        """Name of each method with draws -> the share of its draws about each of ``modes``."""
        if len(self.modes) < 2:
            return {}
        return {a.name: modes.visits(a.fit, self.modes) for a in self.aligned if a.fit.draws is not None}

    @cached_property
    def diagnostics(self) -> "pd.DataFrame":
        return tables.diagnostics(self.aligned)

    @cached_property
    def remarks(self) -> dict[str, tuple[diagnosis.Remark, ...]]:
        """What the diagnostics of chains say: name of the method -> remarks."""
        return {
            a.name: tuple(diagnosis.remarks(tables.chains(a), self.diagnostics[a.name], a.fit.sample_stats))
            if a.is_chain and a.sample is not None
            else ()
            for a in self.aligned
        }

    @cached_property
    def elpd(self) -> "pd.DataFrame":
        return tables.elpd(self.aligned)

    @cached_property
    def timing(self) -> "pd.DataFrame":
        return tables.timing(self.aligned, self.table)


def _same_data(a: Fit, b: Fit) -> bool:
    mine, theirs = a.program.data, b.program.data
    if not all(np.array_equal(getattr(mine, n), getattr(theirs, n)) for n in ("starts", "weights", "labels")):
        return False
    one, other = a.idata["observed_data"].dataset, b.idata["observed_data"].dataset
    designs = a.program.exogs, b.program.exogs
    if designs[0].keys() != designs[1].keys() or not all(
        np.array_equal(x, designs[1][n]) for n, x in designs[0].items()
    ):
        return False
    return set(one.data_vars) == set(other.data_vars) and all(
        one[name].shape == other[name].shape
        and np.array_equal(one[name], other[name], equal_nan=one[name].dtype.kind == "f")
        for name in one.data_vars
    )
