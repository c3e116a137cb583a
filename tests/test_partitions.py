"""Partitions that iterative methods start from, and that defaults find the high modes of classic data."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import em_vs_bayes as evb
from em_vs_bayes.common import partitions
from em_vs_bayes.methods import starts
from em_vs_bayes.program.compile import compile as compile_program


def sequences(*lengths):
    return np.concatenate([[0], np.cumsum(lengths)])


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("lengths", [(60,), (30, 1, 29), (12, 12, 12, 12, 12)])
def test_every_label_is_used_and_no_other(lengths, k, rng):
    bounds = sequences(*lengths)
    features = rng.normal(size=(60, 2))
    for labels in (
        partitions.shuffled(60, k, rng),
        partitions.segments(bounds, k, rng),
        partitions.windows(features, bounds, k, rng),
        partitions.partition(features, k, rng, 20),
    ):
        assert labels.shape == (60,)
        assert labels.min() >= 0 and labels.max() < k
    assert_array_equal(np.unique(partitions.shuffled(60, k, rng)), np.arange(k))


def test_segments_are_stretches_of_all_lengths(rng):
    """Changes are as rare as the drawn lengths say: between every second row and every n / 2k-th."""
    shares = [np.mean(np.diff(partitions.segments(sequences(4000), 4, rng)) != 0) for _ in range(200)]
    # a cut changes the label with probability 3/4
    assert min(shares) < 0.75 / 250 and max(shares) > 0.75 / 4


def test_segments_and_windows_of_few_rows(rng):
    for n in (1, 2, 3):
        assert partitions.segments(sequences(n), 3, rng).shape == (n,)
        assert partitions.windows(rng.normal(size=(n, 1)), sequences(n), 3, rng).shape == (n,)
        assert partitions.shuffled(n, 3, rng).shape == (n,)


def test_windows_do_not_reach_across_sequences(rng):
    """Two sequences of one value each: no window holds rows of both, whatever its length."""
    features = np.repeat([0.0, 5.0], [31, 33])[:, None]
    for _ in range(50):
        labels = partitions.windows(features, sequences(31, 33), 2, rng)
        assert (labels[:31] == labels[0]).all() and (labels[31:] == labels[31]).all() and labels[0] != labels[31]


def test_windows_skip_missing_values(rng):
    """Windows are of 2 to 25 rows; no two neighbours are missing after row 20."""
    features = np.repeat([0.0, 5.0], 50)[:, None]
    features[::3] = features[:20] = np.nan
    for _ in range(50):
        labels = partitions.windows(features, sequences(100), 2, rng)
        early, late = labels[21:26], labels[75:99]  # the last row may be a window of its own
        assert (early == early[0]).all() and (late == late[0]).all() and early[0] != late[0]


def test_states_with_the_same_values_in_other_proportions(rng):
    """No row tells a fair die from a loaded one; windows do."""
    truth = np.repeat(np.arange(20) % 2, 100)
    rolls = np.where(truth == 1, rng.choice(6, size=2000, p=[0.06] * 5 + [0.7]), rng.integers(6, size=2000))
    hits = []
    for _ in range(20):
        labels = partitions.windows(np.eye(6)[rolls], sequences(2000), 2, rng)
        hits.append(max(np.mean(labels == truth), np.mean(labels != truth)))
    assert max(hits) > 0.9


def test_kinds_take_turns(rng):
    y = rng.normal(size=40)
    chain = compile_program(evb.GaussianHMM(2), y)
    mixture = compile_program(evb.GaussianMixture(2), y[:, None])
    lines = compile_program(evb.HMM(evb.emissions.LinearRegression(), 2), y, exog=y[::-1])
    assert starts._kinds(chain, None) == ("kmeans++", "random", "windows", "segments", "shuffled")
    assert starts._kinds(mixture, None) == ("kmeans++", "random", "kmeans++", "random", "shuffled")
    assert starts._kinds(lines, None) == ("lines", "windows", "segments", "shuffled")
    for program in (chain, mixture):
        for name in ("kmeans++", "random"):
            assert starts._kinds(program, name) == (name,)
    assert starts._kinds(lines, "random") == ("lines",) and starts._kinds(lines, "kmeans++") == ("kmeans++",)
    for program in (chain, mixture, lines):
        for attempt in range(5):
            assert np.isfinite(program.log_likelihood(starts.start(program, None, rng, attempt)))


@pytest.mark.parametrize("seed", range(3))
def test_no_start_is_caught_at_zero(seed):
    """Clusters of symbols have the other symbols at probability zero, where EM would stay, and end "converged".

    Two classes of three yes-no answers have as many parameters as the table has cells, less one: at a maximum inside
    the table is fitted exactly.
    """
    rng = np.random.default_rng(seed)
    answers = rng.random((2000, 3)) < np.where(np.arange(2000) % 2, 0.7, 0.2)[:, None]
    cells = np.bincount(answers @ [1, 2, 4], minlength=8)
    saturated = (cells * np.log(cells / 2000)).sum()
    bernoulli = evb.emissions.Bernoulli()
    spec = evb.Mixture(evb.emissions.Product(a=bernoulli, b=bernoulli, c=bernoulli), 2)
    y = dict(zip("abc", answers.T.astype(float), strict=True))
    for init in ("kmeans++", "random"):
        fit = spec.fit(y, n_init=1, init=init, seed=seed, progressbar=False)
        assert fit.converged
        assert fit.log_likelihood == pytest.approx(saturated, abs=1e-6)


def test_only_rows_on_the_edge_are_moved_off_it():
    program = compile_program(evb.HMM(evb.emissions.Categorical(3), 2), [0, 1, 2, 1, 0, 2])
    given = {"initial": [1.0, 0.0], "transition": np.eye(2), "probs": [[0.5, 0.5, 0.0], [0.2, 0.3, 0.5]]}
    opened = program.public(program.opened(program.theta_of(given)))
    np.testing.assert_allclose(opened["probs"], [[0.45 + 1 / 30, 0.45 + 1 / 30, 1 / 30], [0.2, 0.3, 0.5]])
    np.testing.assert_allclose(opened["transition"], [[0.95, 0.05], [0.05, 0.95]])


def fed_funds():
    data = evb.datasets.load("fedfunds")
    data["lagged"] = data["fedfunds"].shift(1)
    return data.iloc[4:].reset_index(drop=True)


@pytest.mark.parametrize("seed", range(4))
def test_default_starts_find_high_modes(seed):
    """Values that were reached by the best of hundreds of starts; clusters of rows lead 5, 32 and 1 nats lower."""
    rolls = evb.datasets.load("casino")["roll"].to_numpy() - 1
    dice = evb.HMM(evb.emissions.Categorical(6), 2).fit(rolls, "em", seed=seed, progressbar=False)
    assert dice.log_likelihood > -514.3
    rule = evb.emissions.LinearRegression("fedfunds ~ lagged + ogap + inflation")
    regimes = evb.HMM(rule, 2, initial="uniform").fit(fed_funds(), "em", seed=seed, progressbar=False)
    assert regimes.log_likelihood > -202.13
    counts = evb.datasets.load("quakes")["count"].to_numpy()
    quakes = evb.HMM(evb.emissions.Poisson(), 4).fit(counts, "em", seed=seed, progressbar=False)
    assert quakes.log_likelihood > -326.5


@pytest.mark.parametrize("seed", range(3))
def test_many_clear_clusters_are_all_found(seed):
    rng = np.random.default_rng(3)
    k, n = 20, 1200
    centres = rng.normal(0.0, 6.0, (k, 6))
    y = centres[np.arange(n) % k] + rng.normal(size=(n, 6))
    truth = {"weights": np.full(k, 1 / k), "means": centres, "covariances": [np.eye(6)] * k}
    spec = evb.GaussianMixture(k, "diag")
    best = spec.fit(y, init=truth, progressbar=False).log_likelihood
    assert spec.fit(y, seed=seed, n_init=2, progressbar=False).log_likelihood == pytest.approx(best, abs=1e-6)


@pytest.mark.parametrize("fixed", [[0.0, np.nan, np.nan], [np.nan, np.nan, 0.0], [np.nan, 2.0, np.nan]])
def test_starts_respect_fixed_elements_of_emissions(fixed):
    rng = np.random.default_rng(4)
    z, rates = np.repeat(rng.integers(3, size=40), 10), np.where(np.isnan(fixed), [9.0, 20.0, 2.0], fixed)
    y = rng.poisson(rates[z])
    spec = evb.HMM(evb.emissions.Poisson(), 3, fixed={"rates": fixed})
    start = {"initial": np.full(3, 1 / 3), "transition": 0.05 + 0.85 * np.eye(3), "rates": rates}
    good = spec.fit(y, init=start, progressbar=False).log_likelihood
    assert spec.fit(y, seed=0, n_init=4, progressbar=False).log_likelihood >= good - 1e-6


def test_a_start_far_behind_is_climbed_only_where_none_before_it_ends_well():
    from em_vs_bayes.methods.ascent import Climb, hopeless
    from em_vs_bayes.methods.driving import drive
    from em_vs_bayes.methods.em import EM

    assert hopeless(Climb(-500.0, gain=0.01), Climb(-300.0))
    assert not hopeless(Climb(-500.0, gain=2.0), Climb(-300.0))  # it still climbs
    assert not hopeless(Climb(-310.0, gain=0.0), Climb(-300.0))  # it may share the mass
    rng = np.random.default_rng(0)
    centres = rng.normal(0.0, 9.0, (12, 4))
    y = np.vstack([rng.normal(c, 1.0, (100, 4)) for c in centres])
    program = compile_program(evb.GaussianMixture(12), y)
    runs = EM(n_init=3).init(program, None, np.random.default_rng(0))
    assert any(run.spare for run in runs[:3])
    every = max(
        drive(EM(n_init=1), program, program.public(run.state.theta), rng, "em", False).history["objective"][-1]
        for run in runs[:3]
    )
    fit = evb.GaussianMixture(12).fit(y, n_init=3, seed=0, progressbar=False)
    assert fit.log_likelihood >= every - 1e-6


def _clusters(k, d, n, seed):
    rng = np.random.default_rng(seed)
    centres = rng.normal(0.0, 6.0, (k, d))
    truth = {"weights": np.full(k, 1.0 / k), "means": centres, "covariances": np.broadcast_to(np.eye(d), (k, d, d))}
    return np.vstack([rng.normal(centre, 1.0, (n, d)) for centre in centres]), truth


@pytest.mark.parametrize("seed", [1, 5])
def test_components_are_split_and_merged(seed):
    """Two starts of sixteen clusters end some 20 nats below the truth; regrouped, they end above it."""
    y, truth = _clusters(16, 3, 60, seed)
    spec, quiet = evb.GaussianMixture(16, "spherical"), {"n_init": 2, "seed": seed, "progressbar": False}
    fit = spec.fit(y, **quiet)
    assert fit.converged
    assert fit.log_likelihood > spec.at(y, truth).log_likelihood
    assert np.diff(fit.history["objective"]).min() > -1e-9
    low = spec.fit(y, init="random", **{**quiet, "n_init": 1})  # one start is climbed, and no other maximum looked for
    again = spec.fit(y, init=low, progressbar=False)
    assert (
        again.log_likelihood == pytest.approx(low.log_likelihood, abs=1e-6) and low.log_likelihood < fit.log_likelihood
    )


def test_states_are_split_and_merged():
    rng, k = np.random.default_rng(1), 12
    path = np.repeat(rng.integers(k, size=100), 8)
    centres = rng.normal(0.0, 6.0, (k, 2))
    y = rng.normal(centres[path], 1.0)
    stay = np.full((k, k), 0.12 / (k - 1)) + (0.88 - 0.12 / (k - 1)) * np.eye(k)
    spec = evb.GaussianHMM(k, "spherical")
    params = {"initial": np.full(k, 1 / k), "transition": stay, "means": centres}
    params["covariances"] = np.broadcast_to(np.eye(2), (k, 2, 2))
    from_truth = spec.fit(y, init=params, progressbar=False).log_likelihood
    assert spec.fit(y, n_init=2, seed=0, progressbar=False).log_likelihood > from_truth - 5.0  # 16 without
