# %% [markdown]
# # Hidden states in PyMC, summed out or as a variable
#
# Yearly counts of major earthquakes, quiet years and busy years. `evb.pymc.HMM` sums the states out. `HiddenStates`
# keeps them as a discrete variable of the model, for which `FFBS` is the step method: it draws the whole path at once,
# given the parameters (Chib 1996), while NUTS draws the parameters given the path. The posterior is the same.

# %%
import arviz as az
import numpy as np
import pymc as pm

import em_vs_bayes as evb

y = evb.datasets.load("quakes")["count"].to_numpy(dtype=float)
QUICK = {"compile_kwargs": {"mode": "FAST_COMPILE"}}
OPTIONS = {
    "draws": 2000,
    "tune": 300,
    "chains": 2,
    "cores": 1,
    "nuts_sampler": "pymc",
    "random_seed": 1,
    "progressbar": False,
    "quiet": True,
    "compute_convergence_checks": False,
}


def parameters():
    """The same priors for both. Rates in order, or state 0 would be the quiet one in some chains, busy in others."""
    transition = pm.Dirichlet("transition", np.array([[9.0, 1.0], [1.0, 9.0]]))
    return transition, pm.Gamma("rates", [15.0, 25.0], 1.0, transform=pm.distributions.transforms.ordered)


# %% [markdown]
# Summed out:

# %%
with pm.Model() as marginal:
    transition, rates = parameters()
    evb.pymc.HMM(
        "y",
        rates,
        initial=[0.5, 0.5],
        transition=transition,
        emission_logp=lambda y, rates: pm.logp(pm.Poisson.dist(rates), y[:, None]),
        observed=y,
    )
    summed_out = pm.sample(**OPTIONS)
busy = evb.pymc.state_probabilities(summed_out, marginal, **QUICK)["y"][:, 1]

# %% [markdown]
# As a variable. What the rows say of the states is an ordinary PyMC likelihood, `rates[z]`. (`pm.sample` takes `FFBS`
# by itself; it is named here to compile it quickly.)

# %%
with pm.Model() as explicit:
    transition, rates = parameters()
    z = evb.pymc.HiddenStates("z", initial=[0.5, 0.5], transition=transition, lengths=len(y))
    pm.Poisson("y", rates[z], observed=y)
    paths = pm.sample(step=evb.pymc.FFBS([z], **QUICK), **OPTIONS)
share = paths["posterior"]["z"].mean(("chain", "draw"))

# %% [markdown]
# The two agree, year by year and in the rates. The difference is in effective draws: given a path, the rates can move
# only as far as that path lets them.

# %%
assert np.abs(share.values - busy.values).max() < 0.1
assert busy[y > 30].min() > 0.9 and busy[y < 12].max() < 0.1
for name, trace in {"summed out": summed_out, "as a variable": paths}.items():
    rates, ess = trace["posterior"]["rates"], az.ess(trace, var_names=["rates"])["rates"]
    print(f"{name:14s} rates {rates.mean(('chain', 'draw')).values.round(2)}, effective draws {ess.values.round()}")
difference = summed_out["posterior"]["rates"].mean(("chain", "draw")) - paths["posterior"]["rates"].mean(
    ("chain", "draw")
)
assert (np.abs(difference) < 0.3).all()
