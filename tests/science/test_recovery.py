"""Law 9: simulate, fit by any method, and the truth lies within the uncertainty that the method states."""

from __future__ import annotations

import numpy as np
import pytest

import em_vs_bayes as evb
from em_vs_bayes import emissions as e

QUIET = {"progressbar": False, "seed": 1}
SHORT = {"gibbs": {"draws": 500, "chains": 2}, "nuts": {"draws": 500, "chains": 2}}
METHODS = ("em", "vi", "gibbs", "nuts", "laplace")
PLANE = {"weights": [0.3, 0.7], "means": [[0.0, 0.0], [4.0, -3.0]]}
ROUND = np.eye(2)
TILTED = np.array([[2.0, 0.8], [0.8, 1.0]])

CASES = {
    "full": (e.MvNormal(), {**PLANE, "covariances": [ROUND, TILTED]}),
    "tied": (e.MvNormal("tied"), {**PLANE, "covariances": [TILTED, TILTED]}),
    "diag": (e.MvNormal("diag"), {**PLANE, "covariances": [ROUND, np.diag([2.0, 0.5])]}),
    "spherical": (e.MvNormal("spherical"), {**PLANE, "covariances": [ROUND, 2.0 * ROUND]}),
    "normal": (e.Normal(), {"weights": [0.3, 0.7], "means": [-1.0, 3.0], "sigmas": [0.8, 1.2]}),
    "three normals": (
        e.Normal(),
        {"weights": [0.2, 0.3, 0.5], "means": [-6.0, 0.0, 5.0], "sigmas": [1.0, 0.7, 1.3]},
    ),
    "poisson": (e.Poisson(), {"weights": [0.4, 0.6], "rates": [2.0, 11.0]}),
    "exponential": (e.Exponential(), {"weights": [0.5, 0.5], "rates": [0.1, 6.0]}),
    "product": (
        e.Product(b1=e.Bernoulli(), b2=e.Bernoulli(), b3=e.Bernoulli(), c=e.Categorical(3)),
        {
            "weights": [0.4, 0.6],
            "b1_probs": [0.1, 0.9],
            "b2_probs": [0.15, 0.8],
            "b3_probs": [0.2, 0.9],
            "c_probs": [[0.8, 0.1, 0.1], [0.1, 0.2, 0.7]],
        },
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_truth_is_within_the_stated_uncertainty(name):
    emission, truth = CASES[name]
    truth = {key: np.array(value, dtype=float) for key, value in truth.items()}
    k = len(truth["weights"])
    rng = np.random.default_rng(12)
    z = rng.choice(k, size=600, p=truth["weights"])
    y = emission.simulate(truth, z, rng)
    spec = evb.Mixture(emission, k)
    by = next(key for key in truth if key != "weights")
    place = np.argsort(truth[by].reshape(k, -1)[:, 0])
    for method in METHODS:
        fit = spec.fit(y, method, **SHORT.get(method, {}), **QUIET)
        order = np.argsort(fit.params[by].reshape(k, -1)[:, 0])
        errors = fit.std_errors()
        scores = []
        for key, wanted in truth.items():
            got, error = fit.params[key][order], errors[key][order]
            free = error > 0  # zeros off the diagonal have none
            np.testing.assert_array_equal(got[~free], wanted[place][~free])
            scores.append(((got - wanted[place]) / np.where(free, error, 1.0))[free])
        scores = np.concatenate(scores)
        assert np.abs(scores).max() < 4.0, (method, np.round(scores, 1))
        accuracy = np.mean(np.argsort(order)[fit.predict()] == np.argsort(place)[z])
        assert accuracy > 0.85, (method, accuracy)


def test_simulating_from_a_fit_gives_back_the_fit():
    """`Fit.simulate` is the model: a fit to its own simulated rows finds its parameters again."""
    fit = evb.GaussianMixture(2).fit(evb.datasets.load("faithful"), "em", **QUIET)
    y = fit.simulate(4000, seed=4)
    again = evb.GaussianMixture(2).fit(y, "em", init=fit, **QUIET)
    errors = again.std_errors()
    for name, value in fit.params.items():
        assert (np.abs(again.params[name] - value) < 4.0 * errors[name] + 1e-12).all(), name
