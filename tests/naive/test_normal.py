"""The formulas against SciPy's."""

import numpy as np
import pytest
from naive import normal
from scipy import stats

X = np.array([-40.0, -3.0, -0.1, 0.0, 0.7, 12.0])


@pytest.mark.parametrize(("mean", "sd"), [(0.0, 1.0), (1.5, 0.01), (-2.0, 30.0)])
def test_normal(mean, sd):
    np.testing.assert_allclose(normal.log_density(X, mean, sd), stats.norm.logpdf(X, mean, sd), rtol=1e-14)
    np.testing.assert_allclose(normal.density(X, mean, sd), stats.norm.pdf(X, mean, sd), rtol=1e-13)
    assert normal.density(np.inf, mean, sd) == 0.0


@pytest.mark.parametrize("d", [1, 2, 5, 40])
def test_vector(d, rng):
    root = rng.normal(size=(d, d)) + 2.0 * np.eye(d)
    x, mean, covariance = rng.normal(size=d), rng.normal(size=d), root @ root.T
    expected = stats.multivariate_normal.logpdf(x, mean, covariance)
    assert normal.log_density_of_vector(x, mean, covariance) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("df", [0.1, 1.0, 4.0, 60.0])
def test_multiplier(df):
    u = np.exp(np.linspace(-90.0, 3.0, 50))
    np.testing.assert_allclose(
        normal.density_of_multiplier(u, df), stats.gamma.pdf(u, df / 2, scale=2 / df), rtol=1e-11
    )
