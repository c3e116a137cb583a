"""What holds for every family: one table of cases, one test per law."""

import copy
import json
import math
import pickle
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest

from em_vs_bayes import priors
from em_vs_bayes.model.priors import (
    Beta,
    Dirichlet,
    Gamma,
    InverseGamma,
    InverseWishart,
    Normal,
)
from em_vs_bayes.model.priors import NormalInverseGamma as NIG
from em_vs_bayes.model.priors import NormalInverseWishart as NIW


class Case(NamedTuple):
    """Two members of one family, and its parameters as coordinates x in which its density is meant."""

    q: Any
    p: Any
    params: Callable[[np.ndarray], tuple]  # x -> parameters
    flat: Any
    flat_value: float = 0.0  # the constant log density of the flat member
    words: Mapping = MappingProxyType({})


def _matrices(x, k, d):
    lower = np.zeros((k, d, d))
    rows, columns = np.tril_indices(d)
    lower[:, rows, columns] = x.reshape(k, -1)
    lower[:, columns, rows] = lower[:, rows, columns]
    return lower


def _rows(x, r, c):
    free = x.reshape(r, c - 1)
    return np.column_stack([free, 1 - free.sum(1)])


def coordinates(case, theta):
    """The inverse of ``case.params``."""
    parts = []
    for part in theta:
        if isinstance(case.q, Dirichlet):
            part = part[:, :-1]
        elif part.ndim == 3 or (part.shape[-1:] * 2 == part.shape and _is_tied(case.q) and part is theta[1]):
            part = part[..., *np.tril_indices(part.shape[-1])]
        parts.append(np.ravel(part))
    return np.concatenate(parts)


def _is_tied(family):
    return type(family).__name__.startswith("Tied")


S1, S2 = np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([[1.5, -0.4], [-0.4, 3.0]])
JOINT_Q = {"mean": [[0.3, -1.0], [2.0, 1.0], [0.0, 0.5]], "kappa": [0.7, 3.0, 1.4]}
JOINT_P = {"mean": [0.0, 0.2], "kappa": 0.5}
NIG_Q, NIG_P = NIG([0.3, -1.0], [0.7, 3.0], [4.5, 6.0], [2.0, 9.0]), NIG(0.1, 0.5, 2.5, 1.5)
SIX = np.arange(6.0)

CASES = {
    "dirichlet": Case(
        Dirichlet([[2.0, 3.0, 4.5], [1.2, 6.0, 2.5]]),
        Dirichlet([1.0, 2.0, 0.7]).broadcast(2, 3),
        lambda x: (_rows(x, 2, 3),),
        Dirichlet.flat(2, 3),
        2 * math.log(2),
    ),
    "gamma": Case(Gamma([2.0, 5.0], [0.5, 3.0]), Gamma(1.5, 1.0).broadcast(2), lambda x: (x,), Gamma.flat(2)),
    "beta": Case(Beta([2.0, 5.0], [1.5, 3.0]), Beta(1.5, 0.8).broadcast(2), lambda x: (x,), Beta.flat(2)),
    "normal": Case(
        Normal([[0.3, -1.0]], [[0.7, 3.0]]),
        Normal(0.1, 2.0).broadcast(1, 2),
        lambda x: (x.reshape(1, 2),),
        Normal.flat(1, 2),
    ),
    "inverse gamma": Case(
        InverseGamma([[4.5, 6.0]], [[2.0, 9.0]]),
        InverseGamma(2.5, 1.5).broadcast(1, 2),
        lambda x: (x.reshape(1, 2),),
        InverseGamma.flat(1, 2),
    ),
    "inverse gamma of a standard deviation": Case(
        InverseGamma([[4.5, 6.0]], [[2.0, 9.0]]),
        InverseGamma(2.5, 1.5).broadcast(1, 2),
        lambda x: (x.reshape(1, 2),),
        InverseGamma.flat(1, 2, "sd"),
        2 * math.log(2),
        {"parameter": "sd"},
    ),
    "inverse wishart": Case(
        InverseWishart([8.0, 9.5], [S1, S2]),
        InverseWishart(5.0, 2.0).broadcast(2, 2),
        lambda x: (_matrices(x, 2, 2),),
        InverseWishart.flat(2, 2),
    ),
    "normal inverse wishart": Case(
        NIW(**JOINT_Q, df=[8.0, 9.5, 12.0], scale=[S1, S2, S1]),
        NIW(**JOINT_P, df=5.0, scale=2.0).broadcast(3, 2),
        lambda x: (x[:6].reshape(3, 2), _matrices(x[6:], 3, 2)),
        NIW.flat(3, 2),
    ),
    "tied normal inverse wishart": Case(
        NIW(**JOINT_Q, df=8.0, scale=S1).tied(3, 2),
        NIW(**JOINT_P, df=5.0, scale=2.0).tied(3, 2),
        lambda x: (x[:6].reshape(3, 2), _matrices(x[6:], 1, 2)[0]),
        NIW(**JOINT_P, df=5.0, scale=2.0).tied(3, 2).flat(3, 2),
    ),
    "normal inverse gamma": Case(
        NIG_Q.broadcast(3, 2),
        NIG_P.broadcast(3, 2),
        lambda x: (x[:6].reshape(3, 2), x[6:].reshape(3, 2)),
        NIG.flat(3, 2),
    ),
    "normal inverse gamma of a standard deviation": Case(
        NIG_Q.broadcast(3, 2),
        NIG_P.broadcast(3, 2),
        lambda x: (x[:6].reshape(3, 2), x[6:].reshape(3, 2)),
        NIG.flat(3, 2, "sd"),
        6 * math.log(2),
        {"parameter": "sd"},
    ),
    "spherical normal inverse gamma": Case(
        NIG(JOINT_Q["mean"], [0.7, 3.0, 1.4], [4.5, 6.0, 5.0], [2.0, 9.0, 3.0]).spherical(3, 2),
        NIG(0.1, 0.5, 2.5, 1.5).spherical(3, 2),
        lambda x: (x[:6].reshape(3, 2), x[6:]),
        NIG_P.spherical(3, 2).flat(3, 2),
    ),
    "regression normal inverse gamma": Case(
        NIG([[0.3, -1.0], [2.0, 1.0]], [S1, S2], [4.5, 6.0], [2.0, 9.0]).regression(2, 2),
        NIG([0.1, 0.4], 0.3 * S2, 2.5, 1.5).regression(2, 2),
        lambda x: (x[:4].reshape(2, 2), x[4:]),
        NIG(0.0, 1.0, 2.5, 1.5).regression(2, 2).flat(2, 2),
    ),
    "regression normal inverse gamma of a standard deviation": Case(
        NIG([[0.3, -1.0], [2.0, 1.0]], [S1, S2], [4.5, 6.0], [2.0, 9.0]).regression(2, 2),
        NIG([0.1, 0.4], 0.3 * S2, 2.5, 1.5).regression(2, 2),
        lambda x: (x[:4].reshape(2, 2), x[4:]),
        NIG(0.0, 1.0, 2.5, 1.5).regression(2, 2).flat(2, 2, "sd"),
        2 * math.log(2),
        {"parameter": "sd"},
    ),
}


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def case(request):
    return request.param


def draws(case, n, seed=1):
    """A tuple of parameter arrays with the draws first."""
    theta = case.q.draw(np.random.default_rng(seed), n, **case.words)
    return theta if isinstance(theta, tuple) else (theta,)


def as_tuple(theta):
    return theta if isinstance(theta, tuple) else (theta,)


def test_coordinates_invert_params(case):
    theta = tuple(part[0] for part in draws(case, 1))
    again = case.params(coordinates(case, theta))
    for a, b in zip(theta, again, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_kl_of_a_member_from_itself_is_zero(case):
    assert case.q.kl(copy.deepcopy(case.q)) == 0.0


def test_kl_equals_monte_carlo(case):
    thetas = list(zip(*draws(case, 4000), strict=True))
    ratio = [case.q.log_density(*t, **case.words) - case.p.log_density(*t, **case.words) for t in thetas]
    standard_error = np.std(ratio) / math.sqrt(len(ratio))
    assert standard_error < 0.1 * case.q.kl(case.p)
    assert abs(np.mean(ratio) - case.q.kl(case.p)) < 4 * standard_error


def test_entropy_equals_monte_carlo(case):
    thetas = list(zip(*draws(case, 4000, seed=2), strict=True))
    plain = {name: word for name, word in case.words.items() if name != "parameter"}
    if case.words:  # expectations are of densities in the variance
        thetas = [(*t[:-1], t[-1] ** 2) for t in thetas]
    values = [case.q.log_density(*t, **plain) for t in thetas]
    assert abs(np.mean(values) - case.q.expected_log_density(case.q)) < 4 * np.std(values) / math.sqrt(4000)


def test_draws_have_the_stated_mean(case):
    expected = as_tuple(case.q.expected(**case.words))
    for sample, mean in zip(draws(case, 40_000, seed=3), expected, strict=True):
        assert sample.shape[1:] == mean.shape
        z = (sample.mean(0) - mean) / (sample.std(0) / math.sqrt(len(sample)))
        assert np.abs(z).max() < 4.5


def test_mode_is_a_stationary_maximum(case):
    mode = coordinates(case, as_tuple(case.q.mode(**case.words)))

    def density(x):
        return case.q.log_density(*case.params(x), **case.words)

    step = 2e-6
    gradient = [(density(mode + h) - density(mode - h)) / (2 * step) for h in step * np.eye(len(mode))]
    np.testing.assert_allclose(gradient, 0, atol=1e-6)
    nearby = mode + 0.05 * np.random.default_rng(4).standard_normal((50, len(mode)))
    assert all(density(x) < density(mode) for x in nearby)


def test_flat_density_is_constant(case):
    thetas = list(zip(*draws(case, 20, seed=5), strict=True))
    values = [case.flat.log_density(*t, **case.words) for t in thetas]
    np.testing.assert_allclose(values, case.flat_value, atol=1e-10)


def test_kl_from_flat_is_minus_the_entropy(case):
    if case.words:
        return_to_variance = [(*t[:-1], t[-1] ** 2) for t in zip(*draws(case, 4000, seed=6), strict=True)]
        values = [case.q.log_density(*t) - case.flat.log_density(*t) for t in return_to_variance]
        assert abs(np.mean(values) - case.q.kl(case.flat)) < 4 * np.std(values) / math.sqrt(4000)
    else:
        entropy = -case.q.expected_log_density(case.q)
        np.testing.assert_allclose(case.q.kl(case.flat), -entropy - case.flat_value, rtol=1e-10)


def test_outside_the_support_the_density_is_zero(case):
    if isinstance(case.q, Normal):
        assert math.isfinite(case.q.log_density(np.full((1, 2), -1.0)))
        return
    theta = as_tuple(case.q.mode(**case.words))
    assert case.q.log_density(*theta[:-1], -theta[-1], **case.words) == -math.inf


def test_draw_shapes_and_seeds(case):
    one = as_tuple(case.q.draw(np.random.default_rng(7), **case.words))
    again = as_tuple(case.q.draw(np.random.default_rng(7), **case.words))
    many = as_tuple(case.q.draw(np.random.default_rng(7), (2, 3), **case.words))
    for a, b, c in zip(one, again, many, strict=True):
        np.testing.assert_array_equal(a, b)
        assert c.shape == (2, 3, *a.shape)


@pytest.mark.parametrize("member", ["q", "p", "flat"])
def test_json_and_pickle_round_trips(case, member):
    value = getattr(case, member)
    text = json.dumps(value.to_dict(), allow_nan=False)
    for again in (priors.from_dict(json.loads(text)), pickle.loads(pickle.dumps(value))):
        assert again == value
        assert type(again) is type(value)
    assert case.q != case.p


def test_values_are_immutable(case):
    name = next(iter(case.q.__dataclass_fields__))
    with pytest.raises(AttributeError):
        setattr(case.q, name, 1.0)
    with pytest.raises(ValueError, match="read-only"):
        getattr(case.q, name)[...] = 1.0
    assert repr(case.q).startswith(f"{type(case.q).__name__}({name}=[")


def test_flat_members_are_refused_where_no_distribution_exists(case):
    if case.flat.proper:
        assert type(case.flat) in (Dirichlet, Beta)
        return
    with pytest.raises(ValueError, match="wants a proper"):
        case.flat.draw(np.random.default_rng(1))
    with pytest.raises(ValueError, match="kl: wants a proper"):
        case.flat.kl(case.q)


def test_kl_refuses_another_family_and_another_shape(case):
    with pytest.raises(TypeError, match="other: got int"):
        case.q.kl(3)
    with pytest.raises(ValueError, match="broadcast the prior first"):
        case.q.kl(type(case.q)._unchecked(**dict.fromkeys(case.q.__dataclass_fields__, np.ones(7))))
