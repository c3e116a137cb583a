"""exp and log on whole arrays against numpy's in extended precision, in units in the last place."""

import numba
import numpy as np
import pytest

from em_vs_bayes.kernels import vectormath

INF = np.inf


@numba.njit
def exp_all(x, out):
    for i in range(x.size):
        out[i] = vectormath.exp(x[i])


@numba.njit
def decay_all(x, out):
    for i in range(x.size):
        out[i] = vectormath.decay(x[i])


@numba.njit
def log_all(x, out):
    for i in range(x.size):
        out[i] = vectormath.log(x[i])


def ulps(kernel, exact, x):
    out = np.empty_like(x)
    kernel(x, out)
    reference = exact(x.astype(np.longdouble))
    return (abs(out - reference) / np.spacing(abs(reference.astype(float)))).max()


@pytest.mark.skipif(np.finfo(np.longdouble).eps > 1e-18, reason="no wider floats here")
@pytest.mark.parametrize(("low", "high"), [(-708, 709.78), (-30, 0), (-1e-3, 1e-3)])
def test_exp_within_two_ulp(low, high, rng):
    x = rng.uniform(low, high, size=200_000)
    assert ulps(exp_all, np.exp, x) <= 2
    assert ulps(decay_all, np.exp, x[x <= 0]) <= 2


def test_decay_is_exp_where_it_may_be_used(rng):
    edges = [-np.inf, -1e308, -746.0, -708.1, -1e-300, -0.0, 0.0, np.nan]
    x = np.concatenate([edges, rng.uniform(-704, 0, size=100_000), -rng.exponential(size=100_000)])
    one, other = np.empty_like(x), np.empty_like(x)
    exp_all(x, one)
    decay_all(x, other)
    np.testing.assert_array_equal(other, one)


@pytest.mark.skipif(np.finfo(np.longdouble).eps > 1e-18, reason="no wider floats here")
@pytest.mark.parametrize("spread", [700, 1, 1e-3])
def test_log_within_two_ulp(spread, rng):
    assert ulps(log_all, np.log, np.exp(rng.uniform(-spread, spread, size=200_000))) <= 2


def test_exp_at_the_edges():
    x = np.array([-INF, -1e308, -746.0, -708.1, 0.0, 709.79, 1e308, INF, np.nan])
    out = np.empty_like(x)
    exp_all(x, out)
    np.testing.assert_array_equal(out, [0, 0, 0, 0, 1, INF, INF, INF, np.nan])


def test_log_at_the_edges():
    x = np.array([0.0, -0.0, 5e-324, 1e-310, 1.0, 1.7976931348623157e308, INF, -1.0, -INF, np.nan])
    out = np.empty_like(x)
    log_all(x, out)
    with np.errstate(divide="ignore", invalid="ignore"):
        np.testing.assert_allclose(out, np.log(x), rtol=4e-16)
