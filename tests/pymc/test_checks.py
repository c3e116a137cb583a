"""What users get wrong in chains of their own models is said in words, where it is written."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest

import em_vs_bayes as evb

N, LENGTHS = 6, (2, 4)
Y = np.linspace(-1.0, 1.0, N)
HALF = np.full((2, 2), 0.5)


def normal(y, mu):
    return pm.logp(pm.Normal.dist(mu, 1.0), y[:, None])


def write(**change):
    """An HMM of two states, with something changed."""
    given = {
        "initial": [0.5, 0.5],
        "transition": HALF,
        "emission_logp": lambda y: normal(y, np.array([0.0, 1.0])),
        "observed": Y,
        "lengths": LENGTHS,
    } | change
    return evb.pymc.HMM("y", **given)


def by_row(value, at):
    out = np.tile(HALF, (N, 1, 1))
    out[at] = value
    return out


WRONG = {
    "rows of a constant": ({"transition": [[0.9, 0.1], [0.5, 0.4]]}, r"transition\[1\] sums to 0\.9: \[0\.5 0\.4\]"),
    "by row": ({"transition": by_row([0.3, 0.6], (3, 1))}, r"transition\[3, 1\] sums to 0\.9"),
    "negative": ({"transition": [[1.5, -0.5], [0.5, 0.5]]}, r"transition\[0\] is negative in part"),
    "NaN": ({"transition": by_row([np.nan, 0.6], (5, 0))}, r"transition\[5, 0\] is not a number"),
    "initial": ({"initial": [0.5, 0.4]}, r"initial sums to 0\.9"),
    "initial of a sequence": ({"initial": [[0.5, 0.5], [1.0, 1.0]]}, r"initial\[1\] sums to 2"),
    "three matrices": (
        {"transition": np.full((3, 2, 2), 0.5)},
        r"transition must be \(K, K\), \(2, K, K\) for 2 sequence\(s\), or \(6, K, K\) for 6 rows; got \(3, 2, 2\)",
    ),
    "not square": ({"transition": np.full((2, 3), 0.5)}, r"transition must be \(K, K\).*got \(2, 3\)"),
    "states of initial": (
        {"initial": np.ones(3) / 3},
        r"initial must be \(2,\), or \(2, 2\) for 2 sequence\(s\), as transition has 2 states; got \(3,\)",
    ),
    "rows of emission": (
        {"emission_logp": np.zeros((5, 2))},
        r"emission_logp must be \(6, 2\): 6 rows of observed, 2 states of transition; got \(5, 2\)",
    ),
    "columns of emission": (
        {"emission_logp": lambda y: normal(y, np.zeros(3))},
        r"emission_logp must be \(6, 2\).*got \(6, 3\)",
    ),
    "a gap in a tensor": (
        {"emission_logp": np.tile([[0.0], [0.0], [np.nan]], (2, 2)), "observed": [0.0, 0.0, np.nan] * 2},
        r"emission_logp is not a number in row 2, where observed is nan",
    ),
    "a partial gap": (
        {
            "observed": np.column_stack([Y, np.where(np.arange(N) == 4, np.nan, Y)]),
            "emission_logp": lambda y: pm.logp(pm.Normal.dist(np.zeros(2), 1.0), y[:, :, None]).sum(axis=1),
        },
        r"emission_logp is not a number in row 4, where observed is \[0\.6 nan\]",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said(case):
    change, words = WRONG[case]
    with pm.Model(), pytest.raises(ValueError, match=words):
        write(**change)


def test_what_depends_on_priors_is_seen_at_a_draw_of_them():
    with pm.Model():
        logits = pm.Normal("logits", 0.0, 1.0, shape=(2, 2))
        write(transition=pm.math.softmax(logits, axis=1))
    with pm.Model():
        logits = pm.Normal("logits", 0.0, 1.0, shape=(2, 2))  # all alike at PyMC's initial point, where no sum is wrong
        with pytest.raises(ValueError, match=r"transition must hold probabilities .* transition\[0\] sums to"):
            write(transition=pm.math.softmax(logits, axis=0))
    with pm.Model():
        z_logits = pm.Normal("logits", 0.0, 1.0, shape=(2, 2))
        with pytest.raises(ValueError, match=r"transition\[0\] sums to"):
            evb.pymc.HiddenStates("z", initial=[0.5, 0.5], transition=pm.math.softmax(z_logits, axis=0), lengths=3)


def test_matrices_of_first_rows_are_not_used():
    with pm.Model():
        write(transition=by_row(np.nan, [0, 2]))
        with pytest.raises(ValueError, match=r"transition\[1, 0\] is not a number"):
            write(transition=by_row(np.nan, [0, 1]))


def test_models_without_draws_are_not_held_up():
    with pm.Model() as model:
        write(emission_logp=normal(pt.as_tensor(Y), pm.Flat("mu", shape=2)))
    assert np.isfinite(model.compile_logp(mode="FAST_COMPILE")({"mu": np.zeros(2)}))
    with pm.Model():
        spread = pm.Normal("spread", -50.0, 1.0)  # of a prior whose draws are no standard deviation
        write(emission_logp=lambda y: pm.logp(pm.Normal.dist(np.zeros(2), spread), y[:, None]))


def test_bounds_unchecked_if_so_wanted():
    with pm.Model(check_bounds=False) as model:
        write(transition=[[0.9, 0.1], [0.5, 0.4]])
    assert model.observed_RVs


def test_the_check_leaves_the_generators_of_the_model_alone():
    drawn = []
    for check in (True, False):
        with pm.Model(check_bounds=check):
            mu = pm.Normal("mu", 0.0, 1.0, shape=2)
            write(emission_logp=normal(pt.as_tensor(Y), mu))
            drawn.append(pm.draw(mu, random_seed=3, mode="FAST_COMPILE"))
    np.testing.assert_array_equal(*drawn)


@pytest.mark.parametrize("kind", ["HMM", "HiddenStates", "Mixture"])
def test_draws_go_through_numba_in_silence(kind):
    """Warnings are errors here, and PyTensor's was of object mode. The draws are the chain's: it can only alternate."""
    flip = np.array([[0.0, 1.0], [1.0, 0.0]])
    with pm.Model() as model:
        scale = pm.HalfNormal("scale", 1.0)
        if kind == "HMM":
            write(initial=[1.0, 0.0], transition=flip, simulate=lambda rng, z: z)
        elif kind == "Mixture":
            evb.pymc.Mixture(
                "y",
                scale,
                weights=[0.0, 1.0],
                emission_logp=lambda y, _: normal(y, np.zeros(2)),
                observed=Y,
                simulate=lambda rng, z, scale: z + 0.0 * scale,
            )
        else:
            evb.pymc.HiddenStates("y", initial=[1.0, 0.0], transition=flip, lengths=LENGTHS)
        prior = pm.sample_prior_predictive(4, random_seed=1)
    group = prior["prior" if kind == "HiddenStates" else "prior_predictive"]
    expected = np.ones(N) if kind == "Mixture" else np.concatenate([np.arange(length) % 2 for length in LENGTHS])
    np.testing.assert_array_equal(group["y"].values, np.tile(expected, (1, 4, 1)))
    assert model.named_vars


def test_masked_rows_are_missing():
    masked = np.ma.masked_array(Y, mask=np.arange(N) == 3)
    with pm.Model() as model:
        write(observed=masked, emission_logp=lambda y: normal(y, np.array([0.0, 0.0])))
    terms = model.compile_logp(sum=False, mode="FAST_COMPILE")({})[0]
    assert terms[3] == 0.0
    assert (terms[np.arange(N) != 3] != 0.0).all()
