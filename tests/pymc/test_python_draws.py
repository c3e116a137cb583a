"""Draws by Python functions under PyTensor's numba backend: without a warning (here an error), and of the right law."""

import numpy as np
import pymc as pm
import pytest

from em_vs_bayes.pymc.gaussian import inverse_wishart, scaled_normal
from em_vs_bayes.pymc.variables import standard_deviation_inverse_gamma

DRAWS = 2000
DF, SCALE = np.array([9.0, 12.0]), np.array([[[2.0, 0.5], [0.5, 1.0]], [[3.0, 0.0], [0.0, 6.0]]])
MEAN, KAPPA = np.array([[0.0, 1.0], [2.0, 3.0]]), np.array([0.5, 4.0])


@pytest.fixture(scope="module")
def drawn():
    with pm.Model():
        covariances = inverse_wishart("covariances", DF, SCALE)
        inverse_wishart("tied", 9.0, SCALE[0])
        scaled_normal("means", MEAN, KAPPA, covariances)
        standard_deviation_inverse_gamma("sigma", np.array([5.0, 6.0]), 3.0, shape=2)
        standard_deviation_inverse_gamma("one", 5.0, 3.0)
        prior = pm.sample_prior_predictive(DRAWS, random_seed=1)["prior"]
    return {name: prior[name].values[0] for name in ("covariances", "tied", "means", "sigma", "one")}


def close(draws, expected):
    error = draws.std(axis=0) / np.sqrt(DRAWS)
    assert (np.abs(draws.mean(axis=0) - expected) < 4.5 * error).all()


def test_covariances(drawn):
    """E[Sigma] = scale / (df - d - 1)."""
    close(drawn["covariances"], SCALE / (DF - 3.0)[:, None, None])
    close(drawn["tied"], SCALE[0] / 6.0)
    assert np.corrcoef(drawn["covariances"][:, :, 0, 0].T)[0, 1] == pytest.approx(0.0, abs=4.5 / np.sqrt(DRAWS))


def test_means_given_covariances(drawn):
    """(mu - m) (mu - m)' kappa has the mean of Sigma."""
    apart = drawn["means"] - MEAN
    close(apart, 0.0)
    close(apart[..., :, None] * apart[..., None, :] * KAPPA[:, None, None], SCALE / (DF - 3.0)[:, None, None])


def test_standard_deviations(drawn):
    """E[sigma^2] = rate / (shape - 1)."""
    close(drawn["sigma"] ** 2, [3.0 / 4.0, 3.0 / 5.0])
    close(drawn["one"] ** 2, 3.0 / 4.0)
