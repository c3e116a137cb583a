# %% [markdown]
# # A hierarchical hidden Markov model in your own PyMC model
#
# Four animals rest or forage, and change between the two with probabilities of their own, which move with the hour of
# the day. Seen are a speed (Gaussian) and a number of dives (Poisson). Everything about the parameters is plain PyMC:
# here a population of animals. `evb.pymc.HMM` sums the hidden states out, so that NUTS has only parameters to sample.

# %%
import arviz as az
import numpy as np
import pymc as pm
from scipy import stats
from scipy.special import expit, logsumexp

import em_vs_bayes as evb

rng = np.random.default_rng(8)
ANIMALS, HOURS, STATES = 4, 100, 2
n = ANIMALS * HOURS
animal = np.repeat(np.arange(ANIMALS), HOURS)
day = np.sin(2 * np.pi * np.arange(n) / 24)  # a covariate

# %% [markdown]
# Data to test with. `transition[t]` leads from row t - 1 to row t.

# %%
TRUE_SLOPE = np.array([1.5, -1.0])
true_level = np.array([-2.0, -1.5]) + 0.4 * rng.normal(size=(ANIMALS, STATES))


def transitions(leave):
    """From the probabilities of leaving rest and of leaving foraging (n, 2) to matrices (n, 2, 2)."""
    return np.eye(2) + leave[:, :, None] * np.array([[-1.0, 1.0], [1.0, -1.0]])


true_transition = transitions(expit(true_level[animal] + TRUE_SLOPE * day[:, None]))
z = np.zeros(n, dtype=int)
for t in range(n):
    z[t] = rng.integers(2) if t % HOURS == 0 else rng.choice(2, p=true_transition[t, z[t - 1]])


def simulate(rng, z, mu, sigma, rate):
    return np.column_stack([rng.normal(mu[z], sigma[z]), rng.poisson(rate[z])])


y = simulate(rng, z, np.array([0.0, 1.5]), np.array([0.5, 1.0]), np.array([1.0, 4.0]))
y[[50, 51, 52, 250]] = np.nan  # hours in which the tags sent nothing

# %% [markdown]
# The model. `emission_logp` says log p(y_t | state) for every row and state; a row that is NaN throughout never reaches
# it. Shapes and sums of probabilities are checked where `HMM` is written, at one draw of the priors.


# %%
def emission_logp(y, mu, sigma, rate):
    return pm.logp(pm.Normal.dist(mu, sigma), y[:, :1]) + pm.logp(pm.Poisson.dist(rate), y[:, 1:])


coords = {"animal": range(ANIMALS), "state": ["rest", "forage"], "hour": range(n), "signal": ["speed", "dives"]}
with pm.Model(coords=coords) as model:
    level = pm.Normal("level", -1.5, 1.0, dims="state")  # of the population, as a log-odds of leaving
    spread = pm.HalfNormal("spread", 0.5, dims="state")
    offset = pm.Normal("offset", 0.0, 1.0, dims=("animal", "state"))
    slope = pm.Normal("slope", 0.0, 1.0, dims="state")
    leave = pm.math.sigmoid((level + spread * offset)[animal] + slope * day[:, None])

    mu = pm.Normal("mu", [0.0, 2.0], 1.0, dims="state")
    sigma = pm.HalfNormal("sigma", 1.0, dims="state")
    rate = pm.Gamma("rate", 2.0, [1.0, 0.5], dims="state")
    evb.pymc.HMM(
        "y",
        mu,
        sigma,
        rate,
        initial=[0.5, 0.5],
        transition=transitions(leave),
        emission_logp=emission_logp,
        observed=y,
        lengths=[HOURS] * ANIMALS,
        simulate=simulate,
        dims=("hour", "signal"),
    )

# %% [markdown]
# Do the priors make sense? Draws of data sets from them say so. What is evaluated once per draw is not worth seconds of
# compilation: `QUICK` does without.

# %%
QUICK = {"compile_kwargs": {"mode": "FAST_COMPILE"}}
prior = pm.sample_prior_predictive(100, model=model, random_seed=1, **QUICK)
dives = prior["prior_predictive"]["y"].sel(signal="dives")
assert 0.5 < float(dives.mean()) < 10.0
assert not np.isnan(dives).any()

# %% [markdown]
# The log-likelihood and its gradient against a recursion written out in NumPy and SciPy, at some point.

# %%
SHAPES = {"level": 2, "spread": 2, "offset": (ANIMALS, 2), "slope": 2, "mu": 2, "sigma": 2, "rate": 2}


def by_hand(point):
    """The forward recursion in logarithms, animal by animal, and nothing else."""
    log_odds = (point["level"] + point["spread"] * point["offset"])[animal] + point["slope"] * day[:, None]
    with np.errstate(divide="ignore"):
        log_transition = np.log(transitions(expit(log_odds)))
    density = stats.norm.logpdf(y[:, :1], point["mu"], point["sigma"]) + stats.poisson.logpmf(y[:, 1:], point["rate"])
    density[np.isnan(y).all(axis=1)] = 0.0
    total = 0.0
    for first in range(0, n, HOURS):
        alpha = np.log(0.5) + density[first]
        for t in range(first + 1, first + HOURS):
            alpha = logsumexp(alpha[:, None] + log_transition[t], axis=0) + density[t]
        total += logsumexp(alpha)
    return total


point = {name: rng.uniform(0.5, 1.5, size) for name, size in SHAPES.items()}
POSITIVE = {"spread", "sigma", "rate"}  # which PyMC moves as logarithms
moved = {f"{k}_log__": np.log(x) for k, x in point.items() if k in POSITIVE} | {
    k: x for k, x in point.items() if k not in POSITIVE
}
log_likelihood = model.compile_logp(vars=model.observed_RVs, mode="FAST_COMPILE")
assert np.isclose(log_likelihood(moved), by_hand(point), rtol=1e-12)

slopes = model.compile_dlogp(vars=[model["slope"]], mode="FAST_COMPILE")(moved)
h = 1e-5
for k in range(STATES):
    ahead, behind = ({**point, "slope": point["slope"] + step * np.eye(2)[k]} for step in (h, -h))
    difference = (by_hand(ahead) - by_hand(behind)) / (2 * h) - point["slope"][k]  # minus: the standard normal prior's
    assert np.isclose(slopes[k], difference, rtol=1e-6)

# %% [markdown]
# Sampling. PyMC's own NUTS here; `nuts_sampler="nutpie"` works as well and takes longer to compile.

# %%
trace = pm.sample(
    400,
    tune=400,
    chains=2,
    cores=1,
    model=model,
    nuts_sampler="pymc",
    random_seed=1,
    progressbar=False,
    quiet=True,
    compute_convergence_checks=False,
)
names = ["level", "slope", "mu", "sigma", "rate"]
print(az.summary(trace, var_names=names))
assert float(az.rhat(trace, var_names=names).to_dataset().to_array().max()) < 1.05
posterior = trace["posterior"]
error = np.abs(posterior["slope"].mean(("chain", "draw")) - TRUE_SLOPE)
assert (error < 3 * posterior["slope"].std(("chain", "draw"))).all()

# %% [markdown]
# The hidden states come after sampling: a path for every draw, or the probabilities of the states, hour by hour.

# %%
states = evb.pymc.sample_states(trace, model, seed=1, **QUICK)["y"]
probability = evb.pymc.state_probabilities(trace, model, **QUICK)["y"]
assert np.mean(probability.argmax("y_state") == z) > 0.95
changes = (states.diff("hour") != 0).sum("hour")
print("changes of state:", np.percentile(changes, [5, 50, 95]), "truly", np.count_nonzero(np.diff(z)))
assert np.percentile(changes, 1) <= np.count_nonzero(np.diff(z)) <= np.percentile(changes, 99)

# %% [markdown]
# Leave-one-out wants log p(y_t | all other rows), which is not what PyMC stores (the terms given the rows before).

# %%
evb.pymc.hmm_log_likelihood(trace, model, kind="loo", **QUICK)
loo = az.loo(trace)
print(loo)
assert loo.n_data_points == n - 4  # nothing to leave out where nothing was seen
assert (loo.pareto_k < 0.7).all()

# %% [markdown]
# Posterior predictive: data sets as long as the observed one, states drawn anew. Is the share of hours without a dive
# as in the data?

# %%
predictive = pm.sample_posterior_predictive(trace, model=model, random_seed=1, progressbar=False, **QUICK)
replicated = (predictive["posterior_predictive"]["y"].sel(signal="dives") == 0).mean("hour")
seen = np.mean(y[~np.isnan(y[:, 1]), 1] == 0)
print(f"hours without a dive: {seen:.2f}; predicted {np.percentile(replicated, [5, 50, 95]).round(2)}")
assert np.percentile(replicated, 1) < seen < np.percentile(replicated, 99)
