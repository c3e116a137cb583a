# %% [markdown]
# # Affairs: a Tobit regression
#
# How often did 601 readers of a magazine have an extramarital affair in the past year (Fair 1978)? Three in four had
# none. A Tobit regression says that behind each answer there is an inclination y\*, normal around a line in the
# predictors, and that y = max(y\*, 0) is seen: all who are not inclined answer 0, some by far and some just so. The
# numbers of Kleiber & Zeileis (2008, "Applied Econometrics with R", section 5.4) are asserted here.

# %%
import numpy as np
from matplotlib.figure import Figure

import em_vs_bayes as evb

data = evb.datasets.load("affairs")
none = (data["affairs"] == 0).mean()
print(data.describe().round(2))
assert round(none, 2) == 0.75

# %% [markdown]
# ## Maximum likelihood
#
# EM fills in what a censored answer says of y\*: its mean and its variance below 0. Then it regresses.

# %%
spec = evb.Tobit("affairs ~ age + yearsmarried + religiousness + occupation + rating", lower=0.0)
em = spec.fit(data, "em", progressbar=False)
print(em.summary().round(3))
assert em.converged
assert np.allclose(em.params["coefficients"], [8.174, -0.179, 0.554, -1.686, 0.326, -2.285], atol=6e-4)
assert abs(np.log(em.params["sigma"]) - 2.110) < 6e-4
assert round(em.log_likelihood, 1) == -705.6

# %% [markdown]
# Least squares, which takes a 0 for a 0, finds effects a third as large. Least squares on the 150 who had an affair
# would leave out those who tell most.

# %%
design = np.column_stack([np.ones(len(data)), data.drop(columns="affairs")])
least_squares = np.linalg.lstsq(design, data["affairs"], rcond=None)[0]
print(dict(zip(em.summary().index, (least_squares / em.params["coefficients"]).round(2))))
assert (np.abs(least_squares[3:]) < 0.4 * np.abs(em.params["coefficients"][3:])).all()

# %% [markdown]
# ## Standard errors
#
# They are exact: by the inverse of the observed information, or as Louis (1982) has it, of what complete data would
# say less what the limits hide. The sandwich does without the assumption that the variance is right.

# %%
errors = {kind: em.std_errors(kind) for kind in ("observed", "louis", "sandwich")}
for kind, e in errors.items():
    print(f"{kind:10}", e["coefficients"].round(3), e["sigma"].round(3))
assert np.allclose(errors["observed"]["coefficients"], [2.741, 0.079, 0.135, 0.404, 0.254, 0.408], atol=6e-4)
assert np.allclose(errors["louis"]["coefficients"], errors["observed"]["coefficients"], rtol=1e-6)

# %% [markdown]
# ## What a coefficient means
#
# A coefficient is an effect on y\*, which nobody sees. `margins` gives the effect on the answer itself, on the
# probability of an affair, and on their number among those who have any (McDonald & Moffitt 1980).

# %%
for kind in ("observed", "probability", "conditional"):
    print(kind, em.margins(kind=kind)[["estimate", "sd", "p"]].round(4), sep="\n")
effects = em.margins()
share = effects["estimate"].to_numpy() / em.params["coefficients"][1:]
assert np.allclose(share, share[0])  # all coefficients times the probability that y is seen, at the mean row
assert 0.2 < share[0] < 0.26
assert effects["p"]["rating"] < 1e-6 and effects["p"]["occupation"] > 0.15


# %%
def forest():
    """Marginal effects on the answer with their 95 % intervals."""
    figure = Figure(figsize=(6, 2.8), layout="constrained")
    ax = figure.subplots()
    widths = [effects["estimate"] - effects["lower"], effects["upper"] - effects["estimate"]]
    ax.errorbar(effects["estimate"], effects.index, xerr=widths, fmt="o", color="black", capsize=3)
    ax.axvline(0, color="0.7", zorder=0)
    ax.set_xlabel("effect of one unit on the expected answer")
    ax.invert_yaxis()
    return figure


forest()

# %% [markdown]
# ## Who answers what?
#
# `predict` has the inclination, the expected answer and the probability of a 0, with intervals if `level` is given.

# %%
couple = data.iloc[[0, 0]].assign(rating=[1, 5])
print(em.predict(couple, kind="latent"))
print(em.predict(couple, kind="observed", level=0.95))
print(em.predict(couple, kind="probability"))
zero = em.predict(kind="probability").mean()
print(f"answers of 0: {none:.3f} observed, {zero:.3f} expected")
assert abs(none - zero) < 0.01

# %% [markdown]
# Quantile residuals are standard normal if the model is right. These are, nearly: what the model does not know is that
# people answered 1, 2, 3, 7 or 12.

# %%
z = em.residuals("quantile", seed=1)
print(f"mean {z.mean():.3f}, sd {z.std():.3f}")
assert abs(z.mean()) < 0.1 and abs(z.std() - 1) < 0.1

# %% [markdown]
# ## The posterior, four ways
#
# `init=em` starts NUTS at EM's estimate, with the curvature there for its metric.

# %%
vi = spec.fit(data, "vi", progressbar=False)
gibbs = spec.fit(data, "gibbs", init=em, draws=5000, seed=1, progressbar=False)
nuts = spec.fit(data, "nuts", init=em, seed=1, progressbar=False)
result = evb.compare([em, vi, gibbs, nuts])
print(result)

estimates = result.table.xs("estimate", axis=1, level=1)
spread = result.table["nuts"]["sd"]
for method in ("em", "vi", "gibbs"):
    assert (abs(estimates[method] - estimates["nuts"]) < 0.2 * spread).all(), method

# %% [markdown]
# Estimates agree. Spreads do not: mean-field VI takes what the limits hide for known once it has been guessed, and so
# its standard deviation of sigma is less than half of the right one. The comparison says so, and by how much: censoring
# hides nine tenths of what complete data would say of sigma. The same number is the rate at which plain EM creeps, and
# successive draws of a plain Gibbs sampler would be as correlated. This one, where so much is hidden, also moves all
# parameters with the hidden answers integrated out; NUTS integrates them out throughout, and does not feel them.

# %%
hidden = next(f for f in result.findings if f.kind == "hidden_information")
print(hidden.sentence)
assert 0.85 < hidden.figure < 0.95
ratio = result.table["vi"]["sd"] / spread
print(ratio.round(2))
assert ratio["sigma"] < 0.5 and (ratio < 0.85).all()
ess = result.table.xs("ess_bulk", axis=1, level=1).loc["sigma"]
assert ess["gibbs"] / gibbs.draws[..., 0].size > 0.25

# %% [markdown]
# ## Is every predictor worth its place?
#
# Leave-one-out by importance sampling compares models on rows that they have not seen.

# %%
small = evb.Tobit("affairs ~ yearsmarried + religiousness + rating").fit(data, "nuts", seed=1, progressbar=False)
full, fewer = (evb.compare([fit]).elpd.loc["nuts"] for fit in (nuts, small))
print(f"elpd {full['elpd']:.1f} with five predictors, {fewer['elpd']:.1f} with three")
assert abs(full["elpd"] - fewer["elpd"]) < 4 and full["worst_khat"] < 0.7

# %% [markdown]
# `result.report("report.html")` writes all of it on one page, with the answers against the fitted line, the
# distribution of answers without a model over the fitted one, and data sets drawn from the posterior.
