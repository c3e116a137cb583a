"""Ctrl-C in loops over fits ends the loop, with what there is, and says so."""

import signal
import threading
from collections import Counter
from functools import partial

import numpy as np
import pytest

import em_vs_bayes as evb
from em_vs_bayes.common import threads
from em_vs_bayes.common.interrupts import Watch
from em_vs_bayes.common.status import Status
from em_vs_bayes.fit.results import Fit
from em_vs_bayes.methods import METHODS
from em_vs_bayes.methods.em import EM
from em_vs_bayes.methods.vi import VI

QUIET = {"progressbar": False, "seed": 1}
Y = np.r_[np.random.default_rng(0).normal(size=(60, 2)), np.random.default_rng(1).normal(size=(60, 2)) + 5.0]
SPEC = evb.GaussianMixture(2)


@pytest.fixture
def pressed(monkeypatch):
    """Ctrl-C in the first step of a method's n-th fit (its last, if nothing else is said)."""

    def at(method, number):
        calls, init, step = Counter(), method.init, method.step

        def counted(self, *arguments):
            calls["fits"] += 1
            return init(self, *arguments)

        def interrupted(self, program, state, **rest):
            if calls["fits"] == number and not calls["pressed"]:
                calls["pressed"] += 1
                signal.raise_signal(signal.SIGINT)
            return step(self, program, state, **rest)

        monkeypatch.setattr(method, "init", counted)
        monkeypatch.setattr(method, "step", interrupted)
        return calls

    return at


def test_a_fit_on_its_own_is_ended_alone(pressed):
    pressed(EM, 1)
    assert SPEC.fit(Y, **QUIET).ended is Status.INTERRUPTED
    assert SPEC.fit(Y, **QUIET).converged


@pytest.mark.parametrize("method", ["gibbs", "laplace", "em"])
def test_a_fit_stopped_before_its_first_iteration_begins_anew(method, monkeypatch):
    kind, calls = METHODS[method], Counter()
    init, options = kind.init, {"gibbs": {"draws": 20, "tune": 20, "chains": 2}}.get(method, {})

    def interrupted(self, *arguments):
        calls["fits"] += 1
        if calls["fits"] == 1:
            raise KeyboardInterrupt
        return init(self, *arguments)

    monkeypatch.setattr(kind, "init", interrupted)
    stopped = SPEC.fit(Y, method, **options, **QUIET)
    assert stopped.ended is Status.INTERRUPTED
    assert "neutral" in stopped.notes[0] and "fit.resume() begins anew" in stopped.notes[0]
    whole = SPEC.fit(Y, method, **options, **QUIET)
    again = stopped.resume(progressbar=False)
    for name, value in whole.params.items():
        np.testing.assert_array_equal(again.params[name], value)


def test_bootstrap(pressed):
    fit = SPEC.fit(Y, **QUIET)
    calls = pressed(EM, 31)
    with pytest.warns(UserWarning, match="Interrupted after 30 of 200 bootstrap fits"):
        errors = fit.std_errors("bootstrap", n_boot=200, seed=1, progressbar=False)
    assert calls["fits"] == 31
    whole = fit.std_errors("bootstrap", n_boot=30, seed=1, progressbar=False)
    for name, value in whole.items():
        np.testing.assert_array_equal(errors[name], value)


def test_bootstrap_with_too_few(pressed):
    fit = SPEC.fit(Y, **QUIET)
    pressed(EM, 3)
    with pytest.raises(KeyboardInterrupt, match=r"after 2 of 200 bootstrap fits: 20 are wanted"):
        fit.vcov("bootstrap", n_boot=200, seed=1, progressbar=False)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_select(pressed):
    calls = pressed(EM, 3)
    chosen = evb.select(SPEC, Y, range(1, 6), **QUIET)
    assert [fit.spec.size for fit in chosen.fits] == [1, 2] == chosen.table.index.to_list()
    assert chosen.not_fitted == (3, 4, 5) and "interrupted: not fitted 3, 4, 5" in str(chosen)
    assert chosen.best.spec.size == 2 and calls["fits"] == 3


def test_select_without_any_fit(pressed):
    pressed(EM, 1)
    with pytest.raises(KeyboardInterrupt, match=r"Interrupted before a fit was finished: n_components \[2, 3\]"):
        evb.select(SPEC, Y, [2, 3], **QUIET)


def test_compare(pressed):
    pressed(VI, 1)
    done = evb.compare(SPEC, Y, methods=("em", "vi", "gibbs"), **QUIET)
    assert [fit.method for fit in done.fits] == ["em"] and done.fits[0].converged
    assert dict(done.left_out) == dict.fromkeys(("vi", "gibbs"), "Interrupted before it was fitted.")


def test_watches_hear_each_other_and_only_the_main_thread_has_any():
    with Watch() as outer, Watch() as inner, pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert outer.pressed and inner.pressed
    heard = []
    thread = threading.Thread(target=lambda: heard.append(Watch().__enter__().pressed))
    thread.start()
    thread.join()
    assert heard == [False]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_draws_are_not_lost_while_a_fit_is_put_together(monkeypatch):
    """Relabelling takes its time: Ctrl-C is too late to stop anything then; pressed twice, it gets through."""
    whole = Fit.from_driven

    def pressing(*arguments, times):
        for _ in range(times):
            signal.raise_signal(signal.SIGINT)
        return whole(*arguments)

    options = {"draws": 20, "tune": 5, "chains": 2}
    monkeypatch.setattr(Fit, "from_driven", partial(pressing, times=1))
    fit = SPEC.fit(Y, "gibbs", **options, **QUIET)
    assert fit.draws is not None and fit.draws.shape[:2] == (2, 20)
    monkeypatch.setattr(Fit, "from_driven", partial(pressing, times=2))
    with pytest.raises(KeyboardInterrupt):
        SPEC.fit(Y, "gibbs", **options, **QUIET)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(
    ("method", "options"), [("em", {}), ("vi", {}), ("gibbs", {"draws": 5, "tune": 5, "chains": 9})]
)
def test_no_more_threads_than_processors(method, options, monkeypatch):
    most = []
    start = threading.Thread.start
    monkeypatch.setattr(
        threading.Thread, "start", lambda thread: (start(thread), most.append(threading.active_count()))[0]
    )
    before = threading.active_count()
    SPEC.fit(Y, method, cores=1000, init=SPEC.fit(Y, **QUIET), **options, **QUIET)
    assert max(most, default=0) <= before + threads.processors()


@pytest.mark.parametrize("method", [EM, VI])
@pytest.mark.parametrize("bits", [np.random.PCG64, np.random.MT19937])
def test_a_fit_stopped_while_starts_were_screened_goes_on_as_if_it_had_not(method, bits, monkeypatch, tmp_path):
    name, calls, step = {EM: "em", VI: "vi"}[method], Counter(), method.step
    cloud = np.random.default_rng(3).normal(size=(80, 2))
    whole = evb.GaussianMixture(3).fit(cloud, name, seed=np.random.Generator(bits(7)), progressbar=False)

    def interrupted(self, program, state, **rest):
        calls["steps"] += 1
        if calls["steps"] == 25:
            raise KeyboardInterrupt
        return step(self, program, state, **rest)

    monkeypatch.setattr(method, "step", interrupted)
    stopped = evb.GaussianMixture(3).fit(cloud, name, seed=np.random.Generator(bits(7)), progressbar=False)
    assert stopped.ended is Status.INTERRUPTED and np.isfinite(stopped.log_likelihood)
    stopped.save(tmp_path / "fit")
    for fit in (stopped, evb.load(tmp_path / "fit")):
        again = fit.resume(progressbar=False)
        np.testing.assert_array_equal(again.theta, whole.theta)
        assert again.status is whole.status and again.n_iter == whole.n_iter


def test_a_fit_stopped_while_l_bfgs_had_the_climb_goes_on_as_if_it_had_not(monkeypatch, tmp_path):
    y, step = np.random.default_rng(2).normal(size=200), EM.step
    spec, options = evb.Mixture(evb.emissions.Normal(), 3), {"n_init": 1, **QUIET}
    whole = spec.fit(y, **options)

    def interrupted(self, program, state, **rest):
        if state.pace and state.climb.iteration == 102:
            raise KeyboardInterrupt
        return step(self, program, state, **rest)

    monkeypatch.setattr(EM, "step", interrupted)
    stopped = spec.fit(y, **options)
    monkeypatch.undo()
    assert stopped.ended is Status.INTERRUPTED and len(stopped.history["objective"]) == 103
    stopped.save(tmp_path / "stopped.npz")
    resumed = evb.load(tmp_path / "stopped.npz").resume(progressbar=False)
    np.testing.assert_array_equal(resumed.history["objective"], whole.history["objective"])
    np.testing.assert_array_equal(resumed.theta, whole.theta)
