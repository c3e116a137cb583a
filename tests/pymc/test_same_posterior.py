"""Law 7: the PyMC model and the compiled program are one posterior, in value and in gradient.

The two share the data and the spec's priors, and no formula.
"""

import numpy as np
import pandas as pd
import pytest

import em_vs_bayes as evb
from em_vs_bayes import priors
from em_vs_bayes.model.emissions import (
    Bernoulli,
    Categorical,
    CensoredNormal,
    CensoredRegression,
    Exponential,
    LinearRegression,
    MvNormal,
    Normal,
    Poisson,
    Product,
    StudentT,
    TruncatedRegression,
)

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")

RNG = np.random.default_rng(20260102)
N = 40
Z = np.arange(N) % 2
TABLE = RNG.normal(size=(N, 3)) @ np.array([[1.0, 0.5, 0], [0, 1, 0.3], [0, 0, 2]]) + 4.0 * Z[:, None] + 100.0
PAIR = np.ascontiguousarray(TABLE[:, :2])
LINE = TABLE[:, 0]
COUNTS = RNG.poisson(2 + 5 * Z).astype(float)
TIMES = RNG.exponential(1.0 + 3 * Z)
HOLES = np.where(RNG.random(TABLE.shape) < 0.3, np.nan, TABLE)
HOLES[np.isnan(HOLES).all(axis=1)] = TABLE[0]
POWERS = RNG.integers(0, 3, N) + 0.5 * (np.arange(N) % 3)
KNOWN = np.where(np.arange(N) % 4 == 0, Z, -1)
NAN = np.nan
SPREAD_2 = np.array([[2.0, 0.3], [0.3, 1.0]])


def gaussian(covariance="full", **options):
    return evb.GaussianMixture(2, covariance, **options)


def mixture(emission, **options):
    return evb.Mixture(emission, 2, **options)


IW = priors.InverseWishart(df=[5.0, 6.0], scale=SPREAD_2)
TIED_IW = priors.InverseWishart(df=5.0, scale=SPREAD_2)
IG = priors.InverseGamma(shape=3.0, rate=2.0)
WIDE = priors.Normal(mean=100.0, sd=[[3.0, 4.0], [5.0, 6.0]])
NIW = priors.NormalInverseWishart(mean=[99.0, 101.0], kappa=[0.5, 2.0], df=[5.0, 7.0], scale=SPREAD_2)
NIG = priors.NormalInverseGamma(mean=99.0, kappa=[[0.5, 0.5], [2.0, 2.0]], shape=3.0, rate=2.0)
STUDENT_NIG = priors.NormalInverseGamma(mean=99.0, kappa=[[0.5], [2.0]], shape=3.0, rate=2.0)
HEAVY = evb.Prior("StudentT", nu=4.0, mu=100.0, sigma=5.0)
LOGNORMAL = evb.Prior("LogNormal", mu=1.0, sigma=[0.5, 1.0])
HALF = evb.Prior("HalfNormal", sigma=3.0)
CUT_OFF = evb.Prior("TruncatedNormal", mu=[-1.0, 3.0], sigma=[2.0, 1.0], lower=0.0)
ONE_MEAN = np.array([[NAN, 101.0], [NAN, NAN]])
ONE_COVARIANCE = np.array([SPREAD_2, np.full((2, 2), NAN)])
ONE_DIAGONAL = np.array([np.diag([2.0, 3.0]), np.full((2, 2), NAN)])
ONE_SPHERE = np.array([2.0 * np.eye(2), np.full((2, 2), NAN)])
ITEMS = Product(u=MvNormal("tied"), c=Categorical(3), b=Bernoulli(), n=Poisson(), t=Exponential(), g=Normal())
ITEMS_Y = {
    "u": HOLES[:, :2],
    "c": np.where(np.arange(N) % 7 == 0, NAN, (Z + np.arange(N)) % 3),
    "b": np.where(np.arange(N) % 5 == 0, NAN, (Z + (np.arange(N) % 3 == 0)) % 2),
    "n": np.where(np.arange(N) % 6 == 0, NAN, COUNTS),
    "t": np.where(np.arange(N) % 9 == 0, NAN, TIMES),
    "g": np.where(np.arange(N) % 8 == 0, NAN, LINE),
}

X = np.column_stack([np.ones(N), RNG.normal(size=N)])
FRAME = pd.DataFrame({"y": LINE, "x": X[:, 1], "g": np.resize(["a", "b", "c"], N)})
MATRIX_NIG = priors.NormalInverseGamma([[99.0, 0.5], [101.0, 0.0]], [[0.3, -0.1], [-0.1, 0.2]], [3.0, 4.0], 2.0)
LINES = priors.Normal([[99.0, 0.0], [103.0, 1.0]], [3.0, 2.0])
ONE_SLOPE = {"coefficients": [[NAN, 0.5], [NAN, NAN]], "sigmas": [NAN, 1.5]}
FLOOR, CEILING = float(np.quantile(LINE, 0.3)), float(np.quantile(LINE, 0.9))
CUT = np.clip(LINE, FLOOR, None)
ROWS = np.arange(N) % 5  # every kind: exact, at most, at least, wide, narrow
ENDS = np.column_stack([
    np.choose(ROWS, [LINE, np.full(N, -np.inf), LINE, LINE - 1.5, LINE]),
    np.choose(ROWS, [LINE, LINE, np.full(N, np.inf), LINE + 0.5, LINE + 1e-4]),
])  # fmt: skip
ENDS_FRAME = pd.DataFrame({"a": ENDS[:, 0], "b": ENDS[:, 1], "x": X[:, 1], "g": np.resize(["a", "b"], N)})
ENDS_AND_GAPS = np.where((np.arange(N) % 9 == 4)[:, None], NAN, ENDS)
ONE_NIG = priors.NormalInverseGamma([99.0, 0.5], [[0.3, -0.1], [-0.1, 0.2]], 3.0, 2.0)
OWN = {"coefficients": priors.Normal([99.0, 0.0], [3.0, 2.0]), "sigma": IG}
NAMED = {"coefficients": evb.Prior("StudentT", nu=4.0, mu=[99.0, 0.0], sigma=5.0), "sigma": HALF}
SLOPE = {"coefficients": [NAN, 0.5]}
PAIRED_Y = {"u": np.where(np.arange(N) % 6 == 0, NAN, LINE), "n": COUNTS}

CASES = {
    # covariance structures, default (joint) priors
    "full": (gaussian(), TABLE, {}),
    "tied": (gaussian("tied"), TABLE, {}),
    "diag": (gaussian("diag"), TABLE, {}),
    "spherical": (gaussian("spherical"), TABLE, {}),
    "one column": (gaussian(), LINE, {}),
    "one component": (evb.GaussianMixture(1), PAIR, {}),
    # joint priors that differ by component
    "full joint": (gaussian(priors={"emission": NIW}), PAIR, {}),
    "diag joint": (gaussian("diag", priors={"emission": NIG}), PAIR, {}),
    # independent priors
    "full independent": (gaussian(priors={"means": WIDE, "covariances": IW}), PAIR, {}),
    "tied independent": (gaussian("tied", priors={"means": WIDE, "covariances": TIED_IW}), PAIR, {}),
    "diag independent": (gaussian("diag", priors={"means": WIDE, "covariances": IG}), PAIR, {}),
    "spherical independent": (gaussian("spherical", priors={"means": WIDE, "covariances": IG}), PAIR, {}),
    # priors by name
    "full named": (gaussian(priors={"means": HEAVY}), PAIR, {}),
    "tied named": (gaussian("tied", priors={"means": HEAVY}), PAIR, {}),
    "diag named": (gaussian("diag", priors={"means": HEAVY, "covariances": HALF}), PAIR, {}),
    "spherical named": (gaussian("spherical", priors={"covariances": HALF}), PAIR, {}),
    # fixed values
    "full fixed mean": (gaussian(fixed={"means": ONE_MEAN}), PAIR, {}),
    "tied fixed mean": (gaussian("tied", fixed={"means": ONE_MEAN}), PAIR, {}),
    "diag fixed mean": (gaussian("diag", fixed={"means": ONE_MEAN}), PAIR, {}),
    "spherical fixed mean": (gaussian("spherical", fixed={"means": ONE_MEAN}), PAIR, {}),
    "full fixed covariance": (gaussian(fixed={"covariances": ONE_COVARIANCE}), PAIR, {}),
    "diag fixed covariance": (gaussian("diag", fixed={"covariances": ONE_DIAGONAL}), PAIR, {}),
    "spherical fixed covariance": (gaussian("spherical", fixed={"covariances": ONE_SPHERE}), PAIR, {}),
    "tied fixed covariance": (gaussian("tied", fixed={"covariances": SPREAD_2}), PAIR, {}),
    "independent fixed mean": (
        gaussian(priors={"means": WIDE, "covariances": IW}, fixed={"means": ONE_MEAN, "covariances": ONE_COVARIANCE}),
        PAIR,
        {},
    ),
    "named fixed mean": (gaussian(priors={"means": HEAVY}, fixed={"means": ONE_MEAN}), PAIR, {}),
    "all means fixed": (gaussian(fixed={"means": [[99.0, 100.0], [104.0, 105.0]]}), PAIR, {}),
    "fixed weight": (
        evb.GaussianMixture(
            3, "diag", priors={"weights": priors.Dirichlet([2.0, 3.0, 4.0])}, fixed={"weights": [0.2, NAN, NAN]}
        ),
        PAIR,
        {},
    ),
    "all weights fixed": (gaussian("diag", fixed={"weights": [0.3, 0.7]}), PAIR, {}),
    # data: missing, weighted, labelled
    "full missing": (gaussian(), HOLES, {}),
    "tied missing": (gaussian("tied"), HOLES, {}),
    "diag missing": (gaussian("diag"), HOLES, {}),
    "spherical missing": (gaussian("spherical"), HOLES, {}),
    "case weights": (gaussian(), HOLES, {"weights": POWERS}),
    "labels": (gaussian(), PAIR, {"labels": KNOWN}),
    # the univariate normal, whose parameter is the standard deviation
    "normal": (mixture(Normal()), LINE, {}),
    "normal independent": (
        mixture(Normal(), priors={"means": priors.Normal(100.0, [2.0, 3.0]), "sigmas": IG}), LINE, {}
    ),
    "normal named": (mixture(Normal(), priors={"means": HEAVY, "sigmas": HALF}), LINE, {}),
    "normal fixed": (mixture(Normal(), fixed={"means": [NAN, 104.0], "sigmas": [2.0, NAN]}), LINE, {}),
    "normal ordered": (mixture(Normal(), ordered="means"), LINE, {}),
    "normal ordered sigmas": (mixture(Normal(), ordered="sigmas"), LINE, {}),
    "normal truncated": (
        mixture(Normal(), ordered="means", priors={"means": priors.Normal([99.0, 105.0], 2.0), "sigmas": IG}), LINE, {}
    ),
    # the Student t, whose parameters are location and scale
    "student": (mixture(StudentT()), LINE, {"weights": POWERS}),
    "student joint": (mixture(StudentT(1.0), priors={"emission": STUDENT_NIG}), LINE, {}),
    "student independent": (
        mixture(StudentT(2.5), priors={"means": priors.Normal(100.0, [2.0, 3.0]), "sigmas": IG}), LINE, {}
    ),
    "student named": (mixture(StudentT(30.0), priors={"means": HEAVY, "sigmas": HALF}), LINE, {"labels": KNOWN}),
    "student fixed": (mixture(StudentT(), fixed={"means": [NAN, 104.0], "sigmas": [2.0, NAN]}), LINE, {}),
    "student ordered": (mixture(StudentT(), ordered="means"), LINE, {}),
    "student missing": (mixture(Product(u=StudentT(), n=Poisson())), PAIRED_Y, {}),
    "student in a chain": (evb.HMM(StudentT(), 2), np.where(np.arange(N) % 9 == 4, NAN, LINE), {"lengths": [25, 15]}),
    # rates and probabilities
    "poisson": (mixture(Poisson()), COUNTS, {}),
    "poisson named": (mixture(Poisson(), priors={"rates": LOGNORMAL}), COUNTS, {}),
    "poisson fixed": (mixture(Poisson(), fixed={"rates": [2.0, NAN]}), COUNTS, {}),
    "poisson ordered": (mixture(Poisson(), ordered="rates"), COUNTS, {}),
    "poisson truncated": (
        mixture(Poisson(), ordered="rates", priors={"rates": priors.Gamma([2.0, 6.0], 1.0)}),
        COUNTS,
        {"weights": POWERS},
    ),
    "poisson uniform": (mixture(Poisson(), priors={"rates": evb.Prior("Uniform", lower=0.5, upper=20.0)}), COUNTS, {}),
    "poisson cut off": (mixture(Poisson(), ordered="rates", priors={"rates": CUT_OFF}), COUNTS, {}),
    "exponentials in a chain": (
        evb.HMM(
            Product(u=Exponential(), v=Exponential()),
            2,
            "uniform",
            ordered=["u_rates", "v_rates"],
            priors={"u_rates": CUT_OFF, "v_rates": CUT_OFF},
        ),
        {"u": TIMES, "v": TIMES[::-1]},
        {"lengths": [25, 15]},
    ),
    "exponential": (mixture(Exponential()), TIMES, {"labels": KNOWN}),
    # regressions
    "regression": (mixture(LinearRegression()), LINE, {"exog": X}),
    "regression joint": (mixture(LinearRegression(), priors={"emission": MATRIX_NIG}), LINE, {"exog": X}),
    "regression joint fixed": (
        mixture(LinearRegression(), priors={"emission": MATRIX_NIG}, fixed=ONE_SLOPE), LINE, {"exog": X}
    ),
    "regression independent": (
        mixture(LinearRegression(), priors={"coefficients": LINES, "sigmas": IG}), LINE, {"exog": X}
    ),
    "regression independent fixed": (
        mixture(LinearRegression(), priors={"coefficients": LINES}, fixed=ONE_SLOPE), LINE, {"exog": X}
    ),
    "regression named": (
        mixture(LinearRegression(), priors={"coefficients": HEAVY, "sigmas": HALF}),
        LINE,
        {"exog": X, "weights": POWERS},
    ),
    "regression ordered sigmas": (mixture(LinearRegression(), ordered="sigmas"), LINE, {"exog": X, "labels": None}),
    "regression formula": (mixture(LinearRegression("y ~ x + C(g)")), FRAME, {"labels": KNOWN}),
    "regression in a chain": (
        evb.HMM(LinearRegression(), 2), np.where(np.arange(N) % 9 == 4, NAN, LINE), {"exog": X, "lengths": [25, 15]}
    ),
    "regression missing": (mixture(Product(u=LinearRegression(), n=Poisson())), PAIRED_Y, {"exog": X}),
    # one regression for all rows, seen through limits
    "tobit": (evb.Tobit(lower=FLOOR), LINE.clip(FLOOR), {"exog": X}),
    "tobit above": (evb.Tobit(lower=None, upper=CEILING), LINE.clip(None, CEILING), {"exog": X}),
    "tobit two limits": (evb.Tobit(lower=FLOOR, upper=CEILING), LINE.clip(FLOOR, CEILING), {"exog": X}),
    "tobit alone": (evb.Tobit(lower=FLOOR), CUT, {}),
    "tobit weights": (evb.Tobit(lower=FLOOR), CUT, {"exog": X, "weights": POWERS}),
    "tobit formula": (evb.Tobit("y ~ x + C(g)", lower=FLOOR), FRAME.assign(y=CUT), {}),
    "tobit joint": (evb.Tobit(lower=FLOOR, priors={"regression": ONE_NIG}), CUT, {"exog": X}),
    "tobit joint fixed": (
        evb.Tobit(lower=FLOOR, priors={"regression": ONE_NIG}, fixed=SLOPE | {"sigma": 1.5}), CUT, {"exog": X}
    ),
    "tobit fixed": (evb.Tobit(lower=FLOOR, fixed=SLOPE), CUT, {"exog": X}),
    "tobit independent": (evb.Tobit(lower=FLOOR, priors=OWN), CUT, {"exog": X}),
    "tobit independent fixed": (evb.Tobit(lower=FLOOR, priors=OWN, fixed=SLOPE), CUT, {"exog": X}),
    "tobit named": (evb.Tobit(lower=FLOOR, priors=NAMED), CUT, {"exog": X, "weights": POWERS}),
    "tobit named fixed": (evb.Tobit(lower=FLOOR, priors=NAMED, fixed=SLOPE), CUT, {"exog": X}),
    "censored": (evb.CensoredRegression(), ENDS, {"exog": X}),
    "regression, t errors": (mixture(LinearRegression(df=4.0)), LINE, {"exog": X}),
    "regression, t errors, missing": (mixture(Product(u=LinearRegression(df=1.5), n=Poisson())), PAIRED_Y, {"exog": X}),
    "tobit, t errors": (evb.Tobit(lower=FLOOR, upper=CEILING, df=4.0), LINE.clip(FLOOR, CEILING), {"exog": X}),
    "censored, t errors": (evb.CensoredRegression(df=3.0), ENDS, {"exog": X, "weights": POWERS}),
    "censored in a chain, t errors": (
        evb.HMM(CensoredRegression(df=3.0), 2), ENDS_AND_GAPS, {"exog": X, "lengths": [25, 15]}
    ),
    "censored formula": (evb.CensoredRegression("censored(a, b) ~ x + C(g)"), ENDS_FRAME, {"weights": POWERS}),
    "censored named": (evb.CensoredRegression(priors=NAMED, fixed=SLOPE), ENDS, {"exog": X}),
    "truncated": (evb.TruncatedRegression(lower=LINE.min() - 0.1), LINE, {"exog": X}),
    "truncated above": (evb.TruncatedRegression(upper=LINE.max() + 0.1, priors=OWN), LINE, {"exog": X}),
    "truncated two limits": (
        evb.TruncatedRegression(lower=LINE.min() - 0.1, upper=LINE.max() + 2.0, priors=NAMED),
        LINE,
        {"exog": X, "weights": POWERS},
    ),
    "truncated fixed": (
        evb.TruncatedRegression("y ~ x", lower=LINE.min() - 0.1, fixed=SLOPE | {"sigma": 3.0}), FRAME, {}
    ),
    # the same as emissions
    "censored mixture": (mixture(CensoredRegression(lower=FLOOR, upper=CEILING)), LINE.clip(FLOOR, CEILING),
        {"exog": X, "labels": KNOWN}),
    "censored mixture named": (
        mixture(CensoredRegression(), priors={"coefficients": HEAVY, "sigmas": HALF}), ENDS, {"exog": X}
    ),
    "censored mixture fixed": (
        mixture(CensoredRegression(), fixed=ONE_SLOPE, priors={"emission": MATRIX_NIG}), ENDS, {"exog": X}
    ),
    "censored mixture ordered": (mixture(CensoredRegression(lower=FLOOR), ordered="sigmas"), CUT, {"exog": X}),
    "censored in a chain": (evb.HMM(CensoredRegression(), 2), ENDS_AND_GAPS, {"exog": X, "lengths": [25, 15]}),
    "censored product": (
        mixture(Product(u=CensoredRegression(), n=Poisson())), {"u": ENDS_AND_GAPS, "n": COUNTS}, {"exog": X}
    ),
    "censored normal": (mixture(CensoredNormal(lower=FLOOR)), CUT, {"weights": POWERS}),
    "censored normal joint": (mixture(CensoredNormal(lower=FLOOR), priors={"emission": STUDENT_NIG}), CUT, {}),
    "censored normal joint fixed": (
        mixture(CensoredNormal(lower=FLOOR), priors={"emission": STUDENT_NIG}, fixed={"means": [NAN, 104.0]}), CUT, {}
    ),
    "censored normal independent": (
        mixture(CensoredNormal(), priors={"means": priors.Normal(100.0, [2.0, 3.0]), "sigmas": IG}), ENDS, {}
    ),
    "censored normal named": (mixture(CensoredNormal(), priors={"means": HEAVY, "sigmas": LOGNORMAL}), ENDS, {}),
    "censored normal fixed": (
        mixture(CensoredNormal(), fixed={"means": [NAN, 104.0], "sigmas": [2.0, NAN]}), ENDS, {}
    ),
    "censored normal ordered": (mixture(CensoredNormal(lower=FLOOR), ordered="means"), CUT, {}),
    "censored normal truncated": (
        mixture(
            CensoredNormal(lower=FLOOR),
            ordered="means",
            priors={"means": priors.Normal([99.0, 105.0], 2.0), "sigmas": IG},
        ),
        CUT,
        {},
    ),
    "censored normal in a chain": (evb.HMM(CensoredNormal(), 2), ENDS_AND_GAPS, {"lengths": [25, 15]}),
    "censored normal product": (
        mixture(Product(u=CensoredNormal(), n=Poisson(), r=CensoredRegression(lower=FLOOR))),
        {"u": ENDS_AND_GAPS, "n": COUNTS, "r": CUT},
        {"exog": X},
    ),
    "truncated mixture": (mixture(TruncatedRegression(lower=LINE.min() - 0.1)), LINE, {"exog": X}),
    "product": (mixture(ITEMS), ITEMS_Y, {}),
    "product ordered probs": (mixture(ITEMS, ordered="b_probs"), ITEMS_Y, {}),
    "product fixed": (
        mixture(
            ITEMS,
            fixed={
                "c_probs": [[0.2, NAN, NAN], [0.1, 0.3, 0.6]],
                "b_probs": [NAN, 0.9],
                "u_means": ONE_MEAN,
            },
            priors={"c_probs": priors.Dirichlet([[2.0, 3.0, 4.0], [1.0, 1.0, 1.0]]), "b_probs": priors.Beta(2.0, 3.0)},
        ),
        ITEMS_Y,
        {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_value_and_gradient(case, road):
    spec, y, data = CASES[case]
    both = road(spec, y, **data)
    x = both.x(both.theta)
    if both.program.order.names:  # whichever way the partition came out, the model's parameters are in order
        both.theta = both.to_theta(x)
    assert both.to_theta(x) == pytest.approx(both.theta, rel=1e-9, abs=1e-12)

    value, expected = both.log_density(x), both.direct(both.theta)
    assert np.isfinite(expected)
    assert value == pytest.approx(expected, rel=1e-10, abs=1e-9)

    # the direct gradient in theta, carried to x by differences of x -> theta, which involve no density
    _, natural = both.program.density(both.theta).natural(both.theta)
    gradient, rng = both.gradient(x), np.random.default_rng(5)
    for _ in range(2):
        v = [rng.standard_normal(np.shape(part)) for part in x]
        h = 1e-5
        ahead = both.to_theta([part + h * w for part, w in zip(x, v, strict=True)])
        behind = both.to_theta([part - h * w for part, w in zip(x, v, strict=True)])
        direction = (ahead - behind) / (2 * h)
        moves = direction != 0
        mine = sum(float(np.sum(g * w)) for g, w in zip(gradient, v, strict=True))
        scale = float(np.abs(natural[moves] * direction[moves]).sum()) + 1.0
        assert mine == pytest.approx(float(natural[moves] @ direction[moves]), abs=3e-8 * scale)
