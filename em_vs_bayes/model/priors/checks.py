"""Validation in words, and the broadcasting of what a user wrote to the shape a model needs."""

import numpy as np

from em_vs_bayes.common.arguments import brief
from em_vs_bayes.model.priors.base import Array


def finite(name: str, value: Array) -> None:
    """Refuse NaN and infinity."""
    if not np.isfinite(value).all():
        raise ValueError(f"{name}: got {brief(value.tolist())}, wants finite numbers")


def positive(name: str, value: Array) -> None:
    """Refuse anything but finite positive numbers."""
    if not (np.isfinite(value) & (value > 0)).all():
        raise ValueError(f"{name}: got {brief(value.tolist())}, wants finite positive numbers")


def compatible(**values: Array) -> None:
    """Refuse fields whose shapes do not broadcast against each other."""
    try:
        np.broadcast_shapes(*(value.shape for value in values.values()))
    except ValueError:
        got = ", ".join(f"{name} {value.shape}" for name, value in values.items())
        raise ValueError(f"{' and '.join(values)}: got shapes {got}, wants shapes that broadcast together") from None


def scale_matrix(name: str, scale: Array) -> None:
    """Refuse anything but a positive number (times the identity) or symmetric positive definite matrices."""
    finite(name, scale)
    if scale.ndim == 0:
        return positive(name, scale)
    if scale.ndim == 1 or scale.shape[-1] != scale.shape[-2]:
        raise ValueError(f"{name}: got shape {scale.shape}, wants a number or square matrices (..., d, d)")
    if np.abs(scale - np.swapaxes(scale, -1, -2)).max(initial=0.0) > 1e-10 * np.abs(scale).max(initial=0.0):
        raise ValueError(f"{name}: got {brief(scale.tolist())}, wants symmetric matrices")
    try:
        np.linalg.cholesky(scale)
    except np.linalg.LinAlgError:
        raise ValueError(f"{name}: got {brief(scale.tolist())}, wants positive definite matrices") from None


def degrees(df: Array, d: int) -> None:
    """Refuse degrees of freedom at which an inverse-Wishart over (d, d) matrices does not exist."""
    finite("df", df)
    if not (df > d - 1).all():
        raise ValueError(f"df: got {brief(df.tolist())}, wants more than {d - 1} (the number of features minus one)")


def fill(name: str, value: Array, **dims: int) -> Array:
    """``value`` broadcast to ``dims``, by numpy's rule: trailing axes first.

    One exception: for (components, features=1) a vector of length ``components`` is one value per component.
    """
    shape = tuple(dims.values())
    if len(shape) == 2 and shape[1] == 1 and value.shape == shape[:1]:
        value = value[:, None]
    try:
        return np.broadcast_to(value, shape)
    except ValueError:
        axes = ", ".join(f"{dim}={n}" for dim, n in dims.items())
        wants = f"a scalar or an array for ({axes})" if dims else "a scalar"
        raise ValueError(f"{name}: got shape {value.shape}, wants {wants}") from None


def fill_matrices(name: str, value: Array, **dims: int) -> Array:
    """``value`` broadcast to matrices of shape ``dims``; a scalar is that number times the identity."""
    return fill(name, value * np.eye(list(dims.values())[-1]) if value.ndim == 0 else value, **dims)


def one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse a word that is not among the choices."""
    if value not in choices:
        raise ValueError(f"{name}: got {brief(value)}, wants one of {', '.join(map(repr, choices))}")
