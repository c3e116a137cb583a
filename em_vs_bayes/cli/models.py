"""The spec that the options name; options that the model has no use for are refused: nothing given is ignored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from em_vs_bayes.cli.options import (
    REGRESSIONS,
    Covariance,
    EmissionName,
    Initial,
    Model,
)

if TYPE_CHECKING:
    import pandas as pd

    from em_vs_bayes.model.spec import Spec

MOST_CATEGORIES = 100_000


def fits_together(
    model: Model,
    emission: EmissionName | None,
    covariance: Covariance | None,
    initial: Initial | None,
    lengths_column: str | None,
) -> None:
    """Refuse options that the model has no use for: nothing given is ignored."""
    for option, value, models in (
        ("--emission", emission, (Model.mixture, Model.hmm)),
        ("--covariance", covariance, (Model.gmm, Model.ghmm)),
        ("--initial", initial, (Model.hmm, Model.ghmm)),
        ("--lengths-column", lengths_column, (Model.hmm, Model.ghmm)),
    ):
        _refuse(option, value, models, model)


def _refuse(option: str, value: Any, models: tuple[Model, ...], model: Model) -> None:
    if value is not None and model not in models:
        wanted = " or ".join(f"--model {m}" for m in models)
        raise ValueError(f"{option} {value} goes with {wanted}; got --model {model}")


@dataclass(frozen=True, slots=True)
class Line:
    """What the options say of a regression."""

    formula: str | None
    lower: float | None
    upper: float | None

    def fits_together(self, model: Model, components: int | None, columns: str | None) -> None:
        """Refuse what the model has no use for, and a regression without a formula."""
        given_limits = (("--lower", self.lower), ("--upper", self.upper))
        for option, value, models in (
            ("--formula", self.formula, REGRESSIONS),
            *((option, value, (Model.tobit, Model.truncated)) for option, value in given_limits),
        ):
            _refuse(option, value, models, model)
        if not model.regression:
            return
        if components is not None:
            raise ValueError(f"-k {components} goes with mixtures and hidden Markov models; got --model {model}")
        if columns is not None:
            raise ValueError(f"--columns {columns}: --model {model} takes its columns from --formula")
        if self.formula is None:
            raise ValueError(f'--model {model} wants --formula, such as "{EXAMPLES[model]}"')

    def build(self, model: Model) -> Spec:
        """The spec."""
        import em_vs_bayes as evb

        if model is Model.censored:
            return evb.CensoredRegression(self.formula)
        if model is Model.truncated:
            return evb.TruncatedRegression(self.formula, self.lower, self.upper)
        lower = 0.0 if self.lower is None and self.upper is None else self.lower
        return evb.Tobit(self.formula, lower, self.upper)


EXAMPLES = {
    Model.tobit: "y ~ x",
    Model.censored: "censored(lower, upper) ~ x",
    Model.truncated: "y ~ x",
}


def build(
    model: Model,
    emission: EmissionName | None,
    components: int,
    covariance: Covariance | None,
    initial: Initial | None,
    y: pd.DataFrame,
) -> Spec:
    """The spec that the options name."""
    import em_vs_bayes as evb

    structure, first = (covariance or Covariance.full).value, (initial or Initial.free).value
    if model is Model.gmm:
        return evb.GaussianMixture(components, covariance=structure)
    if model is Model.ghmm:
        return evb.GaussianHMM(components, covariance=structure, initial=first)
    column = y.iloc[:, 0]
    emissions: dict[EmissionName, Callable[[], Any]] = {
        EmissionName.normal: evb.emissions.Normal,
        EmissionName.studentt: evb.emissions.StudentT,
        EmissionName.poisson: evb.emissions.Poisson,
        EmissionName.exponential: evb.emissions.Exponential,
        EmissionName.bernoulli: evb.emissions.Bernoulli,
        EmissionName.categorical: lambda: evb.emissions.Categorical(_categories(column)),
    }
    made = emissions[emission or EmissionName.normal]()
    return evb.HMM(made, components, initial=first) if model is Model.hmm else evb.Mixture(made, components)


def _categories(column: Any) -> int:
    """One more than the largest code."""
    largest = float(column.max())
    if not 0 <= largest < MOST_CATEGORIES:
        raise ValueError(
            f"{column.name} must hold category codes 0, 1, ..., below {MOST_CATEGORIES:,}; its largest is {largest:g}"
        )
    return max(int(largest) + 1, 2)
