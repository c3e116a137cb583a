"""Pseudo-residuals: exact on tiny sequences, uniform under the true model, and drawn without pyplot."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from naive import chain
from scipy import stats
from two_states import BASE, CASES, INITIAL, MEANS, PROBS, RATES, SIGMAS, TABLE, TRANSITION, simulated

import em_vs_bayes as evb
from em_vs_bayes.fit.residuals import autocorrelation


def conditional(density, t, kind, steps):
    rows = [s for s in range(steps) if s != t] if kind == "ordinary" else list(range(t))
    return chain.given(INITIAL, TRANSITION, density, t, rows)


@pytest.mark.parametrize("kind", ["ordinary", "forecast"])
@pytest.mark.parametrize("name", CASES)
def test_against_sums_over_paths(name, kind):
    emission, own, law = CASES[name]
    y = simulated(emission, own, [7], seed=4)
    table = evb.HMM(emission, 2).at(y, BASE | own).pseudo_residuals(kind)
    flat, discrete = np.ravel(y), hasattr(law.dist, "pmf")
    density = (law.pmf if discrete else law.pdf)(flat[:, None])
    for t in range(7):
        weights = conditional(density, t, kind, 7)
        upper = weights @ law.cdf(flat[t])
        lower = weights @ law.cdf(flat[t] - 1) if discrete else upper
        want = stats.norm.ppf([lower, (lower + upper) / 2, np.minimum(upper, 1.0)])
        np.testing.assert_allclose(np.clip(table.loc[t], -8, 8), np.clip(want, -8, 8), rtol=1e-7, atol=1e-9)


def test_categories_are_ordered_by_their_codes():
    emission, y = evb.emissions.Categorical(3), np.array([0.0, 2.0, 1.0, 1.0])
    table = evb.HMM(emission, 2).at(y, BASE | {"probs": TABLE}).pseudo_residuals()
    density = TABLE[:, y.astype(int)].T
    weights = conditional(density, 2, "ordinary", 4)
    cumulative = weights @ TABLE.cumsum(axis=1)
    assert table.loc[2, "lower"] == pytest.approx(stats.norm.ppf(cumulative[0]), rel=1e-9)
    assert table.loc[2, "upper"] == pytest.approx(stats.norm.ppf(cumulative[1]), rel=1e-9)
    assert table.loc[0, "lower"] == -np.inf and table.loc[1, "upper"] == np.inf


@pytest.mark.parametrize("kind", ["ordinary", "forecast"])
def test_regressions_have_a_mean_for_each_row(kind):
    x = np.column_stack([np.ones(6), [0.2, -1.0, 0.7, 1.4, -0.3, 0.9]])
    coefficients, sigmas = np.array([[0.0, 1.0], [3.0, -2.0]]), np.array([0.5, 1.5])
    y = np.array([0.4, -0.8, np.nan, 1.1, 3.5, 0.2])
    params = BASE | {"coefficients": coefficients, "sigmas": sigmas}
    table = evb.HMM(evb.emissions.LinearRegression(), 2).at(y, params, exog=x).pseudo_residuals(kind)
    law = stats.norm(x @ coefficients.T, sigmas)
    density = np.where(np.isnan(y)[:, None], 1.0, law.pdf(y[:, None]))
    for t in (0, 1, 3, 4, 5):
        want = stats.norm.ppf(conditional(density, t, kind, 6) @ law.cdf(y[t])[t])
        assert table.loc[t].to_numpy() == pytest.approx(np.full(3, want), rel=1e-8)
    assert table.loc[2].isna().all()


def test_streams_share_the_states_and_missing_values_stay_missing():
    emission = evb.emissions.Product(u=evb.emissions.Normal(), v=evb.emissions.Bernoulli())
    own = {"u_means": MEANS, "u_sigmas": SIGMAS, "v_probs": PROBS}
    y = pd.DataFrame({"u": [0.3, np.nan, 3.8, 4.1], "v": [0.0, 1.0, np.nan, 1.0]})
    table = evb.HMM(emission, 2).at(y, BASE | own).pseudo_residuals()
    assert table.columns.names == ["response", "bound"]
    assert table["u"].isna().all(axis=1).tolist() == [False, True, False, False]
    assert table["v"].isna().all(axis=1).tolist() == [False, False, True, False]
    u, v = y["u"].to_numpy()[:, None], y["v"].to_numpy()[:, None]
    density = np.where(np.isnan(u), 1.0, stats.norm.pdf(u, MEANS, SIGMAS))
    density = density * np.where(np.isnan(v), 1.0, np.where(v == 1, PROBS, 1 - PROBS))
    weights = conditional(density, 3, "ordinary", 4)
    assert table.loc[3, ("u", "mid")] == pytest.approx(stats.norm.ppf(weights @ stats.norm.cdf(4.1, MEANS, SIGMAS)))


def test_far_out_residuals_keep_their_digits():
    params = BASE | {"means": np.zeros(2), "sigmas": np.ones(2)}
    z = evb.HMM(evb.emissions.Normal(), 2).at(np.array([0.0, 12.0, -30.0, 60.0]), params).pseudo_residuals()["mid"]
    np.testing.assert_allclose(z, [0.0, 12.0, -30.0, 60.0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", ["ordinary", "forecast"])
@pytest.mark.parametrize("name", ["normal", "student", "exponential", "poisson"])
def test_uniform_under_the_true_model(name, kind):
    """Kolmogorov's distance of the residuals, and for counts of residuals drawn at random within their segments."""
    emission, own, _ = CASES[name]
    spec = evb.HMM(emission, 2)
    start = spec.at(simulated(emission, own, [20]), BASE | own)
    fit = spec.at(start.simulate(3000, seed=6), BASE | own)
    table = fit.pseudo_residuals(kind)
    low, high = stats.norm.cdf(table["lower"]), stats.norm.cdf(table["upper"])
    u = low + (high - low) * np.random.default_rng(2).random(len(low))
    assert stats.kstest(u, "uniform").pvalue > 0.01
    if kind == "forecast":  # independent as well
        assert np.abs(autocorrelation(stats.norm.ppf(u), fit.program.data.starts, 5)).max() < 4 / np.sqrt(3000)


def test_a_wrong_model_is_seen():
    emission, own, _ = CASES["normal"]
    y = simulated(emission, own, [600])
    wrong = evb.HMM(emission, 2).at(y, BASE | own | {"sigmas": 2 * SIGMAS})
    assert stats.kstest(stats.norm.cdf(wrong.pseudo_residuals()["mid"]), "uniform").pvalue < 1e-6


def test_the_plot_is_a_figure_without_pyplot():
    emission, own, _ = CASES["poisson"]
    y = simulated(emission, own, [40, 20])
    fit = evb.HMM(emission, 2).at(y, BASE | own, lengths=[40, 20])
    before = plt.get_fignums()
    figure = fit.plot_pseudo_residuals()
    assert isinstance(figure, Figure) and len(figure.axes) == 4 and plt.get_fignums() == before
    z = fit.pseudo_residuals()["mid"]
    drawn = next(line for line in figure.axes[0].lines if len(line.get_xdata()) == 60)
    np.testing.assert_allclose(drawn.get_ydata(), z)
    mine = Figure().subplots(1, 4)
    assert fit.plot_pseudo_residuals("forecast", ax=mine) is mine[0].figure
    with pytest.raises(ValueError, match="four matplotlib axes; got <Axes"):
        fit.plot_pseudo_residuals(ax=mine[0])
    with pytest.raises(ValueError, match="one column only"):
        fit.plot_pseudo_residuals(response="y")
    with pytest.raises(ValueError, match="kind must be one of 'ordinary', 'forecast'"):
        fit.pseudo_residuals("deviance")


def test_the_histogram_of_counts_is_spread_over_their_segments():
    """Under the true model the bars follow the normal curve, although the mid-residuals of rare counts do not."""
    params = BASE | {"rates": np.array([0.4, 1.5])}
    spec = evb.HMM(evb.emissions.Poisson(), 2)
    fit = spec.at(spec.at([0.0, 1.0, 2.0], params).simulate(4000, seed=3), params)
    bars = fit.plot_pseudo_residuals("forecast").axes[1].patches
    for bar in bars:
        want = np.diff(stats.norm.cdf([bar.get_x(), bar.get_x() + bar.get_width()]))[0]
        assert bar.get_height() * bar.get_width() == pytest.approx(want, abs=4.5 * np.sqrt(want / 4000) + 1e-3)


def test_a_response_is_chosen_by_name():
    emission = evb.emissions.Product(u=evb.emissions.Normal(), v=evb.emissions.Poisson())
    own = {"u_means": MEANS, "u_sigmas": SIGMAS, "v_rates": RATES}
    fit = evb.HMM(emission, 2).at(pd.DataFrame(simulated(emission, own, [25])), BASE | own)
    figure = fit.plot_pseudo_residuals(response="v")
    drawn = next(line for line in figure.axes[0].lines if len(line.get_xdata()) == 25)
    np.testing.assert_allclose(drawn.get_ydata(), fit.pseudo_residuals()[("v", "mid")])
    with pytest.raises(ValueError, match="no column of the data; it has"):
        fit.plot_pseudo_residuals(response="w")


def test_autocorrelation_stops_at_sequences():
    z = np.array([1.0, -1.0, 1.0, -1.0, np.nan, np.inf, 1.0, -1.0])
    want = (-3 - 1) / 6  # products within 0..3 and 4..7 alone; what is not finite counts as nothing
    assert autocorrelation(z, np.array([0, 4, 8]), 1)[0] == pytest.approx(want)


@pytest.mark.parametrize("kind", ["ordinary", "forecast"])
def test_limits_have_a_segment_of_probability(kind):
    """A normal cut off at 0 and 5: at a limit the residual is known to lie between two bounds."""
    y, law = np.array([0.0, 4.2, 5.0, np.nan, 1.3, 0.0]), stats.norm(MEANS, SIGMAS)
    emission = evb.emissions.CensoredNormal(lower=0.0, upper=5.0)
    table = evb.HMM(emission, 2).at(y, BASE | {"means": MEANS, "sigmas": SIGMAS}).pseudo_residuals(kind)
    column = y[:, None]
    density = np.where(column == 0.0, law.cdf(0.0), np.where(column == 5.0, law.sf(5.0), law.pdf(column)))
    density[3] = 1.0
    for t in (0, 1, 2, 4, 5):
        weights = conditional(density, t, kind, 6)
        upper = 1.0 if y[t] == 5.0 else weights @ law.cdf(y[t])
        lower = 0.0 if y[t] == 0.0 else weights @ law.cdf(y[t])
        want = stats.norm.ppf([lower, (lower + upper) / 2, upper])
        np.testing.assert_allclose(table.loc[t], want, rtol=1e-7, atol=1e-9)
    assert table.loc[3].isna().all()


def test_truncated_regressions_know_their_sample():
    x = np.column_stack([np.ones(4), [0.2, -1.0, 0.7, 1.4]])
    coefficients, sigmas = np.array([[0.0, 1.0], [3.0, -2.0]]), np.array([0.5, 1.5])
    y, params = np.array([0.4, 3.9, 1.1, 0.2]), BASE | {"coefficients": coefficients, "sigmas": sigmas}
    emission = evb.emissions.TruncatedRegression(lower=0.0, upper=4.0)
    table = evb.HMM(emission, 2).at(y, params, exog=x).pseudo_residuals()
    lines = x @ coefficients.T
    law = stats.truncnorm((0.0 - lines) / sigmas, (4.0 - lines) / sigmas, lines, sigmas)
    density = law.pdf(y[:, None])
    for t in range(4):
        want = stats.norm.ppf(conditional(density, t, "ordinary", 4) @ law.cdf(y[t])[t])
        assert table.loc[t].to_numpy() == pytest.approx(np.full(3, want), rel=1e-8)


def test_censored_regressions_and_refusal_of_intervals():
    x = np.column_stack([np.ones(4), [0.2, -1.0, 0.7, 1.4]])
    y, params = np.array([0.0, 1.9, 1.1, 0.2]), BASE | {"coefficients": np.eye(2), "sigmas": SIGMAS}
    tobit = evb.HMM(evb.emissions.CensoredRegression(lower=0.0), 2).at(y, params, exog=x).pseudo_residuals()
    assert tobit.loc[0, "lower"] == -np.inf
    assert np.isfinite(tobit.loc[0, "upper"])
    assert (tobit.loc[1:, "lower"] == tobit.loc[1:, "upper"]).all()
    intervals = evb.HMM(evb.emissions.CensoredNormal(), 2).at(
        np.column_stack([y, y + 1.0]), BASE | {"means": MEANS, "sigmas": SIGMAS}
    )
    for ask in (intervals.pseudo_residuals, lambda: intervals.forecast(2)):
        with pytest.raises(NotImplementedError, match="has an interval in each row"):
            ask()
