"""The standard Student t between limits, of whole arrays: log probability, mean, and how the mean moves with a line."""

from __future__ import annotations

from typing import Any

import numpy as np

from em_vs_bayes.contract import Array
from em_vs_bayes.kernels.moments import student_moments
from em_vs_bayes.kernels.student_interval import log_constant


def between(a: Any, b: Any, nu: float) -> tuple[Array, Array, Array, Array, Array]:
    """Log P, mean, covariance of T with its score, f(a) / P and f(b) / P, of limits that broadcast; a < b, else NaN.

    For ``nu`` <= 1 the mean is infinite, or NaN, where a limit is.
    """
    low, high = (np.array(end, dtype=float, order="C") for end in np.broadcast_arrays(a, b))
    out = np.empty((5, low.size))
    student_moments(low.ravel(), high.ravel(), nu, float(log_constant(nu)), out)
    log_p, mean, spread, at_a, at_b = out.reshape(5, *low.shape)
    return log_p, mean, spread, at_a, at_b
