"""Emissions: the distribution of an observation given its component or state.

A new emission is one file here and one line in `EMISSIONS`.
"""

from em_vs_bayes.common.arguments import brief
from em_vs_bayes.common.contract import Emission
from em_vs_bayes.model.emissions.bernoulli import Bernoulli
from em_vs_bayes.model.emissions.categorical import Categorical
from em_vs_bayes.model.emissions.censored_normal import CensoredNormal
from em_vs_bayes.model.emissions.censored_regression import CensoredRegression
from em_vs_bayes.model.emissions.exponential import Exponential
from em_vs_bayes.model.emissions.linear_regression import LinearRegression
from em_vs_bayes.model.emissions.mvnormal import MvNormal
from em_vs_bayes.model.emissions.normal import Normal
from em_vs_bayes.model.emissions.poisson import Poisson
from em_vs_bayes.model.emissions.product import Product
from em_vs_bayes.model.emissions.single import Single
from em_vs_bayes.model.emissions.student_t import StudentT
from em_vs_bayes.model.emissions.truncated_regression import TruncatedRegression

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
