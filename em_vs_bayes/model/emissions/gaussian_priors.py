"""Priors of Gaussian emissions: joint by default, independent or by name when the user says so; all centred."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from em_vs_bayes.common.arguments import brief
from em_vs_bayes.common.contract import Array, Context
from em_vs_bayes.model.emissions import blocks
from em_vs_bayes.model.priors import InverseGamma, Normal, Prior

LARGEST, SMALLEST = 1e151, 1e-151  # of values and of their range: their squares are still numbers with all digits


@dataclass(frozen=True, slots=True)
class Moments:
    """Centre and variances of the data, from what is observed."""

    centre: Array
    variance: Array
    covariance: Array


def moments(values: Array, name: str, context: Context, *, shared: bool = False) -> Moments:
    """Available-case moments. New data for a fitted model keep that model's centre.

    With one variance ``shared`` by all columns, a constant one leaves it to the others.
    """
    d = values.shape[1]
    if context.like is not None:
        return Moments(np.asarray(context.like["y"]), np.ones(d), np.eye(d))
    counts = blocks.counts(values, context.weights)
    if (counts == 0).any():
        if not context.fitting:
            return Moments(np.zeros(d), np.ones(d), np.eye(d))
        raise ValueError(f"{name} has no observed value in column(s) {np.flatnonzero(counts == 0).tolist()}.")
    lowest, highest = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    beyond = np.maximum(np.abs(lowest), np.abs(highest)) > LARGEST
    narrow = (lowest < highest) & (highest - lowest < SMALLEST) & (np.abs(highest) < 1.0)
    if beyond.any() or narrow.any():
        j = int(np.argmax(beyond | narrow))
        raise ValueError(
            f"{name} ranges from {lowest[j]:.3g} to {highest[j]:.3g} in column {j}: squares of such numbers leave "
            "floating point. Give it in other units."
        )
    centre, variance, covariance = blocks.moments(values, counts, context.weights)
    constant = variance <= (1e-14 * np.maximum(np.abs(centre), 1e-300)) ** 2
    if not constant.any():
        return Moments(centre, variance, covariance)
    if shared and not constant.all():
        return Moments(centre, np.where(constant, variance.mean(), variance), covariance)
    if context.fitting and not _has_spread(context):
        if len(values) == 1 and d > 1:
            raise ValueError(f"{name} is one row of {d} columns; did you mean a column, (n,) or (n, 1)?")
        raise ValueError(
            f"{name} is constant in column(s) {brief(np.flatnonzero(constant).tolist())} ({len(values)} row(s)): a "
            "normal distribution has no variance to estimate there. Drop the column(s), or give priors or a fixed "
            "value for the spread."
        )
    apart = ~np.logical_or.outer(constant, constant)
    return Moments(centre, np.where(constant, 1.0, variance), np.where(apart, covariance, np.diag(1.0 * constant)))


def _has_spread(context: Context) -> bool:
    """Whether variances are finite without any in the data: the user's own priors, or fixed values, see to it."""
    for name in ("sigmas", "covariances"):
        if name in context.fixed and not np.isnan(np.asarray(context.fixed[name], dtype=float)).any():
            return True
        if {"means", name} <= set(context.priors):
            return True
    return "emission" in context.priors


def gaussian_priors(
    context: Context,
    seen: Moments,
    shape: tuple[int, int],
    *,
    joint: type,
    shaped: Callable[[Any], Any],
    default: Any,
    spread: tuple[str, tuple[type, ...], Any],
    spread_shape: tuple[int, ...],
) -> tuple[Any, Any, Any]:
    """(joint, mean, spread) priors: either the first or the other two are None.

    Parameters
    ----------
    joint : type
        The family that ``priors["emission"]`` must have.
    shaped : callable
        Brings the joint prior to the shapes of the model.
    default : Family
        What holds when the user gave nothing.
    spread : (name, families, default)
        The spread parameter's own prior.
    """
    name, families, default_spread = spread
    own = {key: context.priors[key] for key in ("means", name) if key in context.priors}
    if "emission" in context.priors and own:
        raise ValueError(
            f"priors has both {context.prefix + 'emission'!r} (joint) and {sorted(own)}: give one or the other."
        )
    if not own:
        prior = context.priors.get("emission", default)
        if not isinstance(prior, joint):
            raise TypeError(f"priors['{context.prefix}emission'] must be {joint.__name__}; got {brief(prior)}.")
        return centred(_fitted(shaped, prior, context.prefix + "emission"), seen.centre), None, None
    mean_prior = own.get("means", Normal(seen.centre, 10.0 * np.sqrt(seen.variance)))
    spread_prior = own.get(name, default_spread)
    if not isinstance(mean_prior, (Normal, Prior)):
        raise TypeError(f"priors['{context.prefix}means'] must be Normal or evb.Prior(name, ...); got {mean_prior!r}.")
    elementwise = InverseGamma in families  # a whole matrix has no density element by element
    if not isinstance(spread_prior, (*families, Prior) if elementwise else families):
        wanted = " or ".join([f.__name__ for f in families] + ["evb.Prior(name, ...)"] * elementwise)
        raise TypeError(f"priors['{context.prefix}{name}'] must be {wanted}; got {spread_prior!r}.")
    mean_prior = _broadcast(mean_prior, shape, context.prefix + "means")
    if isinstance(mean_prior, Normal):
        mean_prior = centred(mean_prior, seen.centre)
    return None, mean_prior, _broadcast(spread_prior, spread_shape, context.prefix + name)


def centred(prior: Any, centre: Array) -> Any:
    """The same prior with its mean relative to the data centre."""
    return replace(prior, mean=prior.mean - centre)


def _broadcast(prior: Any, shape: tuple[int, ...], name: str) -> Any:
    if isinstance(prior, Prior):
        return prior
    if len(shape) == 1:  # one spread per component
        wide = _fitted(lambda p: p.broadcast(*shape, 1), prior, name)
        return InverseGamma(wide.shape[:, 0], wide.rate[:, 0])
    return _fitted(lambda p: p.broadcast(*shape), prior, name)


def _fitted(shaped: Callable[[Any], Any], prior: Any, name: str) -> Any:
    try:
        return shaped(prior)
    except ValueError as error:
        raise ValueError(f"priors[{name!r}]: {error}") from None
