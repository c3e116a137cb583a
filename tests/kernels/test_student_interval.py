"""The Student t given an interval against 40 decimal digits and scipy, and its draws against distribution functions."""

import math

import numpy as np
import pytest
from naive import student as naive
from scipy import special, stats

from em_vs_bayes.kernels.student_draws import draw
from em_vs_bayes.kernels.student_interval import interval, log_constant

INF = np.inf
DF = (0.1, 1.0, 4.0, 30.0, 1e3, 1e6)
NEAR = [(-INF, 0.3), (-INF, -1.8), (2.5, INF), (1e-3, INF), (-0.5, 0.6), (-3.0, 0.2), (-3.0, 8.0), (0.1, 0.3)]
NEAR += [(0.0, 4.0), (0.2, 0.9), (1.0, 9.0), (5.0, 5.1), (-1e-9, 1e-8), (-9.0, -6.0), (-INF, 6.0)]
FAR = [(1e8, INF), (-INF, -1e5), (-INF, 1e8), (5.0, 40.0), (-1e4, -1e4 + 1e-2), (-1e6, -10.0), (1e4, 1e8), (-1.0, 1e5)]


@pytest.mark.parametrize("df", DF)
def test_intervals_have_their_digits(df):
    """Log probability, absolutely where it is near 0, and the weighted moments, in the far tails too."""
    constant = log_constant(df)
    assert constant == pytest.approx(float(naive.log_constant(df)), rel=1e-14, abs=1e-15)
    for a, b in NEAR + (FAR if df < 100 else []):
        (log_p, *moments), (exact, *wanted) = interval(a, b, df, constant), naive.interval(a, b, df)
        assert log_p == pytest.approx(exact, rel=1e-13, abs=1e-14), (a, b)
        np.testing.assert_allclose(moments, wanted, rtol=2e-12, atol=1e-13 * abs(wanted[2]), err_msg=str((a, b)))


@pytest.mark.parametrize("df", [0.3, 1.0, 2.7, 12.0, 250.0])
def test_the_lower_tail_is_scipys(df):
    constant = log_constant(df)
    for z in (-1e8, -300.0, -20.0, -3.0, -1.0, -0.1, 0.0, 0.4, 2.0, 30.0):
        tail = 0.5 * special.betainc(df / 2, 0.5, df / (df + z * z)) if abs(z) > 1.0 else special.stdtr(df, -abs(z))
        if tail > 1e-290:
            wanted = math.log(tail) if z < 0 else math.log1p(-tail)
            assert interval(-INF, z, df, constant)[0] == pytest.approx(wanted, rel=1e-12, abs=1e-15)


def test_reflection_and_impossible_intervals():
    constant = log_constant(3.0)
    log_p, u, ut, utt = interval(0.7, 2.0, 3.0, constant)
    assert interval(-2.0, -0.7, 3.0, constant) == (log_p, u, -ut, utt)
    assert interval(-INF, INF, 3.0, constant) == (0.0, 1.0, 0.0, 1.0)
    for ends in ((1.0, 1.0), (2.0, 1.0), (np.nan, 1.0), (0.0, np.nan)):
        assert np.isnan(interval(*ends, 3.0, constant)).all()


@pytest.mark.parametrize("df", [0.1, 1.0, 4.0, 100.0])
def test_draws_have_their_distribution(df, rng):
    own = stats.t(df)
    ends = [(-INF, INF), (-INF, -3.0), (0.01, INF), (0.3, 1.0), (0.3, 9.0), (2.0, 2.5), (-0.5, 4.0), (-0.2, 0.3)]
    ends += [(-8.0, 1.0), (3.0, 6.0), (5.0, INF)] + ([(1e6, INF), (1e3, 1e5)] if df < 5 else [])
    for a, b in ends:
        x = np.array([draw(rng, a, b, df) for _ in range(2000)])
        assert a <= x.min() and x.max() <= b
        high = a > 0  # differences in the tail that is small

        def cdf(v, a=a, b=b, high=high):
            if high:
                return (own.sf(a) - own.sf(v)) / (own.sf(a) - own.sf(b))
            return (own.cdf(v) - own.cdf(a)) / (own.cdf(b) - own.cdf(a))

        assert stats.kstest(x, cdf).pvalue > 1e-5, (a, b)
    assert draw(rng, 2.0, 2.0, df) == 2.0
    assert np.isnan(draw(rng, 2.0, 1.0, df))
