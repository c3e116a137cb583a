"""Hidden Markov models as a user meets them, against enumeration, quadrature and steps by hand; and what fits say."""

from functools import cache

import arviz_stats as az
import numpy as np
import pytest
from naive import hmm as naive
from scipy import integrate

import em_vs_bayes as evb
from em_vs_bayes import Status
from em_vs_bayes import emissions as e
from em_vs_bayes import priors as p
from em_vs_bayes.methods import starts
from em_vs_bayes.model.markov import closed_classes
from em_vs_bayes.model.ordering import exchangeable
from em_vs_bayes.program.compile import compile as compile_program

QUIET = {"progressbar": False, "seed": 1}
FREE = np.nan
FORWARD = {"initial": [1.0, 0.0, 0.0], "transition": [[FREE, FREE, 0.0], [0.0, FREE, FREE], [0.0, 0.0, 1.0]]}
CHAIN = {"initial": [0.3, 0.7], "transition": [[0.9, 0.1], [0.3, 0.7]]}


def steps(rng, levels=(0.0, 6.0, 12.0), length=30):
    """One level after the other, each for ``length`` rows."""
    return np.concatenate([rng.normal(level, 1.0, length) for level in levels])


# --- at given parameters --------------------------------------------------------------------------------------------

EMISSIONS = {
    "normal": (e.Normal(), {"means": [0.0, 3.0], "sigmas": [1.0, 2.0]}, [0.1, np.nan, 2.5, 4.0, -1.0, 0.3, np.nan]),
    "poisson": (e.Poisson(), {"rates": [1.0, 6.0]}, [0, 2, np.nan, 7, 5, 1, 0]),
    "exponential": (e.Exponential(), {"rates": [1.0, 0.2]}, [0.1, 2.0, 5.0, np.nan, 0.0, 9.0, 1.0]),
    "bernoulli": (e.Bernoulli(), {"probs": [0.2, 0.9]}, [0, 1, 1, np.nan, 0, 1, 1]),
    "categorical": (e.Categorical(3), {"probs": [[0.2, 0.3, 0.5], [0.8, 0.1, 0.1]]}, [0, 2, np.nan, 1, 1, 2, 0]),
}


@pytest.mark.parametrize("lengths", [[7], [3, 1, 3], [1] * 7], ids=str)
@pytest.mark.parametrize("name", EMISSIONS)
def test_every_answer_by_enumeration(name, lengths):
    emission, own, y = EMISSIONS[name]
    params = {name: np.array(value) for name, value in (CHAIN | own).items()}
    fit = evb.HMM(emission, 2).at(y, params, lengths=lengths)
    answers = naive.answers(emission, y, params, lengths)
    assert fit.status is Status.GIVEN
    assert fit.log_likelihood == pytest.approx(sum(a.evidence for a in answers), rel=1e-11)
    np.testing.assert_allclose(fit.predict_proba(), np.vstack([a.smoothed for a in answers]), rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(fit.predict(), np.concatenate([a.path for a in answers]))
    for kind, terms in (("loo", "loo"), ("predictive", "ahead")):
        np.testing.assert_allclose(
            fit.score_samples(kind=kind), np.concatenate([getattr(a, terms) for a in answers]), rtol=1e-9, atol=1e-11
        )
    np.testing.assert_allclose(
        fit.score_samples(kind="sequence"), [a.evidence for a in answers], rtol=1e-11, atol=1e-13
    )
    np.testing.assert_array_equal(fit.score_samples(), fit.score_samples(kind="loo"))


def test_sequences_of_one_row_are_a_mixture(rng):
    y = steps(rng, (0.0, 6.0))
    own = {"means": [0.0, 6.0], "sigmas": [1.0, 1.5]}
    chain = evb.HMM(e.Normal(), 2).fit(y, lengths=[1] * 60, init=CHAIN | own, **QUIET)
    mixture = evb.Mixture(e.Normal(), 2).fit(y, init={"weights": [0.3, 0.7]} | own, **QUIET)
    assert chain.log_likelihood == pytest.approx(mixture.log_likelihood, rel=1e-10)
    np.testing.assert_allclose(chain.params["initial"], mixture.params["weights"], rtol=1e-5)
    np.testing.assert_allclose(chain.params["transition"], CHAIN["transition"])  # nothing is known of it
    np.testing.assert_allclose(chain.predict_proba(), mixture.predict_proba(), atol=1e-6)


@pytest.mark.parametrize(
    "spec", [evb.HMM(e.Normal(), 2), evb.HMM(e.Normal(), 2, "uniform"), evb.Mixture(e.Normal(), 2)]
)
def test_expected_numbers_of_rows(spec, rng):
    """The sum of the posterior probabilities, case weights counted, rows without a value too."""
    y, weights = steps(rng, (0.0, 3.0), 10), np.repeat([1.0, 2.5], [12, 8])
    options = {"lengths": [12, 8]} if isinstance(spec, evb.HMM) else {}
    if options:
        y[4] = np.nan
    program = compile_program(spec, y, weights=weights, **options)
    theta = starts.start(program, None, np.random.default_rng(0))
    _, stats = program.expect(program.potentials(theta))
    rows = program.latent.occupancy(stats)
    np.testing.assert_allclose(rows, weights @ program.probabilities(theta), rtol=1e-9)


def test_rows_without_values_let_time_pass(rng):
    """At the end of a sequence they change nothing; between rows they stand for a power of the transition matrix."""
    y, own = rng.normal(size=5), {"means": [0.0, 1.0], "sigmas": [1.0, 2.0]}
    spec, A = evb.HMM(e.Normal(), 2), np.array(CHAIN["transition"])
    value = spec.log_likelihood(y, CHAIN | own)
    assert spec.log_likelihood(np.r_[y, np.nan, np.nan], CHAIN | own) == pytest.approx(value, rel=1e-12)
    assert spec.log_likelihood([y, np.full(3, np.nan)], CHAIN | own) == pytest.approx(value, rel=1e-12)
    start = CHAIN["initial"] @ A @ A
    late = spec.log_likelihood(y, CHAIN | own | {"initial": start})
    assert spec.log_likelihood(np.r_[np.nan, np.nan, y], CHAIN | own) == pytest.approx(late, rel=1e-12)
    two = y[:2].copy()
    cube = spec.log_likelihood(two, {**CHAIN, **own, "transition": A @ A @ A})
    assert spec.log_likelihood([two[0], np.nan, np.nan, two[1]], CHAIN | own) == pytest.approx(cube, rel=1e-12)


def test_units_of_the_data(rng):
    """y -> 10 - 3 y maps means and standard deviations; states stay."""
    y, lengths = steps(rng), [40, 50]
    spec = evb.HMM(e.Normal(), 3)
    fit = spec.fit(y, lengths=lengths, init="kmeans++", **QUIET)
    init = fit.params | {"means": 10.0 - 3.0 * fit.params["means"], "sigmas": 3.0 * fit.params["sigmas"]}
    other = spec.fit(10.0 - 3.0 * y, lengths=lengths, init=init, **QUIET)
    assert other.log_likelihood == pytest.approx(fit.log_likelihood - 90 * np.log(3.0), rel=1e-9)
    np.testing.assert_allclose(other.params["means"], init["means"], rtol=1e-5)
    np.testing.assert_array_equal(other.predict(), fit.predict())


# --- EM -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("labelled", [False, True])
def test_one_step_of_em_by_hand(labelled, rng):
    """Baum, Petrie, Soules & Weiss (1970): shares of smoothed starts and moves, and moments, sequence by sequence."""
    y, lengths = np.r_[rng.normal(0, 1, 4), rng.normal(3, 1, 5)], [3, 1, 5]
    params = {k: np.array(v) for k, v in (CHAIN | {"means": [0.0, 2.0], "sigmas": [1.0, 1.5]}).items()}
    labels = np.array([0, -1, -1, -1, -1, 1, -1, -1, -1]) if labelled else None
    fit = evb.HMM(e.Normal(), 2).fit(
        y, lengths=lengths, labels=labels, init=params, max_iter=1, accelerate=None, **QUIET
    )
    answers = naive.answers(e.Normal(), y, params, lengths, labels)
    starts, moves = sum(a.smoothed[0] for a in answers), sum(a.transitions.sum(axis=0) for a in answers)
    r = np.vstack([a.smoothed for a in answers])
    means = r.T @ y / r.sum(axis=0)
    sigmas = np.sqrt((r * (y[:, None] - means) ** 2).sum(axis=0) / r.sum(axis=0))
    assert fit.n_iter == 1
    np.testing.assert_allclose(fit.params["initial"], starts / 3, rtol=1e-9)
    np.testing.assert_allclose(fit.params["transition"], moves / moves.sum(axis=1, keepdims=True), rtol=1e-9)
    np.testing.assert_allclose(fit.params["means"], means, rtol=1e-9)
    np.testing.assert_allclose(fit.params["sigmas"], sigmas, rtol=1e-9)
    assert fit.history["objective"][0] == pytest.approx(sum(a.evidence for a in answers), rel=1e-11)


def test_a_hard_step_counts_the_viterbi_path(rng):
    y, lengths = np.r_[rng.normal(0, 1, 4), rng.normal(3, 1, 4)], [8]
    params = {k: np.array(v) for k, v in (CHAIN | {"means": [0.0, 2.0], "sigmas": [1.0, 1.5]}).items()}
    fit = evb.HMM(e.Normal(), 2).fit(
        y, lengths=lengths, init=params, algorithm="hard", max_iter=1, accelerate=None, **QUIET
    )
    (answer,) = naive.answers(e.Normal(), y, params)
    assert fit.history["objective"][0] == pytest.approx(answer.score, rel=1e-11)
    z, moves = answer.path, np.zeros((2, 2))
    np.add.at(moves, (z[:-1], z[1:]), 1.0)
    np.testing.assert_allclose(fit.params["transition"], moves / moves.sum(axis=1, keepdims=True))
    np.testing.assert_allclose(fit.params["means"], [y[z == k].mean() for k in range(2)])
    np.testing.assert_array_equal(fit.params["initial"], np.eye(2)[z[0]])


@pytest.mark.parametrize("levels", [(0.0, 6.0, 12.0), (12.0, 6.0, 0.0), (6.0, 12.0, 0.0)], ids=str)
def test_a_chain_that_only_goes_forward_is_found_from_k_means(levels, rng):
    y = steps(rng, levels)
    fit = evb.HMM(e.Normal(), 3, fixed=FORWARD).fit(y, init="kmeans++", **QUIET)
    assert fit.converged
    np.testing.assert_array_equal(fit.predict(), np.repeat([0, 1, 2], 30))
    np.testing.assert_allclose(fit.params["means"], y.reshape(3, 30).mean(axis=1), atol=1e-3)
    np.testing.assert_allclose(
        fit.params["transition"], [[29 / 30, 1 / 30, 0], [0, 29 / 30, 1 / 30], [0, 0, 1]], atol=1e-4
    )
    np.testing.assert_array_equal(fit.params["initial"], [1.0, 0.0, 0.0])


@pytest.mark.parametrize("method", ["em", "vi", "gibbs", "nuts"])
def test_zeros_stay_zeros(method, rng):
    options = {"draws": 30, "tune": 30, "chains": 1} if method in ("gibbs", "nuts") else {}
    fit = evb.HMM(e.Normal(), 3, fixed=FORWARD).fit(steps(rng, length=10), method, **options, **QUIET)
    zero = np.array(FORWARD["transition"]) == 0.0
    assert (fit.params["transition"][zero] == 0.0).all()
    if fit.draws is not None:
        assert (fit.idata.posterior["transition"].to_numpy()[..., zero] == 0.0).all()
    path = fit.predict()
    assert path[0] == 0
    assert (np.diff(path) >= 0).all()


def test_cavi_finds_a_chain_that_only_goes_forward():
    for seed in range(8):
        y = steps(np.random.default_rng(seed), (0.0, 6.0, 12.0, 18.0))
        zeros = np.where(np.eye(4) + np.eye(4, k=1) > 0, FREE, 0.0)
        zeros[3, 3] = 1.0
        fit = evb.HMM(e.Normal(), 4, fixed={"initial": np.eye(4)[0], "transition": zeros}).fit(y, "vi", **QUIET)
        np.testing.assert_array_equal(fit.predict(), np.repeat(np.arange(4), 30))


@pytest.mark.parametrize("method", ["em", "vi"])
@pytest.mark.parametrize("k", [4, 6])
def test_one_start_names_clusters_as_the_chain_passes_them(method, k):
    """Levels in no order, two sequences: the names of a single k-means start come from the structure."""
    for seed in range(4):
        rng = np.random.default_rng(seed)
        levels = 8.0 * rng.permutation(k)
        y = [steps(rng, levels, 15), steps(rng, levels, 10)]
        zeros = np.where(np.eye(k) + np.eye(k, k=1) > 0, FREE, 0.0)
        zeros[-1, -1] = 1.0
        spec = evb.HMM(e.Normal(), k, fixed={"initial": np.eye(k)[0], "transition": zeros})
        centres = np.c_[levels[rng.permutation(k)]]
        clusters = abs(np.concatenate(y)[:, None] - centres.T).argmin(axis=1)
        program = compile_program(spec, y)
        theta = starts.from_labels(program, clusters)
        np.testing.assert_array_equal(centres.ravel()[starts.best_names(program, clusters, theta)], levels)
        fit = spec.fit(y, method, n_init=3, progressbar=False, seed=seed)
        np.testing.assert_array_equal(fit.predict(), np.r_[np.repeat(np.arange(k), 15), np.repeat(np.arange(k), 10)])


def test_a_sticky_prior_does_not_tell_states_apart():
    """Rows and columns are relabelled together."""
    sticky = p.Dirichlet(1.0 + 10.0 * np.eye(3))
    for value, same in (
        (sticky, True),
        (p.Dirichlet(2.0), True),
        (p.Dirichlet([2.0, 1.0, 1.0]), False),
        (p.Dirichlet(np.diag([1.0, 2.0, 3.0]) + 1.0), False),
        (p.Dirichlet(1.0 + np.eye(3) + np.eye(3, k=1)), False),
    ):
        assert exchangeable(evb.HMM(e.Normal(), 3, priors={"transition": value})) is same
    free = np.full((3, 3), FREE)
    for value, same in ((np.where(np.eye(3) > 0, 0.9, FREE), True), (np.where(np.eye(3, k=1) > 0, 0.0, free), False)):
        assert exchangeable(evb.HMM(e.Normal(), 3, fixed={"transition": value})) is same
    y = steps(np.random.default_rng(0), (0.0, 6.0, 12.0), 10)
    fit = evb.HMM(e.Normal(), 3, priors={"transition": sticky}, ordered="means").fit(y, "vi", **QUIET)
    assert (np.diff(fit.params["means"]) > 0).all()
    assert fit.converged


def test_which_specs_tell_states_apart():
    y = np.arange(12.0)
    ring = np.where(np.roll(np.eye(3), 1, axis=1) + np.eye(3) > 0, FREE, 0.0)
    halves = np.where(np.eye(3) > 0, 0.5, FREE)
    told = {
        evb.HMM(e.Normal(), 3): False,
        evb.HMM(e.Normal(), 3, "uniform"): False,
        evb.HMM(e.Normal(), 3, "stationary", fixed={"transition": halves}): False,
        evb.HMM(e.Normal(), 3, fixed=FORWARD): True,
        evb.HMM(e.Normal(), 3, fixed={"initial": [1.0, 0.0, 0.0]}): True,
        evb.HMM(e.Normal(), 3, fixed={"transition": ring}): True,
        evb.Mixture(e.Normal(), 3): False,
        evb.Mixture(e.Normal(), 3, fixed={"weights": [0.2, FREE, FREE]}): True,
        evb.Mixture(e.Normal(), 1, fixed={"weights": [1.0]}): False,
    }
    for spec, wanted in told.items():
        assert starts.structured(compile_program(spec, y)) is wanted


def test_the_m_step_of_stationary_starts_with_zeros_and_a_prior(rng):
    """Zeros in the matrix do not hold the rest of it where it began."""
    y = steps(rng, (0.0, 5.0, 10.0, 0.0, 5.0, 10.0), 20)
    cycle = [[FREE, FREE, 0.0], [0.0, FREE, FREE], [FREE, 0.0, FREE]]
    spec = evb.HMM(e.Normal(), 3, "stationary", fixed={"transition": cycle}, priors={"transition": p.Dirichlet(2.0)})
    init = {
        "initial": np.full(3, 1 / 3),
        "transition": [[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5]],
        "means": [0.0, 5.0, 10.0],
        "sigmas": [1.0, 1.0, 1.0],
    }
    fit = spec.fit(y, objective="map", init=init, **QUIET)
    assert fit.converged
    assert np.diag(fit.params["transition"]).min() > 0.9
    zero = np.array(cycle) == 0.0
    assert (fit.params["transition"][zero] == 0.0).all()


# --- what fits say --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["em", "hard"])
def test_a_state_that_empties_is_said(algorithm, rng):
    """No row is in the third state, whose mean is where it began: an estimate of nothing."""
    init = {
        "initial": [0.4, 0.4, 0.2],
        "transition": [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]],
        "means": [0.0, 6.0, 1e4],
        "sigmas": [1.0, 1.0, 1.0],
    }
    fit = evb.HMM(e.Normal(), 3).fit(steps(rng, (0.0, 6.0)), init=init, algorithm=algorithm, **QUIET)
    assert fit.predict_proba()[:, 2].sum() < 1e-9
    assert any("2" in note for note in fit.notes)
    assert [note for note in fit.notes if "Less than one of 60 rows is expected in state 2 (" in note]
    np.testing.assert_array_equal(fit.params["transition"][2], [0.3, 0.3, 0.4])  # where it last was
    assert fit.params["means"][2] == pytest.approx(1e4, rel=1e-12)
    full = evb.HMM(e.Normal(), 2).fit(steps(rng, (0.0, 6.0)), **QUIET)
    assert not any("Less than one" in note for note in full.notes)


def test_a_state_that_empties_is_said_under_its_new_name(rng):
    """An order renames the states: the empty one comes first."""
    init = {
        "initial": [0.4, 0.4, 0.2],
        "transition": [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]],
        "means": [0.0, 6.0, -1e4],
        "sigmas": [1.0, 1.0, 1.0],
    }
    fit = evb.HMM(e.Normal(), 3, ordered="means").fit(steps(rng, (0.0, 6.0)), init=init, **QUIET)
    assert any("in state 0 (" in note for note in fit.notes)


@pytest.mark.parametrize(("method", "options"), [("vi", {}), ("em", {"objective": "map"})])
@pytest.mark.parametrize("spec", [evb.HMM, evb.Mixture])
def test_a_state_that_empties_falls_back_on_its_prior(spec, method, options):
    rng = np.random.default_rng(2)
    sparse = {"weights": p.Dirichlet(0.01)} if spec is evb.Mixture else {"transition": p.Dirichlet([5.0, 5.0, 0.01])}
    chain = {"weights": [0.4, 0.4, 0.2]}
    if spec is evb.HMM:
        chain = {"initial": [0.4, 0.4, 0.2], "transition": np.full((3, 3), 1 / 3)}
    if method == "em":
        sparse = {name: p.Dirichlet(2.0) for name in sparse}  # the mode exists
    priors = sparse | {"rates": p.Gamma([2.0, 2.0, 4e4], [1.0, 0.2, 1.0])}
    y = np.r_[rng.poisson(2, 40), rng.poisson(15, 40)]
    fit = spec(e.Poisson(), 3, priors=priors).fit(
        y, method, init=chain | {"rates": [2.0, 15.0, 4e4]}, **options, **QUIET
    )
    assert any(f"in {fit.spec.leading} 2 (" in note for note in fit.notes)
    assert fit.params["rates"][2] == pytest.approx(4e4 - (method == "em"), rel=1e-9)


IMPOSSIBLE = {"transition": [[FREE, FREE], [0.0, 1.0]], "initial": [1.0, 0.0]}


@pytest.mark.parametrize("method", ["em", "vi", "gibbs", "nuts", "laplace"])
def test_labels_that_the_chain_cannot_follow_are_refused(method, rng):
    labels = np.r_[-1, 1, np.full(17, -1), 0]  # there is no way back from state 1
    options = {"draws": 50, "tune": 50} if method in ("gibbs", "nuts") else {}
    with pytest.raises(ValueError, match="labels"):
        evb.HMM(e.Normal(), 2, fixed=IMPOSSIBLE).fit(
            steps(rng, (0.0, 6.0), 10), method, labels=labels, **options, **QUIET
        )


ALL = ["em", "vi", "gibbs", "nuts", "laplace"]


@pytest.mark.parametrize("method", ALL)
def test_no_method_is_content_with_data_of_probability_zero(method):
    """A one never follows a two in either state; without that pair all is well."""
    probs = {"probs": [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]}
    spec = evb.HMM(e.Categorical(3), 2, fixed=IMPOSSIBLE | probs)
    y = np.r_[0, 1, 0, 0, 2, 2, 1, 2]
    with pytest.raises(ValueError, match="y: row 6 has probability zero after the rows before it"):
        spec.fit(y, method, **QUIET)
    with pytest.raises(ValueError, match="y: row 4 has probability zero, whatever the free"):
        evb.Mixture(e.Categorical(3), 2, fixed={"probs": [[0.5, 0.5, 0.0]] * 2}).fit(y, method, **QUIET)
    weights = np.repeat([1.0, 0.0], [5, 3])
    options = {"draws": 20, "tune": 20, "chains": 1} if method in ("gibbs", "nuts") else {}
    fit = spec.fit(y, method, lengths=[5, 3], weights=weights, **options, **QUIET)
    assert np.isfinite(fit.log_likelihood)


def test_labels_that_fixed_values_exclude_are_named(rng):
    y = steps(rng, (0.0, 6.0), 10)
    labels = np.where(np.arange(20) == 5, 1, -1)
    with pytest.raises(ValueError, match=r"labels: row 5 cannot be in component 1: fixed\['weights'\]"):
        evb.Mixture(e.Normal(), 2, fixed={"weights": [1.0, 0.0]}).fit(y, labels=labels, **QUIET)
    with pytest.raises(ValueError, match="labels: row 5 cannot be in state 1 after the rows before it"):
        evb.HMM(e.Normal(), 2, fixed={"transition": np.eye(2)}).fit(y, labels=np.r_[0, labels[1:]], **QUIET)
    last = np.r_[np.full(19, -1), 0]
    with pytest.raises(ValueError, match="labels: row 19 cannot be in state 0"):
        evb.HMM(e.Normal(), 2, fixed={"initial": [0.0, 1.0], "transition": np.eye(2)}).fit(y, labels=last, **QUIET)


@pytest.mark.parametrize("method", ALL)
def test_parameters_that_cannot_have_produced_the_data_are_no_start(method, rng):
    init = {"initial": [1.0, 0.0], "transition": [[1.0, 0.0], [0.0, 1.0]], "probs": [[1.0, 0.0], [0.0, 1.0]]}
    with pytest.raises(ValueError, match="init: the data have probability zero"):
        evb.HMM(e.Categorical(2), 2).fit([0, 1, 0, 1], method, init=init, **QUIET)


def test_starts_are_possible_where_clusters_are_not():
    """The first row belongs to the first state; k-means puts it with the others of its category."""
    y = np.r_[2, 0, 1, 0, 1, 2, 2, 2, 2]
    fit = evb.HMM(e.Categorical(3), 2, fixed=IMPOSSIBLE).fit(y, n_init=1, **QUIET)
    assert np.isfinite(np.asarray(fit.history["objective"])).all()
    assert fit.converged


@pytest.mark.parametrize("method", ["em", "gibbs", "nuts", "laplace"])
def test_stationary_starts_of_a_chain_that_falls_apart(method, rng):
    """No one distribution is stationary: refused, fixed or given; what is left for good does not matter."""
    apart = np.array([[0.7, 0.3, 0.0, 0.0], [0.2, 0.8, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5], [0.0, 0.0, 0.9, 0.1]])
    own = {"means": np.zeros(4), "sigmas": np.ones(4)}
    y, shape = rng.normal(size=12), np.where(apart > 0, FREE, 0.0)
    for fixed in (own | {"transition": apart}, {"transition": apart}, {"transition": shape}):
        with pytest.raises(ValueError, match=r"initial='stationary' wants .* fixed\['transition'\] falls into 2 sets"):
            evb.HMM(e.Normal(), 4, "stationary", fixed=fixed).fit(y, method, lengths=[1] * 12, **QUIET)
    given = own | {"initial": np.full(4, 0.25), "transition": apart}
    with pytest.raises(ValueError, match=r"params\['transition'\] falls into 2 sets"):
        evb.HMM(e.Normal(), 4, "stationary").at(y, given)
    left = np.array([[0.5, 0.2, 0.2, 0.1], *apart[1:]])
    left[1] = [0.0, 0.0, 1.0, 0.0]
    fit = evb.HMM(e.Normal(), 4, "stationary", fixed=own | {"transition": left}).at(
        y, given | {"transition": left, "initial": [0.0, 0.0, 9 / 14, 5 / 14]}
    )
    assert fit.log_likelihood == pytest.approx(-0.5 * y @ y - 6 * np.log(2 * np.pi), rel=1e-9)


def test_closed_classes_are_counted():
    """As many as linearly independent stationary distributions: eigenvalues one."""
    rng = np.random.default_rng(1)
    seen = set()
    for _ in range(300):
        k = int(rng.integers(1, 7))
        possible = rng.random((k, k)) < 0.3
        possible[possible.sum(axis=1) == 0, 0] = True
        A = np.where(possible, rng.uniform(0.5, 1.0, (k, k)), 0.0)
        A /= A.sum(axis=1, keepdims=True)
        count = k - np.linalg.matrix_rank(np.eye(k) - A, tol=1e-9)
        assert closed_classes(possible) == count
        seen.add(count)
    assert {1, 2, 3} <= seen


# --- a posterior of one dimension -----------------------------------------------------------------------------------


@cache
def one_dimension(initial):
    """All known but the first transition row: its posterior is an integral over (0, 1)."""
    rng = np.random.default_rng(3)
    y, lengths = rng.normal([0, 0, 1, 1, 1, 0, 0, 2, 0, 1, 1], 0.8), [4, 1, 6]
    fixed = {"transition": [[FREE, FREE], [0.4, 0.6]], "means": [0.0, 1.5], "sigmas": [0.8, 0.8]}
    if initial == "free":
        fixed["initial"] = [0.5, 0.5]
    spec = evb.HMM(e.Normal(), 2, initial, fixed=fixed, priors={"transition": p.Dirichlet([[2.0, 1.5], [1.0, 1.0]])})

    params = {"initial": [0.5, 0.5], "means": np.array([0.0, 1.5]), "sigmas": np.array([0.8, 0.8])}
    table = np.split(naive.log_densities(e.Normal(), y, params), np.cumsum(lengths)[:-1])  # it has no transitions

    def joint(stay):
        A = np.array([[stay, 1 - stay], [0.4, 0.6]])
        start = {
            "free": np.array([0.5, 0.5]),
            "uniform": np.array([0.5, 0.5]),
            "stationary": np.array([0.4, 1 - stay]) / (1.4 - stay),
        }[initial]
        likelihood = sum(naive.recursions(np.log(start), np.log(A), part).evidence for part in table)
        return likelihood + np.log(stay) + 0.5 * np.log(1 - stay)  # Beta(2, 1.5), up to its constant

    grid = (np.arange(400) + 0.5) / 400
    values = np.array([joint(s) for s in grid])
    weight = np.exp(values - values.max())
    mean = (weight * grid).sum() / weight.sum()
    sd = np.sqrt((weight * (grid - mean) ** 2).sum() / weight.sum())
    norm = integrate.quad(lambda s: s * np.sqrt(1 - s), 0, 1)[0]
    evidence = values.max() + np.log(weight.mean() / norm)
    return spec, y, lengths, mean, sd, evidence


@pytest.mark.parametrize("initial", ["free", "uniform", "stationary"])
@pytest.mark.parametrize("method", ["gibbs", "nuts"])
def test_draws_have_the_moments_of_the_posterior(method, initial):
    spec, y, lengths, mean, sd, _ = one_dimension(initial)
    fit = spec.fit(y, method, lengths=lengths, draws=4000, tune=500, chains=4, **QUIET)
    x = fit.idata.posterior["transition"].to_numpy()[..., 0, 0]
    ess = float(az.ess(x))
    assert ess > 1000
    assert abs(x.mean() - mean) < 4 * sd / np.sqrt(ess)
    square = (x - mean) ** 2
    assert abs(square.mean() - sd**2) < 4 * square.std() / np.sqrt(float(az.ess(square)))


@pytest.mark.parametrize("initial", ["free", "uniform"])
def test_the_elbo_is_below_the_evidence(initial):
    spec, y, lengths, mean, _, evidence = one_dimension(initial)
    fit = spec.fit(y, "vi", lengths=lengths, tol=1e-10, **QUIET)
    assert evidence - 1.0 < fit.elbo < evidence
    assert abs(fit.params["transition"][0, 0] - mean) < 0.1
