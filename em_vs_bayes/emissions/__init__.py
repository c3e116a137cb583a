"""Emissions: the distribution of an observation given its component or state.

A new emission is one file here and one line in `EMISSIONS`.
"""

from em_vs_bayes.arguments import brief
from em_vs_bayes.contract import Emission
from em_vs_bayes.emissions.bernoulli import Bernoulli
from em_vs_bayes.emissions.categorical import Categorical
from em_vs_bayes.emissions.censored_normal import CensoredNormal
from em_vs_bayes.emissions.censored_regression import CensoredRegression
from em_vs_bayes.emissions.exponential import Exponential
from em_vs_bayes.emissions.linear_regression import LinearRegression
from em_vs_bayes.emissions.mvnormal import MvNormal
from em_vs_bayes.emissions.normal import Normal
from em_vs_bayes.emissions.poisson import Poisson
from em_vs_bayes.emissions.product import Product
from em_vs_bayes.emissions.single import Single
from em_vs_bayes.emissions.student_t import StudentT
from em_vs_bayes.emissions.truncated_regression import TruncatedRegression

EMISSIONS: dict[str, type[Emission]] = {
    "Normal": Normal,
    "StudentT": StudentT,
    "CensoredNormal": CensoredNormal,
    "MvNormal": MvNormal,
    "Poisson": Poisson,
    "Exponential": Exponential,
    "Bernoulli": Bernoulli,
    "Categorical": Categorical,
    "LinearRegression": LinearRegression,
    "CensoredRegression": CensoredRegression,
    "TruncatedRegression": TruncatedRegression,
    "Product": Product,
}

__all__ = ["EMISSIONS", "Single", *EMISSIONS]


def from_dict(description: dict) -> Emission:
    """The emission that `Emission.to_dict` described."""
    name = description.get("emission")
    if not isinstance(name, str) or name not in EMISSIONS:
        raise ValueError(f"emission={brief(name)} is unknown; known are {', '.join(EMISSIONS)}.")
    arguments = {k: v for k, v in description.items() if k != "emission"}
    if name == "Product":
        return Product(**{k: from_dict(v) for k, v in arguments["streams"].items()})
    return EMISSIONS[name](**arguments)
