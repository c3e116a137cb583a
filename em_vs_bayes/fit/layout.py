"""Estimates laid out for reading: components or states side by side, regressions with tests as R's survreg prints."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from em_vs_bayes.common import printable
from em_vs_bayes.common.contract import Array, Params
from em_vs_bayes.common.words import number, to_precision_of
from em_vs_bayes.data.intake import all_column_names
from em_vs_bayes.fit.boundary import held
from em_vs_bayes.fit.names import named_predictors
from em_vs_bayes.fit.record import Record
from em_vs_bayes.fit.uncertainty import Asked, std_errors

if TYPE_CHECKING:
    import pandas as pd


WORK = 3e7  # rows x free parameters x parameters: what takes about a tenth of a second
UNITS = 6  # of it, a model whose errors come by differences


def errors(fit: Record) -> tuple[Params | None, str]:
    """Standard errors of an estimate, or None and why there are none here."""
    if fit.method != "em":  # given parameters were not estimated
        return None, ""
    from em_vs_bayes.model.regressions import Regression

    program, closed = fit.program, isinstance(fit.spec, Regression) and fit.spec.degrees is None
    if program.n * program.ndim * program.tables.theta.size * (1 if closed else UNITS) > WORK:
        return None, "standard errors take longer: fit.summary()"
    try:
        return std_errors(fit, Asked()), ""
    except ValueError as reason:
        return None, f"no standard errors: {reason}"


def ticks(fit: Record, dim: str, length: int) -> list[str]:
    """What the places along a dim are called: predictors, columns of a frame, else numbers."""
    if dim in (named := named_predictors(fit)):
        return [printable.name(name) for name in named[dim]]
    columns = all_column_names(fit.program.y)
    if dim in ("feature", "feature_to") and columns is not None and len(columns) == length:
        return [printable.name(name) for name in columns]
    return [str(i) for i in range(length)]


def tables(fit: Record, errors: Params | None) -> list[tuple[str, pd.DataFrame]]:
    """Captions and tables of text."""
    dims, leading, params = fit.spec.parameter_dims(), fit.spec.leading, _shown(fit, errors)
    spread = {name: np.full(value.shape, np.nan) for name, value in params.items()} if errors is None else errors
    tested = [name for name in params if "predictor" in {dim.rpartition("_")[2] for dim in dims[name]}]
    if not leading:
        return [("", _tested(fit, list(params), spread))]
    moves = [name for name in params if dims[name] == (leading, f"{leading}_to")]
    apart = [name for name in params if name not in tested and name not in moves]
    what = "estimate (standard error)" if errors is not None else "estimate"
    out = [(what, _abreast(fit, {name: params[name] for name in apart}, spread))]
    out += [(f"{name}, from row to column", _matrix(params[name], spread[name], leading)) for name in moves]
    return [*out, ("", _tested(fit, tested, spread))] if tested else out


def _shown(fit: Record, errors: Params | None) -> Params:
    """Estimates, and the ends of their ranges where errors are those of elements that are held there."""
    if errors is None or not (on := held(fit)).at.size:
        return fit.params
    return {name: np.array(value) for name, value in fit.program.public(on.theta).items()}


def _abreast(fit: Record, params: Params, spread: Params) -> pd.DataFrame:
    """Rows of a component's or state's scalars, and how many rows of the data are most probably its own."""
    import pandas as pd

    dims, size, rows = fit.spec.parameter_dims(), fit.spec.size, {}
    for name, value in params.items():
        own = dims[name][1:]
        labels = [ticks(fit, dim, length) for dim, length in zip(own, value.shape[1:], strict=True)]
        mirrored = len(own) == 2 and own[1] == f"{own[0]}_to"
        for index in np.ndindex(value.shape[1:]):
            if mirrored and (index[0] > index[1] or (index[0] < index[1] and not value[:, *index].any())):
                continue  # said already, or a variance-only covariance
            where = ", ".join(label[i] for label, i in zip(labels, index, strict=True))
            lone = value.shape[1:] and max(value.shape[1:]) == 1 and where.strip("0, ") == ""  # of one column, unnamed
            label = f"{name}[{where}]" if where and not lone else name
            rows[label] = [cell(value[k, *index], spread[name][k, *index]) for k in range(size)]
    with suppress(ValueError):  # parameters outside their support: nothing is assigned
        rows["rows, most probably"] = [f"{count:,}" for count in _counts(fit)]
    return pd.DataFrame.from_dict(rows, orient="index", columns=[f"{fit.spec.leading} {k}" for k in range(size)])


def _counts(fit: Record) -> list[int]:
    best = fit.program.assign(fit.theta)
    return np.bincount(best[best >= 0], minlength=fit.spec.size).tolist()


def _matrix(value: Array, spread: Array, leading: str) -> pd.DataFrame:
    import pandas as pd

    names = [f"{leading} {k}" for k in range(len(value))]
    cells = [[cell(x, sd) for x, sd in zip(*row, strict=True)] for row in zip(value, spread, strict=True)]
    return pd.DataFrame(cells, index=names, columns=names)


def cell(value: Any, sd: Any) -> str:
    """``4.290 (0.031)``."""
    return f"{to_precision_of(value, sd)} ({number(sd, 2)})" if sd > 0 else number(value, 4)


def _tested(fit: Record, names: Sequence[str], spread: Params) -> pd.DataFrame:
    """Estimates, standard errors and normal tests of coefficients being zero."""
    import pandas as pd
    from scipy.special import ndtr

    dims, rows = fit.spec.parameter_dims(), {}
    for name in names:
        value, of = fit.params[name], dims[name]
        labels = [ticks(fit, dim, length) for dim, length in zip(of, value.shape, strict=True)]
        zero = any(dim.endswith("predictor") for dim in of)  # that a standard deviation is zero is no hypothesis
        for index in np.ndindex(value.shape):
            where = ", ".join(label[i] for label, i in zip(labels, index, strict=True))
            x, sd = float(value[index]), float(spread[name][index])
            z = x / sd if zero and sd > 0 else np.nan
            rows[f"{name}[{where}]" if where else name] = [x, sd, z, 2.0 * ndtr(-abs(z))]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["estimate", "se", "z", "p"])
    return table.dropna(axis=1, how="all")
