"""Parameters as a user gives them: what may be left out, and that they are what they are called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from em_vs_bayes.common.arguments import as_floats, brief
from em_vs_bayes.common.contract import Array, Params
from em_vs_bayes.common.supports import check_support
from em_vs_bayes.data.numbers import is_frame, is_series


class Parametrised(Protocol):
    """What is asked of a program here."""

    @property
    def spec(self) -> Any: ...

    @property
    def latent(self) -> Any: ...

    @property
    def placed(self) -> Any: ...

    @property
    def predictors(self) -> dict[str, list[str]]: ...

    def neutral(self) -> Array: ...

    def public(self, theta: Array) -> Params: ...


def completed(program: Parametrised, params: Mapping[str, Any], rest: Params | None = None) -> Params:
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


def left_out(program: Parametrised, params: Mapping[str, Any]) -> list[str]:
    """Names that only ``rest`` of `completed` can supply."""
    known = {*params, *program.latent.derived, *_fixed_whole(program)}
    return [name for name in program.spec.parameter_dims() if name not in known]


def _fixed_whole(program: Parametrised) -> Params:
    """Public parameters that are fixed in every element."""
    if not program.spec.fixed:
        return {}
    fixed = {n: np.asarray(v, dtype=float) for n, v in program.spec.fixed.items()}
    shapes = {n: v.shape for n, v in program.public(program.neutral()).items()}
    return {n: np.array(np.broadcast_to(v, shapes[n])) for n, v in fixed.items() if not np.isnan(v).any()}


def _supports(program: Parametrised) -> dict[str, str]:
    """Public name -> support. What is inside by another name (variances of a diagonal matrix) is known by its dims."""
    own = {p.prefix + q.name: q.support for p in program.placed for q in p.block.parameters}
    dims = program.spec.parameter_dims()
    return {name: own.get(name, "spd" if dims[name][-1:] == (_to(dims[name]),) else "real") for name in dims}


def _to(dims: tuple[str, ...]) -> str:
    return f"{dims[-2]}_to" if len(dims) > 1 else ""


def in_order(program: Parametrised, params: Mapping[str, Any]) -> dict[str, Any]:
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
