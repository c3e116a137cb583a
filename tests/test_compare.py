"""Comparison: labels, table, refusals, and each finding on a fit made to deserve it."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from fakes import SD, TRUTH, FakeFit, FakeSpec, FakeStatus, around, data, em, swapped
from scipy.stats import poisson

import em_vs_bayes as evb
from em_vs_bayes.common.status import Status
from em_vs_bayes.comparison.compare import compare
from em_vs_bayes.comparison.findings import RULES, SEVERITY, Finding, headline


@pytest.fixture(scope="module")
def y():
    return data()


def kinds(comparison):
    return {f.kind for f in comparison.findings}


def only(comparison, kind):
    return next(f for f in comparison.findings if f.kind == kind)


def test_every_fit_takes_the_labels_of_em(y):
    point = em(y)
    other = FakeFit(y, "nuts", swapped(around()))
    both = compare([other, point])
    assert both.reference is point
    np.testing.assert_array_equal(both.aligned[0].order, [1, 0])
    np.testing.assert_allclose(both.table["nuts"]["estimate"], both.table["em"]["estimate"], atol=0.03)
    sample = both.aligned[0].sample
    np.testing.assert_array_equal(sample["means"], other.draws["means"][..., ::-1])
    np.testing.assert_array_equal(sample["means"].component, [0, 1])


def test_permuting_a_fit_changes_nothing(y):
    one = compare([em(y), FakeFit(y, "gibbs", around())])
    two = compare([em(y), FakeFit(y, "gibbs", swapped(around()))])
    pd.testing.assert_frame_equal(one.table, two.table)


def test_table_holds_what_its_columns_say(y):
    draws = around()
    table = compare([em(y), FakeFit(y, "nuts", draws)]).table
    assert list(table.columns.get_level_values(0).unique()) == ["em", "nuts"]
    assert list(table["em"].columns) == ["estimate", "sd", "lower", "upper", "rhat", "ess_bulk", "mcse"]
    row, flat = table["nuts"].loc["means[component 1]"], draws["means"][..., 1].ravel()
    assert row["estimate"] == pytest.approx(flat.mean())
    assert row["sd"] == pytest.approx(flat.std(ddof=1))
    assert row["lower"] == pytest.approx(np.percentile(flat, 2.5))
    assert row["upper"] == pytest.approx(np.percentile(flat, 97.5))
    assert 0.99 < row["rhat"] < 1.02
    assert 700 < row["ess_bulk"] < 1700  # 1200 independent draws
    assert row["mcse"] == pytest.approx(flat.std() / np.sqrt(1200), rel=0.25)
    point = table["em"].loc["means[component 1]"]
    assert point["upper"] - point["lower"] == pytest.approx(2 * 1.959964 * SD["means"], rel=1e-6)
    assert np.isnan(point["rhat"])


def test_level_sets_the_intervals(y):
    draws = around()
    row = compare([FakeFit(y, "nuts", draws)], level=0.5).table["nuts"].loc["sigmas[component 0]"]
    assert row["lower"] == pytest.approx(np.percentile(draws["sigmas"][..., 0], 25))


def test_two_fits_by_one_method_have_two_names(y):
    c = compare([FakeFit(y, "nuts", around(seed=1)), FakeFit(y, "nuts", around(seed=2))])
    assert [a.name for a in c.aligned] == ["nuts", "nuts 2"]
    assert set(c.timing.index) == {"nuts", "nuts 2"}


def test_elpd_is_that_of_the_draws_and_differences_are_paired(y):
    good, poor = (
        FakeFit(y, "nuts", around()),
        FakeFit(y, "gibbs", around({**TRUTH, "sigmas": np.array([2.0, 2.0])})),
    )
    table = compare([em(y), poor, good]).elpd
    assert list(table.index) == ["nuts", "gibbs"]  # best first; em has no draws
    # Importance sampling without smoothing: the harmonic mean of each row's densities.
    plain, other = (-np.log(np.exp(-f.idata["log_likelihood"]["y"].to_numpy()).mean((0, 1))) for f in (good, poor))
    assert table["elpd"]["nuts"] == pytest.approx(plain.sum(), abs=1.0)
    assert table["difference"]["gibbs"] == pytest.approx(table["elpd"]["gibbs"] - table["elpd"]["nuts"])
    assert table["se_difference"]["gibbs"] == pytest.approx(np.sqrt(len(y)) * (plain - other).std(), rel=0.05)


def test_elpd_of_case_weights_is_that_of_copies(y):
    weights = np.arange(len(y)) % 3 + 1.0
    copies = np.repeat(y, weights.astype(int))
    draws = [around(seed=1), around({**TRUTH, "sigmas": np.array([2.0, 2.0])})]
    weighted, whole = (
        compare([FakeFit(data, m, d, weights=w) for m, d in zip(("gibbs", "nuts"), draws, strict=True)]).elpd
        for data, w in ((y, weights), (copies, np.empty(0)))
    )
    sums = ["elpd", "se", "p", "difference", "se_difference"]
    pd.testing.assert_frame_equal(weighted[sums], whole[sums])


# --- findings


def test_what_is_held_at_an_edge_is_not_called_too_narrow():
    y = evb.datasets.load("faithful")
    spec, quiet = evb.GaussianHMM(2), {"seed": 1, "progressbar": False}
    em = spec.fit(y, **quiet)
    assert em.std_errors()["initial"].tolist() == [0.0, 0.0]  # one sequence starts in one state
    c = evb.compare([em, spec.fit(y, "gibbs", draws=500, tune=200, **quiet)], progressbar=False)
    assert not [f for f in c.findings if f.kind == "underdispersed" and "initial" in f.parameter]
    assert "its intervals take that for known" in next(f.sentence for f in c.findings if f.kind == "initial")


def test_methods_that_agree_are_said_to_agree(y):
    chains = [FakeFit(y, m, around(scale=0.6, seed=i)) for i, m in enumerate(("gibbs", "nuts"))]
    c = compare([em(y), *chains])
    assert kinds(c) == {"agreement"}
    assert len(c.findings) == 2
    assert all(f.figure < 0.25 and f.parameter in c.table.index for f in c.findings)


def test_chains_of_two_samplers_that_differ(y):
    away = {**TRUTH, "means": TRUTH["means"] + 0.1}
    c = compare([FakeFit(y, "gibbs", around(away, draws=2000)), FakeFit(y, "nuts", around(draws=2000, seed=1))])
    found = only(c, "disagreement")
    assert found.parameter.startswith("means")
    assert found.figure == pytest.approx(1.0, abs=0.15)


def test_a_prior_that_moves_the_posterior(y):
    away = {**TRUTH, "means": TRUTH["means"] + np.array([0.4, 0.0])}
    found = only(compare([em(y), FakeFit(y, "nuts", around(away))]), "prior_conflict")
    assert found.parameter == "means[component 0]"
    assert found.figure == pytest.approx(4.0, rel=0.15)


def test_an_approximation_that_is_too_sure(y):
    narrow = FakeFit(y, "vi", around(chains=1, draws=4000, scale=0.5))
    found = only(compare([narrow, FakeFit(y, "nuts", around(seed=1))]), "underdispersed")
    assert found.figure == pytest.approx(0.5, abs=0.06)
    fine = FakeFit(y, "vi", around(chains=1, draws=4000))
    assert "underdispersed" not in kinds(compare([fine, FakeFit(y, "nuts", around(seed=1))]))


def test_label_switching_is_counted(y):
    order = np.tile([0, 1], (4, 300, 1))
    order[1, 100:] = [1, 0]
    order[2, 50:60] = [1, 0]
    found = only(compare([FakeFit(y, "gibbs", around(), permutation=order)]), "label_switching")
    assert found.figure == 3
    still = FakeFit(y, "gibbs", around(), permutation=np.tile([1, 0], (4, 300, 1)))
    assert "label_switching" not in kinds(compare([still]))


def test_a_stuck_chain_is_named(y):
    draws = around()
    draws["means"][2] += 3.0
    found = only(compare([FakeFit(y, "nuts", draws)]), "stuck_chain")
    assert "chain 2" in found.sentence
    assert found.figure > 50


def test_two_modes_of_equal_height(y):
    """No chain is worse than another, yet they disagree."""
    flat = np.zeros(2)  # two rows of data: the likelihood hardly tells the modes apart
    draws = around()
    draws["sigmas"] += 30.0
    draws["sigmas"][:2] += 1.0
    c = compare([FakeFit(flat, "nuts", draws)])
    assert only(c, "multimodal").parameter.startswith("sigmas")
    assert "stuck_chain" not in kinds(c)


def test_slow_mixing(y):
    few = around(draws=40)
    found = only(compare([FakeFit(y, "gibbs", few)]), "slow_mixing")
    assert found.figure < 400


CLUSTERS = np.concatenate([np.random.default_rng(4).normal(m, 0.5, 40) for m in (0.0, 6.0, 20.0)])


def mixture_at(means, y=CLUSTERS, method="nuts", sigmas=0.6):
    """A mixture of normals with draws close about given means."""
    k = len(means)
    spec = evb.Mixture(evb.emissions.Normal(), k)
    centre = {"weights": np.full(k, 1 / k), "means": np.asarray(means), "sigmas": np.broadcast_to(sigmas, (k,))}
    point = spec.at(y, centre)
    rng = np.random.default_rng(0)
    draws = np.stack(
        [point.program.theta_of(centre | {"means": means + 0.01 * rng.normal(size=k)}) for _ in range(400)]
    ).reshape(4, 100, -1)
    return replace(point, method=method, draws=draws, raw_draws=draws, theta=draws.mean((0, 1)))


def test_em_at_a_worse_mode():
    """Two components share one cluster, one spreads over two."""
    other = {"weights": [0.4, 0.3, 0.3], "means": [3.0, 19.8, 20.3], "sigmas": [3.0, 0.3, 0.4]}
    worse = evb.Mixture(evb.emissions.Normal(), 3).fit(CLUSTERS, init=other, progressbar=False)
    assert worse.converged
    found = only(compare([worse, mixture_at([0.0, 6.0, 20.0])]), "better_mode")
    best = evb.Mixture(evb.emissions.Normal(), 3).fit(CLUSTERS, seed=0, progressbar=False)
    assert found.figure == pytest.approx(best.log_likelihood - worse.log_likelihood, abs=1e-6)
    assert "n_init" in found.sentence
    assert "better_mode" not in kinds(compare([best, mixture_at([0.0, 6.0, 20.0])]))


def test_a_draw_on_the_flank_of_a_spike_is_no_better_maximum():
    """Six tied values: a component on them has a likelihood without end, and more starts would not help."""
    rng = np.random.default_rng(0)
    y = np.concatenate([rng.normal(0.0, 1.0, 60), np.full(6, 3.0)])
    em_fit = mixture_at([0.0, 1.0], y, "em", np.array([1.0, 2.0]))
    em_fit = replace(em_fit, draws=None, raw_draws=None)
    c = compare([replace(em_fit, history={"objective": np.array([em_fit.log_likelihood])}, ended=Status.CONVERGED),
                 mixture_at([0.0, 3.0], y, sigmas=np.array([1.0, 1e-4]))])  # fmt: skip
    assert "no maximum" in only(c, "unbounded").sentence
    assert "better_mode" not in kinds(c)


def test_a_prior_far_from_the_data_is_said_first_and_is_no_spike():
    y = np.random.default_rng(1).normal(0.0, 1.0, 40)
    for at, conflict in ((50.0, True), (0.0, False)):
        priors = {"means": evb.priors.Normal(at, 0.05), "sigmas": evb.priors.InverseGamma(50.0, 50.0)}
        c = compare(evb.Mixture(evb.emissions.Normal(), 1, priors=priors), y, methods=("em", "nuts"), seed=1,
                    options={"nuts": {"draws": 300}}, progressbar=False)  # fmt: skip
        assert (c.findings[0].kind == "prior_conflict") is conflict
        assert not {"better_mode", "boundary"} & kinds(c)  # nor is the only component one too many


def test_methods_that_the_model_cannot_have_are_left_out_in_words():
    y = evb.datasets.load("quakes").iloc[:, -1].to_numpy()
    options = {m: {"draws": 100, "tune": 100} for m in ("gibbs", "nuts")}
    spec = evb.HMM(evb.emissions.Poisson(), 2, initial="stationary")
    c = compare(spec, y, seed=1, options=options, progressbar=False)
    assert [f.method for f in c.fits] == ["em", "gibbs", "nuts"]
    assert only(c, "left_out").sentence.startswith("vi is left out: method='vi' (CAVI) needs conjugate priors")
    named = compare(spec, y, methods=("vi", "em"), progressbar=False)  # what the others found is kept
    assert [f.method for f in named.fits] == ["em"]
    assert "needs conjugate priors" in only(named, "left_out").sentence
    with pytest.raises(ValueError, match="needs conjugate priors"):
        compare(spec, y, methods=("vi",), progressbar=False)
    with pytest.raises(ValueError, match="y"):  # the data suit no method
        compare(spec, [np.inf, 2.0, 3.0], progressbar=False)
    with pytest.raises(TypeError, match="darws"):
        compare(spec, y, options={"nuts": {"darws": 3}})


def test_weight_on_the_boundary(y):
    edge = em(y, {**TRUTH, "weights": np.array([1e-12, 1.0])})
    found = [f for f in compare([edge]).findings if f.kind == "boundary"]
    assert {f.parameter for f in found} == {"weights[component 0]", "weights[component 1]"}


def test_no_curvature(y):
    c = compare([em(y, errors=None)])
    assert "not positive definite" in only(c, "weak_identification").sentence
    assert c.table["em"][["sd", "lower", "upper"]].isna().all(axis=None)
    assert c.table["em"]["estimate"].notna().all()


def test_components_that_overlap(y):
    close = em(y, {**TRUTH, "means": np.array([4.0, 4.2]), "sigmas": np.array([3.0, 3.0])})
    found = only(compare([close]), "weak_identification")
    assert found.figure < 0.8


def test_a_fit_that_did_not_end_well(y):
    fit = em(y, status=FakeStatus.MAX_ITER, converged=False, notes=("The last step was long.",))
    found = only(compare([fit]), "not_converged")
    assert "raise max_iter" in found.sentence and "The last step was long." in found.sentence


def test_draws_that_know_an_observation_too_well():
    y = np.append(data(), 14.0)
    rng = np.random.default_rng(1)
    draws = around()
    draws["sigmas"][..., 1] *= np.exp(0.4 * rng.normal(size=(4, 300)))
    assert only(compare([FakeFit(y, "nuts", draws)]), "unreliable_elpd").figure > 0.7


def test_every_kind_has_a_severity_and_every_rule_a_docstring():
    assert set(SEVERITY.values()) == {"good", "note", "warning", "bad"}
    assert all(rule.__doc__ for rule in RULES)


def test_the_headline_follows_the_worst_finding():
    def said(*kinds):
        return headline(tuple(Finding(kind, "", 0.0, "") for kind in kinds))

    assert "went wrong" in said("agreement", "boundary", "stuck_chain")
    assert said("agreement", "boundary") == "The methods agree in part, with one reservation."
    assert "do not agree, with 2 reservations" in said("disagreement", "boundary")
    assert said("agreement", "label_switching").startswith("The methods agree, and every")
    assert said() == "Every diagnostic is in order."


# --- refusals


def test_other_specs_or_data_are_refused(y):
    with pytest.raises(ValueError, match="another spec"):
        compare([em(y), em(y, spec=replace(FakeSpec(), size=3))])
    with pytest.raises(ValueError, match="other data"):
        compare([em(y), em(y + 1)])


def test_the_same_missing_value_is_the_same_data(y):
    hole = y.copy()
    hole[3] = np.nan
    assert compare([em(hole), em(hole.copy())]).fits


def test_nothing_to_compare():
    with pytest.raises(ValueError, match="fits is empty"):
        compare([])
    with pytest.raises(ValueError, match="y got None"):
        compare(FakeSpec())
    with pytest.raises(ValueError, match=r"level must lie in .*got 95"):
        compare([], level=95)


def test_data_with_a_list_of_fits(y):
    with pytest.raises(ValueError, match="hold their data"):
        compare([em(y)], y)


class Recorder:
    """A spec that records how it was fitted."""

    size = 2

    def __init__(self):
        self.calls = []

    def parameter_dims(self):
        return FakeSpec().parameter_dims()

    def fit(self, y, method, **options):
        self.calls.append((method, options))
        spec = FakeSpec()
        return em(y, spec=spec) if method == "em" else FakeFit(y, method, around(), spec=spec)


def test_em_runs_first_and_starts_the_chains(y):
    spec = Recorder()
    c = compare(spec, y, methods=("nuts", "vi", "em"), seed=3, options={"nuts": {"draws": 5}})
    assert [m for m, _ in spec.calls] == ["em", "nuts", "vi"]
    assert [f.method for f in c.fits] == ["nuts", "vi", "em"]
    _, nuts = spec.calls[1]
    assert nuts["init"] is c.fits[2]
    assert nuts["draws"] == 5 and nuts["seed"] == 3
    assert "init" not in spec.calls[2][1]


def test_options_for_a_method_not_asked_for(y):
    with pytest.raises(ValueError, match="advi"):
        compare(Recorder(), y, methods=("em",), options={"advi": {}})


@pytest.mark.parametrize("first", ["evb.Comparison", "import em_vs_bayes.comparison.compare"])
def test_the_function_is_not_hidden_by_its_module(first):
    code = f"import em_vs_bayes as evb\n{first}\nassert callable(evb.compare), evb.compare"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- log-likelihood terms of hidden Markov models -------------------------------------------------------------------

LENGTHS = [5, 4, 6]
CHAIN = {
    "initial": np.array([0.5, 0.5]),
    "transition": np.array([[0.9, 0.1], [0.3, 0.7]]),
    "rates": np.array([1.0, 6.0]),
}


def chain_fit(spread=0.2, seed=0, lengths=LENGTHS, **more):
    """A hidden Markov fit with draws made by hand; two rows have no value."""
    y = np.array([0.0, 1, np.nan, 7, 5, 0, 0, 8, 6, 1, 1, 0, 2, np.nan, 9])
    spec = evb.HMM(evb.emissions.Poisson(), 2)
    point = spec.at(y, CHAIN, lengths=lengths)
    rng = np.random.default_rng(seed)
    draws = np.stack(
        [
            point.program.theta_of(CHAIN | {"rates": CHAIN["rates"] * np.exp(spread * rng.standard_normal(2))})
            for _ in range(400)
        ]
    ).reshape(4, 100, -1)
    return replace(point, method="nuts", draws=draws, raw_draws=draws, **more)


def plain_log_likelihood(y, params):
    """By the recursion in probabilities, sequence by sequence."""
    total, start = 0.0, 0
    for length in LENGTHS:
        part, ahead = y[start : start + length], params["initial"]
        for value in part:
            now = ahead * (1.0 if np.isnan(value) else poisson.pmf(value, params["rates"]))
            total += np.log(now.sum())
            ahead = now / now.sum() @ params["transition"]
        start += length
    return total


def test_terms_leave_one_row_out_and_do_not_sum_to_the_log_likelihood():
    fit = chain_fit()
    tree = fit.idata
    terms, attrs = tree["log_likelihood"]["y"], tree["log_likelihood"].attrs
    assert terms.dims == ("chain", "draw", "obs") and attrs["log_likelihood_kind"] == "loo"
    assert terms["obs"].to_numpy().tolist() == [t for t in range(15) if t not in (2, 13)]  # rows with a value
    draw = {n: v[1, 7] for n, v in fit.program.public(fit.draws).items()}
    y = np.asarray(fit.program.y)
    without = y.copy()
    without[3] = np.nan
    whole = plain_log_likelihood(y, draw)
    want = whole - plain_log_likelihood(without, draw)  # log p(y_3 | all others)
    assert terms.sel(obs=3)[1, 7] == pytest.approx(want, rel=1e-9)
    assert tree["sample_stats"]["log_likelihood_total"][1, 7] == pytest.approx(whole, rel=1e-12)
    assert abs(terms[1, 7].sum() - whole) > 0.1
    joint = tree["sample_stats"]["log_joint"][1, 7]
    assert joint == pytest.approx(whole + fit.spec.log_prior(draw, y), rel=1e-10)


@pytest.mark.parametrize(("kind", "dim", "count"), [("predictive", "obs", 13), ("sequence", "sequence", 3)])
def test_other_terms_sum_to_the_log_likelihood(kind, dim, count):
    tree = chain_fit().with_log_likelihood(kind).idata
    terms = tree["log_likelihood"]["y"]
    assert terms.dims[-1] == dim and terms.sizes[dim] == count
    np.testing.assert_allclose(terms.sum(dim), tree["sample_stats"]["log_likelihood_total"], rtol=1e-10)
    assert tree["posterior"].attrs["log_likelihood_kind"] == kind


def test_the_kind_is_saved(tmp_path):
    fit = chain_fit().with_log_likelihood("sequence")
    fit.save(tmp_path / "chain.fit")
    back = evb.load(tmp_path / "chain.fit")
    assert back.log_likelihood_kind == "sequence"
    np.testing.assert_array_equal(np.diff(back.program.data.starts), LENGTHS)
    with pytest.raises(ValueError, match=r"must be one of .loo., .predictive., .sequence.; got .rows."):
        fit.with_log_likelihood("rows")


def test_elpd_of_rows_and_of_sequences():
    """With draws so close together importance weights are even: elpd is the log mean density, nearly."""
    fits = [chain_fit(0.01), chain_fit(0.01, seed=1)]
    for kind, n in (("loo", 13), ("sequence", 3)):
        table = compare(fits, log_likelihood=kind).elpd
        terms = fits[0].with_log_likelihood(kind).idata["log_likelihood"]["y"].mean(("chain", "draw"))
        assert terms.size == n
        assert table["elpd"]["nuts"] == pytest.approx(float(terms.sum()), abs=0.02)
        assert table["se"]["nuts"] == pytest.approx(float(terms.std() * np.sqrt(n)), rel=0.02)


def test_kinds_that_do_not_compare_are_refused():
    a, b = chain_fit(), chain_fit(seed=1).with_log_likelihood("sequence")
    with pytest.raises(ValueError, match="'sequence', fits\\[0\\] of kind 'loo', which do not compare"):
        compare([a, b])
    assert compare([a, b], log_likelihood="sequence").fits[0].log_likelihood_kind == "sequence"
    with pytest.raises(ValueError, match="cannot leave out a row with all that come after it"):
        compare([a, a], log_likelihood="predictive")
    mixture = evb.Mixture(evb.emissions.Poisson(), 2)
    rows = np.array([1.0, 2.0, 8.0])
    with pytest.raises(ValueError, match="another spec"):
        compare([a, mixture.at(rows, {"weights": [0.5, 0.5], "rates": [1.0, 8.0]})])
    with pytest.raises(ValueError, match=r"must be one of .row.; got .loo."):
        compare(mixture, rows, methods=("em",), log_likelihood="loo", progressbar=False)


def test_other_lengths_are_other_data():
    with pytest.raises(ValueError, match="same data, lengths"):
        compare([chain_fit(), chain_fit(lengths=[15])])


# --- what is found of hidden Markov models --------------------------------------------------------------------------


def chain_at(y, transition, rates=(1.0, 6.0), initial=(0.5, 0.5), lengths=None, method="em"):
    params = {"initial": np.array(initial), "transition": np.array(transition), "rates": np.array(rates)}
    point = evb.HMM(evb.emissions.Poisson(), len(rates)).at(np.asarray(y, float), params, lengths=lengths)
    return replace(point, method=method, history={"objective": np.array([point.log_likelihood])})


ROWS = [0, 1, 0, 2, 7, 5, 6, 8, 1, 0, 0, 1, 6, 7, 5, 1]


def test_dwell_times_are_said_with_intervals():
    c = compare([chain_fit()])
    finding = only(c, "dwell_times")
    assert finding.figure == pytest.approx(10.0)
    assert "Under nuts state 0 lasts 10.0 rows a visit (95 % interval 10.0 to 10.0) and fills 75 %" in finding.sentence
    point = only(compare([chain_at(ROWS, CHAIN["transition"])]), "dwell_times")
    assert "interval" not in point.sentence and "state 1 lasts 3.33 rows a visit and fills 25 %" in point.sentence


def test_a_state_that_is_never_left_says_so():
    finding = only(compare([chain_at(ROWS, [[0.9, 0.1], [0.0, 1.0]])]), "dwell_times")
    assert "state 1 is never left and fills 100 % of the long run" in finding.sentence


def test_states_are_described_by_their_means_or_likeliest_categories():
    c = compare([chain_at(ROWS, [[0.9, 0.1], [0.3, 0.7]], rates=(6.0, 1.0))])
    lowest_first = "from the lowest to the highest mean of y, are state 1 (1.00), state 0 (6.00)."
    assert lowest_first in only(c, "states").sentence
    emission = evb.emissions.Product(u=evb.emissions.Normal(), v=evb.emissions.Categorical(3))
    own = {"u_means": [0.5, 4.0], "u_sigmas": [1.0, 1.0], "v_probs": [[0.2, 0.7, 0.1], [0.1, 0.1, 0.8]]}
    y = pd.DataFrame({"u": [0.3, 3.5, 3.8], "v": [0, 2, 2]})
    params = {n: CHAIN[n] for n in ("initial", "transition")} | own
    said = only(compare([evb.HMM(emission, 2).at(y, params)]), "states").sentence
    assert "state 0 has mean u 0.500, v 1 most often (70 %); state 1 has mean u 4.00, v 2 most often (80 %)." in said


def test_regressions_are_described_by_their_lines():
    y = pd.DataFrame({"y": [0.1, 1.2, 5.0, 4.1], "x": [0.0, 1.0, 2.0, 3.0]})
    own = {"coefficients": [[0.1, 1.0], [-9.0, -2.0]], "sigmas": [0.5, 1.5]}
    params = {n: CHAIN[n] for n in ("initial", "transition")} | own
    c = compare([evb.HMM(evb.emissions.LinearRegression("y ~ x"), 2).at(y, params)])
    want = "in state 0 y = 0.100 + 1.00 x, sd 0.500; in state 1 y = -9.00 - 2.00 x, sd 1.50."
    assert want in only(c, "states").sentence


def test_ambiguous_rows_are_counted():
    c = compare([chain_at([0, 0, 3, 3, 8, 8, 3, 8], [[0.8, 0.2], [0.2, 0.8]])])
    best = c.fits[0].predict_proba().max(axis=1)
    count = int((best < 0.9).sum())
    finding = only(c, "ambiguous")
    assert 0 < count < 8 and finding.figure == count
    assert f"the state of {count} of 8 rows" in finding.sentence
    clear = compare([chain_at([0, 1, 0, 55, 61, 1], CHAIN["transition"], rates=(1.0, 60.0))])
    assert only(clear, "ambiguous").figure == 0 and "every row is clear" in only(clear, "ambiguous").sentence


def test_a_state_that_no_row_is_decoded_to():
    third = [[0.8, 0.15, 0.05], [0.15, 0.8, 0.05], [0.45, 0.45, 0.1]]
    finding = only(compare([chain_at(ROWS, third, rates=(1.0, 6.0, 60.0), initial=(0.4, 0.4, 0.2))]), "empty_state")
    assert finding.parameter == "state 2" and finding.figure < 1e-6
    assert "empty_state" not in kinds(compare([chain_at(ROWS, CHAIN["transition"])]))


def test_transitions_on_the_boundary_are_one_finding_and_are_held_for_errors():
    c = compare([chain_at(ROWS, [[0.9, 0.1], [0.0, 1.0]])])
    finding = only(c, "boundary")
    assert finding.parameter == "transition[state 1, state_to 0]"
    assert "2 transition probabilities" in finding.sentence
    assert sum(f.kind == "boundary" for f in c.findings) == 1
    held = c.table[c.aligned[0].name].loc[["transition[state 1, state_to 0]", "transition[state 1, state_to 1]"]]
    np.testing.assert_array_equal(held[["sd", "lower", "upper"]], [[0.0, 0.0, 0.0], [0.0, 1.0, 1.0]])


def test_a_sure_first_state_is_no_conflict():
    c = compare([chain_at(ROWS, CHAIN["transition"], initial=(1.0, 0.0)), replace_data(chain_fit(0.1), ROWS)])
    assert only(c, "initial").parameter == "initial[state 0]"
    assert "with one sequence" in only(c, "initial").sentence
    assert not any(f.kind in ("prior_conflict", "boundary") for f in c.findings if "initial" in f.parameter)


def replace_data(fit, y):
    """The draws of a fit as those of another data set."""
    program = fit.spec.at(np.asarray(y, float), CHAIN).program
    return replace(fit, program=program)


def test_methods_that_decode_alike_and_not():
    mine = chain_at(ROWS, CHAIN["transition"])
    turned = chain_at(ROWS, np.array(CHAIN["transition"])[::-1, ::-1], rates=(6.0, 1.0), method="vi")
    assert only(compare([mine, turned]), "decoding").figure == 1.0  # labels are aligned first
    other = chain_at(ROWS, CHAIN["transition"], rates=(0.1, 1.0), method="vi")
    finding = only(compare([mine, other]), "decoding")
    same = (mine.predict_proba().argmax(1) == other.predict_proba().argmax(1)).mean()
    assert finding.figure == pytest.approx(same) and same < 1
    assert f"vi agrees with em in {100 * same:.3g} % of rows" in finding.sentence


def test_rows_that_depend_beyond_the_states():
    y = np.repeat(np.arange(0.0, 20.0), 4) + 40
    wandering = chain_at(y, [[0.5, 0.5], [0.5, 0.5]], rates=(49.0, 51.0))
    assert only(compare([wandering]), "dependence").figure > 0.5
    y = np.random.default_rng(1).poisson(50.0, 80)
    assert "dependence" not in kinds(compare([chain_at(y, [[0.5, 0.5], [0.5, 0.5]], rates=(49.0, 51.0))]))
