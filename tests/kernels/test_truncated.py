"""The truncated normal against 150 decimal digits, and its draws against exact distribution functions."""

from decimal import Decimal, localcontext

import numba
import numpy as np
import pytest
from naive import truncated as naive
from scipy import special, stats

from em_vs_bayes.kernels import truncated
from em_vs_bayes.kernels.stream_block import ROWS, STRIDE
from em_vs_bayes.kernels.truncated_draws import draw, draw_outside

INF, NAN = np.inf, np.nan
TOLERANCE = 1e-14  # measured: below 3e-15 everywhere
SPREAD = np.concatenate([np.linspace(-60, 60, 41), np.linspace(-3.1, 3.1, 21)])
N = 20_000


def error(value, exact, scale=None, rounding=0.0):
    """|value - exact| less a rounding that no float escapes, in units of |exact| or ``scale``."""
    with localcontext(naive.CONTEXT):
        beyond = abs(Decimal(float(value)) - exact) - Decimal(float(rounding))
        return float(max(beyond, 0) / (abs(exact) if scale is None else scale))


def assert_exact(a, b):
    """Log probability (absolutely where near 0), mean about the nearer limit, and variance, of [a, b]."""
    log_p, mean, variance = truncated.interval(a, b)
    exact_log_p, exact_mean, exact_variance = naive.interval(a, b)
    assert error(log_p, exact_log_p, scale=max(abs(exact_log_p), Decimal("0.1"))) < TOLERANCE
    with localcontext(naive.CONTEXT):
        nearer = min(abs(exact_mean - Decimal(float(limit))) for limit in (a, b) if np.isfinite(limit))
    assert error(mean, exact_mean, scale=nearer, rounding=np.spacing(abs(mean))) < TOLERANCE
    assert error(variance, exact_variance) < TOLERANCE
    assert a <= mean <= b


def test_the_digits_agree_with_scipy():
    for z in (-30.0, -6.1, -5.9, -1.0, 0.0, 0.5, 3.0):
        assert float(naive.one_sided(z)[0]) == pytest.approx(special.log_ndtr(z), rel=1e-13)
    for a, b in [(-1.0, 2.0), (0.5, INF), (-INF, 0.3), (2.0, 2.5)]:
        assert [float(v) for v in naive.interval(a, b)[1:]] == pytest.approx(stats.truncnorm.stats(a, b), rel=1e-9)


@pytest.mark.parametrize("sign", [-1, 1])
def test_one_sided(sign):
    for z in np.concatenate([SPREAD, sign * np.geomspace(1e2, 1e8, 13)]):
        assert_exact(*((z, INF) if sign > 0 else (-INF, z)))


@pytest.mark.parametrize("width", [1e-12, 1e-9, 1e-6, 1e-3, 0.1, 0.5, 1.0, 1.99, 2.01, 3.0, 8.0, 100.0])
def test_two_sided(width):
    for a in SPREAD:
        assert_exact(a, a + width)


def test_around_zero():
    for low in np.geomspace(1e-3, 60, 10):
        for high in np.geomspace(1e-3, 60, 10):
            assert_exact(-low, high)


@pytest.mark.parametrize("tilt", [0.1, 1.0, 2.9, 3.1, 10.0, 1e3])
def test_far_tails(tilt):
    """From one end to the other the log density falls by ``tilt``."""
    for a in np.geomspace(1e3, 1e8, 11):
        b = a + max(tilt / a, np.spacing(a))
        assert_exact(a, b)
        assert_exact(-b, -a)


def test_limits_next_to_each_other():
    for a in np.concatenate([SPREAD[SPREAD != 0.0], 10.0 ** np.arange(3, 9)]):
        assert_exact(a, np.nextafter(a, INF))


def test_mean_and_variance_lie_where_they_must(rng):
    """Where one formula takes over from another, too: widths about 2, falls of the log density about 3."""
    a = rng.choice([0.1, 3.0, 60.0, 1e6], size=N) * rng.normal(size=N)
    b = a + rng.choice([1e-15, 1e-9, 1e-3, 1.0, 50.0, 2.0, INF], size=N) * rng.uniform(0.5, 1.5, size=N)
    b[::7] = (a + 3.0 * rng.uniform(0.9, 1.1, size=N) / abs(a))[::7]
    a, b = a[a < b], b[a < b]
    for low, high in zip(a, b):
        log_p, mean, variance = truncated.interval(low, high)
        assert log_p <= 0.0 and low <= mean <= high and 0.0 <= variance <= 1.0
        mirrored = truncated.interval(-high, -low)
        assert mirrored == (log_p, -mean, variance)


def test_limits_at_the_edges():
    assert truncated.interval(-INF, INF) == (0.0, 0.0, 1.0)
    assert truncated.interval(1.5, 1.5) == (-INF, 1.5, 0.0)
    assert truncated.interval(0.0, 5e-324)[1:] in [(0.0, 0.0), (5e-324, 0.0)]
    assert truncated.interval(-INF, -INF) == (-INF, -INF, 0.0)
    assert truncated.interval(-1.7e308, 1.7e308) == (0.0, 0.0, 1.0)
    assert truncated.interval(0.5, 1.7e308) == truncated.interval(0.5, INF)
    assert truncated.interval(-0.5, 1.7e308) == pytest.approx(truncated.interval(-0.5, INF), rel=1e-15)
    assert truncated.interval(1e200, INF) == (-INF, 1e200, 0.0)
    assert truncated.interval(-1e200, 1e200) == (0.0, 0.0, 1.0)
    for limits in [(1.0, 0.0), (NAN, 1.0), (0.0, NAN)]:
        assert np.isnan(truncated.interval(*limits)).all()


@pytest.mark.parametrize("width", [1e-9, 0.3, 1.2, 1.34, 1.36, 2.0, 10.0, INF])
def test_outside(width):
    for a in np.concatenate([SPREAD, np.linspace(-2, 0, 9)]):
        log_out, log_in, mean, second = truncated.outside(a, a + width)
        exact = naive.outside(a, a + width)
        assert error(log_out, exact[0], scale=max(abs(exact[0]), Decimal("0.1"))) < TOLERANCE
        assert error(log_in, exact[1], scale=max(abs(exact[1]), Decimal("0.1"))) < TOLERANCE
        assert error(mean, exact[2], scale=max(abs(exact[2]), Decimal("1e-300")), rounding=1e-16) < TOLERANCE
        assert error(second, exact[3]) < TOLERANCE
        mirrored = truncated.outside(-a - width, -a)
        assert mirrored == pytest.approx((log_out, log_in, -mean, second), rel=1e-13, abs=1e-15)


def test_outside_at_the_edges():
    assert truncated.outside(-INF, INF) == (-INF, 0.0, 0.0, 0.0)
    assert truncated.outside(0.7, 0.7) == (0.0, -INF, 0.0, 1.0)
    log_out, log_in, mean, second = truncated.outside(-50.0, 60.0)
    assert log_in == 0.0 and log_out == pytest.approx(special.log_ndtr(-50.0), rel=1e-14)
    assert -50.02 < mean < -50.0 and second == pytest.approx(mean**2, rel=1e-6)
    assert np.isnan(truncated.outside(1.0, 0.0)).all()


@numba.njit
def lanes_of(z, log_p, hazard, variance, at):
    truncated.lower_tail_lane(z, at, log_p, at, hazard, at, variance, at)


def lower_tails(values):
    """``lower_tail_lane`` of at most a block of values, from the second lane of each array."""
    arrays = np.zeros((4, 2 * int(STRIDE)))
    at = int(STRIDE)
    arrays[0, at : at + len(values)] = values
    lanes_of(*arrays, STRIDE)
    assert (arrays[1:, :at] == 0.0).all()
    return arrays[1:, at : at + len(values)].T


def test_lower_tail_lane():
    values = np.concatenate([np.linspace(-60, 36, 2 * ROWS // 3), -np.geomspace(1e2, 1e8, ROWS // 4)])
    for z, found in zip(values, lower_tails(values)):
        for value, exact in zip(found, naive.one_sided(z)):
            assert error(value, exact) < TOLERANCE
        assert found == pytest.approx(truncated.lower_tail(z), rel=1e-15)


def test_lower_tail_lane_at_the_edges():
    found = lower_tails([-INF, -(2.0**1023), -1e200, 38.0, 1e200, INF, NAN])
    expected = [
        [-INF, INF, 0],
        [-INF, 2.0**1023, 0],
        [-INF, 1e200, 0],
        [0, 0, 1],
        [0, 0, 1],
        [0, 0, 1],
        [NAN, NAN, NAN],
    ]
    np.testing.assert_array_equal(found, expected)


@numba.njit
def sample_of(rng, function, a, b):
    out = np.empty(N)
    for i in range(N):
        out[i] = function(rng, a, b)
    return out


def assert_follows(sample, cdf):
    """At this level a correct draw fails one seed in ten thousand; seeds are fixed."""
    assert stats.kstest(sample, cdf).pvalue > 1e-4


def share_beyond(x, a):
    """P(Z > x) / P(Z > a) for x >= a; not far left of 0, where erfcx overflows."""
    root = np.sqrt(0.5)
    return np.exp(-0.5 * (x - a) * (x + a)) * special.erfcx(root * x) / special.erfcx(root * a)


def distribution(a, b):
    """The distribution function of Z given [a, b]."""
    return lambda x: (1 - share_beyond(x, a)) / (1 - share_beyond(b, a) if np.isfinite(b) else 1.0)


REGIMES = {
    "half-normal": (0.3, INF),
    "half-normal, cut": (0.5, 2.4),
    "normal": (-1.0, INF),
    "normal, two-sided": (-1.7, 2.0),
    "uniform, around 0": (-0.7, 1.6),
    "uniform, right of 0": (0.2, 1.1),
    "uniform, far": (30.0, 30.05),
    "narrow": (-0.4, -0.4 + 1e-6),
    "Rayleigh": (1.0, INF),
    "Rayleigh, cut": (0.8, 2.2),
    "far tail": (40.0, INF),
    "far tail, cut": (40.0, 40.1),
    "very far tail": (1e6, INF),
}


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("regime", REGIMES)
def test_draw(rng, regime, mirrored):
    a, b = REGIMES[regime]
    sample = -sample_of(rng, draw, -b, -a) if mirrored else sample_of(rng, draw, a, b)
    assert (sample >= a).all() and (sample <= b).all()
    assert_follows(sample, distribution(a, b))
    _, mean, variance = naive.interval(a, b)
    with localcontext(naive.CONTEXT):
        centred = np.array([float(Decimal(float(x)) - mean) for x in sample])
    z = centred / np.sqrt(float(variance))
    assert abs(z.mean()) < 4 / np.sqrt(N)
    assert abs((z**2).mean() - 1) < 4 * (z**2).std() / np.sqrt(N)


def test_draw_at_the_edges(rng):
    beyond = sample_of(rng, draw, 1e8, INF) - 1e8  # its mean, 1e-8, is less than the floats there are apart
    assert beyond.min() >= 0.0 and beyond.max() < 2e-7
    assert draw(rng, 2.0, 2.0) == 2.0 and draw(rng, -INF, -INF) == -INF
    assert {draw(rng, 1.0, np.nextafter(1.0, 2.0)) for _ in range(99)} <= {1.0, np.nextafter(1.0, 2.0)}
    assert_follows(sample_of(rng, draw, -INF, INF), stats.norm.cdf)
    for limits in [(1.0, 0.0), (NAN, 1.0), (0.0, NAN)]:
        assert np.isnan(draw(rng, *limits)) and np.isnan(draw_outside(rng, *limits))
    assert np.isnan(draw_outside(rng, -INF, INF))


@pytest.mark.parametrize(
    ("a", "b"),
    [(-0.3, 0.9), (0.5, INF), (-INF, 1.0), (-3.0, -2.0), (-1.5, 1.6), (-2.0, 1.4), (-4.0, 4.02), (-3.0, INF)],
)
def test_draw_outside(rng, a, b):
    sample = sample_of(rng, draw_outside, a, b)
    assert ((sample <= a) | (sample >= b)).all()
    left, right = stats.norm.cdf(a), stats.norm.sf(b)

    def cdf(x):
        """Left of a, and then right of b."""
        return np.where(x <= a, stats.norm.cdf(x), left + right - stats.norm.sf(x)) / (left + right)

    assert_follows(sample, cdf)
    _, _, mean, second = (float(v) for v in naive.outside(a, b))
    for power, expected in ((1, mean), (2, second)):
        values = sample**power
        assert abs(values.mean() - expected) < 4 * values.std() / np.sqrt(N)
