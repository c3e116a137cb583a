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
from scipy.special import log_ndtr, pdtr, pdtrc, stdtr

from em_vs_bayes.contract import Array, Emission, Params
from em_vs_bayes.emissions import (
    Bernoulli,
    Categorical,
    Exponential,
    LinearRegression,
    MvNormal,
    Normal,
    Poisson,
    Product,
    StudentT,
    read,
)
from em_vs_bayes.program import Program

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
    """

    discrete: bool
    mean: Callable[[Params], Array]
    tails: Callable[[Array, Params], Tails]


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


def _normal(y: Array, p: Params) -> Tails:
    z = (y - p["means"]) / p["sigmas"]
    return log_ndtr(z), log_ndtr(-z)


def _student(df: float, y: Array, p: Params) -> Tails:
    z = (y - p["means"]) / p["sigmas"]
    return _logs(stdtr(df, z), stdtr(df, -z))


def _poisson(y: Array, p: Params) -> Tails:
    at = np.maximum(y, 0.0)
    return _logs(np.where(y < 0, 0.0, pdtr(at, p["rates"])), np.where(y < 0, 1.0, pdtrc(at, p["rates"])))


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


NORMAL = Law(False, lambda p: p["means"], _normal)
LAWS: dict[type[Emission], Law] = {
    Normal: NORMAL,
    Poisson: Law(True, lambda p: p["rates"], _poisson),
    Exponential: Law(False, lambda p: 1.0 / p["rates"], _exponential),
    Bernoulli: Law(True, lambda p: p["probs"], _bernoulli),
    Categorical: Law(True, lambda p: p["probs"] @ np.arange(p["probs"].shape[-1]), _categorical),
}


def _law(emission: Emission) -> Law | None:
    if isinstance(emission, StudentT):
        exists = 0.0 if emission.df > 1.0 else np.nan
        return Law(False, lambda p: p["means"] + exists, partial(_student, emission.df))
    return LAWS.get(type(emission))


def responses(program: Program, what: str) -> list[Response]:
    """Every column of the data with its law: streams of a product, features of vectors (their marginals).

    Raises
    ------
    NotImplementedError
        For an emission whose distribution function is not known here.
    """
    emission, y, exogs = program.spec.model_emission, program.y, program.exogs
    if not isinstance(emission, Product):
        return _columns(emission, y, exogs, "", "", what)
    return [r for name, part in emission.parts.items() for r in _columns(part, y[name], exogs, name, name + "_", what)]


def _columns(emission: Emission, y: Any, exogs: Params, name: str, prefix: str, what: str) -> list[Response]:
    values = read.matrix(emission.observed(y))
    if isinstance(emission, LinearRegression):
        response = name or (emission.formula or "y").split("~")[0].strip()
        return [Response(response, values[:, 0], NORMAL, partial(_lines, prefix, exogs[prefix + "exog"]), by_row=True)]
    if isinstance(emission, MvNormal):
        names = [str(c) for c in getattr(y, "columns", range(values.shape[1]))]
        if name:
            names = [f"{name}_{own}" for own in names] if len(names) > 1 else [name]
        elif names == ["0"]:
            names = ["y"]
        return [Response(own, values[:, j], NORMAL, partial(_feature, prefix, j)) for j, own in enumerate(names)]
    law = _law(emission)
    if law is None:
        known = ", ".join([*(kind.__name__ for kind in LAWS), "StudentT", "LinearRegression", "MvNormal", "Product"])
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
