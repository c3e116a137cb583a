"""Law 8: data in other units give the same answers in those units, by every method and in every output.

y becomes a + b y, predictors c x. What must come back is known without fitting anything again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import em_vs_bayes as evb
from em_vs_bayes import emissions as e

QUIET = {"progressbar": False, "seed": 1}
POWERS = {"means": 1, "sigmas": 1, "sigma": 1, "coefficients": 1, "covariances": 2, "rates": -1}
rng = np.random.default_rng(8)
X = np.column_stack([np.ones(60), rng.normal(size=60)])
SIDE = rng.random(60) < 0.4
CLOUDS = np.where(SIDE, rng.normal(0.0, 1.0, 60), rng.normal(6.0, 1.5, 60))
PLANE = np.column_stack([CLOUDS, rng.normal(size=60)])
STICKY = np.where(np.arange(60) // 10 % 2, 6.0, 0.0) + rng.normal(size=60)
LINE = X @ [1.0, 2.0] + rng.normal(size=60)
LINES = np.where(SIDE, LINE, X @ [9.0, -1.0] + rng.normal(size=60))
LIMITS = np.column_stack([np.where(LINE > 2.0, 2.0, LINE), np.where(LINE > 2.0, np.inf, LINE)])
INSIDE = LINE > -0.5


@dataclass(frozen=True)
class Family:
    """A model of y and of a + b y; ``shifts`` where it knows any a, ``design`` for regressions."""

    make: Any
    y: Any
    shifts: bool = True
    design: Any = None

    def fit(self, method: str, a: float, b: float, c: float = 1.0, **options: Any) -> Any:
        spec = self.make(lambda limit: a + b * limit)
        exog = {} if self.design is None else {"exog": self.design * [1.0, c]}
        return spec.fit(a + b * self.y, method, **exog, **QUIET, **options)


FAMILIES = {
    "full": Family(lambda _: evb.GaussianMixture(2), PLANE),
    "tied": Family(lambda _: evb.GaussianMixture(2, covariance="tied"), PLANE),
    "diag": Family(lambda _: evb.GaussianMixture(2, covariance="diag"), PLANE),
    "spherical": Family(lambda _: evb.GaussianMixture(2, covariance="spherical"), PLANE),
    "normal": Family(lambda _: evb.Mixture(e.Normal(), 2), CLOUDS),
    "student": Family(lambda _: evb.Mixture(e.StudentT(5.0), 2), CLOUDS),
    "exponential": Family(lambda _: evb.Mixture(e.Exponential(), 1), np.abs(CLOUDS), shifts=False),
    "chain": Family(lambda _: evb.HMM(e.Normal(), 2), STICKY),
    "stationary": Family(lambda _: evb.HMM(e.Normal(), 2, initial="stationary"), STICKY),
    "lines": Family(lambda _: evb.Mixture(e.LinearRegression(), 2), LINES, design=X),
    "cut off": Family(lambda at: evb.Mixture(e.CensoredNormal(lower=at(-0.5)), 2), np.maximum(CLOUDS, -0.5)),
    "tobit": Family(lambda at: evb.Tobit(lower=at(0.0)), np.maximum(LINE, 0.0), design=X),
    "tobit, t": Family(lambda at: evb.Tobit(lower=at(0.0), df=4), np.maximum(LINE, 0.0), design=X),
    "intervals": Family(lambda _: evb.CensoredRegression(), LIMITS, design=X),
    "truncated": Family(lambda at: evb.TruncatedRegression(lower=at(-0.5)), LINE[INSIDE], design=X[INSIDE]),
}
UNITS = [(0.0, 1e-6, 1e6), (3.0, 1e5, 1e-3)]
ONCE = ("stationary", "tied", "diag", "spherical", "cut off", "exponential", "intervals")
BOTH = [(name, units) for name in FAMILIES for units in (UNITS[:1] if name in ONCE else UNITS)]
FAR = [(0.0, 1e-140, 1.0), (0.0, 1e140, 1.0)]
PLAIN = ("full", "diag", "normal", "student", "chain", "tobit", "truncated")


def back(name: str, value: Any, a: float, b: float, c: float, *, location: bool) -> Any:
    """A parameter (or its error, without a location) of a + b y in the units of y."""
    value = np.asarray(value) / b ** POWERS.get(name, 0)
    if name == "coefficients":
        value = value * [1.0, c]
        return value - [a / b, 0.0] if location else value
    return value - a / b if location and name == "means" else value


def outputs(fit: Any, a: float, b: float, c: float) -> dict[str, Any]:
    """What the fit says, in the units of y and in one order of the labels."""
    order = np.argsort(first) if (first := _first(fit)).size else None
    dims = fit.spec.parameter_dims()

    def sorted_(n: str, v: Any) -> Any:
        for axis, dim in enumerate(dims[n]):
            v = np.take(v, order, axis=axis) if dim.removesuffix("_to") in ("component", "state") else v
        return v

    out = {f"params {n}": sorted_(n, back(n, v, a, b, c, location=True)) for n, v in fit.params.items()}
    kinds = ("posterior",) if fit.draws is not None else ("observed", "opg", "sandwich")
    for kind in kinds if fit.draws is not None or fit.method == "em" else ():
        errors = fit.std_errors(kind)
        out |= {f"{kind} {n}": sorted_(n, back(n, v, a, b, c, location=False)) for n, v in errors.items()}
    if fit.draws is not None or fit.method == "em":
        ends, at = fit.confint(0.9), 0
        for n, v in fit.params.items():
            for end in ("lower", "upper"):
                own = ends[end].to_numpy()[at : at + v.size].reshape(v.shape)
                out[f"{end} {n}"] = sorted_(n, back(n, own, a, b, c, location=True))
            at += v.size
    if fit.spec.leading:
        out["probabilities"] = fit.predict_proba()[:, order]
    else:
        out |= regression_outputs(fit, a, b, c)
    return out


def _first(fit: Any) -> Any:
    """A number by which components or states can be told, (K,)."""
    if not fit.spec.leading:
        return np.empty(0)
    name = next(n for n in ("means", "coefficients", "rates") if n in fit.params)
    return fit.params[name].reshape(fit.spec.size, -1)[:, 0]


def regression_outputs(fit: Any, a: float, b: float, c: float) -> dict[str, Any]:
    """Expectations, effects and residuals."""
    line = fit.predict(level=0.9)
    out = {"line": (line.to_numpy() - a) / b, "residuals": fit.residuals() / b}
    out["quantiles"] = fit.residuals("quantile", seed=1)
    kind = "latent" if isinstance(fit.spec, evb.CensoredRegression) else "observed"
    effects = fit.margins("each", kind=kind)
    out["effects"] = effects[["estimate", "sd", "lower", "upper"]].to_numpy() / b * c
    if kind == "observed":
        out["seen"] = (fit.predict(kind=kind, level=0.9).to_numpy() - a) / b
    return out


def compare(family: Family, method: str, units: Any, tolerance: float, **options: Any) -> None:
    plain, moved = family.fit(method, 0.0, 1.0, **options), family.fit(method, *units, **options)
    assert moved.status is plain.status
    wanted, got = outputs(plain, 0.0, 1.0, 1.0), outputs(moved, *units)
    assert wanted.keys() == got.keys()
    for name, value in wanted.items():
        size = np.abs(value[np.isfinite(value)]).max(initial=0.0)
        drawn = method == "vi" and name.startswith(("posterior", "lower", "upper"))  # for the other label other numbers
        allowed = 0.2 if drawn else tolerance
        np.testing.assert_allclose(got[name], value, rtol=allowed, atol=allowed * size, err_msg=name)


@pytest.mark.filterwarnings("ignore:y has .* value")
@pytest.mark.parametrize(("name", "units"), BOTH, ids=str)
def test_law_8_of_maximum_likelihood(name, units):
    compare(FAMILIES[name], "em", units if FAMILIES[name].shifts else (0.0, *units[1:]), 2e-5)


@pytest.mark.parametrize("units", FAR, ids=str)
@pytest.mark.parametrize("name", PLAIN)
def test_law_8_as_far_as_the_arithmetic_goes(name, units):
    compare(FAMILIES[name], "em", units, 2e-5)


@pytest.mark.parametrize("method", ["map", "vi", "laplace"])
@pytest.mark.parametrize("name", ["normal", "chain", "tobit"])
def test_law_8_of_posteriors(name, method):
    """Default priors are scaled to the data; draws are those of one seed."""
    units = (3.0, 1e4, 1.0) if name in ("normal", "chain") else (0.0, 1e4, 1.0)
    if method == "map":
        compare(FAMILIES[name], "em", units, 1e-4, objective="map")
    else:
        compare(FAMILIES[name], method, units, 1e-4, **({"draws": 200} if method == "laplace" else {}))
