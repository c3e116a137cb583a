"""The marginal Op against enumeration in scipy, finite differences, and its own compiled kernel."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from numba import njit
from scipy.special import logsumexp, softmax

from em_vs_bayes.model.symbolic.versions import source_version
from em_vs_bayes.pymc.marginal import LogMarginal, evidence_and_responsibilities, log_marginal

from .conftest import PYTHON

A = np.random.default_rng(7).normal(size=(6, 3)) * 3.0


@pytest.fixture(scope="module", params=["python", "kernel"])
def evaluate(request):
    """Both implementations: what the Python linker performs, and the kernel as numba compiles it."""
    if request.param == "kernel":
        return njit(evidence_and_responsibilities)
    a = pt.dmatrix()
    return pytensor.function([a], LogMarginal()(a), mode=PYTHON)


def test_values(evaluate):
    evidence, responsibilities = evaluate(A)
    np.testing.assert_allclose(evidence, logsumexp(A, axis=1), rtol=1e-14)
    np.testing.assert_allclose(responsibilities, softmax(A, axis=1), rtol=1e-13)


def test_large_values_do_not_overflow(evaluate):
    evidence, _ = evaluate(A + 1e6)
    np.testing.assert_allclose(evidence - 1e6, logsumexp(A, axis=1), atol=1e-9)


def test_impossible_rows_have_no_evidence_and_no_responsibilities(evaluate):
    a = A.copy()
    a[1] = -np.inf
    a[2, 0] = -np.inf
    evidence, responsibilities = evaluate(a)
    assert evidence[1] == -np.inf
    assert (responsibilities[1] == 0.0).all()
    assert responsibilities[2, 0] == 0.0
    assert responsibilities[2].sum() == pytest.approx(1.0, abs=1e-15)


def test_nan_goes_through(evaluate):
    a = A.copy()
    a[3, 1] = np.nan
    evidence, responsibilities = evaluate(a)
    assert np.isnan(evidence[3])
    assert np.isnan(responsibilities[3]).all()
    assert np.isfinite(np.delete(evidence, 3)).all()


@pytest.mark.parametrize("shape", [(3,), (6, 3)])
def test_gradient_in_weights_and_densities(shape):
    rng = np.random.default_rng(8)
    w, b = pt.tensor(shape=shape, dtype="float64"), pt.dmatrix()
    evidence, responsibilities = log_marginal(w, b)
    c, r = rng.normal(size=6), rng.normal(size=(6, 3))
    cost = (c * evidence).sum() + (r * responsibilities).sum()  # both outputs carry gradients
    f = pytensor.function([w, b], [cost, *pytensor.grad(cost, [w, b])], mode=PYTHON)
    at, step = (rng.normal(size=shape), A), (rng.normal(size=shape), rng.normal(size=A.shape))
    h = 1e-6
    ahead, behind = (f(*(p + s * h * d for p, d in zip(at, step, strict=True)))[0] for s in (1, -1))
    _, gw, gb = f(*at)
    assert (ahead - behind) / (2 * h) == pytest.approx(np.sum(gw * step[0]) + np.sum(gb * step[1]), rel=1e-7)


def test_second_derivative_is_the_covariance_of_the_allocation():
    a = pt.dmatrix()
    gradient = pytensor.grad(log_marginal(np.zeros(3), a)[0].sum(), a)
    rows = [pytensor.grad(gradient[0, k], a)[0] for k in range(3)]
    hessian = np.array(pytensor.function([a], rows, mode=PYTHON)(A))
    r = softmax(A[0])
    np.testing.assert_allclose(hessian, np.diag(r) - np.outer(r, r), atol=1e-14)


def test_cache_version_follows_the_source():
    assert source_version(evidence_and_responsibilities) != source_version(log_marginal)
    assert source_version(evidence_and_responsibilities) == source_version(evidence_and_responsibilities)


def test_wants_a_matrix():
    with pytest.raises(ValueError, match=r"log_joint must be \(n, K\); got 1"):
        LogMarginal()(pt.dvector())
