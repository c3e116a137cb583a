# %% [markdown]
# # Add an emission in one file
#
# An exponential family with a conjugate prior needs no kernel and no change to any method. It says three things: what
# values it accepts, its two sufficient statistics in the coordinates of a block, and how to simulate. Here: the
# geometric distribution, the number of failures before a success,
#
#     log p(y) = log(p) + y log(1 - p).
#
# The statistics in the coordinates (log p, log(1 - p)) of `ProbabilityBlock` are (1, y). The conjugate prior is a beta.

# %%
from dataclasses import dataclass

import numpy as np

import em_vs_bayes as evb
from em_vs_bayes.data import read
from em_vs_bayes.model.blocks import ProbabilityBlock
from em_vs_bayes.model.emissions.linear import LinearEmission, resolve_prior
from em_vs_bayes.model.priors import Beta


@dataclass(frozen=True, slots=True)
class Geometric(LinearEmission):
    """Failures before the first success; fitted parameter ``probs (component,)``."""

    def streams(self, y, n_components, context):
        name = context.prefix + "y"
        values = read.vector(y, name, "Geometric")
        seen = ~np.isnan(values)
        if (values[seen] < 0).any():
            raise ValueError(f"{name} must hold counts of failures for Geometric; got {values[seen].min():g}.")
        prior = resolve_prior(context, "probs", (Beta,), Beta(1.0, 1.0), n_components)
        fixed = self.fixed_values(context, "probs", n_components, 0.0, 1.0)
        block = ProbabilityBlock("probs", prior, context.leading, fixed)
        return (self.linear(np.column_stack([seen, np.where(seen, values, 0.0)]), block, None),)

    def dims(self):
        return {"probs": ()}

    def simulate(self, params, z, rng):
        return rng.geometric(params["probs"][z]) - 1.0

    def symbolic_log_density(self, y, params, n_components):
        import pytensor.tensor as pt

        return pt.log(params["probs"]) + read.vector(y, "y", "Geometric")[:, None] * pt.log1p(-params["probs"])


# %% [markdown]
# That is all. Every method now fits mixtures of geometrics.

# %%
rng = np.random.default_rng(4)
truth = {"weights": np.array([0.4, 0.6]), "probs": np.array([0.05, 0.6])}
z = rng.choice(2, size=2000, p=truth["weights"])
y = Geometric().simulate(truth, z, rng)

spec = evb.Mixture(Geometric(), n_components=2)
fits = {
    method: spec.fit(y, method=method, seed=1, progressbar=False, **options)
    for method, options in {
        "em": {},
        "vi": {},
        "laplace": {},
        "gibbs": {"draws": 500, "tune": 200},
        "nuts": {"draws": 300, "tune": 200},
    }.items()
}
for method, fit in fits.items():
    print(f"{method:8s}", {name: np.sort(value).round(3) for name, value in fit.params.items()})

# %% [markdown]
# They agree with each other and, within four standard errors, with the truth. SciPy has the same distribution, so the
# likelihood can be checked by an independent road.

# %%
from scipy import stats

em = fits["em"]
by_hand = sum(w * stats.geom(p, loc=-1).pmf(y) for w, p in zip(em.params["weights"], em.params["probs"], strict=True))
assert np.isclose(em.log_likelihood, np.log(by_hand).sum(), rtol=1e-10)

order = np.argsort(em.params["probs"])
errors = em.std_errors()["probs"][order]
assert (np.abs(em.params["probs"][order] - truth["probs"]) < 4 * errors).all()
for fit in fits.values():
    assert (np.abs(np.sort(fit.params["probs"]) - em.params["probs"][order]) < errors).all()
