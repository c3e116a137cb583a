"""The Op of the hidden Markov chain against enumeration of every path, finite differences, and hard numbers."""

import itertools

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from scipy.special import logsumexp

from em_vs_bayes.kernels.chain_rows import (
    IMPOSSIBLE,
    LOGARITHMIC,
    SCALED,
    backward_pass,
    draw_paths,
    forward_pass,
    leave_one_out,
    walk,
)
from em_vs_bayes.pymc.chain import ChainTerms, chain_terms

from .conftest import PYTHON

K, LENGTHS = 3, (4, 1, 3)
STARTS = np.concatenate([[0], np.cumsum(LENGTHS)])
N = int(STARTS[-1])
KINDS = {"one": 1, "by sequence": len(LENGTHS), "by row": N}


def chain(matrices=1, seed=3, zeros=False):
    rng = np.random.default_rng(seed)
    initial, transition = rng.dirichlet(np.ones(K), len(LENGTHS)), rng.dirichlet(np.ones(K), (matrices, K))
    if zeros:
        transition[:, 0, 2] = transition[:, 2, 0] = initial[:, 1] = 0.0
    return initial, transition, rng.normal(size=(N, K)) * 2.0


def matrix_to(transition, s, t):
    return transition[0 if len(transition) == 1 else t if len(transition) == N else s]


def log_joint_of_paths(initial, transition, emission, s, rows):
    """Every path over the first ``rows`` rows of sequence s with log p(path, rows), one by one."""
    start = STARTS[s]
    paths = list(itertools.product(range(K), repeat=rows))
    out = []
    with np.errstate(divide="ignore"):
        for path in paths:
            value = np.log(initial[s, path[0]])
            for t in range(1, rows):
                value += np.log(matrix_to(transition, s, start + t)[path[t - 1], path[t]])
            out.append(value + sum(emission[start + t, k] for t, k in enumerate(path)))
    return np.array(paths), np.array(out)


def naive_terms(initial, transition, emission):
    terms = []
    for s, length in enumerate(LENGTHS):
        upto = [logsumexp(log_joint_of_paths(initial, transition, emission, s, r)[1]) for r in range(1, length + 1)]
        terms += [upto[0], *np.diff(upto)]
    return np.array(terms)


def naive_smoothed(initial, transition, emission):
    out = np.zeros((N, K))
    for s, length in enumerate(LENGTHS):
        paths, joint = log_joint_of_paths(initial, transition, emission, s, length)
        p = np.exp(joint - logsumexp(joint))
        for t in range(length):
            out[STARTS[s] + t] = [p[paths[:, t] == k].sum() for k in range(K)]
    return out


def both_ways(initial, transition, emission, weights, starts=STARTS):
    forward = forward_pass(initial, transition, emission, starts)
    return forward, backward_pass(initial, transition, emission, starts, *forward, weights)


@pytest.mark.parametrize("matrices", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("shift", [0.0, 1e4])
def test_terms_and_smoothed_probabilities(matrices, zeros, shift):
    model = chain(matrices, zeros=zeros)
    model[2][:] += shift * np.cos(np.arange(N))[:, None]
    (terms, *_), (_, _, smoothed) = both_ways(*model, np.ones(N))
    np.testing.assert_allclose(terms, naive_terms(*model), rtol=1e-11, atol=1e-11 + 1e-12 * shift)
    np.testing.assert_allclose(smoothed, naive_smoothed(*model), atol=1e-11)


WEIGHTS = {
    "ones": np.ones(N),
    "by sequence": np.repeat([2.0, 0.0, -0.5], LENGTHS),
    "by row": np.array([0.3, -1.0, 2.0, 0.0, 1.0, 0.5, 0.5, -2.0]),
}


@pytest.mark.parametrize("matrices", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("weights", WEIGHTS.values(), ids=WEIGHTS)
@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("hard", [False, True])
def test_gradient_by_differences(matrices, weights, zeros, hard):
    """In probabilities themselves, also where they are zero; densities apart by hundreds force the logarithms."""
    model = chain(matrices, zeros=zeros)
    if hard:
        model[2][1:3, 0] -= 800.0
    _, gradient = both_ways(*model, weights)
    for i, g in enumerate(gradient):
        for at in np.ndindex(g.shape):
            h = 1e-5
            ahead, behind = [], []
            for step, into in ((h, ahead), (2 * h, ahead), (-h, behind)):
                moved = [m.copy() for m in model]
                moved[i][at] += step
                into.append(float(weights @ forward_pass(*moved, STARTS)[0]) if moved[i][at] >= 0 or i == 2 else np.nan)
            if np.isnan(behind[0]):  # one-sided, of second order
                now = float(weights @ forward_pass(*model, STARTS)[0])
                numeric = (4 * ahead[0] - ahead[1] - 3 * now) / (2 * h)
            else:
                numeric = (ahead[0] - behind[0]) / (2 * h)
            if abs(g[at]) < 1e5:  # beyond, the function is not linear over a step
                assert g[at] == pytest.approx(numeric, rel=2e-5, abs=2e-6), (i, at)


@pytest.mark.parametrize("matrices", KINDS.values(), ids=KINDS)
def test_the_two_ways_back_agree(matrices):
    """Weights that are equal go back on probabilities; as a sum of two that are not, in logarithms."""
    model, part = chain(matrices), np.random.default_rng(1).normal(size=N)
    _, whole = both_ways(*model, np.ones(N))
    _, first = both_ways(*model, part)
    _, second = both_ways(*model, 1.0 - part)
    for a, b, c in zip(whole, first, second, strict=True):
        np.testing.assert_allclose(a, b + c, rtol=1e-11, atol=1e-12)


def test_densities_of_ten_thousand():
    rng = np.random.default_rng(4)
    emission = rng.choice([-1e4, 1e4, 0.0], size=(200, K))
    transition = np.array([[[0.9, 0.1, 0.0], [0.0, 0.5, 0.5], [1e-300, 0.0, 1.0]]])
    starts = np.array([0, 200])
    (terms, *_), gradient = both_ways(np.array([[1.0, 0.0, 0.0]]), transition, emission, np.ones(200), starts)
    assert np.isfinite(terms).all()
    assert all(np.isfinite(g).all() for g in gradient)
    np.testing.assert_allclose(gradient[2].sum(axis=1), 1.0, rtol=1e-9)
    # the best path is all but the only one: terms sum to its joint density
    best = np.log([1.0, 0.0, 0.0], where=np.array([True, False, False]), out=np.full(K, -np.inf)) + emission[0]
    with np.errstate(divide="ignore"):
        logs = np.log(transition[0])
    for row in emission[1:]:
        best = logsumexp(best[:, None] + logs, axis=0) + row
    assert terms.sum() == pytest.approx(logsumexp(best), rel=1e-12)


def test_a_state_that_only_later_rows_call_for():
    """State 1 is out of sight of 64-bit probabilities and cannot be entered later: only logarithms keep it."""
    emission = np.array([[0.0, -2000.0], [0.0, 0.0], [-5000.0, 0.0]])
    transition, initial = np.eye(2)[None], np.array([[0.5, 0.5]])
    (terms, _, _, kind), (_, g_transition, smoothed) = both_ways(
        initial, transition, emission, np.ones(3), np.array([0, 3])
    )
    assert kind[0] == LOGARITHMIC
    assert terms.sum() == pytest.approx(np.log(0.5) - 2000.0, rel=1e-13)
    np.testing.assert_allclose(smoothed, np.tile([0.0, 1.0], (3, 1)), atol=1e-12)
    assert g_transition[0, 1, 1] == pytest.approx(2.0, rel=1e-9)


def test_impossible_sequences_say_so_and_leave_the_others_alone():
    initial, transition, emission = chain()
    emission[1] = -np.inf
    (terms, _, _, kind), gradient = both_ways(initial, transition, emission, np.ones(N))
    assert list(kind) == [IMPOSSIBLE, SCALED, SCALED]
    assert np.isfinite(terms[0])
    assert (terms[1:4] == -np.inf).all()
    np.testing.assert_allclose(terms[4:], naive_terms(initial, transition, np.nan_to_num(emission, neginf=0.0))[4:])
    assert (gradient[2][:4] == 0.0).all()
    assert all(np.isfinite(g).all() for g in gradient)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_nan_goes_through(which):
    model = chain(len(LENGTHS))
    model[which][(0,) * model[which].ndim] = np.nan
    (terms, *_), gradient = both_ways(*model, np.ones(N))
    assert np.isnan(terms[:4]).all()
    assert np.isnan(gradient[2][:4]).all()
    if which != 1:
        assert np.isfinite(terms[4:]).all()


def test_a_hundred_thousand_rows():
    rng = np.random.default_rng(5)
    n = 100_000
    transition, initial = np.array([[[0.95, 0.05], [0.1, 0.9]]]), np.array([[0.5, 0.5]])
    emission, starts = rng.normal(size=(n, 2)) * 3.0, np.array([0, n])
    (terms, *_), gradient = both_ways(initial, transition, emission, np.ones(n), starts)
    alpha, total = initial[0], 0.0  # divided by its sum at every row
    for row in emission:
        alpha = alpha * np.exp(row)
        total += np.log(alpha.sum())
        alpha = alpha / alpha.sum() @ transition[0]
    assert terms.sum() == pytest.approx(total, rel=1e-11)
    np.testing.assert_allclose(gradient[2].sum(axis=1), 1.0, rtol=1e-9)
    assert (gradient[1] * transition).sum() == pytest.approx(n - 1, rel=1e-9)


@pytest.mark.parametrize("matrices", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("zeros", [False, True])
def test_leave_one_out(matrices, zeros):
    initial, transition, emission = chain(matrices, zeros=zeros)
    got = leave_one_out(initial, transition, emission, STARTS)
    for s, length in enumerate(LENGTHS):
        whole = logsumexp(log_joint_of_paths(initial, transition, emission, s, length)[1])
        for t in range(STARTS[s], STARTS[s + 1]):
            without = emission.copy()
            without[t] = 0.0
            rest = logsumexp(log_joint_of_paths(initial, transition, without, s, length)[1])
            assert got[t] == pytest.approx(whole - rest, abs=1e-11)


@pytest.mark.parametrize("matrices", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("hard", [False, True])
def test_drawn_paths_have_their_posterior(matrices, hard):
    """Counts of every path of the first sequence against its posterior probability."""
    model = chain(matrices, zeros=hard)
    model[2][1, 0] -= 800.0 * hard
    rng, draws = np.random.default_rng(6), 4000
    _, alpha, _, kind = forward_pass(*model, STARTS)
    got = np.array([draw_paths(model[1], STARTS, alpha, kind, rng.random(N)) for _ in range(draws)])
    for s, length in enumerate(LENGTHS):
        _paths, joint = log_joint_of_paths(*model, s, length)
        p = np.exp(joint - logsumexp(joint))
        codes = got[:, STARTS[s] : STARTS[s + 1]] @ K ** np.arange(length)[::-1]
        counts = np.bincount(codes, minlength=len(p))
        assert (counts[p == 0.0] == 0).all()
        error = np.sqrt(draws * p * (1 - p)) + 1.0
        assert (np.abs(counts - draws * p) < 5.0 * error).all()


def test_walks_have_the_chain_s_probabilities():
    initial, transition, _ = chain(N, zeros=True)
    initial, transition = (m / m.sum(axis=-1, keepdims=True) for m in (initial, transition))
    rng, draws = np.random.default_rng(7), 4000
    got = np.array([walk(initial, transition, STARTS, rng.random(N)) for _ in range(draws)])
    for s, length in enumerate(LENGTHS):
        _paths, joint = log_joint_of_paths(initial, transition, np.zeros((N, K)), s, length)
        p = np.exp(joint)
        counts = np.bincount(got[:, STARTS[s] : STARTS[s + 1]] @ K ** np.arange(length)[::-1], minlength=len(p))
        assert (np.abs(counts - draws * p) < 5.0 * (np.sqrt(draws * p * (1 - p)) + 0.2)).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"starts": np.array([0, 4, 7])}, "lengths must add up"),
        ({"starts": np.array([0, 4, 4, 8])}, "lengths must be positive"),
        ({"initial": np.ones((2, K)) / K}, r"initial must be \(K,\) or \(sequences, K\)"),
        ({"transition": np.ones((5, K, K)) / K}, r"transition must be \(K, K\), \(sequences, K, K\) or \(n, K, K\)"),
        ({"transition": np.ones((1, 2, 2)) / 2}, "transition must be"),
    ],
)
def test_sizes_that_do_not_fit(change, words):
    initial, transition, emission = chain()
    given = {"initial": initial, "transition": transition, "emission": emission, "starts": STARTS} | change
    with pytest.raises(ValueError, match=words):
        forward_pass(*given.values())


def test_gradient_through_the_graph():
    """From (K,) and (K, K) as users give them."""
    initial, transition, emission = (np.array(m) for m in chain())
    i, a, e = pt.dvector(), pt.dmatrix(), pt.dmatrix()
    total = chain_terms(i, a, e, STARTS).sum()
    f = pytensor.function([i, a, e], [total, *pytensor.grad(total, [i, a, e])], mode=PYTHON)
    got = f(initial[0], transition[0], emission)
    same = np.tile(initial[0], (3, 1))
    (terms, *_), (g_initial, g_transition, g_emission) = both_ways(same, transition, emission, np.ones(N))
    for mine, theirs in zip(got, (terms.sum(), g_initial.sum(axis=0), g_transition[0], g_emission), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12)


def test_second_derivatives_are_refused_in_words():
    e = pt.dmatrix()
    slope = pytensor.grad(chain_terms(np.ones(K) / K, np.ones((K, K)) / K, e, STARTS).sum(), e)
    with pytest.raises(NotImplementedError, match="no second derivatives"):
        pytensor.grad(slope[0, 0], e)


def test_wants_the_right_number_of_dimensions():
    with pytest.raises(ValueError, match=r"emission must have 2 dimension\(s\); got 1"):
        ChainTerms()(np.ones((1, K)), np.ones((1, K, K)), np.ones(3), STARTS)
