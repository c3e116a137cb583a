"""A hierarchy written by hand: logit-normal transitions by animal and covariate, Gaussian and Poisson emissions.

Value and gradient against a recursion that shares no code, and numbers as hard as they come.
"""

import arviz as az
import numpy as np
import pymc as pm
import pytest
from scipy import stats
from scipy.special import logsumexp, softmax

import em_vs_bayes as evb

from .conftest import PYTHON

K, LENGTHS = 3, np.array([12, 1, 20, 7])
N, S = int(LENGTHS.sum()), len(LENGTHS)
ANIMAL = np.repeat(np.arange(S), LENGTHS)
FIRST = np.concatenate([[0], np.cumsum(LENGTHS)[:-1]])
RNG = np.random.default_rng(71)
COVARIATE = RNG.normal(size=N)
Z = RNG.integers(0, K, N)
Y = np.column_stack([RNG.normal(3.0 * Z, 1.0), RNG.poisson(1.0 + 4.0 * Z)])
GAPS = [2, 3, 15]
Y[GAPS] = np.nan


def emission(y, mu, sigma, rate):
    return pm.logp(pm.Normal.dist(mu, sigma), y[:, :1]) + pm.logp(pm.Poisson.dist(rate), y[:, 1:])


@pytest.fixture(scope="module")
def model():
    with pm.Model() as m:
        base = pm.Normal("base", 0.0, 1.5, shape=(K, K))
        spread = pm.HalfNormal("spread", 0.5)
        own = pm.Normal("own", 0.0, 1.0, shape=(S, K, K))
        slope = pm.Normal("slope", 0.0, 1.0, shape=(K, K))
        logits = (base + spread * own)[ANIMAL] + slope * COVARIATE[:, None, None]
        initial = pm.Dirichlet("initial", np.ones(K), shape=(S, K))
        mu = pm.Normal("mu", 3.0 * np.arange(K), 2.0)
        sigma = pm.HalfNormal("sigma", 2.0, shape=K)
        rate = pm.Gamma("rate", 2.0, 0.5, shape=K)
        evb.pymc.HMM(
            "y",
            mu,
            sigma,
            rate,
            initial=initial,
            transition=pm.math.softmax(logits, axis=2),
            emission_logp=emission,
            observed=Y,
            lengths=LENGTHS,
        )
    return m


@pytest.fixture(scope="module")
def functions(model):
    """At unconstrained values: the model's log density and gradient."""
    return model.compile_logp(mode=PYTHON), model.compile_dlogp(mode=PYTHON)


def forward(initial, transition, density):
    """log p(y), sequence by sequence, in logarithms."""
    total = 0.0
    with np.errstate(divide="ignore"):
        for s, first in enumerate(FIRST):
            alpha = np.log(initial[s]) + density[first]
            for t in range(first + 1, first + LENGTHS[s]):
                alpha = logsumexp(alpha[:, None] + np.log(transition[t]), axis=0) + density[t]
            total += logsumexp(alpha)
    return total


def by_hand(x):
    """The log posterior density of PyMC's unconstrained values, from SciPy's distributions."""
    spread, sigma, rate = np.exp(x["spread_log__"]), np.exp(x["sigma_log__"]), np.exp(x["rate_log__"])
    short = x["initial_simplex__"]  # PyMC's simplex: a softmax of elements that sum to zero
    initial = softmax(np.concatenate([short, -short.sum(axis=1, keepdims=True)], axis=1), axis=1)
    logits = (x["base"] + spread * x["own"])[ANIMAL] + x["slope"] * COVARIATE[:, None, None]
    density = stats.norm.logpdf(Y[:, :1], x["mu"], sigma) + stats.poisson.logpmf(Y[:, 1:], rate)
    density[GAPS] = 0.0
    prior = (
        stats.norm.logpdf(x["base"], 0.0, 1.5).sum()
        + stats.halfnorm.logpdf(spread, scale=0.5) + x["spread_log__"]
        + stats.norm.logpdf(x["own"]).sum()
        + stats.norm.logpdf(x["slope"]).sum()
        + stats.norm.logpdf(x["mu"], 3.0 * np.arange(K), 2.0).sum()
        + (stats.halfnorm.logpdf(sigma, scale=2.0) + x["sigma_log__"]).sum()
        + (stats.gamma.logpdf(rate, 2.0, scale=2.0) + x["rate_log__"]).sum()
        + S * np.log(2.0)  # Dirichlet(1, 1, 1)
        + S * np.log(K) + np.log(initial).sum()  # Jacobian of that softmax, K prod_k p_k
    )  # fmt: skip
    return float(prior + forward(initial, softmax(logits, axis=2), density))


def somewhere(model, seed):
    rng = np.random.default_rng(seed)
    return {name: np.array(v + 0.4 * rng.normal(size=v.shape)) for name, v in model.initial_point(0).items()}


@pytest.mark.parametrize("seed", [1, 2])
def test_value_and_every_derivative(model, functions, seed):
    logp, dlogp = functions
    x = somewhere(model, seed)
    assert logp(x) == pytest.approx(by_hand(x), abs=1e-6)  # PyTensor reads constants such as 0.5 as 32-bit numbers
    slopes, at, h = dlogp(x), 0, 1e-5
    for v in model.continuous_value_vars:
        for index in np.ndindex(x[v.name].shape):
            ahead, behind = ({k: value.copy() for k, value in x.items()} for _ in range(2))
            ahead[v.name][index] += h
            behind[v.name][index] -= h
            difference = (by_hand(ahead) - by_hand(behind)) / (2 * h)
            assert slopes[at] == pytest.approx(difference, rel=1e-6, abs=1e-6), (v.name, index)
            at += 1
    assert at == len(slopes) == 72


@pytest.mark.parametrize("far", ["mu", "rate_log__", "sigma_log__", "base", "slope"])
def test_far_out_everything_is_a_number(model, functions, far):
    """Where a sampler in its first steps goes: densities of thousands, certain and impossible transitions."""
    logp, dlogp = functions
    for size in (-1.0, 1.0):
        x = somewhere(model, 3)
        reach = {"mu": 150.0, "rate_log__": 9.0, "sigma_log__": 4.5, "base": 1e3, "slope": 1e3}[far]
        x[far] = x[far] + reach * size * np.linspace(0.2, 1.0, x[far].size).reshape(x[far].shape)
        with np.errstate(over="ignore"):
            expected = by_hand(x)
        assert logp(x) == pytest.approx(expected, rel=1e-9)
        assert np.isfinite(dlogp(x)).all()


@pytest.mark.parametrize("matrices", ["one", "by sequence", "by row"])
def test_densities_of_ten_thousand_either_way(matrices):
    """Through PyTensor, with the parameters of a softmax behind: value by hand, gradient by differences."""
    rng = np.random.default_rng(5)
    shape = {"one": (K, K), "by sequence": (S, K, K), "by row": (N, K, K)}[matrices]
    density = rng.choice([-1e4, 0.0, 1e4], size=(N, K))
    with pm.Model() as m:
        logits = pm.Normal("logits", 0.0, 1.0, shape=shape)
        shift = pm.Normal("shift", 0.0, 1.0, shape=K)
        evb.pymc.HMM(
            "y",
            initial=np.full(K, 1 / K),
            transition=pm.math.softmax(logits, axis=-1),
            emission_logp=density + shift,
            observed=np.zeros(N),
            lengths=LENGTHS,
        )
    x = {"logits": rng.normal(size=shape), "shift": rng.normal(size=K)}

    def value(x):
        p = softmax(x["logits"], axis=-1)
        by_row = p[None].repeat(N, axis=0) if matrices == "one" else p[ANIMAL] if matrices == "by sequence" else p
        return forward(np.full((S, K), 1 / K), by_row, density + x["shift"])

    (terms,) = m.compile_logp(vars=m.observed_RVs, sum=False, mode=PYTHON)(x)
    assert np.isfinite(terms).all()
    assert terms.sum() == pytest.approx(value(x), abs=1e-6)
    slopes = m.compile_dlogp(mode=PYTHON)(x)
    assert np.isfinite(slopes).all()
    h, direction = 1e-2, {k: rng.normal(size=v.shape) for k, v in x.items()}
    ahead, behind = ({k: v + step * direction[k] for k, v in x.items()} for step in (h, -h))
    prior = -sum(float((x[k] * direction[k]).sum()) for k in x)
    mine = sum(float(part @ d.ravel()) for part, d in zip(np.split(slopes, [x["logits"].size]), direction.values()))
    assert mine == pytest.approx((value(ahead) - value(behind)) / (2 * h) + prior, abs=1e-2)


# --- one posterior by three roads ----------------------------------------------------------------------------------


def small(states_summed_out):
    """Two animals, two states, chances of leaving that move with a covariate: states summed out, or a variable."""
    rows = np.flatnonzero(np.isin(ANIMAL, [0, 2]) & ~np.isnan(Y[:, 0]))
    y, lengths, x = Y[rows, 0], np.bincount(ANIMAL[rows])[[0, 2]], COVARIATE[rows]
    base = pm.Normal("base", 0.0, 1.0, shape=2)
    spread = pm.HalfNormal("spread", 0.5)
    own = pm.Normal("own", 0.0, 1.0, shape=(2, 2))
    slope = pm.Normal("slope", 0.0, 1.0)
    leave = pm.math.sigmoid((base + spread * own)[np.repeat([0, 1], lengths)] + slope * x[:, None])
    chain = {
        "initial": [0.5, 0.5],
        "transition": np.eye(2) + leave[:, :, None] * np.array([[-1.0, 1.0], [1.0, -1.0]]),
        "lengths": lengths,
    }
    mu = pm.Normal("mu", [0.0, 5.0], 1.0)
    if states_summed_out:
        return evb.pymc.HMM(
            "y",
            mu,
            emission_logp=lambda y, mu: pm.logp(pm.Normal.dist(mu, 1.5), y[:, None]),
            observed=y,
            **chain,
        )
    z = evb.pymc.HiddenStates("z", **chain)
    pm.Normal("y", mu[z], 1.5, observed=y)
    return z


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_nuts_nutpie_and_ffbs_agree():
    options = {"draws": 1500, "tune": 700, "chains": 2, "cores": 1, "random_seed": 3, "progressbar": False} | {
        "quiet": True,
        "compute_convergence_checks": False,
    }
    traces = {}
    for road, sampler in {"NUTS": "pymc", "nutpie": "nutpie", "FFBS": "pymc"}.items():
        with pm.Model():
            z = small(states_summed_out=road != "FFBS")
            step = {"step": evb.pymc.FFBS([z])} if road == "FFBS" else {}
            traces[road] = pm.sample(nuts_sampler=sampler, **options, **step)["posterior"].to_dataset()
    for name in ("base", "spread", "own", "slope", "mu"):
        means = {road: t[name].mean(("chain", "draw")).values for road, t in traces.items()}
        errors = {
            road: (t[name].std(("chain", "draw")) / np.sqrt(az.ess(t)[name])).values for road, t in traces.items()
        }
        for road in ("nutpie", "FFBS"):
            error = np.hypot(errors["NUTS"], errors[road])
            assert (np.abs(means["NUTS"] - means[road]) < 4.5 * error).all(), (name, road)
            assert (error < 0.25 * traces["NUTS"][name].std(("chain", "draw"))).all()  # or there is nothing to see
