"""The laws that every model keeps, whatever its latent structure, emission and priors (see docs/contributing.md)."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from laws.cases import CASES, CONJUGATE
from naive import densities

import em_vs_bayes as evb
from em_vs_bayes.model.ordering import exchangeable
from em_vs_bayes.program.compile import compile as compile_program

all_cases = pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
conjugate_cases = pytest.mark.parametrize("case", CONJUGATE, ids=lambda c: c.name)

# One outcome does not identify a mixture of these: the likelihood has a ridge, and no M-step is strictly stationary.
IDENTIFIED = [case for case in CASES if case.name not in ("bernoulli", "categorical")]
EXCHANGEABLE = [case for case in CASES if exchangeable(case.spec) and not case.spec.ordered and not case.labels]


@all_cases
def test_law_1_evidence_is_the_sum_over_all_assignments(case):
    program = case.program(n=7, seed=3)
    for theta in case.points(program):
        evidence, table = case.naive(program.public(theta), n=7, seed=3)
        assert program.log_likelihood(theta) == pytest.approx(evidence, rel=1e-11)
        np.testing.assert_allclose(program.probabilities(theta), table, rtol=1e-9, atol=1e-12)


@all_cases
def test_law_2_em_never_falls(case):
    for objective in ("mle", "map"):
        fit = case.fit("em", objective=objective, accelerate=None, n_init=1, seed=1, max_iter=200)
        history = fit.history["objective"]
        assert len(history) >= 2
        assert np.diff(history).min() >= -1e-10 * (1 + abs(history[-1]))
        assert fit.status is not evb.Status.OBJECTIVE_FELL


@conjugate_cases
def test_law_2_cavi_never_falls(case):
    fit = case.fit("vi", n_init=1, seed=1)
    history = fit.history["objective"]
    assert np.diff(history).min() >= -1e-10 * (1 + abs(history[-1]))
    assert fit.elbo == history[-1]


@all_cases
def test_law_3_statistics_add_over_rows_or_sequences(case):
    program = case.program()
    theta = case.points(program, 1)[0]
    pot = program.potentials(theta)
    whole_evidence, whole = program.expect(pot)
    starts = np.array([0]) if program.latent.sequential else program.data.starts
    parts = [
        program.subset(np.arange(a, b), np.append(starts, b - a) if starts.size else starts)
        for a, b in pairwise(case.cuts())
    ]
    evidence, stats = zip(*(part.expect(pot) for part in parts), strict=True)
    assert sum(evidence) == pytest.approx(whole_evidence, rel=1e-12)
    total = sum((program.named_stats(s) for s in stats[1:]), program.named_stats(stats[0]))
    np.testing.assert_allclose(total.flat, whole, rtol=1e-10, atol=1e-9)
    np.testing.assert_allclose((0.5 * total).flat, 0.5 * whole, rtol=1e-10, atol=1e-9)


@all_cases
def test_law_4_gradient_of_the_evidence_is_the_expected_statistics(case):
    program = case.program(20)
    for powers in ((1.0, 0.0, 0.0), (1.0, 1.0, 1.0)):
        for theta in case.points(program, 2):
            density = program.density(theta, likelihood=powers[0], prior=powers[1], jacobian=powers[2])
            x = program.unconstrain(theta)
            value, gradient = density(x)
            assert np.isfinite(value)
            for j in range(len(x)):
                h = 1e-5
                up, down = x.copy(), x.copy()
                up[j] += h
                down[j] -= h
                slope = (density(up)[0] - density(down)[0]) / (2 * h)
                assert gradient[j] == pytest.approx(slope, rel=2e-5, abs=2e-5 * max(1.0, np.abs(gradient).max()))


@pytest.mark.parametrize("case", IDENTIFIED, ids=lambda c: c.name)
def test_law_5_the_m_step_is_stationary(case):
    """At a fixed point of EM the gradient of the objective vanishes, for the MLE and for the MAP."""
    fit = case.fit("em", objective="map", seed=1)
    assert fit.converged
    density = fit.program.density(fit.theta, jacobian=0.0)
    x = fit.program.unconstrain(fit.theta)
    value, gradient = density(x)
    assert value == pytest.approx(fit.history["objective"][-1], rel=1e-10)
    assert np.abs(gradient).max() < 1e-4  # in nats per unit of an unconstrained coordinate


@all_cases
def test_law_7_objectives_are_one_posterior(case):
    """EM-MAP's objective, the direct density and the public log_likelihood + log_prior are one function."""
    program = case.program(20)
    for theta in case.points(program):
        public = program.public(theta)
        natural, _ = program.density(theta).natural(theta)
        separate = program.log_likelihood(theta) + case.spec.log_prior(
            public, case.data(20), exog=case.arguments(20).get("exog")
        )
        assert natural == pytest.approx(separate, rel=1e-10)
        if not case.labels:  # which belong to a fit
            given = case.spec.log_likelihood(case.data(20), public, **case.arguments(20))
            assert given == pytest.approx(program.log_likelihood(theta), rel=1e-10)


@pytest.mark.parametrize("case", EXCHANGEABLE, ids=lambda c: c.name)
def test_law_8_labels_do_not_matter(case):
    program = case.program()
    theta = case.points(program, 1)[0]
    order = np.roll(np.arange(program.k), 1)
    turned = program.permuted(theta, order)
    assert program.log_likelihood(turned) == pytest.approx(program.log_likelihood(theta), rel=1e-12)
    assert program.log_prior(turned) == pytest.approx(program.log_prior(theta), rel=1e-12)
    np.testing.assert_allclose(
        program.probabilities(turned), program.probabilities(theta)[:, order], rtol=1e-9, atol=1e-12
    )


@all_cases
def test_law_10_save_and_load(case, tmp_path):
    fit = case.fit("em", objective="map", n_init=2, seed=1)
    fit.save(tmp_path / "fit")
    back = evb.load(tmp_path / "fit")
    assert back.spec == fit.spec
    assert type(case.spec).from_json(case.spec.to_json()) == case.spec
    assert back.status is fit.status
    for name, value in fit.params.items():
        np.testing.assert_array_equal(back.params[name], value)
    assert back.log_likelihood == fit.log_likelihood
    given = case.arguments()
    for name, stored in (("labels", back.program.data.labels), ("lengths", np.diff(back.program.data.starts))):
        if name in given:
            np.testing.assert_array_equal(stored, given[name])


RESUMABLE = {
    "em": ({"max_iter": 4, "accelerate": None, "n_init": 1}, {"max_iter": 40}),
    "vi": ({"max_iter": 4, "n_init": 1}, {"max_iter": 40}),
    "gibbs": ({"draws": 15, "tune": 5, "chains": 2}, {"draws": 40}),
}


ONES = ("full", "full, three", "product", "student", "hmm full", "hmm labels")
ONES += ("tobit", "truncated, both limits", "mixture of tobits", "hmm tobit", "censored, t errors")
RESUMED = [case for case in CONJUGATE if case.name in ONES]


@pytest.mark.parametrize("method", RESUMABLE)
@pytest.mark.parametrize("case", RESUMED, ids=lambda c: c.name)
def test_law_10_stopped_and_resumed_is_not_stopped(case, method, tmp_path):
    """Also through a file in between."""
    short, more = RESUMABLE[method]
    stopped = case.fit(method, seed=3, **short)
    stopped.save(tmp_path / "fit")
    resumed = evb.load(tmp_path / "fit").resume(progressbar=False, **more)
    whole = case.fit(method, seed=3, **(short | more))
    if method != "gibbs":  # its history counts chunks of sweeps, whose size follows the clock
        np.testing.assert_array_equal(resumed.history["objective"], whole.history["objective"])
    assert resumed.status is whole.status
    for name, value in whole.params.items():
        np.testing.assert_array_equal(resumed.params[name], value)
    if method == "gibbs":
        np.testing.assert_array_equal(resumed.raw_draws, whole.raw_draws)


def test_the_stats_of_different_models_do_not_add():
    a, b = CASES[0].program(), CASES[1].program()
    sa, sb = (q.named_stats(np.zeros(q.stats_layout.size)) for q in (a, b))
    with pytest.raises(ValueError, match="different models"):
        sa + sb


def test_weights_are_copies_and_labels_restrict():
    case = CASES[0]
    y = case.data(5, seed=3)
    params = compile_program(case.spec, y).public(case.points(compile_program(case.spec, y), 1)[0])
    weights, labels = np.array([1.0, 2.0, 0.0, 3.0, 0.5]), np.array([0, -1, 1, -1, -1])
    program = compile_program(case.spec, y, weights=weights)
    naive = densities.mixture_evidence(case.spec.model_emission, y, params, weights=weights)
    assert program.log_likelihood(program.theta_of(params)) == pytest.approx(naive, rel=1e-11)
    program = compile_program(case.spec, y, labels=labels)
    naive = densities.mixture_evidence(case.spec.model_emission, y, params, labels=labels)
    assert program.log_likelihood(program.theta_of(params)) == pytest.approx(naive, rel=1e-11)


def test_cases_have_distinct_names():
    assert len({case.name for case in CASES}) == len(CASES)
