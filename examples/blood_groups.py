# %% [markdown]
# # ABO blood groups
#
# Phenotypes are seen, genotypes not: of 521 people 186 have blood group A (AA or AO), 38 B (BB or BO), 13 AB and 284
# O. Allele frequencies p, q, r sum to one, so they are an `evb.params.Simplex`, which reads expected counts of alleles
# (gene counting: Ceppellini, Siniscalco & Smith 1955).

# %%
import numpy as np

import em_vs_bayes as evb


class BloodGroups(evb.Model):
    """Counts of A, B, AB and O under Hardy-Weinberg proportions."""

    alleles = evb.params.Simplex(3, dim="allele")

    def expect(self, y, alleles):
        p, q, r = np.exp(alleles.log)
        chances = np.array([p * p + 2 * p * r, q * q + 2 * q * r, 2 * p * q, r * r])
        aa, bb = y[0] * p / (p + 2 * r), y[1] * q / (q + 2 * r)
        return y @ np.log(chances), {"alleles": self.counts(y, aa, bb)}

    def draw(self, y, alleles, rng):
        p, q, r = np.exp(alleles.log)
        aa, bb = rng.binomial(int(y[0]), p / (p + 2 * r)), rng.binomial(int(y[1]), q / (q + 2 * r))
        return {"alleles": self.counts(y, aa, bb)}

    def simulate(self, params, rng):
        p, q, r = params["alleles"]
        return rng.multinomial(521, [p * p + 2 * p * r, q * q + 2 * q * r, 2 * p * q, r * r]).astype(float)

    @staticmethod
    def counts(y, aa, bb):
        """Alleles of 521 people of whom ``aa`` and ``bb`` are homozygous."""
        return np.array([y[0] + aa + y[2], y[1] + bb + y[2], y[0] - aa + y[1] - bb + 2 * y[3]])


people = np.array([186.0, 38.0, 13.0, 284.0])
assert evb.check(BloodGroups(), people).passed

# %% [markdown]
# The maximum likelihood estimate, its standard errors, and the same by the parametric bootstrap, for which `simulate`
# is enough.

# %%
em = BloodGroups().fit(people, progressbar=False)
print(em)
assert np.allclose(em.params["alleles"], [0.2135909391, 0.0501453289, 0.7362637320], atol=1e-8)
bootstrap = em.std_errors("bootstrap", seed=1, progressbar=False)["alleles"]
print("bootstrap:", bootstrap.round(4))
assert np.allclose(bootstrap, em.std_errors()["alleles"], rtol=0.2)

# %% [markdown]
# Bayes, under a flat Dirichlet prior: by variational inference, Gibbs and NUTS.

# %%
fits = [em, *(BloodGroups().fit(people, m, seed=1, progressbar=False) for m in ("vi", "gibbs", "nuts"))]
comparison = evb.compare(fits)
print(comparison)
for fit in fits[1:]:
    assert np.allclose(fit.params["alleles"], em.params["alleles"], atol=0.005)
