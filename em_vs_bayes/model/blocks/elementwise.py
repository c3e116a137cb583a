"""Priors that are not conjugate: the numerical M-step they need, compiled."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from em_vs_bayes.common.contract import Array
from em_vs_bayes.model.priors import Prior


def climbed(kind: str, prior: Prior, start: Array, free: Any, t1: Array, t2: Array, shift: Any = 0.0) -> Array:
    """Each free element uphill from ``start``, never lower: the mode of completed data and prior.

    Parameters
    ----------
    kind : str
        ``"MEAN"``, ``"SIGMA"``, ``"VARIANCE"``, ``"RATE"`` or ``"PROBABILITY"``: what t1 and t2 mean, as
        `kernels.element_modes` says.
    t1, t2 : ndarray, in the shape of ``start``
    shift : float or ndarray, broadcastable to it
        What is to be added for the prior's coordinates.
    """
    from em_vs_bayes.kernels import element_modes  # numba loads when a fit wants it, not at import

    code, *columns = prior.columns(*start.shape)
    t1, t2, *flat = (_own(v, start.shape).ravel() for v in (t1, t2, *columns, shift))
    value, free = _own(start, start.shape).ravel(), np.array(free, dtype=bool).ravel()
    element_modes.elements(getattr(element_modes, kind), t1, t2, free, int(code), *flat, value)
    return value.reshape(start.shape)


def climbed_vectors(prior: Prior, start: Array, free: Any, precision: Array, linear: Array, shift: Any = 0.0) -> Array:
    """Likewise rows (K, p) of which completed data say x' linear - x' precision x / 2."""
    from em_vs_bayes.kernels import element_modes

    code, *columns = prior.columns(*start.shape)
    value, linear, *wide = (_own(v, start.shape) for v in (start, linear, *columns, shift))
    element_modes.vectors(_own(precision, precision.shape), linear, np.array(free, dtype=bool), int(code), *wide, value)
    return value


def _own(values: Any, shape: tuple[int, ...]) -> Array:
    """An array of one type for all, so that kernels are compiled once."""
    return np.array(np.broadcast_to(values, shape), dtype=float, order="C")


def uncentred(prior: Any, centre: Array) -> Any:
    """A prior on centred means as the user would write it."""
    return prior if isinstance(prior, Prior) else replace(prior, mean=prior.mean + centre)
