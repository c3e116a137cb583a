"""`HMM` in users' own models: subjects with chains of their own under a common prior, gaps, predictions, LOO."""

import arviz as az
import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from naive import chain as naive
from scipy import stats

import em_vs_bayes as evb

from .conftest import PYTHON

RNG = np.random.default_rng(51)
S, K = 3, 2
LENGTHS = np.array([15, 25, 20])
SUBJECT = np.repeat(np.arange(S), LENGTHS)
N = len(SUBJECT)
Z = (np.arange(N) // 5) % 2
Y = RNG.normal(np.array([[0.0, 4.0], [0.5, 4.5], [-0.5, 3.5]])[SUBJECT, Z], 1.0)
GAPS = [3, 20, 21]
Y[GAPS] = np.nan
KWARGS = {"mode": PYTHON}
PLAIN = {
    "chains": 2,
    "random_seed": 1,
    "progressbar": False,
    "quiet": True,
    "compute_convergence_checks": False,
}


def normal_logp(y, mu):
    """mu (n, K): every row has the means of its subject."""
    return pm.logp(pm.Normal.dist(mu, 1.0), y[:, None])


def population():
    """Transition matrices and means of the subjects, drawn from populations with unknown parameters."""
    stay = pm.Gamma("stay", 4.0, 1.0)
    p = pm.Dirichlet("p", 1.0 + stay * pt.eye(K), shape=(S, K, K), dims=("subject", "state", "state_to"))
    top = pm.Normal("top", [0.0, 4.0], 2.0, dims="state")
    tau = pm.HalfNormal("tau", 1.0)
    mu = pm.Normal("mu", top, tau, dims=("subject", "state"))
    return p, mu


def coords():
    return {"subject": list("abc"), "state": range(K), "state_to": range(K), "time": np.arange(100, 100 + N)}


@pytest.fixture(scope="module")
def model():
    """All subjects in one variable: a matrix for each sequence."""
    with pm.Model(coords=coords()) as m:
        p, mu = population()
        evb.pymc.HMM(
            "y",
            mu[SUBJECT],
            initial=np.full(K, 0.5),
            transition=p,
            emission_logp=normal_logp,
            observed=Y,
            lengths=LENGTHS,
            simulate=lambda rng, z, mu: rng.normal(mu[np.arange(N), z], 1.0),
            dims="time",
        )
    return m


@pytest.fixture(scope="module")
def trace(model):
    with model:
        return pm.sample(60, tune=60, cores=1, nuts_sampler="pymc", init="adapt_diag", compile_kwargs=KWARGS, **PLAIN)


def some_point(model, seed=0):
    rng = np.random.default_rng(seed)
    return {name: value + 0.3 * rng.normal(size=value.shape) for name, value in model.initial_point(0).items()}


def test_subjects_stacked_or_one_by_one_are_the_same_model(model):
    with pm.Model(coords=coords()) as apart:
        p, mu = population()
        for s in range(S):
            evb.pymc.HMM(
                f"y_{s}",
                mu[s],
                initial=np.full(K, 0.5),
                transition=p[s],
                emission_logp=lambda y, mu: pm.logp(pm.Normal.dist(mu, 1.0), y[:, None]),
                observed=Y[s == SUBJECT],
            )
    with pm.Model(coords=coords()) as by_row:
        p, mu = population()
        evb.pymc.HMM(
            "y",
            mu[SUBJECT],
            initial=np.full((S, K), 0.5),
            transition=p[SUBJECT],
            emission_logp=normal_logp,
            observed=Y,
            lengths=LENGTHS,
        )
    point = some_point(model)
    value, slope = model.compile_logp(mode=PYTHON)(point), model.compile_dlogp(mode=PYTHON)(point)
    assert np.isfinite(slope).all()
    for other in (apart, by_row):
        assert other.compile_logp(mode=PYTHON)(point) == pytest.approx(value, rel=1e-12)
        np.testing.assert_allclose(other.compile_dlogp(mode=PYTHON)(point), slope, rtol=1e-9, atol=1e-10)


def test_log_likelihood_against_the_forward_recursion(model):
    point = some_point(model)
    got = model.compile_logp(vars=model.observed_RVs, sum=False, mode=PYTHON)(point)[0]
    assert got.shape == (N,)
    p, mu = (v.eval({}, mode=PYTHON) for v in _at(model, point, ["p", "mu"]))
    density = np.where(np.isnan(Y)[:, None], 1.0, stats.norm.pdf(np.nan_to_num(Y)[:, None], mu[SUBJECT], 1.0))
    total = 0.0
    for s in range(S):
        _, ahead = naive.forward(np.full(K, 0.5), p[s], density[s == SUBJECT])
        total += np.log((ahead * density[s == SUBJECT]).sum(axis=1)).sum()
    assert got.sum() == pytest.approx(total, rel=1e-12)
    assert got[GAPS] == pytest.approx(0.0, abs=1e-12)


def _at(model, point, names):
    values = {v: pt.as_tensor(point[v.name]) for v in model.value_vars}
    from pytensor.graph.replace import clone_replace

    return clone_replace(model.replace_rvs_by_values([model[name] for name in names]), values)


def test_sampled_by_pymc_s_own_nuts(trace):
    mu = trace["posterior"]["mu"]
    assert np.isfinite(mu).all()
    error = mu.std(("chain", "draw")) / np.sqrt(10) + 0.35  # a tenth of the draws, and the data's own error
    assert (np.abs(mu.mean(("chain", "draw")) - [[0.0, 4.0], [0.5, 4.5], [-0.5, 3.5]]) < 3 * error).all()


@pytest.mark.filterwarnings("ignore:Estimated shape parameter")  # a hundred draws
def test_log_likelihood_of_every_kind(model, trace):
    with model:
        pm.compute_log_likelihood(trace, progressbar=False, compile_kwargs=KWARGS)
    predictive = trace["log_likelihood"]["y"].copy(deep=True)
    for kind, shape in (("predictive", (2, 60, N)), ("sequence", (2, 60, S)), ("loo", (2, 60, N - len(GAPS)))):
        evb.pymc.hmm_log_likelihood(trace, model, kind=kind, compile_kwargs=KWARGS)
        terms = trace["log_likelihood"]["y"]
        assert terms.shape == shape
        assert terms.attrs["kind"] == kind
        if kind == "predictive":
            np.testing.assert_allclose(terms, predictive, rtol=1e-12)
        elif kind == "sequence":
            starts = np.r_[0, np.cumsum(LENGTHS)[:-1]]
            np.testing.assert_allclose(terms, np.add.reduceat(predictive.values, starts, axis=2), rtol=1e-12)
            assert az.loo(trace).n_data_points == S
    assert terms.attrs["missing"] == len(GAPS)
    assert list(terms["time"].values) == [100 + t for t in range(N) if t not in GAPS]
    assert az.loo(trace).n_data_points == N - len(GAPS)
    # one draw, one row: the sequence with the row's density in and out
    draw = trace["posterior"].isel(chain=1, draw=7)
    p, mu, s = draw["p"].values[1], draw["mu"].values, 1
    y, rows = Y[s == SUBJECT], np.flatnonzero(s == SUBJECT)
    density = np.where(np.isnan(y)[:, None], 1.0, stats.norm.pdf(np.nan_to_num(y)[:, None], mu[s], 1.0))
    _, ahead = naive.forward(np.full(K, 0.5), p, density)
    whole = np.log((ahead * density).sum(axis=1)).sum()
    without = density.copy()
    without[10] = 1.0
    _, ahead = naive.forward(np.full(K, 0.5), p, without)
    got = terms.isel(chain=1, draw=7).sel(time=100 + rows[10])
    assert float(got) == pytest.approx(whole - np.log((ahead * without).sum(axis=1)).sum(), abs=1e-9)


def test_other_variables_keep_their_terms():
    y = Y[:10].copy()
    y[3] = 0.0
    with pm.Model() as m:
        mu = pm.Normal("mu", 0, 1)
        pm.Normal("x", mu, 1.0, observed=np.arange(4.0))
        evb.pymc.HMM(
            "y",
            initial=[0.5, 0.5],
            transition=np.full((2, 2), 0.5),
            emission_logp=pm.logp(pm.Normal.dist(pt.stack([mu, mu + 4.0]), 1.0), y[:, None]),
            observed=y,
        )
        idata = pm.sample_prior_predictive(5, var_names=["mu"], random_seed=1, compile_kwargs=KWARGS)
    import xarray as xr

    idata = xr.DataTree.from_dict({"posterior": idata["prior"].to_dataset()})
    with m:
        pm.compute_log_likelihood(idata, progressbar=False, compile_kwargs=KWARGS)
    before = idata["log_likelihood"]["x"].copy(deep=True)
    evb.pymc.hmm_log_likelihood(idata, m, kind="sequence", compile_kwargs=KWARGS)
    assert idata["log_likelihood"]["x"].equals(before)
    assert idata["log_likelihood"]["y"].sizes == {"chain": 1, "draw": 5, "y_sequence": 1}
    with pytest.raises(ValueError, match=r"no HMM variable \['x'\]"):
        evb.pymc.hmm_log_likelihood(idata, m, var_names=["x"], compile_kwargs=KWARGS)
    with pytest.raises(ValueError, match=r"kind=.waic. is unknown; wants .loo., .predictive., .sequence."):
        evb.pymc.hmm_log_likelihood(idata, m, kind="waic")


def test_states_and_predictions_for_every_draw(model, trace):
    states = evb.pymc.sample_states(trace, model, seed=1, compile_kwargs=KWARGS)["y"]
    assert dict(states.sizes) == {"chain": 2, "draw": 60, "time": N}
    probability = evb.pymc.state_probabilities(trace, model, compile_kwargs=KWARGS)["y"]
    np.testing.assert_allclose(probability.sum("y_state"), 1.0, rtol=1e-12)
    share = (states == 1).mean(("chain", "draw"))
    error = np.sqrt(probability[:, 1] * probability[:, 0] / 120) + 0.01
    assert (np.abs(share - probability[:, 1]) < 5 * error).all()
    seen = np.setdiff1d(np.arange(N), GAPS)
    assert np.mean(share.values[seen].round() == Z[seen]) > 0.9
    with model:
        drawn = pm.sample_posterior_predictive(trace, random_seed=2, progressbar=False, compile_kwargs=KWARGS)
    y = drawn["posterior_predictive"]["y"]
    assert dict(y.sizes) == {"chain": 2, "draw": 60, "time": N}
    assert not np.isnan(y).any()


def test_draws_without_a_variable_are_refused(model, trace):
    import xarray as xr

    part = xr.DataTree.from_dict({"posterior": trace["posterior"].to_dataset().drop_vars(["mu", "tau"])})
    with pytest.raises(ValueError, match=r"must hold every free variable of the model; it lacks \['tau', 'mu'\]"):
        evb.pymc.sample_states(part, model, compile_kwargs=KWARGS)


def test_a_time_varying_matrix_leads_to_its_own_row():
    """A covariate that makes the move certain: transition[t] is from row t - 1 to row t."""
    transition = np.tile(np.eye(2), (4, 1, 1))
    transition[2] = transition[2][::-1]  # the states change between rows 1 and 2
    transition[0] = np.nan_to_num(np.inf)  # not used
    density = np.log([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.2, 0.8]])
    with pm.Model() as m:
        evb.pymc.HMM("y", initial=[1.0, 0.0], transition=transition, emission_logp=density, observed=np.zeros(4))
    got = m.compile_logp(sum=False, mode=PYTHON)({})[0]
    np.testing.assert_allclose(got, np.log([0.9, 0.9, 0.8, 0.8]), rtol=1e-13)


def test_impossible_moves_have_finite_gradients_under_a_softmax():
    """A probability that underflows to zero, and one that is zero: log would have made 0 / 0 of both."""
    with pm.Model() as m:
        x = pm.Normal("x", 0, 1, shape=(2, 2))
        free = pm.math.softmax(x, axis=1)
        zero = pt.concatenate([pt.concatenate([free, pt.zeros((2, 1))], axis=1), np.array([[0.0, 0.0, 1.0]])])
        evb.pymc.HMM(
            "y",
            initial=[1.0, 0.0, 0.0],
            transition=zero,
            emission_logp=np.random.default_rng(1).choice([-1e4, 0.0, 1e4], (50, 3)),
            observed=np.zeros(50),
        )
    for value in (np.zeros((2, 2)), np.array([[0.0, 2000.0], [0.0, 2000.0]])):
        point = {"x": value}
        assert np.isfinite(m.compile_logp(mode=PYTHON)(point))
        assert np.isfinite(m.compile_dlogp(mode=PYTHON)(point)).all()


def test_data_can_be_exchanged():
    first, second = np.array([0.0, np.nan, 4.0]), np.array([4.0, 0.0, 0.0, np.nan, 1.0])
    with pm.Model() as m:
        mu = pm.Normal("mu", 0, 5, shape=2)
        data, lengths = pytensor.shared(first, name="data"), pm.Data("lengths", np.array([3]))  # pm.Data wants no NaN
        evb.pymc.HMM(
            "y",
            mu,
            initial=[0.5, 0.5],
            transition=np.array([[0.8, 0.2], [0.3, 0.7]]),
            emission_logp=lambda y, mu: pm.logp(pm.Normal.dist(mu, 1.0), y[:, None]),
            observed=data,
            lengths=lengths,
        )
    f, g = m.compile_logp(vars=m.observed_RVs, mode=PYTHON), m.compile_dlogp(mode=PYTHON)
    point = {"mu": np.array([0.0, 4.0])}
    for y, parts in ((first, [3]), (second, [2, 3])):
        data.set_value(y)
        with m:
            pm.set_data({"lengths": np.array(parts)})
        density = np.where(np.isnan(y)[:, None], 1.0, stats.norm.pdf(np.nan_to_num(y)[:, None], point["mu"], 1.0))
        total, at = 0.0, 0
        for length in parts:
            rows = density[at : at + length]
            total += np.log(sum(p for _, p in naive.paths([0.5, 0.5], np.array([[0.8, 0.2], [0.3, 0.7]]), rows)))
            at += length
        assert f(point) == pytest.approx(total, rel=1e-12)
        assert np.isfinite(g(point)).all()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_sampled_by_nutpie(model, trace):
    with model:
        other = pm.sample(200, tune=200, cores=1, nuts_sampler="nutpie", **PLAIN)
    evb.pymc.hmm_log_likelihood(other, model)
    assert np.isfinite(az.loo(other).elpd)
    a, b = (t["posterior"]["mu"].stack(sample=("chain", "draw")).values for t in (other, trace))
    error = np.sqrt(a.var(-1) / 60 + b.var(-1) / 15)
    assert (np.abs(a.mean(-1) - b.mean(-1)) < 4.5 * error).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"observed": np.zeros((2, 2, 2))}, r"observed must be \(n,\) or \(n, d\); got 3"),
        ({"initial": 1.0}, r"initial must be \(K,\) or \(sequences, K\); got 0"),
        ({"transition": np.ones(2)}, r"transition must be \(K, K\), \(sequences, K, K\) or \(n, K, K\); got 1"),
        ({"emission_logp": np.zeros(3)}, r"emission_logp must be \(n, K\), or a callable; got 1"),
        ({"lengths": [10, 20]}, f"lengths sum to 30; observed has {N} rows"),
        ({"lengths": [0, N]}, "lengths must be positive whole numbers"),
    ],
)
def test_errors_name_the_argument(change, words):
    given = {
        "initial": np.ones(2) / 2,
        "transition": np.ones((2, 2)) / 2,
        "emission_logp": np.zeros((N, 2)),
        "observed": Y,
    } | change
    with pm.Model(), pytest.raises(ValueError, match=words):
        evb.pymc.HMM("y", **given)


def test_no_draws_without_simulate():
    with pm.Model():
        evb.pymc.HMM(
            "y",
            initial=[0.5, 0.5],
            transition=np.ones((2, 2)) / 2,
            emission_logp=np.zeros((3, 2)),
            observed=np.zeros(3),
        )
        with pytest.raises(NotImplementedError, match=r"'y' draws no data: give HMM\(..., simulate=...\)"):
            pm.sample_prior_predictive(1, compile_kwargs=KWARGS)


def test_a_tensor_that_no_longer_fits_the_data_is_refused_in_draws_too():
    """Other rows, and the covariate that makes one matrix for each row forgotten."""
    with pm.Model() as m:
        y, x = pm.Data("data", np.zeros(6)), pm.Data("x", np.full(6, 0.5))
        matrices = pt.stack([pt.stack([x, 1.0 - x], axis=1)] * 2, axis=1)
        evb.pymc.HMM(
            "y", initial=[0.5, 0.5], transition=matrices, observed=y, simulate=lambda rng, z: z,
            emission_logp=lambda y: pm.logp(pm.Normal.dist([0.0, 1.0], 1.0), y[:, None]),
        )  # fmt: skip
    assert pm.draw(m["y"], mode=PYTHON).shape == (6,)
    m.set_data("data", np.zeros(8))
    with pytest.raises(ValueError, match=r"transition must be .* or \(8, K, K\) for 8 rows; got \(6, 2, 2\)"):
        pm.draw(m["y"], mode=PYTHON)
    with pytest.raises(ValueError, match="transition must be"):
        m.compile_logp(mode=PYTHON)({})
