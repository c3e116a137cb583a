"""Forecasts against powers of the transition matrix, scipy's distributions and simulation of the future."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from naive import chain
from scipy import integrate, stats
from two_states import BASE, CASES, INITIAL, MEANS, RATES, SIGMAS, TABLE, TRANSITION, simulated

import em_vs_bayes as evb


def last(y, law):
    """p(z_T | y_1..T) by the plain recursion."""
    density = (law.pmf if hasattr(law.dist, "pmf") else law.pdf)(y[:, None])
    return chain.forward(INITIAL, TRANSITION, density)[0][-1]


@pytest.mark.parametrize("name", CASES)
def test_states_means_and_quantiles(name):
    emission, own, law = CASES[name]
    y = simulated(emission, own, [30])
    table = evb.HMM(emission, 2).at(y, BASE | own).forecast(5, level=0.8)
    assert table.index.name == "step" and list(table.index) == [1, 2, 3, 4, 5]
    now = last(np.ravel(y), law)
    for h, row in table.iterrows():
        weights = now @ np.linalg.matrix_power(TRANSITION, h)
        np.testing.assert_allclose(row[["state_0", "state_1"]].to_numpy(float), weights, rtol=1e-9)
        assert row["mean"] == pytest.approx(weights @ law.mean(), rel=1e-9)
        for column, p in (("lower", 0.1), ("median", 0.5), ("upper", 0.9)):
            below = weights @ law.cdf(row[column])
            if name in ("poisson", "bernoulli"):
                assert weights @ law.cdf(row[column] - 1) < p <= below + 1e-12
            else:
                assert below == pytest.approx(p, abs=1e-10)


def test_far_ahead_is_the_stationary_distribution():
    emission, own, _ = CASES["poisson"]
    fit = evb.HMM(emission, 2).at(simulated(emission, own, [20]), BASE | own)
    row = fit.forecast(200).iloc[-1]
    np.testing.assert_allclose(row[["state_0", "state_1"]].to_numpy(float), fit.stationary_distribution, rtol=1e-10)


def test_categories_have_probabilities_in_place_of_means():
    emission, own = evb.emissions.Categorical(3), {"probs": TABLE}
    y = simulated(emission, own, [20])
    table = evb.HMM(emission, 2).at(y, BASE | own).forecast(2)
    weights = chain.forward(INITIAL, TRANSITION, TABLE[:, y.astype(int)].T)[0][-1] @ TRANSITION
    np.testing.assert_allclose(table.loc[1, ["prob_0", "prob_1", "prob_2"]].to_numpy(float), weights @ TABLE)
    assert "mean" not in table


def test_every_sequence_has_its_own_future():
    emission, own, law = CASES["normal"]
    y = simulated(emission, own, [12, 9, 5])
    y[-1] = np.nan  # a last row without values: time has passed all the same
    table = evb.HMM(emission, 2).at(y, BASE | own, lengths=[12, 9, 5]).forecast(2)
    assert table.index.names == ["sequence", "step"] and len(table) == 6
    second = last(y[12:21], law) @ np.linalg.matrix_power(TRANSITION, 2)
    np.testing.assert_allclose(table.loc[(1, 2), ["state_0", "state_1"]].to_numpy(float), second, rtol=1e-9)
    third = last(y[21:25], law) @ np.linalg.matrix_power(TRANSITION, 3)
    np.testing.assert_allclose(table.loc[(2, 2), ["state_0", "state_1"]].to_numpy(float), third, rtol=1e-9)


def test_streams_and_features_by_name():
    emission = evb.emissions.Product(u=evb.emissions.Normal(), v=evb.emissions.Poisson())
    own = {"u_means": MEANS, "u_sigmas": SIGMAS, "v_rates": RATES}
    y = pd.DataFrame(simulated(emission, own, [10]))
    table = evb.HMM(emission, 2).at(y, BASE | own).forecast(1)
    density = stats.norm.pdf(y["u"].to_numpy()[:, None], MEANS, SIGMAS)
    density = density * stats.poisson.pmf(y["v"].to_numpy()[:, None], RATES)
    weights = chain.forward(INITIAL, TRANSITION, density)[0][-1] @ TRANSITION
    assert table.loc[1, "u_mean"] == pytest.approx(weights @ MEANS, rel=1e-9)
    assert table.loc[1, "v_mean"] == pytest.approx(weights @ RATES, rel=1e-9)
    plane = pd.DataFrame({"a": y["u"], "b": -y["u"]})
    full = {"means": np.stack([MEANS, -MEANS], 1), "covariances": np.stack([s**2 * np.eye(2) for s in SIGMAS])}
    table = evb.GaussianHMM(2).at(plane, BASE | full).forecast(1)
    assert table.loc[1, "a_lower"] == pytest.approx(-table.loc[1, "b_upper"], rel=1e-9)


def test_posterior_draws_are_averaged_over():
    """The mixture over draws, and not the forecast at their mean: simulate draw, state and row."""
    emission, own, _ = CASES["normal"]
    y = simulated(emission, own, [30])
    spec = evb.HMM(emission, 2)
    point = spec.at(y, BASE | own)
    rng = np.random.default_rng(8)
    matrices = np.stack([[rng.dirichlet([6, 2]), rng.dirichlet([2, 6])] for _ in range(200)])
    means = MEANS + rng.normal(0, 1.5, (200, 2))
    draws = np.stack(
        [point.program.theta_of(BASE | own | {"transition": a, "means": m}) for a, m in zip(matrices, means)]
    )
    fit = replace(point, draws=draws.reshape(2, 100, -1), raw_draws=draws)
    table = fit.forecast(3, level=0.9)
    size, future = 400_000, []
    which = rng.integers(0, 200, size)
    state_now = np.array(
        [
            chain.forward(INITIAL, a, stats.norm.pdf(y[:, None], m, SIGMAS))[0][-1] @ np.linalg.matrix_power(a, 3)
            for a, m in zip(matrices, means)
        ]
    )
    z = (rng.random(size) > state_now[which, 0]).astype(int)
    future = rng.normal(means[which, z], SIGMAS[z])
    assert table.loc[3, "mean"] == pytest.approx(future.mean(), abs=5 * future.std() / np.sqrt(size))
    for column, p in (("lower", 0.05), ("median", 0.5), ("upper", 0.95)):
        assert (future <= table.loc[3, column]).mean() == pytest.approx(p, abs=5 * np.sqrt(p * (1 - p) / size))
    thinned = fit.forecast(3, draws=10)
    assert not np.allclose(thinned["mean"], table["mean"], rtol=1e-6)


def test_new_sequences_and_refusals():
    emission, own, law = CASES["normal"]
    fit = evb.HMM(emission, 2).at(simulated(emission, own, [30]), BASE | own)
    new = np.array([4.0, 4.1])
    np.testing.assert_allclose(fit.forecast(1, y=new)["state_1"], (last(new, law) @ TRANSITION)[1])
    for arguments, words in (
        ({"steps": 0}, "steps must be an integer of at least 1; got 0"),
        ({"steps": 2, "level": 90}, "level must lie in"),
        ({"steps": 2, "draws": -1}, "draws must be an integer of at least 1"),
    ):
        with pytest.raises(ValueError, match=words):
            fit.forecast(**arguments)


def test_limits_are_quantiles_where_they_have_the_probability():
    """Normals cut off at 0 and 5: means by quadrature, and a limit is the quantile of its whole probability."""
    law, y = stats.norm(MEANS, SIGMAS), np.array([0.0, 0.3, 4.4, 0.0])
    emission, params = evb.emissions.CensoredNormal(lower=0.0, upper=5.0), BASE | {"means": MEANS, "sigmas": SIGMAS}

    def mean(m, sd):
        within = integrate.quad(lambda t: t * stats.norm.pdf(t, m, sd), 0.0, 5.0, points=[4.0], epsabs=1e-12)[0]
        return within + 5.0 * stats.norm.sf(5.0, m, sd)

    means = [mean(*own) for own in zip(MEANS, SIGMAS, strict=True)]
    for _, row in evb.HMM(emission, 2).at(y, params).forecast(3, level=0.9).iterrows():
        weights = row[["state_0", "state_1"]].to_numpy(float)
        assert row["mean"] == pytest.approx(weights @ means, rel=1e-8)
        assert weights @ law.cdf(0.0) > 0.05
        assert row["lower"] == 0.0
        assert weights @ law.cdf(row["median"]) == pytest.approx(0.5, rel=1e-9)
        assert weights @ law.cdf(row["upper"]) == pytest.approx(0.95, rel=1e-9)
    above = evb.HMM(emission, 2).at(y, params | {"means": np.array([6.0, 7.0])}).forecast(1)
    assert above.loc[1, "median"] == above.loc[1, "upper"] == 5.0
