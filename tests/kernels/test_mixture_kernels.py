"""The compiled E-step of a mixture against enumeration in plain Python, for every kind of stream."""

from functools import cached_property

import numpy as np
import pytest
from kernels.mixture_tables import data_of, potentials_of, random_case
from naive import mixture as naive
from scipy.stats import chi2, gamma, kstest

from em_vs_bayes.kernels import mixture
from em_vs_bayes.kernels.streams import table

STREAMS = {
    **{f"full{d}": [("full", d)] for d in (1, 2, 3, 4, 5, 8, 11)},
    **{f"diag{d}": [("diag", d)] for d in (1, 2, 4, 7)},
    **{f"regression{p}": [("regression", p)] for p in (1, 2, 3, 6, 12)},
    **{f"averaged{p}": [("averaged", p)] for p in (1, 3, 4, 9)},
    "regressions": [("regression", 2), ("full", 2), ("averaged", 3), ("lookup", 3)],
    "censored": [("censored", 2)],
    "truncated": [("truncated", 3)],
    "censored averaged": [("censored averaged", 4)],
    "truncated averaged": [("truncated averaged", 1)],
    **{kind: [(kind, 2)] for kind in ("censored spread", "truncated spread")},
    **{kind: [(kind, 2)] for kind in ("robust", "robust averaged", "robust spread")},
    "robusts": [("robust", 1), ("full", 2), ("robust averaged", 3), ("lookup", 3), ("robust", 11)],
    "limits": [("censored", 2), ("full", 2), ("truncated averaged", 3), ("lookup", 3), ("censored averaged", 11)],
    "student": [("student", 1)],
    "students": [("student", 1), ("full", 2), ("student", 1), ("lookup", 3)],
    "linear1": [("linear", 1)],
    "linear6": [("linear", 6)],
    "lookup": [("lookup", 4)],
    "product": [("full", 2), ("linear", 2), ("diag", 3), ("lookup", 3), ("full", 1)],
}
GAUSSIAN = [name for name in STREAMS if name not in ("linear1", "linear6", "lookup")]
HIDING = ("student", "censored", "truncated", "limits", "robust")
DETERMINED = [name for name in STREAMS if not name.startswith(HIDING)]  # by z: nothing else is drawn
every_stream = pytest.mark.parametrize("name", STREAMS)


class Case:
    """A random mixture with its tables, and the naive answers for it."""

    def __init__(self, name, n, K, rng, missing=0.0, weighted=False, labelled=False, based=False):
        self.model, self.y, gaussian = random_case(STREAMS[name] if isinstance(name, str) else name, n, K, rng, missing)
        self.K = K
        weights = rng.uniform(0.2, 3.0, size=n) if weighted else np.ones(n)
        self.labels = rng.integers(-1, K, size=n) if labelled else np.full(n, -1)
        self.base = rng.normal(size=n) if based else np.zeros(n)
        self.weights = weights
        self.data = data_of(
            self.y,
            gaussian,
            weights if weighted else (),
            self.labels if labelled else (),
            self.base if based else (),
        )
        self.streams, self.pot, n_stats = potentials_of(self.model, self.data.centre)
        self.stats = np.full(n_stats, np.nan)  # kernels must overwrite

    def call(self, kernel, *extra):
        return kernel(self.data, self.streams, self.pot, self.K, *extra)

    def expect(self):
        return self.call(mixture.expect, 0, len(self.data.y), self.stats, np.empty(0))

    @cached_property
    def joint(self):
        """Once for all questions: change the model and the rows before."""
        return np.array([naive.log_joint(self.model, row, label) for row, label in zip(self.y, self.labels)])

    def row_evidence(self):
        return np.array([naive.log_sum(joint) for joint in self.joint]) + self.base

    def responsibilities(self):
        return naive.responsibilities(self.joint)

    def statistics(self, responsibilities):
        weighted = responsibilities * self.weights[:, None]
        return naive.statistics(self.model, self.y, self.data.centre, weighted)

    def check_expect(self):
        evidence = self.expect()
        np.testing.assert_allclose(evidence, self.weights @ self.row_evidence(), rtol=1e-11)
        expected = self.statistics(self.responsibilities())
        np.testing.assert_allclose(self.stats, expected, rtol=1e-9, atol=1e-10 * max(1.0, abs(expected).max()))


@every_stream
@pytest.mark.parametrize("K", [1, 2, 3, 5])
def test_expect(name, K, rng):
    Case(name, 37, K, rng).check_expect()


@every_stream
@pytest.mark.parametrize("n", [1, 256, 300, 520])
def test_expect_in_several_blocks(name, n, rng):
    Case(name, n, 2, rng, weighted=n == 300).check_expect()


@every_stream
def test_expect_with_weights_labels_base(name, rng):
    Case(name, 40, 3, rng, weighted=True, labelled=True, based=True).check_expect()


@pytest.mark.parametrize("name", GAUSSIAN)
@pytest.mark.parametrize("K", [1, 3])
def test_expect_with_missing_values(name, K, rng):
    Case(name, 270, K, rng, missing=0.3, weighted=True, labelled=K == 3).check_expect()


@pytest.mark.parametrize(("apart", "doubtful"), [(0.0, (0.9, 1.0)), (1.5, (0.2, 0.9)), (40.0, (0.0, 0.0))])
@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("share", [0.2, 1e-5, 1e-100])
def test_diagonal_components_apart_and_next_to_empty(apart, doubtful, missing, share, rng):
    """Rows of weight 0 and missing values included."""
    n, K, d = 530, 5, 7
    means, z = apart * rng.normal(size=(K, d)), rng.integers(K - (share < 0.1), size=n)  # nobody's last component
    case = Case([("diag", d)], n, K, rng)
    case.weights = rng.uniform(0.2, 3.0, size=n) * (rng.random(n) < 0.8)
    case.y = means[z] + rng.normal(size=(n, d))
    case.y[rng.random((n, d)) < missing] = np.nan
    shares = np.r_[np.full(K - 1, (1 - share) / (K - 1)), share]
    stream = naive.Diagonal(0, means, rng.uniform(0.7, 1.3, size=(K, d)), np.zeros((K, d)))
    case.model = naive.Mixture(np.log(shares), (stream,))
    case.data = data_of(case.y, range(d), case.weights)
    case.streams, case.pot, n_stats = potentials_of(case.model, case.data.centre)
    case.stats = np.full(n_stats, np.nan)
    case.check_expect()
    responsibilities = case.responsibilities()
    np.testing.assert_allclose(case.stats[:K], case.weights @ responsibilities, rtol=1e-10)  # however small
    low, high = doubtful
    assert low <= (responsibilities.max(axis=1) < 1.0 - 1e-6).mean() <= high


def test_more_patterns_than_the_table_holds(rng):
    case = Case([("full", 40)], 200, 4, rng, missing=0.2)
    assert case.data.observed.shape[0] * 4 * (1 + 2 * 40**2) > 2**21
    case.check_expect()


def test_wide_streams(rng):
    Case([("full", 19), ("diag", 70)], 30, 4, rng).check_expect()


@pytest.mark.parametrize("name", ["full2", "product"])
def test_evidence_is_the_sum_over_all_assignments(name, rng):
    case = Case(name, 6, 3, rng)
    np.testing.assert_allclose(case.expect(), naive.enumerated_evidence(case.model, case.y), rtol=1e-12)


@every_stream
def test_scores(name, rng):
    case = Case(name, 280, 3, rng, missing=0.2, weighted=True, labelled=True, based=True)
    evidence, proba, best = np.empty(280), np.empty((280, 3)), np.empty(280, np.int64)
    case.call(mixture.pointwise, evidence)
    case.call(mixture.responsibilities, proba)
    case.call(mixture.assign, best)
    np.testing.assert_allclose(evidence, case.row_evidence(), rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(proba, case.responsibilities(), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(best, case.joint.argmax(axis=1))


@every_stream
def test_decode(name, rng):
    case = Case(name, 280, 3, rng, missing=0.2, weighted=True, labelled=True, based=True)
    value = case.call(mixture.decode, case.stats)
    joint = case.joint
    np.testing.assert_allclose(value, case.weights @ (joint.max(axis=1) + case.base), rtol=1e-11)
    expected = case.statistics(np.eye(3)[joint.argmax(axis=1)])
    np.testing.assert_allclose(case.stats, expected, rtol=1e-9, atol=1e-10 * abs(expected).max())


@pytest.mark.parametrize("name", DETERMINED)
def test_draw_returns_the_statistics_of_what_it_drew(name, rng):
    case = Case(name, 300, 3, rng, weighted=True, labelled=True, based=True)
    z = np.full(300, -7)
    evidence = case.call(mixture.draw, rng, z, case.stats)
    np.testing.assert_allclose(evidence, case.weights @ case.row_evidence(), rtol=1e-11)
    known = case.labels >= 0
    np.testing.assert_array_equal(z[known], case.labels[known])
    expected = case.statistics(np.eye(3)[z])
    np.testing.assert_allclose(case.stats, expected, rtol=1e-9, atol=1e-10 * abs(expected).max())


def test_draw_follows_the_responsibilities(rng):
    case = Case("product", 4, 3, rng, missing=0.3)
    r = case.responsibilities()
    n, counts, z = 20_000, np.zeros((4, 3)), np.empty(4, np.int64)
    for _ in range(n):
        case.call(mixture.draw, rng, z, case.stats)
        counts[np.arange(4), z] += 1
    discrepancy = ((counts - n * r) ** 2 / (n * r)).sum()
    assert discrepancy < chi2(4 * 2).isf(1e-4)


def test_draw_completes_missing_values_from_their_conditional(rng):
    """Ten thousand copies of one row: sums of drawn x and x x' against E[x] and E[x x'], in standard errors."""
    case = Case([("full", 4)], 3, 2, rng)
    n = 10_000
    y = np.tile(case.y[0], (n, 1))
    y[:, [0, 2]] = np.nan
    data = data_of(y, range(4))
    streams, pot, n_stats = potentials_of(case.model, data.centre)
    z, stats = np.empty(n, np.int64), np.empty(n_stats)
    mixture.draw(data, streams, pot, 2, rng, z, stats)
    for k in range(2):
        count = (z == k).sum()
        mean, cov = case.model.streams[0].moments(y[0], k)
        mean = mean - data.centre
        assert count > 500 and stats[2 + k] == count
        s1, s2 = stats[4 + 4 * k : 8 + 4 * k], stats[12 + 16 * k : 28 + 16 * k].reshape(4, 4)
        error = np.sqrt(np.diag(cov) / count)
        assert (abs(s1 / count - mean) <= 4.5 * error + 1e-9).all()
        v, m = np.diag(cov), mean
        variance = np.outer(v, v) + cov**2 + np.outer(m * m, v) + np.outer(v, m * m) + 2 * np.outer(m, m) * cov
        assert (abs(s2 / count - np.outer(m, m) - cov) <= 4.5 * np.sqrt(variance / count) + 1e-9).all()


def test_draw_weighs_the_rows_of_a_student_stream_anew(rng):
    """Many copies of a row: sums of drawn u, u x and u x^2 against u ~ Gamma((df + 1) / 2, (df + delta^2) / 2)."""
    case = Case([("full", 1), ("student", 1)], 3, 2, rng)
    s, n = case.model.streams[1], 20_000
    y = np.tile(case.y[0], (n, 1))
    y[: n // 4, 1] = np.nan
    data = data_of(y, range(2))
    streams, pot, n_stats = potentials_of(case.model, data.centre)
    z, stats = np.empty(n, np.int64), np.empty(n_stats)
    mixture.draw(data, streams, pot, 2, rng, z, stats)
    x = y[-1, 1] - data.centre[1]
    for k in range(2):
        n_u, s1, s2, count = stats[streams.stat[1] + k :: 2][:4]
        assert count == (z[n // 4 :] == k).sum() > 500
        square = ((y[-1, 1] - s.means[k]) / s.sigmas[k]) ** 2 + s.extra[k]
        law = gamma((s.df[k] + 1) / 2, scale=2 / (s.df[k] + square))
        assert abs(n_u / count - law.mean()) < 4.5 * law.std() / np.sqrt(count)
        np.testing.assert_allclose([s1, s2], [n_u * x, n_u * x * x], rtol=1e-9)


def test_each_weight_is_drawn_from_its_gamma_distribution(rng):
    case = Case([("student", 1)], 1, 1, rng)
    s, z, u = case.model.streams[0], np.empty(1, np.int64), np.empty(4000)
    for i in range(len(u)):
        case.call(mixture.draw, rng, z, case.stats)
        u[i] = case.stats[1]
    square = ((case.y[0, 0] - s.means[0]) / s.sigmas[0]) ** 2 + s.extra[0]
    assert kstest(u, gamma((s.df[0] + 1) / 2, scale=2 / (s.df[0] + square)).cdf).pvalue > 1e-4


def test_draw_with_missing_values_leaves_observed_sums_alone(rng):
    case = Case("product", 300, 2, rng, missing=0.3)
    z = np.empty(300, np.int64)
    case.call(mixture.draw, rng, z, case.stats)
    drawn = case.stats.copy()
    expected = case.statistics(np.eye(2)[z])
    full, diag = case.streams.stat[0], case.streams.stat[2]
    np.testing.assert_allclose(drawn[: full + 2], expected[: full + 2])
    np.testing.assert_allclose(drawn[diag : diag + 18], expected[diag : diag + 18], rtol=1e-9)
    assert abs(drawn[full + 2 : full + 6] - expected[full + 2 : full + 6]).min() > 1e-6  # drawn, not expected


def test_the_same_seed_draws_the_same(rng):
    case = Case("product", 300, 3, rng, missing=0.2)
    runs = []
    for _ in range(2):
        z = np.empty(300, np.int64)
        case.call(mixture.draw, np.random.default_rng(5), z, case.stats)
        runs.append((z, case.stats.copy()))
    np.testing.assert_array_equal(runs[0][0], runs[1][0])
    np.testing.assert_array_equal(runs[0][1], runs[1][1])


@every_stream
def test_expect_is_additive_over_rows(name, rng):
    case = Case(name, 600, 3, rng, missing=0.2, weighted=True, labelled=True, based=True)
    evidence = case.expect()
    total, parts = np.zeros_like(case.stats), 0.0
    for rows in (slice(0, 1), slice(1, 400), slice(400, 600)):
        d, part = case.data, np.empty_like(case.stats)
        pattern = d.pattern[rows] if d.pattern.size else d.pattern
        piece = d._replace(
            columns=d.columns[:, rows].copy(),
            base=d.base[rows],
            weights=d.weights[rows],
            labels=d.labels[rows],
            pattern=pattern,
        )
        parts += mixture.expect(piece, case.streams, case.pot, 3, 0, len(piece.y), part, np.empty(0))
        total += part
    np.testing.assert_allclose(parts, evidence, rtol=1e-12)
    np.testing.assert_allclose(total, case.stats, rtol=1e-11, atol=1e-10)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_statistics_are_the_gradient_of_the_evidence(missing, rng):
    """Fisher's identity, where potentials are linear: log weights, constants of Gaussians, LINEAR and LOOKUP."""
    case = Case("product", 290, 3, rng, missing=missing, weighted=True, labelled=True)
    case.expect()
    scratch, h = np.empty_like(case.stats), 1e-5
    pairs = [(k, k) for k in range(3)]
    for s, length in ((0, 3), (1, 6), (2, 9), (3, 9), (4, 3)):
        pairs += [(case.streams.pot[s] + i, case.streams.stat[s] + i) for i in range(length)]
    for i, j in pairs:
        values = []
        for step in (h, -h):
            pot = case.pot.copy()
            pot[i] += step
            values.append(mixture.expect(case.data, case.streams, pot, 3, 0, len(case.data.y), scratch, np.empty(0)))
        np.testing.assert_allclose((values[0] - values[1]) / (2 * h), case.stats[j], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("reason", ["label", "category"])
def test_a_row_that_nothing_explains(reason, rng):
    """Evidence -inf, and statistics as if the row were not there."""
    case = Case("product", 20, 2, rng)
    case.data.y[:, 7] = 1.0
    if reason == "label":  # of a component with weight 0
        case.data = case.data._replace(labels=np.r_[0, np.full(19, -1)])
        case.pot[0] = -np.inf
    else:  # that no component gives
        case.data.y[0, 7] = 0.0
        case.pot[case.streams.pot[3] + np.array([0, 3])] = -np.inf
    expected = np.empty_like(case.stats)
    rest = case.data._replace(columns=case.data.columns[:, 1:].copy(), labels=case.data.labels[1:])
    assert np.isfinite(mixture.expect(rest, case.streams, case.pot, 2, 0, len(rest.y), expected, np.empty(0)))

    assert case.expect() == -np.inf
    np.testing.assert_allclose(case.stats, expected, rtol=1e-12, atol=1e-14)
    z, out, proba = np.empty(20, np.int64), np.empty(20), np.empty((20, 2))
    assert case.call(mixture.draw, rng, z, case.stats) == -np.inf
    assert z[0] == -1 and z[1:].min() >= 0 and case.stats[:2].sum() == 19
    assert case.call(mixture.decode, case.stats) == -np.inf
    assert np.isfinite(case.stats).all() and case.stats[:2].sum() == 19
    case.call(mixture.pointwise, out)
    assert out[0] == -np.inf and np.isfinite(out[1:]).all()
    case.call(mixture.responsibilities, proba)
    np.testing.assert_array_equal(proba[0], 0.0)
    without = case.data._replace(weights=np.r_[0.0, np.ones(19)])
    assert np.isfinite(mixture.expect(without, case.streams, case.pot, 2, 0, len(without.y), case.stats, np.empty(0)))


def test_nan_that_is_not_declared_missing_is_not_hidden(rng):
    case = Case("full2", 20, 2, rng)
    case.data.y[3, 1] = np.nan
    assert np.isnan(case.expect())
    assert np.isnan(case.call(mixture.decode, case.stats))


def test_a_probability_of_zero_in_a_linear_stream(rng):
    """log p = -inf multiplies a count of 0 in the rows that p = 0 explains."""
    case = Case("linear6", 60, 2, rng)
    case.model.streams[0].eta[0, 2] = case.pot[2 + 2] = -np.inf
    case.check_expect()


def test_an_empty_component(rng):
    case = Case("product", 30, 3, rng)
    case.model.log_weights[:] = np.log([0.4, 0.6, 1.0])
    case.model.log_weights[2] = -np.inf
    case.pot[:3] = case.model.log_weights
    case.check_expect()
    assert case.stats[2] == 0.0


def test_a_narrow_component_far_from_the_centre_keeps_its_digits():
    """sd 1e-6 at a distance of 1 from the centre: the log density of a row at its mean, to 1e-9."""
    model = naive.Mixture(np.zeros(1), (naive.Full(0, np.ones((1, 2)), 1e-12 * np.eye(2)[None], np.zeros(1)),))
    data = data_of([[1.0, 1.0], [-1.0, -1.0]], ())._replace(labels=np.array([0, 0]))
    streams, pot, _ = potentials_of(model, data.centre)
    out = np.empty(2)
    mixture.pointwise(data, streams, pot, 1, out)
    np.testing.assert_allclose(out[0], -np.log(2 * np.pi * 1e-12), rtol=1e-12)


def test_a_role_that_nobody_asked_for_is_refused(rng):
    case = Case("full2", 20, 2, rng)
    bare = table(*case.streams[:5])
    with pytest.raises(ValueError, match="address_roles"):
        mixture.expect(case.data, bare, case.pot, 2, 0, 20, case.stats, np.empty(0))
