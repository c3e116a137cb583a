"""Filtered and predicted probabilities, sampled paths, stationary distributions and dwell times."""

from dataclasses import replace

import numpy as np
import pytest
from naive import chain
from scipy import stats

import em_vs_bayes as evb

INITIAL = np.array([0.6, 0.3, 0.1])
TRANSITION = np.array([[0.8, 0.15, 0.05], [0.1, 0.7, 0.2], [0.3, 0.3, 0.4]])
RATES = np.array([1.0, 4.0, 12.0])
PARAMS = {"initial": INITIAL, "transition": TRANSITION, "rates": RATES}
Y = np.array([0.0, 2.0, np.nan, 9.0, 3.0, 14.0, 1.0])
LENGTHS = [4, 3]
SPEC = evb.HMM(evb.emissions.Poisson(), 3)


def densities(y):
    b = stats.poisson.pmf(np.nan_to_num(y)[:, None], RATES)
    b[np.isnan(y)] = 1.0
    return b


@pytest.fixture(scope="module")
def at():
    return SPEC.at(Y, PARAMS, lengths=LENGTHS)


@pytest.fixture(scope="module")
def sampled():
    """A fit with posterior draws, two chains of thirty, by hand: draws of the transition rows around the truth."""
    rng = np.random.default_rng(3)
    base = SPEC.at(Y, PARAMS, lengths=LENGTHS)
    draws = np.empty((2, 30, base.theta.size))
    for index in np.ndindex(2, 30):
        matrix = np.stack([rng.dirichlet(50 * row) for row in TRANSITION])
        own = PARAMS | {"transition": matrix, "rates": RATES * rng.uniform(0.9, 1.1, 3)}
        draws[index] = base.program.theta_of(own)
    return replace(base, draws=draws, raw_draws=draws)


def test_filtered_and_predicted_are_conditional_on_the_past_alone(at):
    filtered, predicted = at.filtered_proba(), at.predicted_proba()
    b = densities(Y)
    for start, stop in ((0, 4), (4, 7)):
        for t in range(stop - start):
            own = b[start:stop]
            np.testing.assert_allclose(
                filtered[start + t], chain.given(INITIAL, TRANSITION, own, t, range(t + 1)), rtol=1e-10
            )
            np.testing.assert_allclose(
                predicted[start + t], chain.given(INITIAL, TRANSITION, own, t, range(t)), rtol=1e-10
            )


def test_new_data_and_lengths(at):
    new = np.array([1.0, 15.0, 2.0, 3.0])
    got = at.filtered_proba(new, lengths=[2, 2])
    np.testing.assert_allclose(got[2:], chain.forward(INITIAL, TRANSITION, densities(new[2:]))[0], rtol=1e-10)
    with pytest.raises(ValueError, match="lengths goes with new data"):
        at.predicted_proba(lengths=[2, 2])


def test_left_out_is_given_all_other_rows(at):
    program = at.program
    got = program.latent.left_out(program.data, program.streams, program.potentials(at.theta))
    b = densities(Y)
    for start, stop in ((0, 4), (4, 7)):
        for t in range(stop - start):
            others = [s for s in range(stop - start) if s != t]
            want = chain.given(INITIAL, TRANSITION, b[start:stop], t, others)
            np.testing.assert_allclose(got[start + t], want, rtol=1e-10)


def test_left_out_does_not_lose_a_row_that_no_state_explains():
    """The row's own density underflows under every state; the others say where the chain is all the same."""
    params = {"initial": [0.5, 0.5], "transition": [[0.9, 0.1], [0.2, 0.8]], "means": [0.0, 5.0], "sigmas": [1.0, 1.0]}
    fit = evb.HMM(evb.emissions.Normal(), 2).at(np.array([0.1, 5.2, 1e4, 5.0, 4.9]), params)
    got = fit.program.latent.left_out(fit.program.data, fit.program.streams, fit.program.potentials(fit.theta))
    b = stats.norm.pdf(np.array([0.1, 5.2, 0.0, 5.0, 4.9])[:, None], [0.0, 5.0], 1.0)
    want = chain.given(np.array([0.5, 0.5]), np.array(params["transition"]), b, 2, [0, 1, 3, 4])
    np.testing.assert_allclose(got[2], want, rtol=1e-9)


def test_known_states_stay_where_they_are():
    fit = SPEC.fit(np.nan_to_num(Y), "em", labels=[-1, 2, -1, -1, 1, -1, -1], objective="map", progressbar=False)
    program = fit.program
    got = program.latent.left_out(program.data, program.streams, program.potentials(fit.theta))
    np.testing.assert_array_equal(got[[1, 4]], np.eye(3)[[2, 1]])
    assert (fit.sample_states(20, seed=1)[:, [1, 4]] == [2, 1]).all()


def test_sampled_paths_have_the_joint_distribution(at):
    """Pairs of states of the first sequence, counted over paths, against the sum over all paths."""
    n = 20_000
    z = at.sample_states(n, seed=5)
    assert z.shape == (n, 7)
    want = np.zeros((3, 3))
    total = 0.0
    for path, p in chain.paths(INITIAL, TRANSITION, densities(Y[:4])):
        want[path[1], path[3]] += p
        total += p
    want /= total
    got = np.zeros((3, 3))
    np.add.at(got, (z[:, 1], z[:, 3]), 1.0 / n)
    np.testing.assert_allclose(got, want, atol=4.5 * np.sqrt(0.25 / n))
    np.testing.assert_array_equal(z, at.sample_states(n, seed=5))


def test_paths_follow_the_posterior_draws(sampled):
    """A draw at which the chain never leaves state 0 gives paths that do not."""
    draws = sampled.draws.copy()
    stuck = PARAMS | {"initial": np.array([1.0, 0.0, 0.0]), "transition": np.array([[1.0, 0, 0]] * 3)}
    draws[:, ::2] = sampled.program.theta_of(stuck)
    z = replace(sampled, draws=draws).sample_states(60, seed=1)  # each draw once
    assert (z == 0).all(axis=1).sum() == 30


def test_stationary_distribution_and_dwell_times(at):
    far = np.linalg.matrix_power(TRANSITION, 200)[0]
    np.testing.assert_allclose(at.stationary_distribution, far, rtol=1e-12)
    long = np.arange(1, 4000)
    visits = [(long * (1 - a) * a ** (long - 1)).sum() for a in np.diag(TRANSITION)]
    np.testing.assert_allclose(at.dwell_times, visits, rtol=1e-10)


def test_state_summary_of_a_point(at):
    table = at.state_summary()
    assert list(table.columns) == ["stationary", "dwell_time", "share"]
    np.testing.assert_allclose(table["share"], np.bincount(at.predict(), minlength=3) / 7)


def test_state_summary_of_draws(sampled):
    table = sampled.state_summary(level=0.8, seed=4)
    matrices = sampled.program.public(sampled.draws)["transition"].reshape(-1, 3, 3)
    dwell = 1 / (1 - np.diagonal(matrices, axis1=1, axis2=2))
    np.testing.assert_allclose(table["dwell_time_lower"], np.quantile(dwell, 0.1, axis=0))
    np.testing.assert_allclose(table["dwell_time_upper"], np.quantile(dwell, 0.9, axis=0))
    far = np.array([np.linalg.matrix_power(m, 300)[0] for m in matrices])
    np.testing.assert_allclose(table["stationary_upper"], np.quantile(far, 0.9, axis=0))
    assert ((table["share_lower"] <= table["share"]) & (table["share"] <= table["share_upper"])).all()


def test_a_mixture_has_no_states():
    fit = evb.Mixture(evb.emissions.Poisson(), 2).at([1.0, 2.0, 9.0], {"weights": [0.5, 0.5], "rates": [1.0, 8.0]})
    asked = {
        "filtered_proba": fit.filtered_proba,
        "predicted_proba": fit.predicted_proba,
        "sample_states": lambda: fit.sample_states(2),
        "stationary_distribution": lambda: fit.stationary_distribution,
        "dwell_times": lambda: fit.dwell_times,
        "state_summary": fit.state_summary,
        "forecast": lambda: fit.forecast(2),
        "pseudo_residuals": fit.pseudo_residuals,
    }
    for name, ask in asked.items():
        with pytest.raises(ValueError, match=f"{name} belongs to hidden Markov models"):
            ask()


@pytest.mark.parametrize(
    ("n", "words"), [(0, "n must be an integer of at least 1"), (2.5, "n must be an integer of at least 1")]
)
def test_refusals(at, n, words):
    with pytest.raises(ValueError, match=words):
        at.sample_states(n)
    with pytest.raises(ValueError, match="level must lie"):
        at.state_summary(level=1.0)


# --- rows that cannot be --------------------------------------------------------------------------------------------

NEVER = {"transition": np.eye(3)[[1, 2, 0]], "initial": np.array([1.0, 0.0, 0.0]), "probs": np.array([0.0, 1.0, 0.5])}
ASKED = {
    "predict": lambda fit, y, lengths: fit.predict(y, lengths=lengths),
    "predict_proba": lambda fit, y, lengths: fit.predict_proba(y, lengths=lengths),
    "filtered_proba": lambda fit, y, lengths: fit.filtered_proba(y, lengths=lengths),
    "predicted_proba": lambda fit, y, lengths: fit.predicted_proba(y, lengths=lengths),
    "forecast": lambda fit, y, lengths: fit.forecast(2, y=y, lengths=lengths),
    "sample_states": lambda fit, y, lengths: fit.spec.at(y, NEVER, lengths=lengths).sample_states(2, seed=1),
    "pseudo_residuals": lambda fit, y, lengths: fit.spec.at(y, NEVER, lengths=lengths).pseudo_residuals(),
}


@pytest.mark.parametrize("what", ASKED)
def test_nothing_is_said_given_a_row_of_probability_zero(what):
    """Zeros, ones, anything, in turn: row 3 is a one in place of a zero. Scores are minus infinity, the rest words."""
    fit = evb.HMM(evb.emissions.Bernoulli(), 3).at([0, 1, 0, 0, 1, 1], NEVER)
    y, lengths = [0, 1, 0, 1, 1, 0], [3, 3]
    np.testing.assert_array_equal(fit.score_samples(y, lengths=lengths, kind="sequence"), [np.log(0.5), -np.inf])
    with pytest.raises(ValueError, match=rf"^{what}: row 3 of y \(in sequence 1\) has probability zero after the rows"):
        ASKED[what](fit, y, lengths)
    with pytest.raises(ValueError, match=rf"^{what}: row 1 of y has probability zero"):
        ASKED[what](fit, [0, 0], None)
    ASKED[what](fit, [0, np.nan, 1, 0], None)


def test_nor_by_a_mixture():
    fit = evb.Mixture(evb.emissions.Bernoulli(), 2).at([0, 0], {"weights": [0.5, 0.5], "probs": [0.0, 0.0]})
    np.testing.assert_array_equal(fit.score_samples([0, 1]), [0.0, -np.inf])
    for ask in (fit.predict, fit.predict_proba):
        assert len(ask([0, 0, 0])) == 3
        with pytest.raises(ValueError, match="row 1 of y has probability zero under these parameters"):
            ask([0, 1])


def test_categories_never_seen_have_a_forecast_that_sums_to_one_or_none():
    fit = evb.HMM(evb.emissions.Categorical(5), 2).fit([0, 1, 2, 1, 0, 2, 1, 1, 0, 2, 2, 2], seed=1, progressbar=False)
    np.testing.assert_allclose(fit.forecast(3).filter(like="prob").sum(axis=1), 1.0, rtol=1e-12)
    with pytest.raises(ValueError, match="row 1 of y has probability zero after the rows before it"):
        fit.forecast(1, y=[0, 4, 1])
