"""Models and data that the sections share, each seeded."""

from typing import NamedTuple

import numpy as np

import em_vs_bayes as evb
from em_vs_bayes.common.contract import Array, Params
from em_vs_bayes.model.spec import Spec

MIXTURES = ((100_000, 2, 3), (100_000, 10, 10), (20_000, 50, 10), (1_000_000, 5, 5))


def mixture(n: int, d: int, k: int) -> tuple[Array, Params]:
    """Overlapping clusters (n, d) and a start near, but not at, what they came from."""
    rng = np.random.default_rng(n + 100 * d + k)
    centres = rng.normal(scale=2.0 / np.sqrt(d), size=(k, d))  # about 2.8 apart in any dimension
    y = centres[rng.integers(k, size=n)] + rng.normal(size=(n, d)) * rng.uniform(0.7, 1.3, size=d)
    start = {
        "weights": np.full(k, 1.0 / k),
        "means": centres + 0.3 / np.sqrt(d) * rng.normal(size=(k, d)),
        "covariances": np.broadcast_to(np.eye(d), (k, d, d)).copy(),
    }
    return y, start


class Posterior(NamedTuple):
    """A posterior to sample: the model, the data, and min bulk ESS per second that nutpie had on its PyMC model."""

    name: str
    spec: Spec
    y: Array
    published: float


def one_dimensional() -> Posterior:
    """posteriordb's low_dim_gauss_mix: N = 1000, K = 2, ordered means."""
    spec = evb.Mixture(
        evb.emissions.Normal(),
        2,
        ordered="means",
        priors={
            "weights": evb.priors.Dirichlet(5.0),
            "means": evb.priors.Normal(0.0, 2.0),
            "sigmas": evb.Prior("HalfNormal", sigma=2.0),
        },
    )
    return Posterior("GMM 1-D, N=1000, K=2", spec, evb.datasets.load("low_dim_gauss_mix", as_frame=False)[:, 0], 3347.0)


def two_dimensional() -> Posterior:
    """Three full covariances in the plane, N = 2000: well, not perfectly, separated (7 % of rows less than 99 % sure).

    So far apart that a Gibbs sweep is worth about as many effective draws (0.36) as in the published JAGS run (0.35).
    """
    rng = np.random.default_rng(20)
    means = np.array([[-2.8, 0.0], [2.8, 1.4], [0.0, 5.6]])
    covariances = np.array([[[1.0, 0.3], [0.3, 1.0]], [[1.0, -0.4], [-0.4, 0.8]], [[0.6, 0.0], [0.0, 1.5]]])
    z = rng.choice(3, size=2000, p=[0.5, 0.3, 0.2])
    y = means[z] + np.einsum("nij,nj->ni", np.linalg.cholesky(covariances)[z], rng.normal(size=(2000, 2)))
    spec = evb.GaussianMixture(
        3,
        priors={
            "weights": evb.priors.Dirichlet(2.0),
            "means": evb.priors.Normal(0.0, 5.0),
            "covariances": evb.priors.InverseWishart(5.0, 2.0),
        },
    )
    return Posterior("GMM 2-D, N=2000, K=3", spec, y, 684.0)


def chain(rows: int, sequences: int, k: int, d: int) -> tuple[Array, Array, Params]:
    """Hidden Markov data (rows, d), or counts (rows,) where d = 0, lengths, and a start near what they came from."""
    rng = np.random.default_rng(rows + 10 * k + d)
    z = np.cumsum(np.where(rng.random(rows) < 0.1, rng.integers(1, max(k, 2), rows), 0)) % k
    start: Params = {
        "initial": np.full(k, 1.0 / k),
        "transition": np.full((k, k), 0.2 / max(k - 1, 1)) + np.eye(k) * (0.8 - 0.2 / max(k - 1, 1)),
    }
    lengths = np.full(sequences, rows // sequences)
    if not d:
        rates = 1.0 + 6.0 * np.arange(k)
        return rng.poisson(rates[z]).astype(float), lengths, start | {"rates": rates + 0.5}
    means = 3.0 * np.arange(k)[:, None] + rng.normal(size=(k, d))
    start |= {"means": means + 0.3, "covariances": np.broadcast_to(np.eye(d), (k, d, d)).copy()}
    return means[z] + rng.normal(size=(rows, d)), lengths, start


def three_states() -> Posterior:
    """A hidden Markov chain of T = 1000 rows and three states, ordered means."""
    priors = {
        "means": evb.priors.Normal(0.0, 5.0),
        "sigmas": evb.Prior("HalfNormal", sigma=2.0),
        "transition": evb.priors.Dirichlet(1.0),
    }
    fixed = {"initial": np.full(3, 1 / 3)}
    spec = evb.HMM(evb.emissions.Normal(), 3, priors=priors, fixed=fixed, ordered="means")
    return Posterior("HMM, T=1000, K=3", spec, chain(1000, 1, 3, 1)[0][:, 0], 362.0)


POSTERIORS = {"1d": one_dimensional, "2d": two_dimensional}
SOON = POSTERIORS | {"hmm": three_states}  # whose seconds to an effective sample size are measured, too
