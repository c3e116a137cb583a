"""Streams of limited responses: draws against expectations, extremes, what is left alone."""

import numpy as np
import pytest
from kernels.mixture_tables import data_of, potentials_of, random_case
from naive import censored
from naive.mixture import Censored, Mixture, Truncated
from scipy.stats import kstest, norm, truncnorm

from em_vs_bayes.kernels import mixture

INF, NAN = np.inf, np.nan
KINDS = ("censored", "truncated")


def tables(kind, rows, sd=1.0, b=(0.5,), weights=(), labels=()):
    """One component: data, streams, potentials, room for statistics."""
    stream = {"censored": Censored, "truncated": Truncated}[kind]
    p = len(b)
    model = Mixture(
        np.zeros(1), (stream(0, np.array([b], float), np.array([sd], float), np.zeros((1, p, p)), np.zeros(1)),)
    )
    data = data_of(rows, (), weights, labels)
    streams, pot, n_stats = potentials_of(model, data.centre)
    return model, data, streams, pot, np.full(n_stats, NAN)


# --- draws -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("kind", [*KINDS, "robust"])
def test_drawn_statistics_have_the_expected_means(kind, missing, rng):
    """Every sum, over repeated draws given the components, in its standard errors."""
    model, y, _ = random_case([(kind, 2)], 300, 2, rng, missing)
    labels, weights = rng.integers(0, 2, 300), rng.uniform(0.2, 3.0, 300)
    assert_drawn_as_expected(model, y, weights, labels, 100 if kind == "truncated" else 1500, rng)
    if kind == "truncated":  # a few rows, with up to 1e5 hidden ones each, take nearly all of the time and drown others
        hidden, _, _, rest = np.array([model.streams[0].outside(row, k) for row, k in zip(y, labels)]).T
        few = ~(hidden > 3e3 * rest)
        assert 285 < few.sum() < 300
        assert_drawn_as_expected(model, y[few], weights[few], labels[few], 1500, rng)


def assert_drawn_as_expected(model, y, weights, labels, draws, rng):
    data = data_of(y, (), weights, labels)
    streams, pot, n_stats = potentials_of(model, data.centre)
    expected, z = np.empty(n_stats), np.empty(len(y), np.int64)
    evidence = mixture.expect(data, streams, pot, 2, 0, len(y), expected, np.empty(0))
    drawn = np.empty((draws, n_stats))
    for row in drawn:
        assert mixture.draw(data, streams, pot, 2, rng, z, row) == pytest.approx(evidence, rel=1e-12)
    np.testing.assert_array_equal(z, labels)
    error = drawn.std(axis=0) / np.sqrt(draws)
    assert (error > 0).sum() >= 6  # n, where rows are imagined, and all that has to do with y
    assert (np.abs(drawn.mean(axis=0) - expected) <= 4.0 * error + 1e-9 * np.abs(expected)).all()


@pytest.mark.parametrize(
    "ends", [(-INF, 1.2), (-INF, -4.0), (0.3, INF), (6.0, INF), (-1.0, 0.2), (3.0, 3.1), (-0.4, 5.0)]
)
def test_a_censored_response_is_drawn_from_its_truncated_normal(ends, rng):
    _, data, streams, pot, stats = tables("censored", [(1.0, *ends)], sd=1.3, labels=[0])
    y, z = np.empty(4000), np.empty(1, np.int64)
    for i in range(len(y)):
        mixture.draw(data, streams, pot, 1, rng, z, stats)
        assert stats[1] == 1.0 and stats[5] == pytest.approx(stats[3] ** 2, rel=1e-12)
        y[i] = stats[3]
    assert ends[0] <= y.min() and y.max() <= ends[1]
    a, b = (np.array(ends) - 0.5) / 1.3
    assert kstest(y, truncnorm(a, b, 0.5, 1.3).cdf).pvalue > 1e-4


def test_imagined_rows_are_geometric_and_lie_outside(rng):
    """P(m = j) = (1 - P)^j P; one of them, where it is alone, has the law of what is outside."""
    low, high, b, sd = 0.2, 1.4, 0.5, 1.1
    _, data, streams, pot, stats = tables("truncated", [(1.0, 0.9, low, high)], sd=sd, labels=[0])
    inside = norm(b, sd).cdf(high) - norm(b, sd).cdf(low)
    z, m, alone = np.empty(1, np.int64), np.empty(8000), []
    for i in range(len(m)):
        mixture.draw(data, streams, pot, 1, rng, z, stats)
        m[i] = stats[1] - 1.0
        if m[i] == 0.0:
            np.testing.assert_allclose(stats[[3, 5]], [0.9, 0.81], rtol=1e-12)
        if m[i] == 1.0:
            alone.append(stats[3] - 0.9)
    for j in range(4):
        share = (1.0 - inside) ** j * inside
        assert abs((m == j).mean() - share) < 4.0 * np.sqrt(share * (1 - share) / len(m))
    assert abs(m.mean() - (1 - inside) / inside) < 4.0 * m.std() / np.sqrt(len(m))
    alone = np.array(alone)
    assert ((alone < low) | (alone > high)).all()
    below = norm(b, sd).cdf(low)
    under, over = alone[alone < low], alone[alone > high]
    share = below / (1.0 - inside)
    assert abs((alone < low).mean() - share) < 4.0 * np.sqrt(share * (1 - share) / len(alone))
    assert kstest(under, truncnorm(-INF, (low - b) / sd, b, sd).cdf).pvalue > 1e-4
    assert kstest(over, truncnorm((high - b) / sd, INF, b, sd).cdf).pvalue > 1e-4


def test_an_exact_response_is_not_drawn(rng):
    _, data, streams, pot, stats = tables("censored", [(1.0, 0.7, 0.7), (2.0, -1.0, -1.0)])
    z, expected = np.empty(2, np.int64), stats.copy()
    mixture.expect(data, streams, pot, 1, 0, 2, expected, np.empty(0))
    mixture.draw(data, streams, pot, 1, rng, z, stats)
    np.testing.assert_array_equal(stats, expected)
    np.testing.assert_allclose(stats, [2.0, 2.0, 5.0, -1.3, -1.3, 1.49], rtol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_row_draws_nothing(kind, rng):
    seen = {"censored": (1.0, 0.5, INF), "truncated": (1.0, 0.5, 0.0, 2.0)}[kind]
    gone = {"censored": (3.0, NAN, NAN), "truncated": (3.0, NAN, 0.0, 2.0)}[kind]
    _, data, streams, pot, stats = tables(kind, [seen, gone])
    z = np.empty(2, np.int64)
    for _ in range(20):
        mixture.draw(data, streams, pot, 1, rng, z, stats)
        count = stats[1]
        assert stats[0] == 2.0  # the latent structure's count
        assert count == 1.0 if kind == "censored" else count >= 1.0
        assert stats[2] == count  # x^2 of the rows of x = 1 alone
        assert np.isfinite(stats).all()


@pytest.mark.parametrize("limit", [8.0, 9.2, 30.0])
def test_too_many_rows_to_imagine_stop_the_sampler(limit, rng):
    """Nothing is cut short in silence: sums become NaN."""
    _, data, streams, pot, stats = tables("truncated", [(1.0, limit + 0.1, limit, INF)])
    mixture.draw(data, streams, pot, 1, rng, np.empty(1, np.int64), stats)
    assert np.isnan(stats[[1, 3, 5]]).all()


# --- extremes --------------------------------------------------------------------------------------------------------


EXTREME = [(-INF, -1e4), (1e4, INF), (1e4, 1e4 + 1.0), (-1e4 - 1e-3, -1e4), (1e8, INF), (-1e4, 1e4)]


@pytest.mark.parametrize("ends", [*EXTREME, (2.0, 2.0 + 1e-12)])
def test_extreme_intervals(ends):
    """Ten thousand standard deviations beyond a limit: finite, and the oracle's."""
    _, data, streams, pot, stats = tables("censored", [(1.0, *ends)])
    evidence = mixture.expect(data, streams, pot, 1, 0, 1, stats, np.empty(0))
    known = censored.moments(*ends, 0.5, 1.0)
    assert np.isfinite(evidence) and np.isfinite(stats).all()
    assert evidence == pytest.approx(known.log_mass, rel=1e-9)
    np.testing.assert_allclose(
        stats, [1.0, 1.0, 1.0, known.mean, known.mean, known.mean**2 + known.variance], rtol=1e-9
    )
    assert ends[0] <= stats[3] <= ends[1]


@pytest.mark.parametrize(
    "limits", [(5.4, INF), (5.6, INF), (5.6, 6.0), (-INF, -5.5), (8.0, INF), (0.5, 0.5 + 1e-8), (20.0, INF)]
)
def test_truncation_to_where_there_is_next_to_nothing(limits):
    """P(inside) of 1e-6 and far less: sums are finite, and what they say of the line and sigma is the oracle's.

    That is residuals of what is seen less what is expected of them, and likewise their squares: of an imagined row both
    are 0 on average. Imagined rows themselves are counted to a million.
    """
    y = np.clip(0.5 * (max(limits[0], -7.0) + min(limits[1], 21.0)), limits[0], limits[1])
    _, data, streams, pot, stats = tables("truncated", [(1.0, y, *limits)], weights=[0.25])
    log_inside = float(censored.log_mass(*(np.array(limits) - 0.5)))
    assert log_inside < -14.0
    evidence = mixture.expect(data, streams, pot, 1, 0, 1, stats, np.empty(0))
    assert evidence == pytest.approx(0.25 * (norm.logpdf(y, 0.5) - log_inside), rel=1e-9)
    rows, first, second = stats[1], stats[3], stats[5]
    m = np.expm1(-log_inside)  # (1 - P) / P
    assert stats[0] == 0.25
    assert stats[2] == rows == pytest.approx(0.25 * (1.0 + min(m, 1e6)), rel=1e-8)
    inside = censored.moments(*limits, 0.5, 1.0)
    residuals, squares = first - 0.5 * rows, second - first + 0.25 * rows - rows
    assert residuals == pytest.approx(0.25 * (y - inside.mean), abs=1e-9 * rows)
    expected = (inside.mean - 0.5) ** 2 + inside.variance
    assert squares == pytest.approx(0.25 * ((y - 0.5) ** 2 - expected), abs=1e-9 * rows)


@pytest.mark.parametrize("kind", KINDS)
def test_a_weight_of_zero_removes_a_row(kind):
    rows = {"censored": [(1.0, 0.5, INF), (2.0, -INF, -3.0)], "truncated": [(1.0, 0.5, 0.0, 2.0), (2.0, 0.1, 0.0, 9.0)]}
    _, data, streams, pot, stats = tables(kind, rows[kind], weights=[1.0, 0.0])
    _, alone, _, _, wanted = tables(kind, rows[kind][:1])
    assert mixture.expect(data, streams, pot, 1, 0, 2, stats, np.empty(0)) == pytest.approx(
        mixture.expect(alone, streams, pot, 1, 0, 1, wanted, np.empty(0)), rel=1e-14
    )
    np.testing.assert_allclose(stats, wanted, rtol=1e-14)
