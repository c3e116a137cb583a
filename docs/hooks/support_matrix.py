"""Tables of what works with what, made when the pages are built by asking the code itself.

Every cell is a fit of a few rows: a tick where it ran, otherwise the number of the refusal below the table, in the
words of the error that a user gets. Models, emissions and methods are those of the package's own tables, so a new one
appears here by itself, or stops the build if it does not say which data suit it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import numpy as np

import em_vs_bayes as evb
from em_vs_bayes.methods import METHODS
from em_vs_bayes.model.emissions import EMISSIONS

REFUSALS = (ValueError, TypeError, NotImplementedError)
N = 24
Z = np.arange(N) // 6 % 2  # two groups of rows that any emission can tell apart
NOISE = np.random.default_rng(0).normal(size=(N, 2))
LINE = 4.0 * Z + NOISE[:, 0]
DESIGN = np.c_[np.ones(N), NOISE[:, 1]]
OPTIONS: dict[str, dict[str, Any]] = {
    "em": {"n_init": 1, "max_iter": 2},
    "vi": {"n_init": 1, "max_iter": 2},
    "gibbs": {"draws": 4, "tune": 2, "chains": 1},
    "nuts": {"draws": 4, "tune": 4, "chains": 1, "cores": 1},
    "laplace": {"draws": 4},
}
EXAMPLES: dict[str, tuple[Callable[[], Any], Any, dict[str, Any]]] = {  # emission, data, more arguments of fit
    "Normal": (evb.emissions.Normal, LINE, {}),
    "MvNormal": (evb.emissions.MvNormal, LINE[:, None] + NOISE, {}),
    "Poisson": (evb.emissions.Poisson, 1.0 + 7 * Z + np.arange(N) % 3, {}),
    "Exponential": (evb.emissions.Exponential, np.exp(LINE), {}),
    "Bernoulli": (evb.emissions.Bernoulli, (np.arange(N) % 3 < 1 + Z).astype(float), {}),
    "Categorical": (lambda: evb.emissions.Categorical(3), (np.arange(N) % 2 + Z).astype(float), {}),
    "LinearRegression": (evb.emissions.LinearRegression, LINE, {"exog": DESIGN}),
    "CensoredNormal": (lambda: evb.emissions.CensoredNormal(lower=0.0), np.maximum(LINE, 0.0), {}),
    "CensoredRegression": (
        lambda: evb.emissions.CensoredRegression(lower=0.0),
        np.maximum(LINE, 0.0),
        {"exog": DESIGN},
    ),
    "TruncatedRegression": (lambda: evb.emissions.TruncatedRegression(lower=-9.0), LINE, {"exog": DESIGN}),
    "Product": (
        lambda: evb.emissions.Product(u=evb.emissions.Normal(), v=evb.emissions.Poisson()),
        {"u": LINE, "v": 1.0 + 7 * Z},
        {},
    ),
}

REGRESSIONS: dict[str, tuple[Any, Any]] = {  # models of one regression: spec, data
    "Tobit": (evb.Tobit(), np.maximum(LINE, 0.0)),
    "CensoredRegression": (evb.CensoredRegression(), np.c_[LINE, LINE + 1.0]),
    "TruncatedRegression": (evb.TruncatedRegression(lower=-9.0), LINE),
}


class Refusals:
    """Numbers for the messages of one table, each message once."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def cell(self, ask: Callable[[], Any]) -> str:
        """A tick where asking works, else the number of the refusal."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ask()
        except REFUSALS as refusal:
            message = str(refusal)
            if message not in self.messages:
                self.messages.append(message)
            return f"no&nbsp;({self.messages.index(message) + 1})"
        return "✓"

    def table(self, corner: str, columns: Iterable[str], rows: dict[str, list[str]]) -> str:
        heads = [f"`{name}`" for name in columns]
        lines = [f"| {corner} | {' | '.join(heads)} |", f"|---|{':-:|' * len(heads)}"]
        lines += [f"| {label} | {' | '.join(cells)} |" for label, cells in rows.items()]
        notes = [f"{i}. {message}" for i, message in enumerate(self.messages, 1)]
        return "\n".join(lines) + ("\n\nWhat the errors say:\n\n" + "\n".join(notes) if notes else "") + "\n"


def fitted(spec: Any, y: Any, method: str, more: dict[str, Any]) -> Any:
    """A few steps of a fit; the approximation by ADVI as far as its PyMC model, whose compilation takes long."""
    if method == "advi":
        return spec.to_pymc(y, **more)
    return spec.fit(y, method, seed=1, progressbar=False, **OPTIONS.get(method, {}), **more)


def specs(name: str) -> dict[str, Any]:
    """The two models of an emission."""
    if name not in EXAMPLES:
        EXAMPLES[name] = (EMISSIONS[name], LINE, {})  # most emissions take real numbers
    make = EXAMPLES[name][0]
    return {"Mixture": evb.Mixture(make(), 2), "HMM": evb.HMM(make(), 2)}


@cache
def emissions_by_method() -> str:
    """Every model with every emission by every method, and the regressions that are models of their own."""
    refusals, rows = Refusals(), {}
    for name in EMISSIONS:
        for model, spec in specs(name).items():
            _, y, more = EXAMPLES[name]
            cells = [refusals.cell(lambda m=m, s=spec, y=y, k=more: fitted(s, y, m, k)) for m in METHODS]
            rows[f"`{model}({name})`"] = cells
    for name, (spec, y) in REGRESSIONS.items():
        rows[f"`{name}`"] = [refusals.cell(lambda m=m, s=spec, y=y: fitted(s, y, m, {"exog": DESIGN})) for m in METHODS]
    return refusals.table("model", METHODS, rows)


HOLES = np.where(np.arange(N) == 5, np.nan, LINE)
COUNT = np.where(np.arange(N) < 3, 2.0, 1.0)
MEANS = evb.priors.Normal(np.array([0.0, 4.0]), 2.0)
FEATURES: dict[str, tuple[dict[str, Any], Any, dict[str, Any]]] = {  # of the spec, data, of fit
    "missing values in a row": ({"vector": True}, np.c_[HOLES, LINE], {}),
    "rows with no value at all": ({}, HOLES, {}),
    "several sequences, `lengths=`": ({}, LINE, {"lengths": [10, N - 10]}),
    "case weights, whole numbers": ({}, LINE, {"weights": COUNT, "lengths": [3, N - 3]}),
    "case weights, fractions": ({}, LINE, {"weights": COUNT / 4, "lengths": [3, N - 3]}),
    "known components or states, `labels=`": ({}, LINE, {"labels": np.where(np.arange(N) < 4, Z, -1)}),
    "fixed values": ({"fixed": {"means": [0.0, np.nan]}}, LINE, {}),
    "zeros in the transition matrix": ({"fixed": {"transition": [[np.nan, np.nan], [0.0, 1.0]]}}, np.sort(LINE), {}),
    '`initial="uniform"`': ({"initial": "uniform"}, LINE, {}),
    '`initial="stationary"`': ({"initial": "stationary"}, LINE, {}),
    "`ordered=`": ({"ordered": "means"}, LINE, {}),
    "`ordered=` with priors that differ": (
        {"ordered": "means", "priors": {"means": MEANS, "sigmas": evb.priors.InverseGamma(2.0, 1.0)}},
        LINE,
        {},
    ),
    "independent priors": ({"priors": {"means": MEANS, "sigmas": evb.priors.InverseGamma(2.0, 1.0)}}, LINE, {}),
    "a density by name": ({"priors": {"means": MEANS, "sigmas": evb.Prior("HalfNormal", sigma=2.0)}}, LINE, {}),
    "any other PyMC prior": ({"priors": {"means": MEANS, "sigmas": evb.Prior("Weibull", alpha=2, beta=2)}}, LINE, {}),
    "design matrix, `exog=`": ({"line": True}, LINE, EXAMPLES["LinearRegression"][2]),
}
CHAIN_ONLY = ("initial", "transition")


def _feature(model: str, arguments: dict[str, Any]) -> Any:
    own = {k: v for k, v in arguments.items() if k not in ("vector", "line")}
    emission = evb.emissions.MvNormal() if "vector" in arguments else evb.emissions.Normal()
    emission = evb.emissions.LinearRegression() if "line" in arguments else emission
    return {"Mixture": evb.Mixture, "HMM": evb.HMM}[model](emission, 2, **own)


@cache
def features_by_method(model: str) -> str:
    """Every feature of ``model`` ("Mixture" or "HMM") by every method."""
    refusals, rows = Refusals(), {}
    for label, (arguments, y, more) in FEATURES.items():
        of_chain = "initial" in arguments or "transition" in arguments.get("fixed", {}) or "lengths=" in label
        if model == "Mixture":
            if of_chain:
                continue
            more = {k: v for k, v in more.items() if k != "lengths"}
        cells = [
            refusals.cell(lambda m=m, a=arguments, y=y, k=more: fitted(_feature(model, a), y, m, k)) for m in METHODS
        ]
        rows[label] = cells
    return refusals.table(f"`{model}`", METHODS, rows)


@cache
def after_the_fit() -> str:
    """What can be asked of a fitted hidden Markov model, by emission."""
    asked: dict[str, Callable[[Any], Any]] = {
        "predict": lambda fit: fit.predict(),
        "predict_proba": lambda fit: fit.predict_proba(),
        "filtered_proba": lambda fit: fit.filtered_proba(),
        "sample_states": lambda fit: fit.sample_states(),
        "state_summary": lambda fit: fit.state_summary(),
        "score_samples": lambda fit: fit.score_samples(),
        "simulate": lambda fit: fit.simulate(seed=1),
        "pseudo_residuals": lambda fit: fit.pseudo_residuals(),
        "forecast": lambda fit: fit.forecast(2),
    }
    refusals, rows = Refusals(), {}
    for name in EMISSIONS:
        _, y, more = EXAMPLES.get(name) or (None, LINE, {})
        fit = fitted(specs(name)["HMM"], y, "em", more)
        rows[f"`{name}`"] = [refusals.cell(lambda ask=ask, fit=fit: ask(fit)) for ask in asked.values()]
    return refusals.table("emission", asked, rows)


TABLES: dict[str, Callable[[], str]] = {
    "emissions": emissions_by_method,
    "mixture": lambda: features_by_method("Mixture"),
    "hmm": lambda: features_by_method("HMM"),
    "after": after_the_fit,
}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """MkDocs hook: each ``<!-- support: NAME -->`` becomes the table of that name."""
    for name, make in TABLES.items():
        mark = f"<!-- support: {name} -->"
        if mark in markdown:
            markdown = markdown.replace(mark, make())
    return markdown


if __name__ == "__main__":
    print(on_page_markdown("\n".join(f"<!-- support: {name} -->" for name in TABLES)))
