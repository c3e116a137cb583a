"""The whole road x -> log posterior and gradient against scipy and finite differences; far out as well."""

from itertools import product

import numba
import numpy as np
import pytest
from kernels.reference import along, log_densities, reference_prior
from kernels.tiny_models import tiny
from scipy.special import logsumexp

from em_vs_bayes.kernels.coordinates import constrain, unconstrain
from em_vs_bayes.kernels.posterior import evaluate, evaluate_natural, hold, program
from em_vs_bayes.kernels.tables import FLAT, INDEPENDENT, JOINT

CASES = [
    *product(["full", "tied", "diag", "spherical"], [1, 2, 3], [1, 3]),
    *product(["sigma"], [1, 2, 3], [1]),
]
cases = pytest.mark.parametrize(("covariance", "K", "d"), CASES)
structures = pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical", "sigma"])


def program_of(model, **options):
    tables = model.data, model.streams, model.blocks, model.prior, model.coords
    return program(*tables, model.K, model.theta, model.n_pot, model.n_stats, **options)


def evidence(model, theta):
    rows = logsumexp(sum(log_densities(model, theta)), axis=1)
    return rows.sum() + model.data.base.sum()


def reference(model, x, powers=(1.0, 1.0, 1.0)):
    theta = model.theta.copy()
    log_jacobian = constrain(model.coords, x, theta)
    terms = evidence(model, theta), reference_prior(model, theta), log_jacobian
    return sum(power * term for power, term in zip(powers, terms, strict=True))


def start(model):
    x = np.zeros(model.n_x)
    assert unconstrain(model.coords, model.theta, x)
    return x


def check(model, powers=(1.0, 1.0, 1.0)):
    x = start(model) + 0.1 * np.random.default_rng(7).normal(size=model.n_x)
    value, grad = evaluate(hold(program_of(model, powers=powers)), x)
    np.testing.assert_allclose(value, reference(model, x, powers), rtol=1e-10, atol=1e-10)
    expected = [along(lambda x: reference(model, x, powers), x, e) for e in np.eye(x.size)]
    np.testing.assert_allclose(grad, expected, rtol=1e-6, atol=1e-6)


@cases
def test_log_posterior_and_gradient(covariance, K, d):
    check(tiny(covariance, K, d))


@structures
def test_with_other_streams_fixed_elements_and_independent_priors(covariance):
    d = 1 if covariance == "sigma" else 2
    which = 0 if covariance == "tied" else 1
    fixed = [("weights", 0), ("means", 1), ("spread", which), ("rates", 2), ("categories", 4)]
    check(tiny(covariance, 3, d, counts=True, mean_prior=INDEPENDENT))
    check(tiny(covariance, 3, d, counts=True, fixed=fixed))


@structures
@pytest.mark.parametrize("powers", [(1.0, 0.0, 0.0), (1.0, 1.0, 0.0), (0.0, 1.0, 1.0), (0.3, 0.7, 1.0)])
def test_powers_scale_the_terms(covariance, powers):
    check(tiny(covariance, 2, 1, counts=True), powers)


@pytest.mark.parametrize("covariance", ["sigma", "full", "diag"])
def test_ordered_means(covariance):
    model = tiny(covariance, 3, 1, ordered=True)
    check(model)
    theta = model.theta.copy()
    constrain(model.coords, 3 * np.random.default_rng(8).normal(size=model.n_x), theta)
    assert np.all(np.diff(theta[model.at["means"]]) > 0)


@cases
def test_log_joint_in_natural_coordinates(covariance, K, d):
    model = tiny(covariance, K, d, counts=True)

    def natural(theta):
        return evidence(model, theta) + reference_prior(model, theta)

    value, g = evaluate_natural(hold(program_of(model)), model.theta)
    np.testing.assert_allclose(value, natural(model.theta), rtol=1e-11)
    for e in model.directions():
        np.testing.assert_allclose(g @ e, along(natural, model.theta, e, 3e-4), rtol=1e-6, atol=1e-6)


def test_a_flat_prior_at_power_zero_may_be_infinite():
    """With a Dirichlet below one and a zero weight the prior is infinite; at power 0 it does not count."""
    model = tiny("full", 2, 1)
    model.prior.hyper[:2] = 0.5
    model.theta[:2] = [0.0, 1.0]
    assert evaluate_natural(hold(program_of(model)), model.theta)[0] == -np.inf
    value, _ = evaluate_natural(hold(program_of(model, powers=(1.0, 0.0, 0.0))), model.theta)
    np.testing.assert_allclose(value, evidence(model, model.theta), rtol=1e-12)


@structures
@pytest.mark.parametrize("prior", [JOINT, FLAT])
def test_never_not_a_number(covariance, prior):
    model = tiny(covariance, 3, 1 if covariance == "sigma" else 2, counts=True, mean_prior=prior, spread_prior=prior)
    held, rng = hold(program_of(model)), np.random.default_rng(9)
    finite = infeasible = 0
    for scale in (3.0, 30.0, 300.0, 3000.0, 1e150, 1e307):
        for _ in range(40):
            value, grad = evaluate(held, rng.normal(size=model.n_x) * scale)
            assert np.all(np.isfinite(grad))
            if np.isfinite(value):
                finite += 1
            else:
                infeasible += 1
                assert value == -np.inf and np.all(grad == 0)
    assert finite >= 40 and infeasible >= 40
    for bad in (np.nan, np.inf, -np.inf):
        for i in range(model.n_x):
            x = start(model)
            x[i] = bad
            value, grad = evaluate(held, x)
            assert value == -np.inf and np.all(grad == 0)
    assert np.isfinite(evaluate(held, start(model))[0])  # nothing bad stays behind in the buffers


@structures
def test_a_held_program_gives_what_the_plain_one_gives(covariance):
    model = tiny(covariance, 2, 1, counts=True)
    plain, x = program_of(model), start(model)
    value, grad = evaluate(plain, x)
    held_value, held_grad = evaluate(hold(plain), x)
    assert value == held_value
    np.testing.assert_array_equal(grad, held_grad)
    np.testing.assert_allclose(plain.theta, model.theta, rtol=1e-12)  # the buffers are shared


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")
def test_one_compiled_function_serves_every_model():
    models = [tiny("full", 3, 2), tiny("sigma", 2, 1, counts=True), tiny("tied", 1, 3, fixed=[("means", 0)])]
    evaluate(hold(program_of(models[0])), start(models[0]))
    before = len(evaluate.entry.signatures)
    for model in models:
        evaluate(hold(program_of(model)), start(model))
    assert len(evaluate.entry.signatures) == before


def test_an_unknown_latent_structure_is_refused():
    model = tiny("full", 2, 1)
    with pytest.raises(KeyError, match="99"):
        program_of(model, latent=99)
