"""Stationary distributions against eigenvectors, their slopes against differences, and EM with such starts."""

import numpy as np
import pytest
from kernels.reference import along
from naive import hmm as naive

import em_vs_bayes as evb
from em_vs_bayes import emissions as e
from em_vs_bayes.kernels.blocks import potentials
from em_vs_bayes.kernels.stationary import add_slope, fundamental
from em_vs_bayes.kernels.tables import STATIONARY, Blocks
from em_vs_bayes.model.blocks import StationaryRows
from em_vs_bayes.model.markov import dwell_times, stationary_distribution


def eigenvector(A):
    """The left eigenvector of the eigenvalue nearest to 1."""
    values, vectors = np.linalg.eig(A.T)
    delta = vectors[:, abs(values - 1.0).argmin()].real
    return delta / delta.sum()


def random_matrix(K, rng, zeros=False):
    A = rng.dirichlet(np.ones(K), size=K)
    if zeros:  # a cycle with self-transitions: irreducible
        A *= (np.eye(K) + np.roll(np.eye(K), 1, axis=1)) > 0
    return A / A.sum(axis=1, keepdims=True)


def kernel_distribution(A):
    """What the E-step starts from: exp of the potentials of a STATIONARY block; None where it refuses."""
    K = len(A)
    row = np.zeros(11, np.int64)
    row[:3] = STATIONARY, K, K
    pot = np.full(K + K * K, np.nan)
    return np.exp(pot[:K]) if potentials(Blocks(*row[:, None]), np.ravel(A).copy(), pot) else None


MATRICES = {
    "dense": lambda K, rng: random_matrix(K, rng),
    "zeros": lambda K, rng: random_matrix(K, rng, zeros=True),
    "periodic": lambda K, rng: np.roll(np.eye(K), 1, axis=1),
    "absorbing": lambda K, rng: np.vstack([random_matrix(K, rng)[:-1], np.eye(K)[-1]]),
    "transient": lambda K, rng: np.vstack([np.full(K, 1.0 / K), np.eye(K, k=-1)[1:] * 0.5 + np.eye(K)[1:] * 0.5]),
}


@pytest.mark.parametrize("kind", MATRICES)
@pytest.mark.parametrize("K", [1, 2, 3, 5, 9])
def test_the_distribution_is_the_eigenvector(K, kind, rng):
    A = MATRICES[kind](K, rng)
    delta = eigenvector(A)
    np.testing.assert_allclose(stationary_distribution(A), delta, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(kernel_distribution(A), delta, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(delta @ A, delta, atol=1e-12)


def test_many_matrices_at_once(rng):
    A = np.array([[random_matrix(3, rng) for _ in range(4)] for _ in range(2)])
    delta = stationary_distribution(A)
    assert delta.shape == (2, 4, 3)
    for index in np.ndindex(2, 4):
        np.testing.assert_allclose(delta[index], eigenvector(A[index]), rtol=1e-9)


@pytest.mark.parametrize("K", [1, 2, 4, 7])
def test_the_fundamental_matrix_is_an_inverse(K, rng):
    A, Z = random_matrix(K, rng), np.empty((K, K))
    assert fundamental(A.ravel().copy(), 0, K, Z)
    np.testing.assert_allclose(Z @ (np.eye(K) - A + 1.0), np.eye(K), atol=1e-12)


@pytest.mark.parametrize("K", [2, 3, 5])
def test_a_chain_that_never_moves_is_refused(K):
    assert not fundamental(np.eye(K).ravel().copy(), 0, K, np.empty((K, K)))
    assert kernel_distribution(np.eye(K)) is None


def two_chains(rng):
    """Two closed classes: any mixture of two distributions is stationary."""
    A = np.zeros((4, 4))
    A[:2, :2], A[2:, 2:] = random_matrix(2, rng), random_matrix(2, rng)
    return A


def test_a_chain_that_falls_apart_has_no_single_distribution(rng):
    """Refused, or a stationary distribution at the least; on all of many matrices."""
    for _ in range(50):
        A = two_chains(rng)
        delta = kernel_distribution(A)
        if delta is not None:
            np.testing.assert_allclose(delta.sum(), 1.0, rtol=1e-9)
            np.testing.assert_allclose(delta @ A, delta, atol=1e-9)


def test_of_several_distributions_the_one_of_least_norm(rng):
    for _ in range(50):
        A = two_chains(rng)
        one, other = eigenvector(A[:2, :2]), eigenvector(A[2:, 2:])
        share = other @ other / (one @ one + other @ other)
        np.testing.assert_allclose(stationary_distribution(A), np.r_[share * one, (1 - share) * other], rtol=1e-7)


@pytest.mark.parametrize("small", [1e-3, 1e-6, 1e-9])
def test_a_chain_that_hardly_moves(small):
    """The relative error is that of 1 - A: about the machine's precision over the probability of a move."""
    A = np.array([[1.0 - small, small], [3.0 * small, 1.0 - 3.0 * small]])
    tolerance = 1e-14 / small
    np.testing.assert_allclose(kernel_distribution(A), [0.75, 0.25], rtol=tolerance)
    np.testing.assert_allclose(stationary_distribution(A), [0.75, 0.25], rtol=tolerance)


def test_dwell_times(rng):
    A = random_matrix(3, rng)
    n = np.arange(1, 2000)
    for k in range(3):
        mean = (n * A[k, k] ** (n - 1) * (1 - A[k, k])).sum()
        np.testing.assert_allclose(dwell_times(A)[k], mean, rtol=1e-9)
    assert dwell_times(np.eye(2)).tolist() == [np.inf, np.inf]


# --- slopes ---------------------------------------------------------------------------------------------------------


def slope(A, starts, first=0):
    K, g = len(A), np.full(3 + A.size, 0.25)
    theta = np.concatenate([np.full(3, np.nan), np.ravel(A)])
    add_slope(theta, 3, K, np.concatenate([np.full(first, np.nan), starts]), first, g)
    np.testing.assert_array_equal(g[:3], 0.25)
    return (g[3:] - 0.25).reshape(K, K)


@pytest.mark.parametrize("kind", ["dense", "zeros", "periodic"])
@pytest.mark.parametrize("K", [1, 2, 3, 5])
def test_the_slope_is_a_difference_along_the_simplex(K, kind, rng):
    """Rows keep summing to one: only such directions have a meaning."""
    A, starts = MATRICES[kind](K, rng), rng.uniform(0.0, 5.0, K)
    starts[0] = 0.0 if K > 1 else starts[0]
    g = slope(A, starts, first=2)
    free = A > 0
    for _ in range(10):
        direction = np.where(free, rng.normal(size=(K, K)), 0.0)
        direction -= np.where(free, direction.sum(axis=1, keepdims=True) / free.sum(axis=1, keepdims=True), 0.0)
        difference = along(lambda M: starts @ np.log(eigenvector(M)), A, direction, step=1e-4)
        np.testing.assert_allclose((g * direction).sum(), difference, rtol=1e-6, atol=1e-6)


def test_a_state_that_starts_nothing_has_no_slope():
    """Nor does a transient state, whose probability is 0, where none of the sequences starts there."""
    np.testing.assert_array_equal(slope(np.array([[0.5, 0.5], [0.2, 0.8]]), np.zeros(2)), 0.0)
    assert np.isfinite(slope(np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([4.0, 0.0]))).all()


# --- the M-step and EM ----------------------------------------------------------------------------------------------


def spec_of(K, **arguments):
    return evb.HMM(e.Normal(), K, initial="stationary", **arguments)


def data(rng, lengths=(3, 1, 8, 2, 5, 6, 1, 30)):
    states = np.concatenate([np.cumsum(rng.random(length) < 0.3) % 2 for length in lengths])
    return rng.normal(4.0 * states, 1.0), list(lengths)


def block_of(K, alpha=1.0, fixed=None):
    given = {} if fixed is None else {"fixed": {"transition": fixed}}
    priors = {"priors": {"transition": evb.priors.Dirichlet(alpha)}}
    y, lengths = data(np.random.default_rng(0))
    from em_vs_bayes.program.compile import compile as compile_program

    block = compile_program(spec_of(K, **given, **priors), y, lengths=lengths).placed[0].block
    assert isinstance(block, StationaryRows)
    return block


HALF = [[0.5, np.nan, np.nan], [np.nan, np.nan, 0.0], [0.0, np.nan, np.nan]]


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("fixed", [None, HALF], ids=["free", "partly fixed"])
def test_the_m_step_is_a_maximum_among_the_free_elements(flat, fixed, rng):
    """Every exchange of probability between two free elements of a row lowers starts log delta + counts log A."""
    block = block_of(3, 2.5, fixed)
    counts, starts = rng.uniform(1.0, 20.0, (3, 3)), rng.uniform(1.0, 30.0, 3)
    free = np.ones((3, 3), bool) if fixed is None else np.isnan(fixed)
    begin = np.where(free, 1.0, 0.0)
    begin *= (1.0 - np.where(free, 0.0, fixed or 0.0).sum(axis=1, keepdims=True)) / begin.sum(axis=1, keepdims=True)
    begin += np.where(free, 0.0, fixed or 0.0)

    def height(A):
        power = counts + (0.0 if flat else 1.5)
        return (power[free] * np.log(A[free])).sum() + starts @ np.log(eigenvector(A))

    found = block.maximize(
        {"transition": begin}, {"starts": starts, "transitions": counts}, flat_prior=flat, floor=1e-8
    )
    A = found.params["transition"]
    np.testing.assert_allclose(A.sum(axis=1), 1.0, rtol=1e-12)
    if fixed is not None:
        np.testing.assert_array_equal(A[~free], np.array(fixed)[~free])
    for r in range(3):
        for i in range(3):
            for j in range(i):
                if free[r, i] and free[r, j]:
                    step = np.zeros((3, 3))
                    step[r, i], step[r, j] = 1.0, -1.0
                    assert abs(along(height, A, step, step=1e-4)) < 1e-5  # of heights in the hundreds
                    for h in (-0.02, 0.02):
                        assert height(A + h * step) < height(A)


@pytest.mark.parametrize(("K", "scale"), [(2, 1.0), (4, 100.0), (9, 0.1)])
def test_the_m_step_is_level_whatever_weighs_more(K, scale, rng):
    """Few starts and many transitions, and the reverse; sticky chains; the ends of 20 steps each."""
    block = block_of(K)
    for sticky in (0.0, 50.0) * 5:
        counts = rng.uniform(0.5, 3.0, (K, K)) + sticky * np.eye(K)
        starts, begin = scale * rng.uniform(0.5, 3.0, K), rng.dirichlet(np.ones(K), size=K)
        stats = {"starts": starts, "transitions": counts}
        A = block.maximize({"transition": begin}, stats, flat_prior=True, floor=1e-8).params["transition"]
        level = A * slope(A, starts) + counts  # the same multiple of A throughout each row
        np.testing.assert_allclose(level, A * level.sum(axis=1, keepdims=True), atol=1e-6 * (1 + scale) * (1 + sticky))


def test_the_m_step_never_lowers_its_objective(rng):
    """From many starts, statistics with zeros and a chain on the edge among them."""
    block = block_of(3)
    for trial in range(30):
        counts, starts = rng.gamma(0.3, 10.0, (3, 3)), rng.gamma(0.3, 10.0, 3)
        counts[counts < 0.1], starts[starts < 0.1] = 0.0, 0.0
        begin = rng.dirichlet(np.full(3, 0.3 if trial % 2 else 2.0), size=3)

        def height(A, counts=counts, starts=starts):
            with np.errstate(divide="ignore", invalid="ignore"):
                one = np.where(counts > 0, counts * np.log(A), 0.0).sum()
                return one + np.where(starts > 0, starts * np.log(np.maximum(eigenvector(A), 0.0)), 0.0).sum()

        found = block.maximize(
            {"transition": begin}, {"starts": starts, "transitions": counts}, flat_prior=True, floor=1e-8
        )
        after, before = height(found.params["transition"]), height(begin)
        assert after >= before - 1e-9 * (1.0 + abs(before))


@pytest.mark.parametrize("objective", ["mle", "map"])
def test_em_with_stationary_starts_reaches_a_stationary_point(objective, rng):
    """The naive log-likelihood (plus log prior) is level along every exchange of probability within a row."""
    y, lengths = data(rng)
    alpha = np.array([[4.0, 2.0], [2.0, 3.0]])
    spec = spec_of(2, priors={"transition": evb.priors.Dirichlet(alpha)})
    fit = spec.fit(y, "em", lengths=lengths, objective=objective, seed=1, progressbar=False)
    assert fit.converged
    params = fit.params
    np.testing.assert_allclose(params["initial"], eigenvector(params["transition"]), rtol=1e-9)
    cuts = np.cumsum(lengths)[:-1]
    table = np.split(naive.log_densities(e.Normal(), y, params), cuts)

    def height(A):
        total = sum(naive.recursions(np.log(eigenvector(A)), np.log(A), part).evidence for part in table)
        return total + (((alpha - 1) * np.log(A)).sum() if objective == "map" else 0.0)

    np.testing.assert_allclose(
        fit.log_likelihood,
        height(params["transition"])
        if objective == "mle"
        else sum(
            naive.recursions(np.log(params["initial"]), np.log(params["transition"]), part).evidence for part in table
        ),
        rtol=1e-10,
    )
    for r in range(2):
        step = np.zeros((2, 2))
        step[r] = 1.0, -1.0
        assert abs(along(height, params["transition"], step, step=1e-4)) < 1e-3
        for h in (-0.02, 0.02):
            assert height(params["transition"] + h * step) < height(params["transition"])
