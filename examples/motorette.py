# %% [markdown]
# # Motorettes: an accelerated life test
#
# How long does the insulation of an electric motor last at 130 °C? Too long to wait for. So forty motorettes were
# run at 150, 170, 190 and 220 °C, and when the test ended 23 of them were still running. These are the data on which
# Schmee & Hahn (1979, Technometrics 21) fitted a line to censored lives by filling in what was not seen, fitting and
# filling in again; done with the variances of the filled-in values it is EM (Aitkin 1981).

# %%
import numpy as np
from matplotlib.figure import Figure

import em_vs_bayes as evb

data = evb.datasets.load("motorette")
print(data.groupby("temp")["status"].agg(["size", "sum"]).rename(columns={"size": "run", "sum": "failed"}))
assert data["status"].sum() == 17

# %% [markdown]
# By Arrhenius' law the logarithm of a life is a line in 1000 / (degrees Kelvin). Each response is an interval: a
# failure is exact (both ends equal), a survivor lies above the hours that it ran (the upper end is infinite).

# %%
data["lower"] = np.log10(data["time"])
data["upper"] = np.where(data["status"] == 1, data["lower"], np.inf)
data["heat"] = 1000 / (data["temp"] + 273.2)
spec = evb.CensoredRegression("censored(lower, upper) ~ heat")
em = spec.fit(data, "em", progressbar=False)
print(em.summary().round(4))
assert np.allclose([*em.params["coefficients"], em.params["sigma"]], [-6.019, 4.311, 0.2592], atol=6e-4)

# %% [markdown]
# ## What filling in does
#
# At each iteration plain EM closes about the same fraction of the gap: the complement of the largest share of
# information that censoring hides (Dempster, Laird & Rubin 1977). By default
# Anderson's acceleration (1965) mixes the last points so that their steps would cancel, and needs a fraction of them.

# %%
plain = spec.fit(data, "em", accelerate=None, progressbar=False)
gap = plain.log_likelihood - plain.history["objective"]
rates = np.sqrt(gap[11:21] / gap[10:20])  # the gap is quadratic in the distance
hidden = next(f for f in evb.compare([em]).findings if f.kind == "hidden_information")
print(f"{plain.n_iter} iterations, {em.n_iter} by default; rate {rates[-1]:.3f}; hidden {hidden.figure:.3f}")
print(gap[:8])
assert (np.diff(plain.history["objective"]) > -1e-12).all()
assert abs(rates[-1] - hidden.figure) < 0.02
assert abs(plain.log_likelihood - em.log_likelihood) < 1e-8 and em.n_iter <= plain.n_iter

# %% [markdown]
# What not to do: take the hours of a survivor for its life, or leave survivors out. Both make the line too flat and the
# lives at low temperatures too short.

# %%
line = np.column_stack([np.ones(len(data)), data["heat"]])
failed = data["status"] == 1
as_if_exact = np.linalg.lstsq(line, data["lower"], rcond=None)[0]
failures_alone = np.linalg.lstsq(line[failed], data["lower"][failed], rcond=None)[0]
design_temperature = np.array([1.0, 1000 / (130 + 273.2)])
for name, b in (("censored", em.params["coefficients"]), ("as if exact", as_if_exact), ("failures", failures_alone)):
    print(f"{name:12} median life at 130 degrees: {10 ** (design_temperature @ b):8,.0f} hours")
assert max(as_if_exact[1], failures_alone[1]) < em.params["coefficients"][1]
assert 10 ** (design_temperature @ em.params["coefficients"]) > 1.5 * 10 ** (design_temperature @ as_if_exact)


# %%
def lives():
    """Hours against temperature: failures, survivors, and the three lines."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    ax = figure.subplots()
    ax.plot(data["temp"][failed], data["time"][failed], "kx", label="failed")
    ax.plot(data["temp"][~failed], data["time"][~failed], "k^", mfc="none", label="still running")
    celsius = np.linspace(130, 225)
    grid = np.column_stack([np.ones_like(celsius), 1000 / (celsius + 273.2)])
    for name, b in (
        ("censored", em.params["coefficients"]),
        ("as if exact", as_if_exact),
        ("failures", failures_alone),
    ):
        ax.plot(celsius, 10 ** (grid @ b), label=f"median life: {name}")
    ax.set(yscale="log", xlabel="temperature (°C)", ylabel="hours")
    ax.legend()
    return figure


lives()

# %% [markdown]
# ## The life at the design temperature
#
# `predict` gives the mean of the logarithm with its interval, by the delta method or from posterior draws; powers of
# ten of it are the median life. The posterior has a distribution of any other function of the parameters too, such as
# the hours that only one motor in ten will not reach.

# %%
cool = data.iloc[:1].assign(heat=design_temperature[1])
log_life = em.predict(cool, level=0.95)
gibbs = spec.fit(data, "gibbs", init=em, draws=4000, seed=1, progressbar=False)
nuts = spec.fit(data, "nuts", init=em, seed=1, progressbar=False)
posterior = nuts.predict(cool, level=0.95)
print((10**log_life).round(-2), (10**posterior).round(-2), sep="\n")
assert log_life["lower"][0] < posterior["mean"][0] < log_life["upper"][0]

draws = nuts.idata["posterior"].dataset
early = draws["coefficients"].to_numpy() @ design_temperature - 1.2816 * draws["sigma"].to_numpy()
print("one in ten fails before", (10 ** np.quantile(early, [0.025, 0.5, 0.975])).round(-2), "hours")
assert (early.mean() < log_life["mean"]).all()

# %% [markdown]
# Forty rows with 17 failures leave the prior something to say, and the posterior is skewed: intervals from draws are
# the ones to take. Gibbs and NUTS agree.

# %%
result = evb.compare([em, gibbs, nuts])
print(result)
table = result.table
assert (abs(table["gibbs"]["estimate"] - table["nuts"]["estimate"]) < 0.1 * table["nuts"]["sd"]).all()
