"""What one column of data is given its component or state: its mean and its distribution function.

Tails are logarithms of P(Y <= y) and of P(Y > y), each exact where it is small, so that quantities far out keep their
digits. Parameters have any leading axes before the component, and ``y`` broadcasts against them. A regression's means
have one more axis before the component, that of the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from scipy.special import pdtr, pdtrc

from em_vs_bayes.common.contract import Array, Emission, Params
from em_vs_bayes.common.saddlepoint import LARGE, large_count_tails
from em_vs_bayes.data import read
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
    limits,
)
from em_vs_bayes.model.emissions.expectations import observed
from em_vs_bayes.model.emissions.laws import Law as Errors
from em_vs_bayes.model.emissions.laws import Normal as NormalErrors
from em_vs_bayes.model.emissions.laws import law_of as errors_of
from em_vs_bayes.program.program import Program

Tails = tuple[Array, Array]


class Law(NamedTuple):
    """A univariate distribution of every component.

    Parameters
    ----------
    discrete : bool
        On 0, 1, 2, ...
    mean : callable
        params -> (..., K); NaN where there is none.
    tails : callable
        y, params -> log P(Y <= y) and log P(Y > y).
    atoms : tuple of float
        Numbers with a probability of their own where it is not discrete: limits at which it is cut off.
    """

    discrete: bool
    mean: Callable[[Params], Array]
    tails: Callable[[Array, Params], Tails]
    atoms: tuple[float, ...] = ()

    def before(self, y: Array, params: Params) -> Tails:
        """log P(Y < y) and log P(Y >= y)."""
        if self.discrete:
            return self.tails(y - 1.0, params)
        return self.tails(np.where(np.isin(y, self.atoms), np.nextafter(y, -np.inf), y), params)


class Response(NamedTuple):
    """One column of the data.

    Parameters
    ----------
    name : str
    values : ndarray (n,)
        NaN where missing.
    law : Law
    pick : callable
        The params of the fit -> those of the law; per row (..., n, K) where ``by_row``.
    by_row : bool
        Whether the law differs from row to row, as with predictors.
    """

    name: str
    values: Array
    law: Law
    pick: Callable[[Mapping[str, Array]], Params]
    by_row: bool = False

    def means(self, params: Mapping[str, Array]) -> Array:
        """Mean of each row in each component (n, K)."""
        own = self.law.mean(self.pick(params))
        return np.broadcast_to(own, (len(self.values), own.shape[-1]))


def _latent(errors: Errors, y: Array, p: Params) -> Tails:
    z = (y - p["means"]) / p["sigmas"]
    return errors.log_below(z), errors.log_below(-z)


def _censored(low: float, high: float, latent: Callable[[Array, Params], Tails], y: Array, p: Params) -> Tails:
    """Of a latent response cut off at ``low`` and ``high``, one of them perhaps infinite."""
    below, above = latent(y, p)
    under, over = y < low, y >= high
    return (
        np.where(under, -np.inf, np.where(over, 0.0, below)),
        np.where(under, 0.0, np.where(over, -np.inf, above)),
    )


def _censored_mean(errors: Errors, low: float, high: float, p: Params) -> Array:
    mean = observed(errors, p["means"], p["sigmas"], low, high).value
    return mean if errors.has_mean((low, high)) else np.full_like(mean, np.nan)


def _truncated(low: float, high: float, y: Array, p: Params) -> Tails:
    from scipy.stats import truncnorm

    own = truncnorm(*_standard(low, high, p), p["means"], p["sigmas"])
    return own.logcdf(y), own.logsf(y)


def _truncated_mean(low: float, high: float, p: Params) -> Array:
    from scipy.stats import truncnorm

    return np.asarray(truncnorm.mean(*_standard(low, high, p), p["means"], p["sigmas"]))


def _standard(low: float, high: float, p: Params) -> tuple[Array, Array]:
    return (low - p["means"]) / p["sigmas"], (high - p["means"]) / p["sigmas"]


def _poisson(y: Array, p: Params) -> Tails:
    at, rates = np.broadcast_arrays(np.maximum(y, 0.0), p["rates"])
    below, above = _logs(pdtr(at, rates), pdtrc(at, rates))
    if (large := rates > LARGE).any():
        far = large_count_tails(at[large], rates[large])
        below[large], above[large] = far
    return np.where(y < 0, -np.inf, below), np.where(y < 0, 0.0, above)


def _exponential(y: Array, p: Params) -> Tails:
    area = p["rates"] * np.maximum(y, 0.0)
    with np.errstate(divide="ignore"):
        return np.log(-np.expm1(-area)), -area


def _bernoulli(y: Array, p: Params) -> Tails:
    above = np.where(y < 0, 1.0, np.where(y < 1, p["probs"], 0.0))
    below = np.where(y < 0, 0.0, np.where(y < 1, 1.0 - p["probs"], 1.0))
    return _logs(below, above)


def _categorical(y: Array, p: Params) -> Tails:
    codes = np.arange(p["probs"].shape[-1])
    y = np.asarray(y)[..., None]
    below = np.where(codes <= y, p["probs"], 0.0).sum(axis=-1)
    return _logs(below, np.where(codes > y, p["probs"], 0.0).sum(axis=-1))


def _logs(below: Array, above: Array) -> Tails:
    with np.errstate(divide="ignore"):
        return np.log(below), np.log(above)


REGRESSIONS = (LinearRegression, CensoredRegression, TruncatedRegression)
NORMAL = Law(False, lambda p: p["means"], partial(_latent, NormalErrors()))
LAWS: dict[type[Emission], Law] = {
    Normal: NORMAL,
    Poisson: Law(True, lambda p: p["rates"], _poisson),
    Exponential: Law(False, lambda p: 1.0 / p["rates"], _exponential),
    Bernoulli: Law(True, lambda p: p["probs"], _bernoulli),
    Categorical: Law(True, lambda p: p["probs"] @ np.arange(p["probs"].shape[-1]), _categorical),
}


def _law(emission: Emission) -> Law | None:
    if isinstance(emission, StudentT) or (isinstance(emission, LinearRegression) and emission.df is not None):
        assert emission.df is not None
        exists = 0.0 if emission.df > 1.0 else np.nan
        return Law(False, lambda p: p["means"] + exists, partial(_latent, errors_of(emission.df)))
    if isinstance(emission, (CensoredNormal, CensoredRegression)):
        ends = limits.ends(emission.lower, emission.upper)
        atoms = tuple(end for end in ends if np.isfinite(end))
        errors = errors_of(emission.df if isinstance(emission, CensoredRegression) else None)
        tails = partial(_censored, *ends, partial(_latent, errors))
        return Law(False, partial(_censored_mean, errors, *ends), tails, atoms)
    if isinstance(emission, TruncatedRegression):
        ends = limits.ends(emission.lower, emission.upper)
        return Law(False, partial(_truncated_mean, *ends), partial(_truncated, *ends))
    if isinstance(emission, LinearRegression):
        return NORMAL
    return LAWS.get(type(emission))


def responses(program: Program, what: str) -> list[Response]:
    """Every column of the data with its law: streams of a product, features of vectors (their marginals).

    Raises
    ------
    NotImplementedError
        For an emission whose distribution function is not known here, and for intervals, which have none.
    """
    emission, y, exogs = program.spec.model_emission, program.y, program.exogs
    if not isinstance(emission, Product):
        return _columns(emission, y, exogs, "", "", what)
    return [r for name, part in emission.parts.items() for r in _columns(part, y[name], exogs, name, name + "_", what)]


def _columns(emission: Emission, y: Any, exogs: Params, name: str, prefix: str, what: str) -> list[Response]:
    if emission.ends:
        raise NotImplementedError(f"{what} wants responses that are numbers; {emission!r} has an interval in each row.")
    values, law = read.matrix(emission.observed(y)), _law(emission)
    if isinstance(emission, (CensoredNormal, CensoredRegression)):  # what lies beyond a limit is taken as at it
        values = np.clip(values, *limits.ends(emission.lower, emission.upper))
    if law is not None and isinstance(emission, REGRESSIONS):
        response = name or (emission.formula or "y").split("~")[0].strip()
        return [Response(response, values[:, 0], law, partial(_lines, prefix, exogs[prefix + "exog"]), by_row=True)]
    if isinstance(emission, MvNormal):
        names = [str(c) for c in getattr(y, "columns", range(values.shape[1]))]
        if name:
            names = [f"{name}_{own}" for own in names] if len(names) > 1 else [name]
        elif names == ["0"]:
            names = ["y"]
        return [Response(own, values[:, j], NORMAL, partial(_feature, prefix, j)) for j, own in enumerate(names)]
    if law is None:
        others = ("StudentT", "CensoredNormal", *(kind.__name__ for kind in REGRESSIONS), "MvNormal", "Product")
        known = ", ".join([*(kind.__name__ for kind in LAWS), *others])
        raise NotImplementedError(f"{what} does not know the distribution function of {emission!r}; it knows {known}.")
    own_names = tuple(emission.dims())
    if not name:
        name = str(next(iter(getattr(y, "columns", ["y"]))))
    return [Response(name, values[:, 0], law, lambda p: {own: p[prefix + own] for own in own_names})]


def _feature(prefix: str, j: int, params: Mapping[str, Array]) -> Params:
    variance = params[prefix + "covariances"][..., j, j]
    return {"means": params[prefix + "means"][..., j], "sigmas": np.sqrt(variance)}


def _lines(prefix: str, design: Array, params: Mapping[str, Array]) -> Params:
    means = np.einsum("np,...kp->...nk", design, params[prefix + "coefficients"])
    return {"means": means, "sigmas": params[prefix + "sigmas"][..., None, :]}
