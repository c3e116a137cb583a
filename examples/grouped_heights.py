# %% [markdown]
# # A normal law from grouped counts
#
# Of 3,000 men's heights only the counts of classes one inch wide are known (Macdonell 1902). What is latent are the
# heights themselves, truncated normal within their classes (Dempster, Laird & Rubin 1977, section 4.2). The parameter
# is an `evb.params.Normal`: it gives E[log N(y; mean, sd)] as c - (w (y - m))^2 / 2, which can be integrated over a
# class whether c, m and w belong to one point or are averages under a factor; it reads how many heights there are,
# their expected sum and the expected sum of their squares.

# %%
import numpy as np
from scipy.special import ndtr

import em_vs_bayes as evb


class Grouped(evb.Model):
    """Counts of classes between given ends; columns of y are ``lower``, ``upper`` and ``count``."""

    height = evb.params.Normal()

    def expect(self, y, height):
        m, w, c = height.mean[0], height.root[0], height.constant[0]
        low, high, count = y.T
        a, b = w * (low - m), w * (high - m)
        mass = ndtr(b) - ndtr(a)
        ends = np.exp(-0.5 * np.array([a, b]) ** 2) / np.sqrt(2 * np.pi) / mass
        first = ends[0] - ends[1]  # moments of the standard normal between a and b
        second = 1.0 + a * ends[0] - b * ends[1]
        mean, square = m + first / w, m**2 + 2 * m * first / w + second / w**2
        evidence = count @ (c + 0.5 * np.log(2 * np.pi) - np.log(w) + np.log(mass))
        return evidence, {"height": [[count.sum(), count @ mean, count @ square]]}

    def start(self, y):
        middle, count = y[:, :2].mean(axis=1), y[:, 2]
        mean = np.average(middle, weights=count)
        return {"height_means": [mean], "height_sigmas": [np.sqrt(np.average((middle - mean) ** 2, weights=count))]}


table = evb.datasets.load("crimtab")[["lower", "upper", "count"]].to_numpy()
assert evb.check(Grouped(), table).passed

# %% [markdown]
# The library has this model, too: a censored normal with interval data and case weights. The two agree.

# %%
priors = {"height_emission": evb.priors.NormalInverseGamma(166.0, 0.01, 2.0, 40.0)}
em = Grouped(priors=priors).fit(table, progressbar=False)
print(em)
library = evb.CensoredRegression().fit(table[:, :2], weights=table[:, 2], progressbar=False)
assert abs(em.params["height_means"][0] - library.params["coefficients"][0]) < 1e-6
assert abs(em.params["height_sigmas"][0] - library.params["sigma"]) < 1e-6
assert abs(em.log_likelihood - library.log_likelihood) < 1e-6 * abs(library.log_likelihood)
errors = em.std_errors()
assert abs(errors["height_means"][0] / library.std_errors()["coefficients"][0] - 1) < 1e-3

# %% [markdown]
# No `draw` was written, so Gibbs sampling is refused, in words; variational inference and NUTS need none.

# %%
try:
    Grouped(priors=priors).fit(table, "gibbs", progressbar=False)
except ValueError as refusal:
    print(refusal)
start = {"seed": 1, "init": em, "progressbar": False}
comparison = evb.compare([em, *(Grouped(priors=priors).fit(table, m, **start) for m in ("vi", "nuts"))])
print(comparison)
