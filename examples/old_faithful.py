# %% [markdown]
# # Old Faithful by four methods
#
# The geyser has short and long eruptions, and the wait after a long one is longer. Two bivariate normals
# describe it well; here they are fitted by EM, variational Bayes, Gibbs and NUTS, side by side.

# %%
import numpy as np
from matplotlib.figure import Figure

import em_vs_bayes as evb

y = evb.datasets.load("faithful")
spec = evb.GaussianMixture(n_components=2, covariance="full")

# %% [markdown]
# EM needs no prior. R's mclust finds the same maximum (model VVV, two components): -1130.264.

# %%
em = spec.fit(y, method="em", seed=1, progressbar=False)
print(em.status)
assert em.converged
assert abs(em.log_likelihood - -1130.264) < 1e-2

# %% [markdown]
# The other three see the same model with a prior: weak, proper and scaled to the data. NUTS starts where EM
# ended.

# %%
vi = spec.fit(y, method="vi", seed=1, progressbar=False)
gibbs = spec.fit(y, method="gibbs", seed=1, progressbar=False)
nuts = spec.fit(y, method="nuts", init=em, seed=1, progressbar=False)

# %% [markdown]
# With 272 eruptions in two clear groups the prior matters little: sorted by the first mean, every method puts
# both centres within a tenth of a minute (eruptions) and a minute and a half (waiting) of EM's.


# %%
def centres(fit):
    means = np.asarray(fit.params["means"])
    return means[np.argsort(means[:, 0])]


for fit in (vi, gibbs, nuts):
    assert np.all(np.abs(centres(fit) - centres(em)) < [0.1, 1.5]), fit.method


# %%
def eruptions():
    """Each eruption in the colour of its probability of being a long one."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    ax = figure.subplots()
    long = em.predict_proba()[:, np.argmax(em.params["means"][:, 0])]
    shown = ax.scatter(y["eruptions"], y["waiting"], c=long, cmap="coolwarm", s=14)
    for fit, marker in ((em, "x"), (vi, "+"), (gibbs, "1"), (nuts, "2")):
        ax.scatter(*centres(fit).T, marker=marker, s=120, color="black", label=fit.method)
    ax.set(xlabel="eruption (minutes)", ylabel="wait for the next (minutes)")
    ax.legend(title="centres by")
    figure.colorbar(shown, label="probability of the longer kind")
    return figure


eruptions()

# %%
result = evb.compare([em, vi, gibbs, nuts])
print(result)
assert len(result.table.columns) >= 4
