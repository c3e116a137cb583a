"""Arguments of the distributions for users' own models: taken, or refused by name."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytest

import em_vs_bayes as evb

Y = np.array([0.1, -0.4, 4.2, 3.9])


def density(y, mu):
    return pm.logp(pm.Normal.dist(mu, 1.0), y[:, None])


def made(kind, **changed):
    given = {
        "HMM": {"initial": [0.5, 0.5], "transition": [[0.8, 0.2], [0.3, 0.7]], "emission_logp": density},
        "Mixture": {"weights": [0.5, 0.5], "emission_logp": density},
        "Rows": {"log_density": lambda y, mu: density(y, mu)[:, 0]},
    }[kind]
    with pm.Model() as model:
        mu = pm.Normal("mu", 0.0, 3.0, shape=2)
        getattr(evb.pymc, kind)("y", mu, **{"observed": Y, **given, **changed})
    return model


@pytest.mark.parametrize("kind", ["HMM", "Mixture", "Rows"])
@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"case_weights": [1.0, 1.0]}, r"case_weights must be \(4,\), one per row of observed; got shape \(2,\)"),
        ({"case_weights": [1.0, -1.0, 1.0, 1.0]}, "case_weights must be non-negative finite numbers"),
        ({"case_weights": [1.0, np.nan, 1.0, 1.0]}, "case_weights must be non-negative finite numbers"),
        ({"case_weights": "a"}, "case_weights must be non-negative finite numbers; got 'a'"),
        ({"observed": "abc"}, "observed must hold numbers, NaN where missing; got 'abc'"),
        ({"simulate": "x"}, "simulate must be a function; got 'x'"),
    ],
)
def test_arguments_of_all_three(kind, changed, match):
    with pytest.raises((ValueError, TypeError), match=match):
        made(kind, **changed)


@pytest.mark.parametrize(
    ("kind", "argument", "value"),
    [
        ("Mixture", "weights", None),
        ("Mixture", "weights", "a"),
        ("Mixture", "emission_logp", "x"),
        ("HMM", "transition", None),
        ("HMM", "initial", {"a": 1}),
        ("Mixture", "emission_logp", lambda y, mu: None),
        ("HMM", "emission_logp", lambda y, mu: "x"),
        ("Rows", "log_density", lambda y, mu: None),
    ],
)
def test_what_is_no_tensor(kind, argument, value):
    with pytest.raises(TypeError, match=rf"{argument}.* must be a tensor or numbers; got"):
        made(kind, **{argument: value}).logp()


def test_what_simulate_returns_has_the_shape_of_the_data():
    model = made("Rows", simulate=lambda rng, mu: np.zeros(3))
    with pytest.raises(ValueError, match=r"simulate= of 'y' must return numbers of the shape of observed, \(4,\)"):
        pm.draw(model["y"])


def test_lists_of_tensors_are_weights():
    with pm.Model() as model:
        p = pm.Beta("p", 1.0, 1.0)
        evb.pymc.Mixture("y", weights=[p, 1.0 - p], observed=Y, emission_logp=np.zeros((4, 2)))
    assert float(model.compile_logp(sum=False)(model.initial_point())[1].sum()) == pytest.approx(0.0, abs=1e-12)
