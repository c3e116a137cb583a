"""The compiled E-step of a hidden Markov model against enumeration of paths and plain recursions in logarithms."""

import numpy as np
import pytest
from kernels.mixture_tables import data_of, potentials_of, random_case, streams_of
from naive import hmm as naive
from naive import mixture
from scipy.stats import chi2

from em_vs_bayes.kernels import chain, chain_rows, chain_scores
from em_vs_bayes.kernels.tables import LINEAR

FULL, PRODUCT = [("full", 2)], [("full", 2), ("linear", 2), ("diag", 3), ("lookup", 3)]
STREAMS = {
    "full1": [("full", 1)],
    "full3": [("full", 3)],
    "diag2": [("diag", 2)],
    "linear2": [("linear", 2)],
    "lookup": [("lookup", 4)],
    "product": PRODUCT,
}
every_stream = pytest.mark.parametrize("name", STREAMS)
SHORT, LONG = [4, 1, 5, 2], [150, 1, 40, 260, 30, 1]


class Tables:
    """What every kernel is called with, and the naive answers of each sequence."""

    def __init__(self, data, streams, pot, K, density, n_stats):
        self.data, self.streams, self.pot, self.K, self.density = data, streams, pot, K, density
        self.stats = np.full(n_stats, np.nan)  # kernels must overwrite

    @property
    def sequences(self):
        return len(self.data.starts) - 1

    @property
    def weights(self):
        starts = self.data.starts[:-1]
        return self.data.weights[starts] if self.data.weights.size else np.ones(len(starts))

    def answers(self, solve=naive.recursions):
        K = self.K
        initial, transition = self.pot[:K], self.pot[K : K + K * K].reshape(K, K)
        return [solve(initial, transition, d) for d in np.split(self.density, self.data.starts[1:-1])]

    def expect(self, first=0, last=None, memory=0):
        last = self.sequences if last is None else last
        held = np.full(memory, np.nan)
        return chain.expect(self.data, self.streams, self.pot, self.K, first, last, self.stats, held)

    def smoothed(self):
        out = np.full(self.density.shape, np.nan)
        chain.smoothed(self.data, self.streams, self.pot, self.K, out)
        return out

    def draw(self, rng):
        z = np.full(len(self.density), -7)
        return chain.draw(self.data, self.streams, self.pot, self.K, rng, z, self.stats), z

    def viterbi(self, stats=None):
        z, stats = np.full(len(self.density), -7), self.stats if stats is None else stats
        return chain_scores.viterbi(self.data, self.streams, self.pot, self.K, z, stats), z

    def pointwise(self, kind):
        return chain_scores.pointwise(self.data, self.streams, self.pot, self.K, kind)

    def rows(self):
        return chain_scores.rows(self.data, self.streams, self.pot, self.K)


class Case(Tables):
    """A random model with streams of any kind and random rows of it."""

    def __init__(
        self,
        parts,
        lengths,
        K,
        rng,
        missing=0.0,
        weights=None,
        labelled=False,
        based=False,
        zeros=None,
        sticky=0.0,
    ):
        n = sum(lengths)
        self.model, self.y, gaussian = random_case(
            STREAMS[parts] if isinstance(parts, str) else parts, n, K, rng, missing
        )
        initial, transition = rng.dirichlet(np.full(K, 2.0)), rng.dirichlet(np.ones(K) + sticky, size=K)
        transition += sticky * np.eye(K)
        if zeros == "left-to-right":
            initial, transition = np.eye(K)[0], np.triu(transition)
        elif zeros == "absorbing":
            transition[-1] = np.eye(K)[-1]
        elif zeros == "cycle":
            transition = np.roll(np.eye(K), 1, axis=1) * 0.3 + np.eye(K) * 0.7
        transition /= transition.sum(axis=1, keepdims=True)
        labels = np.full(n, -1)
        if labelled:  # of a path that the model allows, known in a third of the rows
            known = rng.random(n) < 0.3
            labels[known] = sample_path(initial, transition, lengths, rng)[known]
        base = rng.normal(size=n) if based else np.zeros(n)
        by_row = () if weights is None else np.repeat(np.asarray(weights, float), lengths)
        data = data_of(self.y, gaussian, by_row, labels if labelled else (), base if based else ())
        data = data._replace(starts=np.concatenate([[0], np.cumsum(lengths)]))
        streams, pot, n_stats = potentials_of(self.model, data.centre)
        streams = streams._replace(pot=streams.pot + K * K, stat=streams.stat + K * K)
        with np.errstate(divide="ignore"):
            head = [np.log(initial), np.log(transition).ravel()]
        density = np.array(
            [
                [
                    -np.inf if label not in (-1, k) else sum(s.log_potential(row, k) for s in self.model.streams)
                    for k in range(K)
                ]
                for row, label in zip(self.y, labels, strict=True)
            ]
        )
        super().__init__(data, streams, np.concatenate([*head, pot[K:]]), K, density, n_stats + K * K)
        self.base, self.lengths = base, lengths

    def base_of(self):
        return np.array([part.sum() for part in np.split(self.base, self.data.starts[1:-1])])

    def expected(self, answers):
        """Evidence and statistics as the kernels promise them."""
        w = self.weights
        evidence = sum(wi * (a.evidence + h) for wi, a, h in zip(w, answers, self.base_of(), strict=True) if wi != 0.0)
        starts = sum(wi * a.smoothed[0] for wi, a in zip(w, answers, strict=True))
        moves = sum(wi * a.transitions.sum(axis=0) for wi, a in zip(w, answers, strict=True))
        rows = np.vstack([wi * a.smoothed for wi, a in zip(w, answers, strict=True)])
        return evidence, np.concatenate([starts, moves.ravel(), self.emission_statistics(rows)])

    def emission_statistics(self, weighted):
        return mixture.statistics(self.model, self.y, self.data.centre, weighted)[self.K :]

    def check_expect(self, solve=naive.recursions):
        evidence, stats = self.expected(self.answers(solve))
        np.testing.assert_allclose(self.expect(), evidence, rtol=1e-11)
        np.testing.assert_allclose(self.stats, stats, rtol=1e-8, atol=1e-9 * max(1.0, abs(stats).max()))


def sample_path(initial, transition, lengths, rng):
    states = []
    for length in lengths:
        z = rng.choice(len(initial), p=initial)
        for t in range(length):
            z = z if t == 0 else rng.choice(len(initial), p=transition[z])
            states.append(z)
    return np.array(states)


def log_space(initial, transition, density, lengths=None):
    """A case of given log densities: rows of a LINEAR stream whose potentials are the identity."""
    density = np.ascontiguousarray(density, float)
    K, lengths = density.shape[1], [len(density)] if lengths is None else lengths
    data = data_of(density, ())._replace(starts=np.concatenate([[0], np.cumsum(lengths)]))
    at = K + K * K
    streams = streams_of([(LINEAR, 0, K, at, at)])
    pot = np.concatenate([initial, np.ravel(transition), np.eye(K).ravel()])
    return Tables(data, streams, pot, K, density, at + K * K)


def log(p):
    with np.errstate(divide="ignore"):
        return np.log(np.asarray(p, float))


# --- the naive twin -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zeros", [None, "left-to-right"])
def test_recursions_are_enumeration(zeros, rng):
    case = Case(FULL, SHORT, 3, rng, zeros=zeros)
    for one, other in zip(case.answers(), case.answers(naive.enumerated), strict=True):
        for name in naive.Answers.__dataclass_fields__:
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-9, atol=1e-11)


# --- expect ---------------------------------------------------------------------------------------------------------


@every_stream
@pytest.mark.parametrize("K", [1, 2, 3, 5])
def test_expect_by_enumeration(name, K, rng):
    Case(name, SHORT, K, rng).check_expect(naive.enumerated)


@pytest.mark.parametrize("K", [4, 6, 8, 9])
def test_expect_of_more_states_by_enumeration(K, rng):
    Case("product", [3, 1, 4], K, rng).check_expect(naive.enumerated)


@pytest.mark.parametrize(("name", "K"), [*((name, 3) for name in STREAMS), ("product", 1), ("full1", 9)])
def test_expect_in_several_blocks(name, K, rng):
    Case(name, LONG, K, rng, weights=[1.0, 0.3, 2.0, 1.5, 1.0, 4.0], sticky=3.0).check_expect()


@every_stream
@pytest.mark.parametrize("K", [1, 2, 5])
def test_expect_with_weights_labels_base(name, K, rng):
    Case(name, SHORT, K, rng, weights=[0.5, 2.0, 0.0, 3.0], labelled=True, based=True).check_expect(naive.enumerated)


@pytest.mark.parametrize("name", ["full1", "full3", "diag2", "product"])
@pytest.mark.parametrize("K", [1, 3])
def test_expect_with_missing_values(name, K, rng):
    """Parts of rows and whole rows (row 1 of each case)."""
    case = Case(name, LONG, K, rng, missing=0.4, labelled=K == 3)
    assert np.isnan(case.y[1]).any()
    case.check_expect()


@pytest.mark.parametrize("zeros", ["left-to-right", "absorbing", "cycle"])
@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("lengths", [SHORT, LONG], ids=["short", "long"])
def test_expect_with_structural_zeros(zeros, labelled, lengths, rng):
    case = Case(FULL, lengths, 3, rng, zeros=zeros, labelled=labelled)
    case.check_expect(naive.enumerated if lengths is SHORT else naive.recursions)
    never = np.isneginf(case.pot[: 3 + 9])
    assert never.any()
    np.testing.assert_array_equal(case.stats[:12][never], 0.0)


@every_stream
def test_expect_is_additive_over_sequences(name, rng):
    case = Case(name, LONG, 3, rng, missing=0.2, weights=[1.0, 0.0, 2.0, 1.5, 1.0, 4.0], labelled=True, based=True)
    evidence, whole = case.expect(), case.stats.copy()
    parts, total = 0.0, np.zeros_like(whole)
    for first, last in ((0, 2), (2, 2), (2, 5), (5, 6)):
        parts += case.expect(first, last)
        total += case.stats
    np.testing.assert_allclose(parts, evidence, rtol=1e-12)
    np.testing.assert_allclose(total, whole, rtol=1e-11, atol=1e-9)


def test_a_chain_that_forgets_is_a_mixture(rng):
    """Rows of A all equal to the initial distribution: rows are independent."""
    case = Case("product", [5, 1, 8], 3, rng)
    case.pot[3:12] = np.tile(case.pot[:3], 3)
    joint = case.density + case.pot[:3]
    evidence = np.logaddexp.reduce(joint, axis=1)
    np.testing.assert_allclose(case.expect(), evidence.sum(), rtol=1e-12)
    np.testing.assert_allclose(case.smoothed(), np.exp(joint - evidence[:, None]), rtol=1e-10, atol=1e-13)


# --- row by row -----------------------------------------------------------------------------------------------------


@every_stream
@pytest.mark.parametrize("K", [1, 2, 3, 5])
def test_scores_by_enumeration(name, K, rng):
    case = Case(name, SHORT, K, rng, missing=0.2, weights=[0.5, 2.0, 0.0, 3.0], labelled=True, based=True)
    check_scores(case, case.answers(naive.enumerated), case.base)


@pytest.mark.parametrize("zeros", [None, "left-to-right", "absorbing"])
@pytest.mark.parametrize("K", [3, 9])
def test_scores_of_long_sequences(zeros, K, rng):
    case = Case(FULL, LONG, K, rng, missing=0.1, zeros=zeros, labelled=K == 3, based=True)
    check_scores(case, case.answers(), case.base)


def check_scores(case, answers, base=0.0):
    """Smoothed, filtered, predicted; all kinds of pointwise evidence; the Viterbi path."""
    close = {"rtol": 1e-8, "atol": 1e-11}
    np.testing.assert_allclose(case.smoothed(), np.vstack([a.smoothed for a in answers]), **close)
    filtered, predicted = case.rows()
    np.testing.assert_allclose(filtered, np.vstack([a.filtered for a in answers]), **close)
    np.testing.assert_allclose(predicted, np.vstack([a.predicted for a in answers]), **close)
    large = {"rtol": 1e-10, "atol": 1e-10 * max(1.0, max(abs(a.evidence) for a in answers))}
    np.testing.assert_allclose(case.pointwise("loo"), np.concatenate([a.loo for a in answers]) + base, **large)
    np.testing.assert_allclose(case.pointwise("predictive"), np.concatenate([a.ahead for a in answers]) + base, **large)
    bases = np.add.reduceat(base + np.zeros(len(filtered)), case.data.starts[:-1])
    np.testing.assert_allclose(case.pointwise("sequence"), [a.evidence for a in answers] + bases, **large)
    scores = [a.score for a in answers] + bases
    value, z = case.viterbi()
    np.testing.assert_allclose(value, case.weights @ scores, rtol=1e-11)
    np.testing.assert_array_equal(z, np.concatenate([a.path for a in answers]))


@every_stream
def test_viterbi_returns_the_statistics_of_its_path(name, rng):
    case = Case(name, LONG, 3, rng, missing=0.2, weights=[1.0, 0.0, 2.0, 1.5, 1.0, 4.0], labelled=True)
    _, z = case.viterbi()
    check_statistics_of_path(case, z, case.weights)
    value, without = case.viterbi(np.empty(0))
    np.testing.assert_array_equal(without, z)
    np.testing.assert_allclose(value, case.viterbi()[0])


def check_statistics_of_path(case, z, weights):
    K = case.K
    starts, moves = np.zeros(K), np.zeros((K, K))
    for path, w in zip(np.split(z, case.data.starts[1:-1]), weights, strict=True):
        starts[path[0]] += w
        np.add.at(moves, (path[:-1], path[1:]), w)
    rows = np.eye(K)[z] * np.repeat(weights, np.diff(case.data.starts))[:, None]
    expected = np.concatenate([starts, moves.ravel(), case.emission_statistics(rows)])
    np.testing.assert_allclose(case.stats, expected, rtol=1e-9, atol=1e-9 * max(1.0, abs(expected).max()))


# --- draw -----------------------------------------------------------------------------------------------------------


@every_stream
@pytest.mark.parametrize("zeros", [None, "left-to-right"])
def test_draw_returns_the_statistics_of_what_it_drew(name, zeros, rng):
    case = Case(name, LONG, 3, rng, labelled=True, based=True, zeros=zeros)
    evidence, z = case.draw(rng)
    np.testing.assert_allclose(evidence, sum(a.evidence for a in case.answers()) + case.base.sum(), rtol=1e-11)
    labels = case.data.labels
    np.testing.assert_array_equal(z[labels >= 0], labels[labels >= 0])
    check_statistics_of_path(case, z, case.weights)


@pytest.mark.parametrize("K", [2, 3, 5])
@pytest.mark.parametrize("zeros", [None, "left-to-right"])
def test_draw_follows_the_posterior_of_paths(K, zeros, rng):
    """Frequencies of whole paths of a short sequence against enumeration, by chi-squared."""
    case = Case(FULL, [1, 4], K, rng, zeros=zeros)
    initial, transition = case.pot[:K], case.pot[K : K + K * K].reshape(K, K)
    case.density[:] = case.density * 0.5  # a flatter posterior: more paths are seen
    case = log_space(initial, transition, case.density, [1, 4])
    paths, terms = naive.path_terms(initial, transition, case.density[1:])
    probability = np.exp(terms - terms.max())
    probability /= probability.sum()
    n, counts, moves = 20_000, np.zeros(len(paths)), np.zeros((K, K))
    code = K ** np.arange(3, -1, -1)
    for _ in range(n):
        _, z = case.draw(rng)
        counts[z[1:] @ code] += 1
        moves += case.stats[K : K + K * K].reshape(K, K)
    assert counts[probability == 0.0].sum() == 0
    seen = n * probability > 5.0
    observed = np.append(counts[seen], counts[~seen].sum())
    wanted = np.append(n * probability[seen], n * probability[~seen].sum())
    observed, wanted = (observed, wanted) if wanted[-1] > 1.0 else (observed[:-1], wanted[:-1])
    assert len(wanted) > 3
    assert ((observed - wanted) ** 2 / wanted).sum() < chi2(len(wanted) - 1).isf(1e-4)
    pair = case.answers(naive.enumerated)[1].transitions
    error = np.sqrt(n * (pair * (1 - pair)).sum(axis=0)) * 2.0 + 1e-9  # rows of a path are not independent
    assert (abs(moves - n * pair.sum(axis=0)) < 4.5 * error).all()


def test_draw_of_a_long_sequence_follows_the_smoothed_probabilities(rng):
    """Longer than a piece, so that pieces are gone through backwards and states are handed over cuts."""
    n, K = 9000, 2
    transition = np.array([[0.99, 0.01], [0.02, 0.98]])
    case = log_space(log([0.5, 0.5]), log(transition), rng.normal(size=(n, K)), [n])
    r = case.answers()[0].smoothed[:, 1]
    times = 300
    mean = np.mean([case.draw(rng)[1] for _ in range(times)], axis=0)
    score = (mean - r) / np.sqrt(r * (1 - r) / times)
    cuts = np.r_[0:3, 4090:4103, 8187:8197, n - 3 : n]
    often = times * np.minimum(r, 1 - r) > 20  # elsewhere counts are no normal variables
    assert often[cuts].any()
    assert abs(score[cuts][often[cuts]]).max() < 4.0
    assert abs(score[often]).max() < 5.0  # thousands of rows
    assert abs(score.mean()) < 0.15


def test_draw_completes_missing_values_given_the_state(rng):
    """Rows with a missing column in one state: sums of drawn x and x x' against their conditional moments."""
    case = Case([("full", 3)], [3], 2, rng)
    y = np.tile(case.y[0], (10_000, 1))
    y[:, [0, 2]] = np.nan
    data = data_of(y, range(3))._replace(starts=np.array([0, 10_000]), labels=np.tile([0, 1], 5000))
    streams, pot, _ = potentials_of(case.model, data.centre)
    pot = np.concatenate([case.pot[:6], pot[2:]])
    streams = streams._replace(pot=streams.pot + 4, stat=streams.stat + 4)
    z, stats = np.empty(10_000, np.int64), np.empty_like(case.stats)
    chain.draw(data, streams, pot, 2, rng, z, stats)
    for k in range(2):
        count = 5000
        mean, cov = case.model.streams[0].moments(y[0], k)
        mean = mean - data.centre
        assert stats[6 + k] == count
        s1, s2 = stats[8 + 3 * k : 11 + 3 * k], stats[14 + 9 * k : 23 + 9 * k].reshape(3, 3)
        v, m = np.diag(cov), mean
        assert (abs(s1 / count - mean) <= 4.5 * np.sqrt(v / count) + 1e-9).all()
        variance = np.outer(v, v) + cov**2 + np.outer(m * m, v) + np.outer(v, m * m) + 2 * np.outer(m, m) * cov
        assert (abs(s2 / count - np.outer(m, m) - cov) <= 4.5 * np.sqrt(variance / count) + 1e-9).all()


def test_the_same_seed_draws_the_same(rng):
    case = Case("product", LONG, 3, rng, missing=0.2)
    runs = [(case.draw(np.random.default_rng(5))[1], case.stats.copy()) for _ in range(2)]
    np.testing.assert_array_equal(runs[0][0], runs[1][0])
    np.testing.assert_array_equal(runs[0][1], runs[1][1])


# --- law 4 ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zeros", [None, "left-to-right"])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_statistics_are_the_gradient_of_the_evidence(missing, zeros, rng):
    """Fisher's identity, where potentials are linear: the chain's, constants of Gaussians, LINEAR and LOOKUP."""
    case = Case("product", [40, 1, 17], 3, rng, missing=missing, weights=[1.0, 2.0, 0.5], labelled=True, zeros=zeros)
    case.expect()
    stats, h = case.stats.copy(), 1e-5
    pairs = [(i, i) for i in range(12)]
    for s, length in ((0, 3), (1, 6), (2, 9), (3, 9)):
        pairs += [(case.streams.pot[s] + i, case.streams.stat[s] + i) for i in range(length)]
    for i, j in pairs:
        values, here = [], case.pot[i]
        for step in (h, -h):
            case.pot[i] = here + step
            values.append(case.expect())
        case.pot[i] = here
        np.testing.assert_allclose((values[0] - values[1]) / (2 * h), stats[j], rtol=1e-6, atol=1e-6)


# --- out of range ---------------------------------------------------------------------------------------------------


def check_everything(case, rtol=1e-9):
    """All that a kernel says of given log densities against recursions in logarithms."""
    answers = case.answers()
    value = sum(w * a.evidence for w, a in zip(case.weights, answers, strict=True) if w > 0.0)
    scale = max(1.0, max(abs(a.evidence) for a in answers))
    moves = sum(w * a.transitions.sum(axis=0) for w, a in zip(case.weights, answers, strict=True))
    K = case.K
    np.testing.assert_allclose(case.expect(), value, rtol=1e-12, atol=1e-12 * scale)
    np.testing.assert_allclose(case.stats[K : K + K * K], moves.ravel(), rtol=1e-8, atol=rtol * scale)
    starts = sum(w * a.smoothed[0] for w, a in zip(case.weights, answers, strict=True))
    np.testing.assert_allclose(case.stats[:K], starts, rtol=1e-8, atol=1e-12 * scale)
    np.testing.assert_allclose(case.smoothed(), np.vstack([a.smoothed for a in answers]), atol=1e-13 * scale + 1e-12)
    for kind, terms in (("loo", "loo"), ("predictive", "ahead")):
        wanted = np.concatenate([getattr(a, terms) for a in answers])
        np.testing.assert_allclose(case.pointwise(kind), wanted, rtol=1e-9, atol=1e-12 * scale)
    np.testing.assert_allclose(case.viterbi()[0], case.weights @ [a.score for a in answers], rtol=1e-12)


TRANSITIONS = {
    "dense": lambda rng, K: rng.dirichlet(np.ones(K), size=K),
    "left-to-right": lambda rng, K: np.triu(rng.dirichlet(np.ones(K), size=K)) + 0.1 * np.eye(K),
    "nearly the identity": lambda rng, K: np.eye(K) + 1e-12,
    "1e-40": lambda rng, K: np.eye(K) + 1e-40,
    "1e-200": lambda rng, K: np.eye(K) + 1e-200,
    "1e-300": lambda rng, K: np.eye(K) + 1e-300,
    "identity": lambda rng, K: np.eye(K),
    "permutation": lambda rng, K: np.roll(np.eye(K), 1, axis=0),
}


def normalised(A):
    return A / A.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("scale", [1.0, 100.0, 1e4])
@pytest.mark.parametrize("kind", TRANSITIONS)
@pytest.mark.parametrize("K", [2, 3, 5])
def test_extreme_log_densities(K, kind, scale, rng):
    transition = normalised(TRANSITIONS[kind](rng, K))
    density = rng.normal(size=(60, K)) * scale
    check_everything(log_space(log(rng.dirichlet(np.ones(K))), log(transition), density, [40, 1, 19]))


@pytest.mark.parametrize("cost", [1e-3, 0.3, 1.0, 5.0, 50.0])
@pytest.mark.parametrize("kind", ["absorbing", "1e-40", "1e-200", "identity"])
def test_an_early_state_vindicated_after_a_thousand_rows(kind, cost, rng):
    """Each of the first thousand rows speaks against state 0 by ``cost`` nats, later ones for it by a little more."""
    absorbing = np.array([[1.0 - 1e-6, 1e-6], [0.0, 1.0]])
    transition = absorbing if kind == "absorbing" else normalised(TRANSITIONS[kind](rng, 2))
    density = np.zeros((2100, 2))
    density[:1000, 0], density[1000:, 1] = -cost, -1.01 * cost
    case = log_space(log([0.5, 0.5]), log(transition), density)
    check_everything(case, rtol=1e-8)
    assert case.smoothed()[0, 0] > 0.5 or kind.startswith("1e")  # where no path changes back


HARDLY = [1e-99, 1e-101, 1e-150, 1e-220, 1e-289, 1e-291, 1e-307, 1e-315, 5e-324, 0.0]


@pytest.mark.parametrize("tiny", HARDLY)
def test_a_transition_that_hardly_happens_needs_no_logarithms(tiny, rng):
    """There are other ways to every state: done on probabilities, with the answers of all paths."""
    A = rng.dirichlet(np.ones(4), size=4)
    A[0, 1] = A[2, 1] = A[3, 0] = tiny
    A, initial = normalised(A), np.array([0.5, tiny, 0.3, 0.2 - tiny])
    density = -0.5 * (rng.normal(size=(5, 1)) + 12.0 * rng.integers(0, 4, (5, 1)) - 12.0 * np.arange(4)) ** 2
    case = log_space(log(initial), log(A), density)
    kind = chain_rows.forward_pass(initial[None], A[None], density, np.array([0, 5]))[3]
    assert kind[0] == chain_rows.SCALED or 0.0 < tiny < 1e-290  # what starts the chain is not made a zero
    check_everything(case)
    wanted = naive.enumerated(case.pot[:4], case.pot[4:20].reshape(4, 4), density)
    assert case.expect() == pytest.approx(wanted.evidence, rel=1e-13)
    np.testing.assert_allclose(case.stats[4:20].reshape(4, 4), wanted.transitions.sum(axis=0), rtol=1e-9, atol=1e-290)


@pytest.mark.parametrize("tiny", [x for x in HARDLY if x > 1e-308])
@pytest.mark.parametrize("far", [1.0, 20.0, 60.0])
def test_the_only_way_is_taken_however_rare(tiny, far, rng):
    """State 0, then state 1, then state 2, each reached by a tiny transition alone, and demanded by the rows."""
    A = normalised(np.array([[1.0, tiny, 0.0], [tiny, 1.0, tiny], [0.0, tiny, 1.0]]))
    density = -0.5 * far**2 * (np.repeat([0.0, 1.0, 2.0, 0.0], [2, 2, 1, 1])[:, None] - np.arange(3)) ** 2
    case = log_space(log([1.0, 0.0, 0.0]), log(A), density)
    check_everything(case)
    wanted = naive.enumerated(case.pot[:3], case.pot[3:12].reshape(3, 3), density)
    assert case.expect() == pytest.approx(wanted.evidence, rel=1e-13)


@pytest.mark.parametrize("seed", range(60))
def test_adversarial_chains(seed):
    """Zeros, tiny probabilities, potentials below the range of exp, flat rows and rows of huge contrast, mixed."""
    rng = np.random.default_rng(seed)
    K, n = int(rng.integers(2, 6)), int(rng.integers(2, 120))
    A = rng.choice([0.0, 0.0, 1e-300, 1e-200, 1e-130, 1e-40, 0.5, 1.0], size=(K, K))
    A[np.arange(K), rng.integers(0, K, K)] = 1.0
    transition, initial = log(normalised(A)), log(rng.choice([0.0, 1e-250, 1e-100, 1.0], size=K))
    initial[rng.integers(K)] = 0.0
    low = rng.random((K, K)) < 0.15  # as expected log probabilities of a sparse prior can be
    transition[low] = rng.choice([-760.0, -1500.0, -5000.0], size=low.sum())
    density = rng.normal(size=(n, K)) * rng.choice([0.0, 3.0, 30.0, 400.0], size=(n, 1))
    density[: n // 2] -= rng.choice([0.0, 10.0], size=K)
    density[n // 2 :] -= rng.choice([0.0, 10.0], size=K)
    cut = int(rng.integers(1, n))
    case = log_space(initial, transition, density, [cut, n - cut])
    check_everything(case)


@pytest.mark.parametrize("kind", ["dense", "left-to-right", "nearly the identity", "1e-40"])
def test_a_sequence_longer_than_a_piece(kind, rng):
    """Ten thousand rows: three pieces, and short sequences before and after."""
    K = 3
    transition = normalised(TRANSITIONS[kind](rng, K))
    density = rng.normal(size=(10_060, K)) * 2.0
    if kind == "left-to-right":
        density[6000:, :2] -= 1.0
    check_everything(log_space(log(rng.dirichlet(np.ones(K))), log(transition), density, [20, 10_000, 1, 39]))


@pytest.mark.parametrize("K", [1, 2, 3, 4])
@pytest.mark.parametrize("scale", [1.0, 60.0])
def test_sequences_of_every_small_length(K, scale, rng):
    """The two ways meet at a middle, before it or after it, or nowhere; at a scale of 60 rows are raised on both."""
    lengths = [*range(1, 12), 60, 61]
    initial, transition = rng.dirichlet(np.ones(K)), rng.dirichlet(np.ones(K), K)
    density = scale * rng.normal(size=(sum(lengths), K))
    case = log_space(log(initial), log(transition), density, lengths)
    case.data = case.data._replace(weights=np.repeat(rng.uniform(0.0, 2.0, len(lengths)), lengths))
    check_everything(case)


@pytest.mark.parametrize("lengths", [[4095, 1, 1], [5, 4096], [4097, 5], [1, 8193]])
def test_sequences_about_as_long_as_a_piece(lengths, rng):
    transition = np.array([[0.9, 0.1], [0.2, 0.8]])
    check_everything(log_space(log([0.5, 0.5]), log(transition), rng.normal(size=(sum(lengths), 2)), lengths))


@pytest.mark.parametrize("held", [1, 2, 3, 4])
@pytest.mark.parametrize("scale", [1.0, 400.0])
def test_memory_does_not_change_the_answers(held, scale, rng):
    """Room for one, two, three spans' pieces, or for all; what was in it before does not matter; scaled and in logs."""
    lengths, P = [30, 13_000, 5, 4096, 1, 8200], 4
    pot = np.log(np.concatenate([[0.5, 0.3, 0.2], rng.dirichlet([2.0, 1.0, 1.0], 3).ravel()]))
    transition = [[0.9, 0.1, 0.0], [0.0, 0.8, 0.2], [0.3, 0.0, 0.7]]
    case = log_space(pot[:3], log(transition), scale * rng.normal(size=(sum(lengths), 3)), lengths)
    without = case.expect()
    stats = case.stats.copy()
    np.testing.assert_allclose(case.expect(memory=2 * P * (1 + held * 4096)), without, rtol=1e-14)
    np.testing.assert_allclose(case.stats, stats, rtol=1e-12, atol=1e-12)


def test_many_short_sequences_fill_several_pieces(rng):
    lengths = rng.integers(1, 40, 500).tolist()
    weights = rng.uniform(0.0, 2.0, 500)
    case = log_space(log([0.5, 0.5]), log([[0.9, 0.1], [0.0, 1.0]]), rng.normal(size=(sum(lengths), 2)), lengths)
    case.data = case.data._replace(weights=np.repeat(weights, lengths))
    check_everything(case)


def test_drawn_evidence_is_the_expected_one_out_of_range(rng):
    for kind in TRANSITIONS:
        for scale in (1.0, 100.0, 1e4):
            transition = normalised(TRANSITIONS[kind](rng, 3))
            density = rng.normal(size=(60, 3)) * scale
            case = log_space(log(rng.dirichlet(np.ones(3))), log(transition), density, [40, 1, 19])
            evidence, z = case.draw(rng)
            np.testing.assert_allclose(evidence, sum(a.evidence for a in case.answers()), rtol=1e-12)
            assert np.isfinite(path_density(case, z))


def path_density(case, z):
    """log p(rows, path) of all sequences."""
    K, total = case.K, case.density[np.arange(len(z)), z].sum()
    for path in np.split(z, case.data.starts[1:-1]):
        total += case.pot[path[0]] + case.pot[K + path[:-1] * K + path[1:]].sum()
    return total


UNDERFLOW = {
    "a state whose first row has density e^-800": ([0.5, 0.5], [[0.99, 0.01], [0.0, 1.0]], [[-800.0, 0.0]]),
    "a start of probability 1e-300 and a first row of e^-100": (
        [1e-300, 1.0],
        [[1.0, 0.0], [0.0, 1.0]],
        [[-100.0, 0.0]],
    ),
    "a transition of probability 1e-300 out of a state of 1e-120": (
        [0.0, 1.0, 1e-120],
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1e-300, 0.0, 1.0]],
        [[0.0, 0.0, 0.0]],
    ),
}


@pytest.mark.parametrize("name", UNDERFLOW)
def test_draw_finds_a_path_that_underflows_before_it_is_vindicated(name, rng):
    """400 later rows speak for state 0 by ten nats each: it is where every path ends (and begins, where it can)."""
    initial, transition, first = UNDERFLOW[name]
    density = np.vstack([first, np.where(np.arange(len(initial)) == 0, 0.0, -10.0) * np.ones((400, 1))])
    case = log_space(log(initial), log(transition), density)
    (answer,) = case.answers()
    np.testing.assert_allclose(case.expect(), answer.evidence, rtol=1e-12)
    evidence, z = case.draw(rng)
    np.testing.assert_allclose(evidence, answer.evidence, rtol=1e-12)
    assert z[-1] == 0


# --- impossible -----------------------------------------------------------------------------------------------------


def with_an_impossible_sequence(K=2, weights=()):
    """Sequences of two rows each; the second one is labelled with a state that the chain cannot be in."""
    density = np.zeros((6, K))
    case = log_space(log([1.0, 0.0]), log([[1.0, 0.0], [0.5, 0.5]]), density, [2, 2, 2])
    labels = np.array([-1, -1, 1, -1, -1, 0])
    case.data = case.data._replace(labels=labels, weights=np.repeat(np.asarray(weights, float), 2))
    return case


def test_an_impossible_sequence_has_no_evidence(rng):
    case = with_an_impossible_sequence()
    assert case.expect() == -np.inf
    assert case.draw(rng)[0] == -np.inf
    value, z = case.viterbi()
    assert value == -np.inf
    np.testing.assert_array_equal(z, [0, 0, -1, -1, 0, 0])
    np.testing.assert_array_equal(case.pointwise("sequence"), [0.0, -np.inf, 0.0])
    np.testing.assert_array_equal(case.pointwise("predictive"), [0.0, 0.0, -np.inf, -np.inf, 0.0, 0.0])
    for probabilities in case.rows():
        assert np.isfinite(probabilities).all()
    assert np.isfinite(case.stats).all()
    assert case.expect(0, 1) == case.expect(2, 3) == 0.0


@pytest.mark.parametrize("labels", [[-1, -1, 1, -1, -1, 0], [1, 1, -1, -1, -1, 1]])
def test_impossible_evidence_is_never_nan(labels, rng):
    for zeros in (False, True):
        case = with_an_impossible_sequence()
        case.data = case.data._replace(labels=np.array(labels))
        if not zeros:  # a dense transition matrix, and a start that the label excludes
            case.pot[2:6] = np.log([0.5, 0.5, 0.5, 0.5])
        assert not np.isnan(case.expect())
        assert not np.isnan(case.draw(rng)[0])
        assert not np.isnan(case.viterbi()[0])
        assert not np.isnan(case.pointwise("sequence")).any()
        assert not np.isnan(case.pointwise("predictive")).any()


def test_the_neighbours_of_an_impossible_sequence(rng):
    case = with_an_impossible_sequence()
    np.testing.assert_array_equal(case.smoothed(), [[1, 0], [1, 0], [0, 0], [0, 0], [1, 0], [1, 0]])
    np.testing.assert_array_equal(case.draw(rng)[1], [0, 0, -1, -1, 0, 0])


def test_an_impossible_sequence_of_weight_zero_does_not_count():
    case = with_an_impossible_sequence(weights=[1.0, 0.0, 1.0])
    assert case.expect() == 0.0
    np.testing.assert_array_equal(case.stats[:6], [2.0, 0.0, 2.0, 0.0, 0.0, 0.0])


def test_leaving_a_row_out_of_an_impossible_sequence():
    """p(y_t | the others) is 0 where the others are possible, and anything but NaN where they are not."""
    loo = with_an_impossible_sequence().pointwise("loo")
    assert loo[2] == -np.inf
    assert not np.isnan(loo).any()


def test_nan_that_is_not_declared_missing_is_not_hidden(rng):
    case = Case(FULL, SHORT, 2, rng)
    case.data.y[3, 1] = np.nan
    assert np.isnan(case.expect())
    assert np.isnan(case.viterbi()[0]) or case.viterbi()[0] == -np.inf
