"""Parameters with conjugate families: probabilities, rows of them, rates, normal means with variances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np

from em_vs_bayes.common.arguments import brief, positive_integer
from em_vs_bayes.common.contract import Array, Block, Context, Params
from em_vs_bayes.common.values import probability_table, scalars_per_component
from em_vs_bayes.model.blocks import DiagonalGaussianBlock, ProbabilityBlock, ProbabilityRows, RateBlock
from em_vs_bayes.model.emissions.gaussian_priors import Moments
from em_vs_bayes.model.emissions.linear import resolve_prior
from em_vs_bayes.model.emissions.normal import normal_block
from em_vs_bayes.model.params.base import Param, Potentials
from em_vs_bayes.model.priors import Beta, Dirichlet, Gamma, Prior


def _prior(name: str, context: Context, default: Any, shape: Any) -> Any:
    """The user's prior of this very name, of the default's family or by PyMC's name; else the default."""
    own = Context(priors={name: context.priors[name]} if name in context.priors else {})
    return resolve_prior(own, name, (type(default),), default, shape)


class _Scalars(Param):
    """Numbers whose log-likelihood has two statistics each."""

    def dims(self, name: str) -> dict[str, tuple[str, ...]]:
        return {name: self.axes(name, self.shape)}

    def public(self, name: str, internal: Params) -> Params:
        value = internal[name]
        return {name: value.reshape(value.shape[:-1] + self.shape)}

    def internal(self, name: str, public: Mapping[str, Array]) -> Params:
        value = np.asarray(public[name], dtype=float)
        return {name: value.reshape((*value.shape[: value.ndim - len(self.shape)], self.count))}

    def statistics(self, given: Array) -> Params:
        return {"t": given.reshape(self.count, 2)}

    def _fixed(self, name: str, context: Context, high: float) -> Array:
        given = context.fixed.get(name)
        flat = None if given is None else np.broadcast_to(np.asarray(given, dtype=float), self.shape).ravel()
        return scalars_per_component(flat, self.count, name, 0.0, high)


@final
class Probability(_Scalars):
    """A probability, or an array of them; Beta(1, 1) unless ``priors`` say otherwise.

    Potentials: ``log`` and ``log1m``, log p and log(1 - p), of the parameter's shape. Statistics: of shape
    ``(*shape, 2)``, the expected numbers of successes and of failures.
    """

    def block(self, name: str, context: Context) -> tuple[str, Block]:
        prior = _prior(name, context, Beta(1.0, 1.0), self.count)
        return "", ProbabilityBlock(name, prior, name, self._fixed(name, context, 1.0))

    def potentials(self, flat: Params) -> Potentials:
        eta = flat["eta"].reshape((*self.shape, 2))
        return Potentials({"log": eta[..., 0], "log1m": eta[..., 1]})

    @property
    def wanted(self) -> tuple[tuple[int, ...], str]:
        return (*self.shape, 2), "expected numbers of successes and of failures"


@final
class Rate(_Scalars):
    """A rate, or an array of them; Gamma(1, 0.001) unless ``priors`` say otherwise.

    Potentials: ``log`` and ``mean``, E[log rate] and E[rate], of the parameter's shape. Statistics: of shape
    ``(*shape, 2)``, the expected number of events and the exposure (time, area, or how many counts there were).
    """

    def block(self, name: str, context: Context) -> tuple[str, Block]:
        prior = _prior(name, context, Gamma(1.0, 1e-3), self.count)
        return "", RateBlock(name, prior, name, self._fixed(name, context, np.inf))

    def potentials(self, flat: Params) -> Potentials:
        eta = flat["eta"].reshape((*self.shape, 2))
        return Potentials({"log": eta[..., 0], "mean": -eta[..., 1]})

    @property
    def wanted(self) -> tuple[tuple[int, ...], str]:
        return (*self.shape, 2), "expected numbers of events and exposures"


@final
class Simplex(Param):
    """Probabilities that sum to one, or rows of them; Dirichlet(1, ..., 1) unless ``priors`` say otherwise.

    Potentials: ``log``, log p, of the parameter's shape. Statistics: expected counts, of the same shape.

    Parameters
    ----------
    size : int
        How many probabilities.
    rows : int, optional
        How many rows of them, each of its own; one without an axis by default.
    dim : str or tuple of str, optional
        Names of the axes.
    """

    def __init__(self, size: int, rows: int | None = None, dim: str | tuple[str, ...] | None = None) -> None:
        for name, value in (("size", size), *((("rows", rows),) if rows is not None else ())):
            positive_integer(name, value)
        super().__init__((size,) if rows is None else (rows, size), dim)

    @property
    def _table(self) -> tuple[int, int]:
        return (1, self.shape[0]) if len(self.shape) == 1 else (self.shape[0], self.shape[1])

    def dims(self, name: str) -> dict[str, tuple[str, ...]]:
        return {name: self.axes(name, self.shape)}

    def block(self, name: str, context: Context) -> tuple[str, Block]:
        prior = _prior(name, context, Dirichlet(1.0), self._table)
        if isinstance(prior, Prior):
            raise TypeError(f"priors[{name!r}] must be Dirichlet; got {brief(prior)}.")
        fixed = context.fixed.get(name)
        table = None if fixed is None else np.broadcast_to(np.asarray(fixed, dtype=float), self.shape)
        known = probability_table(None if table is None else table.reshape(self._table), self._table, name)
        return "", ProbabilityRows(name, prior, self.axes(name, self.shape), known)

    def public(self, name: str, internal: Params) -> Params:
        return {name: internal[name]}

    def internal(self, name: str, public: Mapping[str, Array]) -> Params:
        return {name: np.asarray(public[name], dtype=float)}

    def potentials(self, flat: Params) -> Potentials:
        return Potentials({"log": flat["counts"].reshape(self.shape)})

    @property
    def wanted(self) -> tuple[tuple[int, ...], str]:
        return self.shape, "expected counts"

    def statistics(self, given: Array) -> Params:
        return {"counts": given.reshape(self._table)}


@final
class Normal(Param):
    """Normal means, each with a standard deviation of its own: parameters ``NAME_means`` and ``NAME_sigmas``.

    The prior is a weak NormalInverseGamma(0, 0.01, 2, 1) unless ``priors`` say otherwise, under ``"NAME_emission"``.

    Potentials: ``mean`` m, ``root`` w and ``constant`` c, with E[log N(y; mean, sd)] = c - (w (y - m))^2 / 2, of the
    parameter's shape, and the function ``log_density(y)``, which says so for arrays that broadcast against them.
    Statistics: of shape ``(*shape, 3)``, the expected number of values, their sum and the sum of their squares.
    """

    def __init__(self, shape: int | tuple[int, ...] = 1, dim: str | tuple[str, ...] | None = None) -> None:
        super().__init__(shape, dim)

    def dims(self, name: str) -> dict[str, tuple[str, ...]]:
        own = self.axes(name, self.shape)
        return {f"{name}_means": own, f"{name}_sigmas": own}

    def block(self, name: str, context: Context) -> tuple[str, DiagonalGaussianBlock]:
        unit = Moments(np.zeros(1), np.ones(1), np.eye(1))
        own = Context(leading=name, fixed=context.fixed, priors=context.priors).narrowed(f"{name}_")
        return f"{name}_", normal_block(unit, self.count, own)

    def public(self, name: str, internal: Params) -> Params:
        means, sigmas = internal[f"{name}_means"], internal[f"{name}_sigmas"]
        lead = sigmas.shape[:-1]
        return {
            f"{name}_means": means.reshape(*lead, *self.shape),
            f"{name}_sigmas": sigmas.reshape(*lead, *self.shape),
        }

    def internal(self, name: str, public: Mapping[str, Array]) -> Params:
        means, sigmas = (np.asarray(public[f"{name}_{own}"], dtype=float) for own in ("means", "sigmas"))
        lead = means.shape[: means.ndim - len(self.shape)]
        return {
            f"{name}_means": means.reshape(*lead, self.count, 1),
            f"{name}_sigmas": sigmas.reshape(*lead, self.count),
        }

    def potentials(self, flat: Params) -> Potentials:
        c, m, w = (flat[own].reshape(self.shape) for own in ("c", "m", "w"))

        def log_density(y: Any) -> Array:
            return np.asarray(c - 0.5 * (w * (np.asarray(y, dtype=float) - m)) ** 2)

        return Potentials({"mean": m, "root": w, "constant": c, "log_density": log_density})

    @property
    def wanted(self) -> tuple[tuple[int, ...], str]:
        return (*self.shape, 3), "expected numbers of values, their sums and sums of squares"

    def statistics(self, given: Array) -> Params:
        flat = given.reshape(self.count, 3)
        return {"n": flat[:, :1], "s1": flat[:, 1:2], "s2": flat[:, 2:]}
