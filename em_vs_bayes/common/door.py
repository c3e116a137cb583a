"""The one door upwards: verbs of what is declared below, which those above carry out.

A statistician says ``spec.fit(y)`` and ``comparison.report(path)``, not ``fit(spec, y)``: a spec and a comparison list
their verbs, though fitting and reporting stand above them and know them. All other imports run one way, from each
storey to those below. These run up, when they are called, and they are all here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    import pymc as pm

    from em_vs_bayes.fit.results import Fit


def fit(spec: Any, *arguments: Any, **named: Any) -> Fit:
    """See `Spec.fit`."""
    from em_vs_bayes.fit import fitting

    return fitting.fit(spec, *arguments, **named)


def at(spec: Any, *arguments: Any, **named: Any) -> Fit:
    """See `Spec.at`."""
    from em_vs_bayes.fit import fitting

    return fitting.at(spec, *arguments, **named)


def log_prior(spec: Any, *arguments: Any) -> float:
    """See `Spec.log_prior`."""
    from em_vs_bayes.fit import fitting

    return fitting.log_prior(spec, *arguments)


def describe_priors(spec: Any, *arguments: Any) -> pd.DataFrame:
    """See `Spec.describe_priors`."""
    from em_vs_bayes.fit import describe

    return describe.describe_priors(spec, *arguments)


def to_pymc(spec: Any, *arguments: Any, **named: Any) -> pm.Model:
    """See `Spec.to_pymc`."""
    from em_vs_bayes.pymc import build

    return build.to_pymc(spec, *arguments, **named)


def spec_of(description: dict[str, Any]) -> Any:
    """See `Spec.from_json`: the table of specs knows them all, and each knows what a spec is."""
    from em_vs_bayes.model import specs

    return specs.from_dict(description)


def page(comparison: Any, *, progressbar: bool) -> str:
    """The page that `Comparison.report` writes."""
    from em_vs_bayes.report import page

    return page.render(comparison, progressbar=progressbar)


def fragment(comparison: Any) -> str:
    """The same for a notebook."""
    from em_vs_bayes.report import page

    return page.fragment(comparison)
