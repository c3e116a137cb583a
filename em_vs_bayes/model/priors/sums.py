"""Raw weighted sums n, s1 = sum x, s2 = sum x x' (or sum x^2 per dimension) turned into what updates need."""

import numpy as np

from em_vs_bayes.model.priors.base import Array


def centred(n: Array, s1: Array, s2: Array) -> tuple[Array, Array]:
    """Mean of the rows, and the scatter about it: centring first keeps the digits an update needs.

    Shapes: n (K,), s1 (K, d), s2 (K, d, d), or n (K, d), s1 (K, d), s2 (K, d) per dimension. A component
    without data has mean zero, which its weight of zero makes harmless.
    """
    count = n[:, None] if n.ndim < s1.ndim else n
    average = np.divide(s1, count, out=np.zeros_like(s1), where=count > 0)
    return average, s2 - outer(s1, average, full=s2.ndim > s1.ndim)


def outer(a: Array, b: Array, *, full: bool) -> Array:
    """Symmetric part of a b' (full), or its diagonal."""
    if not full:
        return a * b
    product = a[..., :, None] * b[..., None, :]
    return (product + np.swapaxes(product, -1, -2)) / 2


def shrunk(mean: Array, kappa: Array, n: Array, average: Array) -> tuple[Array, Array]:
    """Posterior mean, and the weight kappa n / (kappa + n) of the deviation average - mean.

    kappa and n are (K,) or (K, d). With neither prior nor data the mean stays where it was.
    """
    total = kappa + n
    share = np.divide(n, total, out=np.zeros(np.shape(total)), where=total > 0)
    weight = share[..., None] if share.ndim < mean.ndim else share
    return mean + weight * (average - mean), kappa * share


def pool(values: Array, shape: tuple[int, ...]) -> Array:
    """``values`` summed over the axes that ``shape`` has once: what is shared is estimated together."""
    axes = tuple(i for i, n in enumerate(shape) if n == 1 and values.shape[i] > 1)
    return values.sum(axes, keepdims=True)


def log_scaled_normal(kappa: Array, log_det: Array, quadratic: Array, d: int) -> float:
    """Sum of log N(mu; m, Sigma / kappa) over components.

    ``log_det`` is log|Sigma^-1|, ``quadratic`` (mu - m)' Sigma^-1 (mu - m), or their expectations. Where
    kappa is zero the density is improper and written with the constant one.
    """
    flat = np.equal(kappa, 0)
    constant = np.where(flat, 0.0, d / 2 * np.log(np.where(flat, 1.0, kappa) / (2 * np.pi)))
    return float((constant + log_det / 2 - kappa * quadratic / 2).sum())
