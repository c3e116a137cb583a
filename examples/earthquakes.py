# %% [markdown]
# # Earthquakes: a hidden Markov model of counts
#
# How many earthquakes of magnitude 7 or more were there in each year from 1900 to 2006? The series is the running
# example of Zucchini & MacDonald (2009, "Hidden Markov Models for Time Series"), whose numbers are asserted here.

# %%
import numpy as np
from matplotlib.figure import Figure

import em_vs_bayes as evb

quakes = evb.datasets.load("quakes")
y = quakes["count"]
print(f"{len(y)} years, mean {y.mean():.2f}, variance {y.var():.2f}")
assert round(y.mean(), 2) == 19.36 and round(y.var(), 2) == 51.57

# %% [markdown]
# Counts from one Poisson distribution would have a variance equal to the mean. These vary more, and quiet years come in
# runs. A hidden Markov model explains both: in each year the earth is in one of a few states that nobody sees, a state
# has its own rate of earthquakes, and the state of a year depends on that of the year before.
#
# `initial="stationary"` says that the chain has been running for long before 1900, which spares a parameter that one
# sequence cannot estimate. `ordered="rates"` numbers the states from quiet to busy.

# %%
two, three = (
    evb.HMM(evb.emissions.Poisson(), k, initial="stationary", ordered="rates").fit(y, "em", seed=1, progressbar=False)
    for k in (2, 3)
)
print(two)
assert two.converged and three.converged
assert abs(two.log_likelihood - -342.3183) < 1e-4
assert abs(three.log_likelihood - -329.4603) < 1e-4
assert np.allclose(two.params["rates"], [15.472, 26.125], atol=1e-3)
assert np.allclose(three.params["rates"], [13.146, 19.721, 29.714], atol=1e-3)

# %% [markdown]
# ## How many states?
#
# `evb.select` fits a row of models. AIC and BIC both take three states, as the book does; ICL, which also charges for
# states that cannot be told apart year by year, takes two.

# %%
chosen = evb.select(
    evb.HMM(evb.emissions.Poisson(), 1, initial="stationary"), y, n_states=(1, 2, 3, 4), seed=1, progressbar=False
)
print(chosen)
assert chosen.best.spec.n_states == 3
assert chosen.table["aic"].idxmin() == 3 and chosen.table["icl"].idxmin() == 2
assert np.allclose(chosen.table["aic"][:3], [785.8, 692.6, 676.9], atol=0.05)
assert np.allclose(chosen.table["bic"][:3], [788.5, 703.3, 701.0], atol=0.05)

# %% [markdown]
# ## What were the states?
#
# `predict` gives the most probable path as a whole (Viterbi); `predict_proba` the probability of each state in each
# year given all years. A year is ambiguous where no state has a high one.

# %%
path, probabilities = three.predict(), three.predict_proba()
print("".join(map(str, path)))
print(three.state_summary().round(2))
ambiguous = quakes["year"][probabilities.max(axis=1) < 0.9]
print(f"ambiguous: {len(ambiguous)} years:", *ambiguous)
quiet = quakes["year"][path == 0]
assert set(range(1981, 2007)) <= set(quiet) and 1980 not in set(quiet)
assert 20 <= len(ambiguous) <= 30


# %%
def decoded():
    """The counts with the rate of each year's state, and the probabilities of the states below."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    counts, states = figure.subplots(2, sharex=True, height_ratios=[2, 1])
    counts.plot(quakes["year"], y, ".", color="0.4")
    counts.step(quakes["year"], three.params["rates"][path], where="mid")
    counts.set_ylabel("earthquakes")
    states.stackplot(quakes["year"], probabilities.T, labels=["quiet", "middling", "busy"], step="mid")
    states.set(ylabel="probability", ylim=(0, 1))
    states.legend(loc="lower left", ncols=3)
    return figure


decoded()

# %% [markdown]
# The earth was busy in 1905-1910, 1942-1950 and 1968-1970, and quiet from 1981 to the end. About a quarter of the years
# are ambiguous, most of them next to a change of state: that there was a change is surer than when.

# %% [markdown]
# ## Is the model good enough?
#
# A forecast pseudo-residual says where a year's count lies in what the model expected of it from the years before.
# Under the true model they are independent and standard normal. For a single Poisson rate they are neither.

# %%
one = chosen.fits[0]
for fit in (one, three):
    z = fit.pseudo_residuals("forecast")["mid"].to_numpy()
    neighbours = np.corrcoef(z[:-1], z[1:])[0, 1]
    print(f"{fit.spec.n_states} state(s): sd {z.std():.2f}, correlation of neighbouring years {neighbours:.2f}")
    if fit is one:
        assert z.std() > 1.4 and neighbours > 0.5
    else:
        assert abs(z.std() - 1) < 0.15 and abs(neighbours) < 0.2

# %%
three.plot_pseudo_residuals("forecast")

# %% [markdown]
# ## What comes next?
#
# Forecasts come from the mixture of the states' distributions. Nothing is simulated, and far ahead the forecast is the
# stationary distribution.

# %%
ahead = three.forecast(100, level=0.9)
print(ahead.iloc[[0, 1, 2, 9, 99]].round(2))
long_run = three.stationary_distribution @ three.params["rates"]
assert abs(ahead["mean"].iloc[-1] - long_run) < 0.05
assert ahead["mean"].iloc[0] < 16 < ahead["mean"].iloc[-1]  # 2006 was a quiet year

# %% [markdown]
# ## How sure is all this?
#
# EM gives one point. The other methods give the posterior of the same model with a prior that is weak and scaled to the
# data. Coordinate-ascent VI has no closed form for a stationary start, so all four take a uniform one.

# %%
spec = evb.HMM(evb.emissions.Poisson(), 2, initial="uniform", ordered="rates")
em = spec.fit(y, "em", seed=1, progressbar=False)
vi = spec.fit(y, "vi", seed=1, progressbar=False)
gibbs = spec.fit(y, "gibbs", init=em, draws=4000, seed=1, progressbar=False)
nuts = spec.fit(y, "nuts", init=em, seed=1, progressbar=False)
result = evb.compare([em, vi, gibbs, nuts])
print(result)

rates = result.table.xs("estimate", axis=1, level=1).loc[["rates[state 0]", "rates[state 1]"]]
spread = result.table["nuts"]["sd"]
for method in ("vi", "gibbs", "nuts"):
    assert (abs(rates[method] - rates["em"]) < 0.6 * spread[rates.index]).all(), method
assert (abs(rates["gibbs"] - rates["nuts"]) < 0.15 * spread[rates.index]).all()
assert (result.table["vi"]["sd"][spread > 0] < 0.95 * spread[spread > 0]).all()  # mean field: too sure

# %% [markdown]
# With draws the forecast averages over them, so it is a little wider than at EM's point; and the dwell times get
# intervals. `result.report("report.html")` writes all of it on one page.

# %%
print(nuts.state_summary().round(2).T)
print(nuts.forecast(3).round(2))
busy = nuts.state_summary().loc[1]
assert busy["dwell_time_lower"] < em.dwell_times[1] < busy["dwell_time_upper"]
