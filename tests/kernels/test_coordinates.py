"""Coordinates: round trips, Jacobians by numerical determinants, pull-backs by finite differences."""

import numpy as np
import pytest
from scipy.special import expit

from em_vs_bayes.kernels.coordinates import constrain, pull_back, unconstrain
from em_vs_bayes.kernels.tables import (
    IDENTITY,
    INTERVAL,
    LOG,
    LOGIT,
    SIMPLEX,
    SPD,
    Coordinates,
)


def units(*specs, gap=1):
    """Coordinates from (code, ntheta, ordered, a, b), with ``gap`` elements of theta between units."""
    code, x, nx, index, ntheta, ordered, a, b, where = [], [], [], [], [], [], [], [], []
    at_x, at_theta = 0, gap
    for kind, size, is_ordered, low, high in specs:
        d = round(size**0.5)
        used = {SIMPLEX: size - 1, SPD: d * (d + 1) // 2}.get(kind, size)
        code.append(kind), x.append(at_x), nx.append(used), index.append(len(where)), ntheta.append(size)
        ordered.append(is_ordered), a.append(low), b.append(high)
        where.extend(range(at_theta, at_theta + size))
        at_x, at_theta = at_x + used, at_theta + size + gap
    integers = [np.array(v, dtype=np.int64) for v in (code, x, nx, index, ntheta, ordered)]
    coords = Coordinates(*integers, np.array(a, float), np.array(b, float), np.array(where, dtype=np.int64))
    return coords, at_x, at_theta


def minimal(coords):
    """Positions in theta that make a chart: simplex without its last, lower triangle of a covariance."""
    chart = []
    for u, size in enumerate(coords.ntheta):
        where = coords.where[coords.first[u] : coords.first[u] + size]
        d = round(size**0.5)
        if coords.code[u] == SIMPLEX:
            where = where[:-1]
        elif coords.code[u] == SPD:
            where = [where[i * d + j] for i in range(d) for j in range(i + 1)]
        chart.extend(where)
    return np.array(chart, dtype=np.int64)


def differences(f, x, step=1e-3):
    """Fourth-order central differences of an array-valued f: shape f(x).shape + x.shape."""
    columns = []
    for i in range(x.size):
        e = np.zeros(x.size)
        e[i] = step
        columns.append((8 * (f(x + e) - f(x - e)) - (f(x + 2 * e) - f(x - 2 * e))) / (12 * step))
    return np.moveaxis(np.array(columns), 0, -1)


CASES = {
    "identity": [(IDENTITY, 3, 0, 0, 0)],
    "log": [(LOG, 3, 0, 0, 0)],
    "logit": [(LOGIT, 3, 0, 0, 0)],
    "interval": [(INTERVAL, 3, 0, -1.5, 4.0)],
    "ordered identity": [(IDENTITY, 4, 1, 0, 0)],
    "ordered log": [(LOG, 3, 1, 0, 0)],
    "ordered logit": [(LOGIT, 3, 1, 0, 0)],
    "ordered alone": [(LOG, 1, 1, 0, 0)],
    "simplex of one": [(SIMPLEX, 1, 0, 0.6, 0), (IDENTITY, 1, 0, 0, 0)],
    "simplex of two": [(SIMPLEX, 2, 0, 1.0, 0)],
    "simplex of four with fixed mass": [(SIMPLEX, 4, 0, 0.7, 0)],
    "spd 1": [(SPD, 1, 0, 0, 0)],
    "spd 2": [(SPD, 4, 0, 0, 0)],
    "spd 3": [(SPD, 9, 0, 0, 0)],
    "spd 4": [(SPD, 16, 0, 0, 0)],
    "a mixture": [
        (SIMPLEX, 3, 0, 1.0, 0),
        (IDENTITY, 2, 1, 0, 0),
        (SPD, 4, 0, 0, 0),
        (LOG, 2, 0, 0, 0),
        (SPD, 4, 0, 0, 0),
    ],
}
cases = pytest.mark.parametrize("specs", CASES.values(), ids=CASES)


@cases
def test_log_jacobian_is_the_numerical_determinant(specs):
    coords, n_x, n_theta = units(*specs)
    x = np.random.default_rng(1).normal(size=n_x)
    theta = np.zeros(n_theta)

    def chart(x):
        out = np.zeros(n_theta)
        constrain(coords, x, out)
        return out[minimal(coords)]

    sign, log_det = np.linalg.slogdet(differences(chart, x))
    assert sign != 0
    np.testing.assert_allclose(constrain(coords, x, theta), log_det, rtol=1e-8, atol=1e-8)


@cases
def test_round_trip_writes_free_positions_only(specs):
    coords, n_x, n_theta = units(*specs)
    x = np.random.default_rng(2).normal(size=n_x) * 1.5
    theta, back = np.full(n_theta, -77.0), np.zeros(n_x)
    constrain(coords, x, theta)
    assert unconstrain(coords, theta, back)
    np.testing.assert_allclose(back, x, rtol=1e-9, atol=1e-9)
    untouched = np.setdiff1d(np.arange(n_theta), coords.where)
    assert untouched.size > 0 and np.all(theta[untouched] == -77.0)


@cases
def test_pull_back_is_the_gradient_in_x(specs):
    coords, n_x, n_theta = units(*specs)
    rng = np.random.default_rng(3)
    x, linear, curved = rng.normal(size=n_x), rng.normal(size=n_theta), rng.normal(size=n_theta)

    def target(x):
        theta = np.zeros(n_theta)
        log_jacobian = constrain(coords, x, theta)
        return np.sum(linear * theta + curved * theta**2) + log_jacobian

    theta, grad = np.zeros(n_theta), np.full(n_x, np.nan)
    constrain(coords, x, theta)
    pull_back(coords, x, theta, linear + 2 * curved * theta, grad)
    np.testing.assert_allclose(grad, differences(target, x), rtol=1e-7, atol=1e-7)


def test_maps_are_the_textbook_ones():
    coords, n_x, n_theta = units(*CASES["a mixture"], (LOGIT, 1, 0, 0, 0), (INTERVAL, 1, 0, 2.0, 5.0), gap=0)
    x = np.random.default_rng(4).normal(size=n_x)
    theta = np.zeros(n_theta)
    constrain(coords, x, theta)
    first, second = expit(x[0] - np.log(2)), expit(x[1])
    weights = [first, (1 - first) * second, (1 - first) * (1 - second)]
    means = [x[2], x[2] + np.exp(x[3])]

    def covariance(x):
        lower = np.array([[np.exp(x[0]), 0], [x[1], np.exp(x[2])]])
        return (lower @ lower.T).ravel()

    expected = np.concatenate([weights, means, covariance(x[4:7]), np.exp(x[7:9]), covariance(x[9:12])])
    np.testing.assert_allclose(theta[:-2], expected, rtol=1e-13)
    np.testing.assert_allclose(theta[-2:], [expit(x[12]), 2 + 3 * expit(x[13])], rtol=1e-13)


def test_zero_is_the_uniform_simplex():
    coords, n_x, n_theta = units((SIMPLEX, 5, 0, 0.8, 0), gap=0)
    theta = np.zeros(n_theta)
    constrain(coords, np.zeros(n_x), theta)
    np.testing.assert_allclose(theta, 0.16, rtol=1e-14)


def test_far_out_nothing_is_not_a_number():
    coords, n_x, n_theta = units((SIMPLEX, 4, 0, 1.0, 0), (LOGIT, 2, 0, 0, 0), (INTERVAL, 2, 0, -1.0, 1.0))
    for x in (np.full(n_x, 60.0), np.full(n_x, -60.0), np.full(n_x, -900.0), np.linspace(-500, 500, n_x)):
        theta, grad = np.zeros(n_theta), np.zeros(n_x)
        assert np.isfinite(constrain(coords, x, theta))
        pull_back(coords, x, theta, np.ones(n_theta), grad)
        assert np.all(np.isfinite(theta)) and np.all(np.isfinite(grad))
        np.testing.assert_allclose(theta[1:5].sum(), 1.0, rtol=1e-14)


@pytest.mark.parametrize(
    ("spec", "theta"),
    [
        ((SIMPLEX, 3, 0, 1.0, 0), [0.4, 0.0, 0.6]),
        ((SPD, 4, 0, 0, 0), [1.0, 2.0, 2.0, 4.0]),
        ((SPD, 4, 0, 0, 0), [1.0, 2.0, 2.0, 1.0]),
        ((LOG, 1, 0, 0, 0), [0.0]),
        ((LOG, 1, 0, 0, 0), [-1.0]),
        ((LOGIT, 1, 0, 0, 0), [1.0]),
        ((INTERVAL, 1, 0, 2.0, 3.0), [3.5]),
        ((IDENTITY, 2, 1, 0, 0), [1.0, 1.0]),
        ((IDENTITY, 2, 1, 0, 0), [2.0, 1.0]),
        ((IDENTITY, 1, 0, 0, 0), [np.nan]),
    ],
)
def test_unconstrain_says_when_theta_is_not_inside(spec, theta):
    coords, n_x, _ = units(spec, gap=0)
    assert not unconstrain(coords, np.array(theta), np.zeros(n_x))
