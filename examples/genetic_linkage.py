# %% [markdown]
# # Genetic linkage
#
# The example with which Dempster, Laird & Rubin (1977) explain the EM algorithm: 197 animals fall into four cells with
# probabilities
#
#     1/2 + t/4,   (1 - t)/4,   (1 - t)/4,   t/4.
#
# What is latent is the first cell: how many of its 125 animals belong to the part t/4. Given that number the likelihood
# is a binomial's, so `t` is an `evb.params.Probability`, which reads expected successes and failures. The E-step is
# written in the *potentials* of t, log t and log(1 - t), so that EM and variational Bayes are one function.

# %%
import numpy as np

import em_vs_bayes as evb


class Linkage(evb.Model):
    """Recombination in four cells of phenotypes (Rao 1965; Dempster, Laird & Rubin 1977, section 1)."""

    t = evb.params.Probability()

    def expect(self, y, t):
        quarter = np.exp(t.log) / 4
        evidence = y[0] * np.log(0.5 + quarter) + (y[1] + y[2]) * (t.log1m - np.log(4)) + y[3] * (t.log - np.log(4))
        hidden = y[0] * quarter / (0.5 + quarter)
        return evidence, {"t": [hidden + y[3], y[1] + y[2]]}

    def draw(self, y, t, rng):
        quarter = np.exp(t.log) / 4
        hidden = rng.binomial(int(y[0]), quarter / (0.5 + quarter))
        return {"t": [hidden + y[3], y[1] + y[2]]}

    def simulate(self, params, rng):
        t = float(params["t"])
        return rng.multinomial(197, [0.5 + t / 4, (1 - t) / 4, (1 - t) / 4, t / 4]).astype(float)


animals = np.array([125.0, 18.0, 20.0, 34.0])

# %% [markdown]
# Do evidence, statistics, draws and simulated data hang together? `evb.check` puts the laws to the model.

# %%
checked = evb.check(Linkage(), animals)
print(checked)
assert checked.passed

# %% [markdown]
# Maximum likelihood from t = 1/2, and the first iterates of plain EM as they are printed in the paper's table 1.

# %%
em = Linkage().fit(animals, progressbar=False)
print(em)
assert abs(em.params["t"] - 0.6268215) < 1e-6
assert abs(em.std_errors()["t"] ** -2 - 377.5) < 0.1  # the observed information
plain = {"accelerate": None, "init": {"t": 0.5}, "progressbar": False}
iterates = [float(Linkage().fit(animals, max_iter=n, **plain).params["t"]) for n in (1, 2, 3, 4)]
print(iterates)
assert np.allclose(iterates[:2], [0.608247423, 0.624321050], atol=1e-8)

# %% [markdown]
# Every other method runs on the same three functions. The prior is uniform; its posterior is a polynomial, so the mean
# is known: 0.6228 (Tanner 1996, section 4.1, by quadrature).

# %%
fits = [em, Linkage().fit(animals, "vi", seed=1, progressbar=False)]
fits += [Linkage().fit(animals, m, seed=1, progressbar=False) for m in ("laplace", "gibbs", "nuts")]
grid = np.linspace(0.0, 1.0, 20001)[1:-1]
height = 125 * np.log(2 + grid) + 38 * np.log1p(-grid) + 34 * np.log(grid)
weights = np.exp(height - height.max())
mean = (grid * weights).sum() / weights.sum()
for fit in fits[2:]:
    assert abs(fit.params["t"] - mean) < 0.004, fit.method
comparison = evb.compare(fits)
print(comparison)
