"""Parameters as a user gives them: what may be left out, and that they are what they are called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from em_vs_bayes.common.arguments import as_floats, brief
from em_vs_bayes.common.contract import Array, Params
from em_vs_bayes.data.numbers import is_frame, is_series

if TYPE_CHECKING:
    from em_vs_bayes.program.program import Program

SUMS = 1e-6  # how far the sum of given probabilities may be from one
SYMMETRIC = 1e-8  # how far a covariance may be from its transpose, relative to its elements


def completed(program: Program, params: Mapping[str, Any], rest: Params | None = None) -> Params:
    """Public parameters out of those given, checked; ValueError or TypeError in words.

    What is fixed whole and what follows from others (the first state of a stationary chain) may be left out; with
    ``rest``, public parameters that stand in for them, so may all others.
    """
    if not isinstance(params, Mapping):
        raise TypeError(f"params must be a dict of parameter name -> value; got {brief(params)}.")
    dims, derived = program.spec.parameter_dims(), program.latent.derived
    neutral = program.public(program.neutral())
    stand_in = (rest or {}) | _fixed_whole(program)
    missing = [n for n in dims if n not in params and n not in derived and n not in stand_in]
    odd = [n for n in params if n not in dims]
    if missing or odd:
        raise ValueError(f"params must have {list(dims)}; missing {missing}, unknown {odd}.")
    supports, params = _supports(program), in_order(program, params)
    out: Params = {}
    for name in dims:
        if name not in params:
            out |= {name: stand_in[name]} if name in stand_in and name not in derived else {}
            continue
        value = _numbers(params[name], name)
        if value.shape != neutral[name].shape:
            raise ValueError(f"params[{name!r}] has shape {value.shape}; the model wants {neutral[name].shape}.")
        if not np.isfinite(value).all():
            raise ValueError(f"params[{name!r}] must be finite; got {brief(value.tolist())}.")
        if name not in derived:  # else it is compared with what follows from the others
            check_support(value, name, supports[name])
        out[name] = value
    return out


def left_out(program: Program, params: Mapping[str, Any]) -> list[str]:
    """Names that only ``rest`` of `completed` can supply."""
    known = {*params, *program.latent.derived, *_fixed_whole(program)}
    return [name for name in program.spec.parameter_dims() if name not in known]


def _fixed_whole(program: Program) -> Params:
    """Public parameters that are fixed in every element."""
    if not program.spec.fixed:
        return {}
    fixed = {n: np.asarray(v, dtype=float) for n, v in program.spec.fixed.items()}
    shapes = {n: v.shape for n, v in program.public(program.neutral()).items()}
    return {n: np.array(np.broadcast_to(v, shapes[n])) for n, v in fixed.items() if not np.isnan(v).any()}


def _supports(program: Program) -> dict[str, str]:
    """Public name -> support. What is inside by another name (variances of a diagonal matrix) is known by its dims."""
    own = {p.prefix + q.name: q.support for p in program.placed for q in p.block.parameters}
    dims = program.spec.parameter_dims()
    return {name: own.get(name, "spd" if dims[name][-1:] == (_to(dims[name]),) else "real") for name in dims}


def _to(dims: tuple[str, ...]) -> str:
    return f"{dims[-2]}_to" if len(dims) > 1 else ""


def in_order(program: Program, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters, coefficients that have names in the order of the predictors."""
    dims = program.spec.parameter_dims()
    own = {name: program.predictors.get(of[-1], []) if of else [] for name, of in dims.items()}
    return {name: _by_name(value, own.get(name, []), name) for name, value in params.items()}


def _by_name(value: Any, predictors: list[str], name: str) -> Any:
    """A series of coefficients, or a frame of them, in the order of the predictors; others as they are."""
    if not predictors or not (is_series(value) or is_frame(value)):
        return value
    labels = [str(label) for label in (value.columns if is_frame(value) else getattr(value, "index", value))]
    if labels == predictors or labels == [str(i) for i in range(len(predictors))]:
        return value
    if sorted(labels) != sorted(predictors):
        raise ValueError(f"params[{name!r}] names {brief(labels)}; the predictors are {brief(predictors)}.")
    order = [labels.index(predictor) for predictor in predictors]
    return value.iloc[:, order] if is_frame(value) else value.iloc[order]


def _numbers(value: Any, name: str) -> Array:
    array = as_floats(value)
    if array is None:
        raise TypeError(f"params[{name!r}] must hold numbers; got {brief(value)}.")
    return array


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
