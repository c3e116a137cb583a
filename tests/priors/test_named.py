"""Priors by PyMC name: the columns mean what PyMC means, values travel, and errors name the argument."""

import copy
import json
import pickle

import numpy as np
import pytest
from scipy import stats

from em_vs_bayes import priors
from em_vs_bayes.kernels.tables import DENSITY
from em_vs_bayes.model.priors import Prior

NAMES = {code: name for name, code in DENSITY.items()}


def reference(code, a, b, c):
    """The density that ``DENSITY`` documents for these columns, in scipy's terms."""
    match NAMES[code]:
        case "Normal":
            return stats.norm(a, b)
        case "HalfNormal":
            return stats.halfnorm(scale=a)
        case "TruncatedNormal":
            return stats.truncnorm(-a / b, np.inf, a, b)
        case "Gamma":
            return stats.gamma(a, scale=1 / b)
        case "InverseGamma":
            return stats.invgamma(a, scale=b)
        case "Beta":
            return stats.beta(a, b)
        case "Exponential":
            return stats.expon(scale=1 / a)
        case "StudentT":
            return stats.t(a, b, c)
        case "Cauchy":
            return stats.cauchy(a, b)
        case "HalfCauchy":
            return stats.halfcauchy(scale=a)
        case "LogNormal":
            return stats.lognorm(b, scale=np.exp(a))
        case "Uniform":
            return stats.uniform(a, b - a)
        case "Laplace":
            return stats.laplace(a, b)
    raise AssertionError(f"no reference for {NAMES[code]}")


CASES = [
    ("Normal", {}),
    ("Normal", {"mu": 0.3, "sigma": 2.0}),
    ("Normal", {"mu": 0.3, "tau": 2.0}),
    ("HalfNormal", {}),
    ("HalfNormal", {"sigma": 2.0}),
    ("HalfNormal", {"tau": 3.0}),
    ("TruncatedNormal", {"lower": 0.0}),
    ("TruncatedNormal", {"mu": 1.3, "sigma": 2.0, "lower": 0.0}),
    ("TruncatedNormal", {"mu": -1.3, "tau": 2.0, "lower": 0.0, "upper": np.inf}),
    ("Gamma", {"alpha": 2.0, "beta": 3.0}),
    ("Gamma", {"mu": 2.0, "sigma": 3.0}),
    ("InverseGamma", {"alpha": 2.0}),
    ("InverseGamma", {"alpha": 2.0, "beta": 3.0}),
    ("InverseGamma", {"mu": 2.0, "sigma": 3.0}),
    ("Beta", {"alpha": 2.0, "beta": 3.0}),
    ("Beta", {"mu": 0.3, "sigma": 0.2}),
    ("Beta", {"mu": 0.3, "nu": 5.0}),
    ("Exponential", {}),
    ("Exponential", {"lam": 3.0}),
    ("Exponential", {"scale": 3.0}),
    ("StudentT", {"nu": 4.0}),
    ("StudentT", {"nu": 4.0, "mu": 0.3, "sigma": 2.0}),
    ("StudentT", {"nu": 4.0, "mu": 0.3, "lam": 2.0}),
    ("HalfStudentT", {"nu": 4.0}),
    ("HalfStudentT", {"nu": 4.0, "sigma": 2.0}),
    ("HalfStudentT", {"nu": 4.0, "lam": 2.0}),
    ("Cauchy", {"alpha": 0.3, "beta": 2.0}),
    ("HalfCauchy", {"beta": 2.0}),
    ("LogNormal", {}),
    ("LogNormal", {"mu": 0.3, "sigma": 2.0}),
    ("LogNormal", {"mu": 0.3, "tau": 2.0}),
    ("Uniform", {}),
    ("Uniform", {"lower": -1.0, "upper": 2.0}),
    ("Laplace", {"mu": 0.3, "b": 2.0}),
]


@pytest.mark.parametrize(("name", "arguments"), CASES, ids=str)
def test_columns_mean_what_pymc_means(name, arguments):
    pm = pytest.importorskip("pymc")
    x = np.array([0.15, 0.4, 0.85])
    prior = Prior(name, **arguments)
    theirs = pm.logp(getattr(pm, name).dist(**prior.arguments), x).eval(mode="FAST_COMPILE")
    code, a, b, c = prior.columns()
    half = name == "HalfStudentT"
    ours = stats.t(a, 0, b).logpdf(x) + np.log(2) if half else reference(code, a, b, c).logpdf(x)
    assert code == DENSITY[name]
    # PyMC forms log 2 of its half distributions, and probabilities of limits, in single precision
    atol = {"HalfStudentT": 2e-9, "HalfCauchy": 2e-9, "TruncatedNormal": 2e-8}.get(name, 0.0)
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=atol)


def test_every_compiled_name_has_a_code_and_a_case():
    assert set(Prior.COMPILED) - {"HalfFlat"} == set(DENSITY) - {"InverseGammaOnSquare"}
    assert {name for name, _ in CASES} | {"Flat", "HalfFlat"} == set(Prior.COMPILED)


def test_columns_broadcast_per_component():
    code, a, b, c = Prior("Normal", mu=[0, 5], sigma=2.0).columns(2, 1)
    assert code == DENSITY["Normal"]
    assert (a.tolist(), b.tolist(), c.tolist()) == ([[0.0], [5.0]], [[2.0], [2.0]], [[0.0], [0.0]])
    assert Prior("HalfNormal", sigma=[1.0, 2.0]).columns(2)[1].tolist() == [1.0, 2.0]
    assert Prior("HalfFlat").columns(3)[0] == DENSITY["Flat"]


def test_support():
    def ends(name, **arguments):
        return tuple(np.asarray(end).tolist() for end in Prior(name, **arguments).support())

    assert ends("Normal") == (-np.inf, np.inf)
    assert ends("HalfFlat") == ends("Gamma", alpha=1, beta=1) == (0.0, np.inf)
    assert ends("Beta", alpha=1, beta=1) == (0.0, 1.0)
    assert ends("TruncatedNormal", mu=-1, lower=0) == (0.0, np.inf)
    assert ends("Uniform", lower=[-1.0, 0.0], upper=2.0) == ([-1.0, 0.0], 2.0)
    with pytest.raises(ValueError, match=r"got Prior\('Wald', mu=1.0\), wants one of Flat"):
        Prior("Wald", mu=1.0).support()


@pytest.mark.parametrize(
    "prior",
    [
        Prior("HalfNormal", sigma=2.0),
        Prior("Normal", mu=[0.0, 1.5], sigma=[[1.0], [2.0]]),
        Prior("Flat"),
        Prior("SkewNormal", mu=0, sigma=1, alpha=[1, 2]),
        Prior("TruncatedNormal", lower=-np.inf, upper=[np.inf, 3.0]),
    ],
    ids=repr,
)
def test_round_trips(prior):
    again = priors.from_dict(json.loads(json.dumps(prior.to_dict(), allow_nan=False)))
    assert again == prior
    assert {k: v.dtype for k, v in again.arguments.items()} == {k: v.dtype for k, v in prior.arguments.items()}
    assert pickle.loads(pickle.dumps(prior)) == prior
    assert copy.deepcopy(prior) == prior


def test_value_semantics():
    prior = Prior("HalfNormal", sigma=2.0)
    assert repr(prior) == "Prior('HalfNormal', sigma=2.0)"
    assert prior != Prior("HalfNormal", sigma=2.5)
    assert prior != Prior("HalfNormal", tau=2.0)
    assert prior != Prior("HalfCauchy", beta=2.0)
    assert prior != 2.0
    with pytest.raises(AttributeError):
        prior.name = "Normal"
    with pytest.raises(TypeError):
        prior.arguments["sigma"] = 3.0
    with pytest.raises(ValueError, match="read-only"):
        prior.arguments["sigma"][...] = 3.0


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (
            lambda: Prior("HalfNormal", sgima=2.0),
            TypeError,
            r"Prior\('HalfNormal'\): .*'sgima'; wants sigma, tau",
        ),
        (
            lambda: Prior("Cauchy", alpha=0.0),
            TypeError,
            "missing a required argument: 'beta'; wants alpha, beta",
        ),
        (lambda: Prior("Flat", mu=0.0), TypeError, "wants no arguments"),
        (lambda: Prior("HalfNormal", sigma="wide"), TypeError, "sigma: got 'wide', wants a number"),
        (lambda: Prior("HalfNormal", sigma=-2.0), ValueError, "sigma: got -2.0, wants finite positive"),
        (lambda: Prior("Normal", mu=np.nan), ValueError, "mu: got nan, wants finite"),
        (lambda: Prior("Normal", sigma=1.0, tau=1.0), ValueError, "sigma and tau: got both"),
        (lambda: Prior("Gamma", alpha=1.0), ValueError, "got alpha, wants alpha and beta, or mu and sigma"),
        (lambda: Prior("Gamma", alpha=1.0, sigma=1.0), ValueError, "got alpha, sigma, wants"),
        (lambda: Prior("Gamma"), ValueError, "got none of them"),
        (lambda: Prior("Beta", mu=0.5, sigma=0.1, nu=3.0), ValueError, "sigma and nu: got both"),
        (lambda: Prior("Beta", mu=1.5, nu=3.0), ValueError, "1 - mu: got -0.5"),
        (lambda: Prior("Beta", mu=0.5, sigma=0.7), ValueError, "nu .*got -0.48"),
        (lambda: Prior("Exponential", lam=1.0, scale=1.0), ValueError, "lam and scale: got both"),
        (lambda: Prior("Uniform", lower=2.0, upper=1.0), ValueError, "wants finite, lower < upper"),
        (lambda: Prior("Half Normal"), TypeError, "name: got 'Half Normal', wants the name of a PyMC"),
        (lambda: Prior("Wald", mu=1.0).columns(), ValueError, r"prior: got Prior\('Wald', mu=1.0\), wants"),
        (lambda: Prior("TruncatedNormal", mu=1.0, lower=-1.0).columns(), ValueError, r"lower=-1.0\), wants one of"),
        (lambda: Prior("TruncatedNormal", sigma=-1.0, lower=0.0), ValueError, "sigma: got -1.0, wants finite positive"),
        (
            lambda: Prior("HalfNormal", sigma=[1.0] * 3).columns(2),
            ValueError,
            r"wants scalars or arrays for \(2,\)",
        ),
        (lambda: Prior.from_dict({"family": "Gamma"}), ValueError, "wants the keys family='Prior'"),
    ],
)
def test_errors_in_words(make, error, words):
    with pytest.raises(error, match=words):
        make()
