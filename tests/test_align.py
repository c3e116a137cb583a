"""Relabelling: against enumeration of all permutations, and against the truth on switched draws."""

from itertools import permutations
from time import perf_counter

import numpy as np
import pytest

from em_vs_bayes.common import align


@pytest.fixture
def rng():
    return np.random.default_rng(20000)


def switched(rng, draws, k):
    return np.array([rng.permutation(k) for _ in range(draws)])


def responsibilities(rng, labels, k, sharpness):
    p = rng.gamma(1.0, size=(len(labels), k))
    p[np.arange(len(labels)), labels] += sharpness
    return p / p.sum(1, keepdims=True)


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5])
def test_stephens_is_the_best_of_all_permutations(rng, k):
    reference = rng.dirichlet(np.ones(k), size=20)
    draws = rng.dirichlet(np.ones(k), size=(30, 20))
    found = align.stephens(draws, reference)
    for p, permutation in zip(draws, found, strict=True):
        loss = {
            perm: sum(p[i, perm[j]] * np.log(p[i, perm[j]] / reference[i, j]) for i in range(20) for j in range(k))
            for perm in permutations(range(k))
        }
        assert loss[tuple(permutation)] == pytest.approx(min(loss.values()), abs=1e-10)


@pytest.mark.parametrize("k", [2, 3, 5])
def test_ecr_is_the_best_of_all_permutations(rng, k):
    reference = rng.integers(k, size=40)
    draws = rng.integers(k, size=(50, 40))
    for z, permutation in zip(draws, align.ecr(draws, reference, k), strict=True):
        agreement = {perm: sum(z[i] == perm[reference[i]] for i in range(40)) for perm in permutations(range(k))}
        assert agreement[tuple(permutation)] == max(agreement.values())


@pytest.mark.parametrize("k", [2, 4, 7])
def test_switched_draws_are_put_back(rng, k):
    labels = np.arange(60) % k
    truth = np.array([responsibilities(rng, labels, k, 10.0) for _ in range(80)])
    shuffle = switched(rng, 80, k)
    raw = align.apply(shuffle, {"p": truth}, {"p": (2,)})["p"]
    reference = truth.mean(0)
    for permutation in (
        align.stephens(raw, reference),
        align.stephens(lambda s: raw[s], reference, draws=80),
        align.ecr(raw.argmax(2), reference.argmax(1), k),
    ):
        np.testing.assert_array_equal(permutation, align.invert(shuffle))
        np.testing.assert_array_equal(align.apply(permutation, {"p": raw}, {"p": (2,)})["p"], truth)


def test_stephens_repeated_needs_no_good_reference(rng):
    k = 4
    labels = np.arange(60) % k
    truth = np.array([responsibilities(rng, labels, k, 10.0) for _ in range(100)])
    raw = align.apply(switched(rng, 100, k), {"p": truth}, {"p": (2,)})["p"]
    permutation = align.stephens(raw, raw[0], max_iter=20)
    aligned = align.apply(permutation, {"p": raw}, {"p": (2,)})["p"]
    assert (aligned.mean(0).argmax(1)[:, None] == aligned.argmax(2).T).mean() > 0.9


def test_only_chosen_rows_are_read(rng):
    rows = align.even_rows(10_000, 512)
    assert len(np.unique(rows)) == 512 and rows[0] == 0 and rows[-1] == 9_999
    np.testing.assert_array_equal(align.even_rows(5), np.arange(5))
    reference = rng.dirichlet(np.ones(3), size=1000)
    raw = reference[None, :, [2, 0, 1]].copy()
    unread = np.setdiff1d(np.arange(1000), align.even_rows(1000, 10))
    raw[:, unread] = np.nan
    np.testing.assert_array_equal(align.stephens(raw, reference, max_rows=10), [[1, 2, 0]])


def test_parameters_in_their_own_units(rng):
    """A parameter in large units that tells nothing must not drown one in small units that tells all."""
    centres = {"small": np.array([0.0, 0.001, 0.002, 0.003]), "large": np.zeros(4)}
    truth = {
        "small": centres["small"] + 1e-5 * rng.normal(size=(50, 4)),
        "large": 1e6 * rng.normal(size=(50, 4)),
    }
    shuffle = switched(rng, 50, 4)
    raw = align.apply(shuffle, truth, {"small": (1,), "large": (1,)})
    only = align.hungarian_by_parameters({"small": raw["small"]}, centres)
    np.testing.assert_array_equal(only, align.invert(shuffle))
    both = align.hungarian_by_parameters(raw, centres)
    assert (both == align.invert(shuffle)).mean() > 0.5  # chance is 0.25; without scaling it stays there


@pytest.mark.parametrize("k", [2, 3, 5])
def test_parameters_are_the_best_of_all_permutations(rng, k):
    draws, reference = {"m": rng.normal(size=(40, k, 2))}, {"m": rng.normal(size=(k, 2))}
    scale = draws["m"].std((0, 1))
    for x, permutation in zip(draws["m"], align.hungarian_by_parameters(draws, reference), strict=True):
        distance = {perm: (((x[list(perm)] - reference["m"]) / scale) ** 2).sum() for perm in permutations(range(k))}
        assert distance[tuple(permutation)] == pytest.approx(min(distance.values()))


def test_transition_matrix_is_permuted_on_both_axes(rng):
    transition = rng.dirichlet(np.ones(3), size=(2, 4, 3))  # chain, draw, state, state_to
    permutation = np.array([[rng.permutation(3) for _ in range(4)] for _ in range(2)])
    out = align.apply(permutation, {"transition": transition, "scalar": transition[..., 0, 0]}, {"transition": (2, 3)})
    for c in range(2):
        for s in range(4):
            p = permutation[c, s]
            np.testing.assert_array_equal(out["transition"][c, s], transition[c, s][p][:, p])
    np.testing.assert_array_equal(out["scalar"], transition[..., 0, 0])


def test_ties_keep_the_labels():
    same = np.full((6, 8, 5), 0.2)
    np.testing.assert_array_equal(align.stephens(same, same[0]), np.tile(np.arange(5), (6, 1)))


def test_a_reference_of_exact_zeros_is_no_obstacle():
    reference = np.repeat(np.eye(4), 3, axis=0)
    raw = reference[None, :, [3, 1, 0, 2]]
    np.testing.assert_array_equal(align.stephens(raw, reference), [[2, 1, 3, 0]])


@pytest.mark.parametrize("k", [3, 10])
def test_four_thousand_draws_take_well_under_a_second(rng, k):
    reference = rng.dirichlet(np.ones(k), size=512)
    raw = rng.dirichlet(np.ones(k), size=(400, 512))
    start = perf_counter()
    align.stephens(lambda s: raw[s % 400], reference, draws=4000)
    assert perf_counter() - start < 1.0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: align.ecr(np.zeros((2, 3), int), np.zeros(4, int), 2), "reference has shape"),
        (lambda: align.ecr(np.full((2, 3), 2), np.zeros(3, int), 2), "allocations holds labels 2 to 2"),
        (lambda: align.stephens(np.zeros((2, 3)), np.zeros((3, 2))), "probabilities has shape"),
        (lambda: align.stephens(lambda s: np.ones((3, 2)), np.ones((3, 2))), "draws got None"),
        (lambda: align.stephens(np.full((2, 3, 2), np.nan), np.ones((3, 2))), "draw 0 are not finite"),
        (lambda: align.hungarian_by_parameters({"a": np.ones((2, 2))}, {"b": np.ones(2)}), "wants a name"),
        (
            lambda: align.apply(np.zeros((2, 3), int), {"a": np.ones((2, 2))}, {"a": (1,)}),
            "length 3 on axis 1",
        ),
    ],
)
def test_refusals_name_the_argument(call, words):
    with pytest.raises(ValueError, match=words):
        call()
