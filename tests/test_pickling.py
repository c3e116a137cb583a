"""Everything public goes to another process and answers there as it did here: fits hold no addresses on the way."""

import copy
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pandas as pd
import pytest

import em_vs_bayes as evb
from em_vs_bayes import emissions as e
from em_vs_bayes import priors as p

QUIET = {"progressbar": False, "seed": 1}
RNG = np.random.default_rng(5)
FAITHFUL = evb.datasets.load("faithful").astype(float)
X = RNG.normal(size=40)
LINE = pd.DataFrame({"y": np.maximum(X + RNG.normal(size=40), 0.0), "x": X, "g": pd.Categorical(list("ab") * 20)})
STREAMS = pd.DataFrame({"a": RNG.normal(size=40), "b": RNG.poisson(np.repeat([2, 9], 20))})
STREAMS.loc[3, "a"] = np.nan
FITS = {
    "mixture": lambda: evb.GaussianMixture(2).fit(
        FAITHFUL.where(RNG.random((272, 2)) > 0.05).dropna(how="all"), **QUIET
    ),
    "vi": lambda: evb.GaussianMixture(2).fit(FAITHFUL, "vi", **QUIET),
    "chains": lambda: evb.GaussianHMM(2).fit(FAITHFUL, "gibbs", draws=20, tune=20, chains=2, **QUIET),
    "sequences": lambda: evb.GaussianHMM(2).fit(FAITHFUL, lengths=[100, 172], **QUIET),
    "line": lambda: evb.Tobit("y ~ x + g").fit(LINE, **QUIET),
    "streams": lambda: evb.Mixture(e.Product(a=e.Normal(), b=e.Poisson()), 2).fit(STREAMS, **QUIET),
}


def answers(fit):
    """What a fit says of itself, and what it does with more work."""
    again = fit.resume(progressbar=False)
    density = fit.program.density(fit.theta)
    said = {
        "status": fit.status,
        "notes": fit.notes,
        "resumed": again.status,
        "params": list(fit.params.values()),
        "went on to": list(again.params.values()),
        "predict": fit.predict(),
        "new": fit.predict(fit.program.y),
        "scores": fit.score_samples(),
        "log_likelihood": fit.program.log_likelihood(fit.theta),
        "errors": list(fit.std_errors().values()),
        "posterior": [v.to_numpy() for v in fit.idata["posterior"].dataset.data_vars.values()],
        "density": pickle.loads(pickle.dumps(density))(fit.program.unconstrain(fit.theta)),
    }
    return said, fit


def forked(fit):
    """The same, one process further."""
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        return pool.submit(answers, fit).result()[0]


@pytest.fixture(scope="module")
def fits():
    return {name: make() for name, make in FITS.items()}


@pytest.fixture(scope="module")
def said(fits):
    return {name: answers(fit)[0] for name, fit in fits.items()}


def test_in_a_new_process_and_back(fits, said):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        for name, (there, back) in zip(fits, pool.map(answers, fits.values()), strict=True):
            np.testing.assert_equal(there, said[name], err_msg=name)
            np.testing.assert_equal(answers(back)[0], said[name], err_msg=name)
        np.testing.assert_equal(pool.submit(forked, fits["mixture"]).result(), said["mixture"])


def test_in_joblib_s_processes_which_map_arrays_read_only(fits, said):
    joblib = pytest.importorskip("joblib")
    told = joblib.Parallel(2, max_nbytes=100)(joblib.delayed(answers)(fit) for fit in fits.values())
    for name, (there, _) in zip(fits, told, strict=True):
        np.testing.assert_equal(there, said[name], err_msg=name)


def test_in_threads_and_in_copies(fits, said):
    with ThreadPoolExecutor(4) as pool:
        for there, _ in pool.map(answers, [fits["line"]] * 4):
            np.testing.assert_equal(there, said["line"])
    for name, fit in fits.items():
        for again in (copy.copy(fit), copy.deepcopy(fit)):
            np.testing.assert_equal(answers(again)[0], said[name], err_msg=name)


def test_a_pickle_holds_no_address(fits):
    program = fits["chains"].program
    state = program.__getstate__()
    assert (program.streams.code > 0).any() and (program.tables.plan.code >= 0).all()
    assert (state["streams"].code < 0).all() and (state["tables"].plan.code < 0).all()
    assert (pickle.loads(pickle.dumps(program)).streams.code >= -1).all()


@pytest.mark.parametrize(
    "thing",
    [
        evb.GaussianMixture(2, priors={"weights": p.Dirichlet(2.0)}, fixed={"weights": [0.3, 0.7]}),
        evb.HMM(e.Product(u=e.MvNormal("diag"), v=e.Categorical(4)), 3),
        evb.Tobit("y ~ x", priors={"sigma": evb.Prior("HalfNormal", sigma=2.0)}),
        evb.CensoredRegression("censored(lo, hi) ~ x"),
        evb.TruncatedRegression("y ~ x", 0.0),
        e.StudentT(4.0),
        e.LinearRegression("y ~ x"),
        p.NormalInverseWishart([0.0, 1.0], 1.0, 4.0, np.eye(2)),
        evb.Prior("StudentT", nu=3, mu=70.0, sigma=[20.0, 30.0]),
        evb.Status.CONVERGED,
    ],
    ids=repr,
)
def test_what_is_data_comes_back_equal(thing):
    for again in (pickle.loads(pickle.dumps(thing)), copy.deepcopy(thing), copy.copy(thing)):
        assert again == thing and repr(again) == repr(thing)


def test_comparisons_and_selections(fits):
    both = evb.compare([fits["vi"], FITS["vi"]()])
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(both)).table, both.table)
    assert str(copy.deepcopy(both)) == str(both)
    chosen = evb.select(evb.Mixture(e.Normal(), 1), FAITHFUL["waiting"], [1, 2], **QUIET)
    again = pickle.loads(pickle.dumps(chosen))
    pd.testing.assert_frame_equal(again.table, chosen.table)
    assert again.best.spec == chosen.best.spec
