"""Gaussian and Wishart pieces against scipy, and the covariance transform against its numerical Jacobian."""

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from numba import njit
from scipy import stats

from em_vs_bayes.model.symbolic.whiten import inverse_cholesky, inverse_cholesky_factors
from em_vs_bayes.pymc import SPDTransform, inverse_wishart, mvnormal_log_density, scaled_normal

from .conftest import PYTHON

RNG = np.random.default_rng(11)
K, D = 3, 3
ROOTS = RNG.normal(size=(K, D, D + 2))
SIGMA = ROOTS @ ROOTS.swapaxes(1, 2)
MEANS = RNG.normal(size=(K, D))


def test_whitening_by_both_implementations():
    s = pt.dtensor3()
    performed = pytensor.function([s], inverse_cholesky(s), mode=PYTHON)(SIGMA)
    compiled = njit(inverse_cholesky_factors)(SIGMA)
    np.testing.assert_allclose(performed, compiled, atol=1e-13)
    np.testing.assert_allclose(
        compiled @ SIGMA @ compiled.swapaxes(1, 2), np.broadcast_to(np.eye(D), SIGMA.shape), atol=1e-12
    )


def test_improper_matrices_become_nan_and_leave_the_others_alone():
    bad = SIGMA.copy()
    bad[1] = -np.eye(D)
    s = pt.dtensor3()
    for f in (pytensor.function([s], inverse_cholesky(s), mode=PYTHON), njit(inverse_cholesky_factors)):
        w = f(bad)
        assert np.isnan(w[1][np.tril_indices(D)]).all()
        assert np.isfinite(w[[0, 2]]).all()


def test_whitening_gradient():
    s, c = pt.dtensor3(), np.tril(RNG.normal(size=(K, D, D)))
    cost = (c * inverse_cholesky(s)).sum()
    f = pytensor.function([s], [cost, pytensor.grad(cost, s)], mode=PYTHON)
    step, h = RNG.normal(size=SIGMA.shape), 1e-6
    step = step + step.swapaxes(1, 2)
    numeric = (f(SIGMA + h * step)[0] - f(SIGMA - h * step)[0]) / (2 * h)
    assert numeric == pytest.approx((f(SIGMA)[1] * step).sum(), rel=1e-7)


@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_density_with_missing_values(shift):
    y = RNG.normal(size=(20, D)) + shift
    y[RNG.random(y.shape) < 0.3] = np.nan
    y[0] = np.nan
    means = MEANS + shift
    got = mvnormal_log_density(y, pt.as_tensor(means), pt.as_tensor(SIGMA), K).eval(mode=PYTHON)
    for i, row in enumerate(y):
        o = np.flatnonzero(~np.isnan(row))
        for k in range(K):
            wants = stats.multivariate_normal(means[k, o], SIGMA[k][np.ix_(o, o)]).logpdf(row[o]) if o.size else 0.0
            assert got[i, k] == pytest.approx(wants, rel=1e-9, abs=1e-7 if shift else 1e-11)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_transform_and_its_jacobian(d):
    transform, lower = SPDTransform(d), np.tril_indices(d)
    x = RNG.normal(size=(2, d * (d + 1) // 2))
    v = pt.dmatrix()
    back = pytensor.function([v], transform.backward(v), mode=PYTHON)
    sigma = back(x)
    np.testing.assert_allclose(transform.forward(pt.as_tensor(sigma)).eval(mode=PYTHON), x, atol=1e-12)
    log_jacobian = transform.log_jac_det(pt.as_tensor(x)).eval(mode=PYTHON)
    for k in range(2):
        columns = []
        for j in range(x.shape[1]):
            step = np.zeros_like(x)
            step[k, j] = 1e-6
            columns.append((back(x + step)[k][lower] - back(x - step)[k][lower]) / 2e-6)
        assert log_jacobian[k] == pytest.approx(np.linalg.slogdet(np.array(columns))[1], abs=1e-7)


def test_inverse_wishart_density():
    df, scale = np.array([4.0, 5.5, 9.0]), SIGMA[::-1] / 2.0
    value = pt.dtensor3()
    with pm.Model():
        rv = inverse_wishart("sigma", df, scale)
    got = pytensor.function([value], pm.logp(rv, value), mode=PYTHON)(SIGMA)
    wants = [stats.invwishart(df[k], scale[k]).logpdf(SIGMA[k]) for k in range(K)]
    np.testing.assert_allclose(got, wants, rtol=1e-11)


@pytest.mark.parametrize("shared", [False, True])
def test_scaled_normal_density(shared):
    kappa, prior_mean = np.array([0.5, 1.0, 4.0]), np.zeros((K, D))
    sigma = SIGMA[0] if shared else SIGMA
    value = pt.dmatrix()
    with pm.Model():
        rv = scaled_normal("mu", prior_mean, kappa, sigma)
    got = pytensor.function([value], pm.logp(rv, value), mode=PYTHON)(MEANS)
    each = np.broadcast_to(sigma, SIGMA.shape)
    wants = [stats.multivariate_normal(prior_mean[k], each[k] / kappa[k]).logpdf(MEANS[k]) for k in range(K)]
    np.testing.assert_allclose(got, wants, rtol=1e-11)


def test_draws_have_the_moments_of_the_prior():
    df, scale, kappa = np.array([12.0, 20.0]), SIGMA[:2], np.array([0.5, 2.0])
    with pm.Model():
        sigma = inverse_wishart("sigma", df, scale)
        mu = scaled_normal("mu", MEANS[:2], kappa, sigma)
        draw = pytensor.function([], [sigma, mu], mode=PYTHON, updates=_advance([sigma, mu]))
    n = 2000
    draws = [draw() for _ in range(n)]
    sigmas, mus = (np.array([d[i] for d in draws]) for i in (0, 1))
    mean = scale / (df - D - 1.0)[:, None, None]
    assert (np.abs(sigmas.mean(0) - mean) < 4.5 * sigmas.std(0) / np.sqrt(n)).all()
    assert (np.abs(mus.mean(0) - MEANS[:2]) < 4.5 * mus.std(0) / np.sqrt(n)).all()
    spread = mean[:, range(D), range(D)] / kappa[:, None]  # E Var(mu | Sigma)
    np.testing.assert_allclose(mus.var(0), spread, rtol=0.2)


def _advance(variables):
    from pymc.pytensorf import collect_default_updates

    return collect_default_updates(outputs=variables)
