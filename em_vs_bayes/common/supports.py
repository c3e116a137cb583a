"""Whether values of a parameter are in its support."""

from __future__ import annotations

import numpy as np

from em_vs_bayes.common.arguments import brief
from em_vs_bayes.common.contract import Array

SUMS = 1e-6  # how far the sum of given probabilities may be from one
SYMMETRIC = 1e-8  # how far a covariance may be from its transpose, relative to its elements


def check_support(value: Array, name: str, support: str) -> None:
    """Refuse, naming the parameter, what is outside a support: see `contract.Parameter`."""
    who = f"params[{name!r}]"
    match support:
        case "positive":
            if (value < 0.0).any():
                raise ValueError(f"{who} must be positive; got {brief(value.tolist())}.")
        case "unit":
            if ((value < 0.0) | (value > 1.0)).any():
                raise ValueError(f"{who} must hold probabilities, in [0, 1]; got {brief(value.tolist())}.")
        case "simplex":
            rows = "" if value.ndim == 1 else " row by row"
            if not (value >= 0.0).all():
                raise ValueError(
                    f"{who} must hold probabilities, non-negative and summing to 1{rows}; got {brief(value.tolist())}."
                )
            sums = np.ravel(value.sum(axis=-1))
            worst = sums[np.argmax(np.abs(sums - 1.0))]
            if abs(worst - 1.0) > SUMS:
                raise ValueError(
                    f"{who} must hold probabilities, non-negative and summing to 1{rows} (to {SUMS:g}); got a sum of "
                    f"{worst:.8g}. Rounded ones: divide by their sum."
                )
        case "spd":
            for k, matrix in enumerate(value.reshape(-1, *value.shape[-2:])):
                if np.abs(matrix - matrix.T).max() > SYMMETRIC * np.abs(matrix).max():
                    raise ValueError(f"{who} must be symmetric; got {brief(matrix.tolist())} (matrix {k}).")
                if not positive_definite(matrix):
                    raise ValueError(f"{who} must be positive definite; got {brief(matrix.tolist())} (matrix {k}).")


def positive_definite(matrix: Array) -> bool:
    """Whether a symmetric matrix has a Cholesky factor."""
    try:
        np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return False
    return True
