"""Errors name the argument, what it got and what it wants; broadcasting follows numpy."""

import json

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
from em_vs_bayes.model.priors.gaussian_factor import GaussianFactor
from em_vs_bayes.model.priors.spherical_normal_inverse_gamma import SphericalNormalInverseGamma
from em_vs_bayes.model.priors.tied_normal_inverse_wishart import TiedNormalInverseWishart

I2 = np.eye(2)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: Dirichlet(0.0), ValueError, "alpha: got 0.0, wants finite positive numbers"),
        (lambda: Dirichlet([1.0, np.nan]), ValueError, "alpha: got .* wants finite positive"),
        (lambda: Dirichlet("many"), TypeError, "alpha: got 'many', wants a number or a rectangular array"),
        (lambda: Dirichlet([[1.0], [1.0, 2.0]]), TypeError, "rectangular"),
        (lambda: Gamma(-1.0, 1.0), ValueError, "shape: got -1.0"),
        (lambda: Gamma(1.0, 0.0), ValueError, "rate: got 0.0"),
        (lambda: Gamma([1.0, 2.0], [1.0, 2.0, 3.0]), ValueError, r"shape and rate: got shapes shape \(2,\)"),
        (lambda: Beta(0.0, 1.0), ValueError, "a: got 0.0"),
        (lambda: Beta(1.0, np.inf), ValueError, "b: got inf"),
        (lambda: Normal(np.nan, 1.0), ValueError, "mean: got nan, wants finite"),
        (lambda: Normal(0.0, -1.0), ValueError, "sd: got -1.0"),
        (lambda: Normal(0.0, np.inf), ValueError, "sd: got inf"),
        (lambda: InverseGamma(0.0, 1.0), ValueError, "shape: got 0.0"),
        (lambda: InverseGamma(1.0, -2.0), ValueError, "rate: got -2.0"),
        (lambda: InverseWishart(1.0, I2), ValueError, "df: got 1.0, wants more than 1"),
        (lambda: InverseWishart(4.0, -1.0), ValueError, "scale: got -1.0"),
        (
            lambda: InverseWishart(4.0, [1.0, 2.0]),
            ValueError,
            r"scale: got shape \(2,\), wants a number or square",
        ),
        (lambda: InverseWishart(4.0, [[1.0, 0.5], [0.0, 1.0]]), ValueError, "wants symmetric"),
        (lambda: InverseWishart(4.0, [[1.0, 2.0], [2.0, 1.0]]), ValueError, "wants positive definite"),
        (lambda: InverseWishart([4.0, 5.0, 6.0], [I2, I2]), ValueError, "df and scale: got shapes"),
        (lambda: NIW([0.0, np.inf], 1.0, 4.0, I2), ValueError, "mean: got"),
        (lambda: NIW(0.0, 0.0, 4.0, I2), ValueError, "kappa: got 0.0"),
        (lambda: NIW(0.0, 1.0, np.nan, I2), ValueError, "df: got nan, wants finite"),
        (lambda: NIW(0.0, 1.0, 0.5, I2), ValueError, "df: got 0.5, wants more than 1"),
        (lambda: NIW(0.0, 1.0, 4.0, [[np.nan, 0], [0, 1]]), ValueError, "scale: got .* wants finite"),
        (lambda: NIW(0.0, 1.0, 1.5, 1.0).broadcast(2, 3), ValueError, "df: got 1.5, wants more than 2"),
        (
            lambda: NIW([0.0] * 3, 1.0, 4.0, I2).broadcast(2, 2),
            ValueError,
            r"mean: got shape \(3,\), wants .*components=2, features=2",
        ),
        (
            lambda: NIW(0.0, [1.0] * 3, 4.0, I2).broadcast(2, 2),
            ValueError,
            r"kappa: got shape \(3,\), wants .*components=2",
        ),
        (
            lambda: NIW(0.0, 1.0, 4.0, I2).broadcast(2, 3),
            ValueError,
            r"scale: got shape \(2, 2\), wants .*features_to=3",
        ),
        (
            lambda: NIW(0.0, 1.0, [4.0, 5.0], I2).tied(2, 2),
            ValueError,
            r"df: got shape \(2,\), wants a scalar",
        ),
        (lambda: NIG(0.0, -1.0, 1.0, 1.0), ValueError, "kappa: got -1.0"),
        (lambda: NIG(0.0, 1.0, 0.0, 1.0), ValueError, "shape: got 0.0"),
        (lambda: NIG(0.0, 1.0, 1.0, [1.0, 0.0]), ValueError, "rate: got"),
        (lambda: NIG([0.0] * 3, 1.0, 1.0, 1.0).broadcast(3, 2), ValueError, r"mean: got shape \(3,\)"),
        (
            lambda: NIG(0.0, 1.0, 1.0, 1.0).broadcast(1, 1).mode("sigma"),
            ValueError,
            "parameter: got 'sigma', wants one of 'variance', 'sd'",
        ),
        (lambda: NIG.flat(1, 1, "sigma"), ValueError, "parameter: got 'sigma'"),
        (
            lambda: Dirichlet([1.0] * 3).broadcast(1, 2),
            ValueError,
            r"alpha: got shape \(3,\), wants .*rows=1, columns=2",
        ),
        (lambda: TiedNormalInverseWishart([[0.0]], [1.0], 4.0, I2), ValueError, "wants .*d, d"),
        (lambda: SphericalNormalInverseGamma([[0.0]], 1.0, [1.0], [1.0]), ValueError, r"wants \(K, d\)"),
        (lambda: NIW(0.0, 1.0, 4.0, I2).tied(2, 2).broadcast(3, 2), ValueError, "mean: got shape"),
        (lambda: NIG(0.0, 1.0, 4.0, 1.0).spherical(2, 2).broadcast(3, 2), ValueError, "mean: got shape"),
        (lambda: GaussianFactor([0.0], [[1.0]]), ValueError, r"mean and covariance: got mean \(1,\)"),
        (lambda: Gamma.from_dict({"family": "Beta"}), ValueError, "family: got 'Beta', wants 'Gamma'"),
        (
            lambda: Gamma.from_dict({"family": "Gamma", "shape": 1.0}),
            ValueError,
            r"got keys \['shape'\], wants",
        ),
        (
            lambda: Gamma.from_dict({"family": "Gamma", "shape": -1.0, "rate": 1.0}),
            ValueError,
            "shape: got -1.0",
        ),
        (lambda: priors.from_dict({"family": "Levy"}), ValueError, "family: got 'Levy', wants one of Beta"),
    ],
)
def test_errors_in_words(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_broadcast_shapes():
    full = NIW([1.0, 2.0], 0.1, [4.0, 5.0, 6.0], 2.0).broadcast(3, 2)
    assert full.mean.tolist() == [[1.0, 2.0]] * 3
    assert full.kappa.tolist() == [0.1] * 3
    assert full.df.tolist() == [4.0, 5.0, 6.0]
    assert full.scale.tolist() == [[[2.0, 0.0], [0.0, 2.0]]] * 3
    assert full.broadcast(3, 2) == full
    assert Normal([0.0, 5.0], 1.0).broadcast(2, 1).mean.tolist() == [[0.0], [5.0]]
    assert Dirichlet([1.0, 2.0]).broadcast(3, 2).alpha.tolist() == [[1.0, 2.0]] * 3
    assert InverseGamma(1.0, [1.0, 2.0]).broadcast(2, 1).rate.tolist() == [[1.0], [2.0]]
    spherical = NIG([1.0, 2.0], [0.1, 0.2, 0.3], 3.0, [1.0, 2.0, 3.0]).spherical(3, 2)
    assert spherical.kappa.tolist() == [[0.1, 0.1], [0.2, 0.2], [0.3, 0.3]]
    assert spherical.rate.tolist() == [1.0, 2.0, 3.0]
    tied = NIW([1.0, 2.0], [0.1, 0.2, 0.3], 4.0, 2.0).tied(3, 2)
    assert (tied.df.shape, tied.scale.tolist()) == ((), [[2.0, 0.0], [0.0, 2.0]])


def test_equality_is_exact_and_of_one_family():
    assert Gamma(1.0, 2.0) == Gamma(1, 2)
    assert Gamma(1.0, 2.0) != Gamma(1.0, np.nextafter(2.0, 3.0))
    assert Gamma(1.0, 2.0) != Beta(1.0, 2.0)
    assert Gamma(1.0, 2.0) != Gamma([1.0], [2.0])


def test_the_caller_keeps_no_handle_on_the_values():
    alpha = np.ones(3)
    prior = Dirichlet(alpha)
    alpha[0] = 7
    assert prior.alpha.tolist() == [1.0, 1.0, 1.0]


def test_means_that_do_not_exist_are_said():
    assert np.isnan(InverseWishart([3.0], [I2]).expected()).all()
    assert InverseGamma([[0.8]], [[1.0]]).expected().tolist() == [[np.inf]]
    assert np.isfinite(InverseGamma([[0.8]], [[1.0]]).expected("sd")).all()


def test_a_gaussian_factor_travels_as_json():
    factor = GaussianFactor.at(np.array([[1.0, 2.0]]))
    assert priors.from_dict(json.loads(json.dumps(factor.to_dict()))) == factor
    assert factor.mode().tolist() == [[1.0, 2.0]]
