"""Two states and every emission with scipy's own distribution: known models for tests of forecasts and residuals."""

import numpy as np
from scipy import stats

import em_vs_bayes as evb

INITIAL = np.array([0.7, 0.3])
TRANSITION = np.array([[0.9, 0.1], [0.3, 0.7]])
BASE = {"initial": INITIAL, "transition": TRANSITION}
MEANS, SIGMAS, RATES, PROBS = (np.array(x) for x in ([0.0, 4.0], [1.0, 0.5], [2.0, 9.0], [0.2, 0.9]))
TABLE = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
CASES = {
    "normal": (evb.emissions.Normal(), {"means": MEANS, "sigmas": SIGMAS}, stats.norm(MEANS, SIGMAS)),
    "student": (evb.emissions.StudentT(3.0), {"means": MEANS, "sigmas": SIGMAS}, stats.t(3.0, MEANS, SIGMAS)),
    "poisson": (evb.emissions.Poisson(), {"rates": RATES}, stats.poisson(RATES)),
    "exponential": (evb.emissions.Exponential(), {"rates": RATES}, stats.expon(scale=1 / RATES)),
    "bernoulli": (evb.emissions.Bernoulli(), {"probs": PROBS}, stats.bernoulli(PROBS)),
    "vector": (
        evb.emissions.MvNormal(),
        {"means": MEANS[:, None], "covariances": SIGMAS[:, None, None] ** 2},
        stats.norm(MEANS, SIGMAS),
    ),
}


def simulated(emission, own, lengths, seed=0):
    z = np.random.default_rng(seed).integers(0, 2, sum(lengths))
    return emission.simulate({n: np.asarray(v) for n, v in own.items()}, z, np.random.default_rng(seed))
