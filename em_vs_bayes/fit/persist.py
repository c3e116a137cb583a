"""Saving and loading fits: what they hold as JSON and arrays, and whether what comes back can be a fit of its spec.

Nothing is pickled, so loading a file runs nothing; `archive` has the file, `columns` the data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from em_vs_bayes.common import archive
from em_vs_bayes.common.atomic import destination
from em_vs_bayes.common.status import Status
from em_vs_bayes.data.columns import Store, put_together, taken_apart
from em_vs_bayes.fit.record import Record
from em_vs_bayes.model.specs import from_dict

if TYPE_CHECKING:
    from em_vs_bayes.program.program import Program

GROUPS = ("history", "sample_stats", "checkpoint", "attrs")
DRAWS = ("draws", "raw_draws", "permutation")


def save(fit: Record, path: str | Path) -> None:
    """See `Fit.save`."""
    destination(path)  # refused before anything is put together
    program, data = fit.program, fit.program.data
    arrays: dict[str, Any] = {"theta": fit.theta, "weights": data.weights, "labels": data.labels, "starts": data.starts}
    arrays |= {name: value for name in DRAWS if (value := getattr(fit, name)) is not None}
    attrs = dict(fit.attrs)
    held = {"attrs": {name: attrs.pop(name) for name, value in fit.attrs.items() if isinstance(value, np.ndarray)}}
    for group in GROUPS:
        own = held.get(group) or (getattr(fit, group) if group != "attrs" else {})
        arrays |= {f"{group}/{name}": value for name, value in own.items()}
    layouts = {}
    for name, value in (("y", program.y), ("exog", program.exog), ("index", program.index)):
        store = Store(name)
        layouts[name] = taken_apart(value, store, name)
        arrays |= store.arrays
    meta = {
        "spec": fit.spec.to_dict(),
        "method": fit.method,
        "status": fit.ended.name,
        "notes": list(fit.remarks),
        "seconds": dict(fit.seconds),
        "options": dict(fit.options),
        "attrs": attrs,
        "lower_bound": fit.lower_bound,
        "remarks": list(program.remarks),
        "names": {name: list(own) for name, own in program.names.items()},
        **layouts,
    }
    archive.write(path, meta, arrays)


def load[R: Record](kind: type[R], path: str | Path, model: Any = None) -> R:
    """See `em_vs_bayes.load`."""
    place = destination(path)
    if not place.is_file():
        raise FileNotFoundError(f"path={str(path)!r} is not a file.")
    try:
        return _fit(kind, model, *archive.read(place))
    except OSError:
        raise
    except Exception as error:  # a file that was not written by `save` may fail anywhere: it is refused by its name
        raise ValueError(f"path={str(path)!r} cannot be loaded: {' '.join(str(error).split())}") from None


def _fit[R: Record](kind: type[R], model: Any, meta: Mapping[str, Any], arrays: dict[str, np.ndarray]) -> R:
    program = _program(model, meta, arrays)
    if meta["status"] not in Status.__members__:
        raise ValueError(f"status {meta['status']!r} is unknown.")
    theta = _theta(program, arrays["theta"], Status[meta["status"]])
    _require_method(meta["method"], meta["options"])
    for name in ("notes", "remarks"):
        _require(isinstance(meta[name], list) and all(isinstance(line, str) for line in meta[name]), name)
    for name in ("seconds", "attrs"):
        _require(isinstance(meta[name], dict), name)
    _require(all(isinstance(value, (int, float)) for value in meta["seconds"].values()), "seconds")
    _require(meta["lower_bound"] is None or isinstance(meta["lower_bound"], float), "lower_bound")
    return kind(
        program=program,
        method=meta["method"],
        theta=theta,
        ended=Status[meta["status"]],
        remarks=tuple(meta["notes"]),
        history=_history(_group(arrays, "history")),
        **_draws(program, arrays),
        sample_stats=_group(arrays, "sample_stats"),
        seconds=meta["seconds"],
        options=meta["options"],
        attrs={**meta["attrs"], **_group(arrays, "attrs")},
        lower_bound=meta["lower_bound"],
        checkpoint=_group(arrays, "checkpoint"),
    )


def _program(model: Any, meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Program:
    from em_vs_bayes.program.compile import compile as compile_program

    weights, labels = (arrays[n] if arrays[n].size else None for n in ("weights", "labels"))
    spec = from_dict(meta["spec"], model)
    lengths = np.diff(arrays["starts"]) if arrays["starts"].size and spec.latent.sequential else None
    y, exog, index = (put_together(meta[name], arrays) for name in ("y", "exog", "index"))
    own: dict[str, Any] = {"exog": exog, "lengths": lengths, "weights": weights, "labels": labels, "index": index}
    program = compile_program(spec, y, **own, fitting=False)
    names = {name: tuple(map(str, columns)) for name, columns in meta["names"].items()}
    return replace(program, names=names, remarks=tuple(meta["remarks"]))


def _theta(program: Program, theta: np.ndarray, ended: Status) -> np.ndarray:
    """The estimate, if it can be one: what broke off may lie anywhere."""
    size = program.tables.theta.size
    if theta.shape != (size,):
        raise ValueError(f"it holds {theta.size} parameters; its spec has {size}: the spec and the fit do not match.")
    if theta.dtype != np.float64 or (ended.good and not np.isfinite(theta).all()):
        raise ValueError("its parameters are not finite numbers.")
    if not ended.good:
        return theta
    if not np.allclose(program.with_fixed(theta), theta, rtol=1e-9, atol=1e-12):
        raise ValueError("its parameters are not those that its spec fixes.")
    program.theta_of(program.public(theta))
    program.potentials(theta)
    return theta


def _draws(program: Program, arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    found = {name: arrays.get(name) for name in DRAWS}
    draws = found["draws"]
    wanted: tuple[int, ...] = () if draws is None else draws.shape[:2]
    for name, size in zip(DRAWS, (program.tables.theta.size, program.tables.theta.size, program.k), strict=True):
        value = found[name]
        if value is not None and value.shape != (*wanted, size):
            raise ValueError(f"{name} has shape {value.shape}; wants {(*wanted, size)}.")
    return found


def _history(history: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    lengths = {value.shape for value in history.values()}
    _require("objective" in history and len(lengths) == 1 and len(next(iter(lengths))) == 1, "history")
    return history


def _require_method(name: Any, options: Any) -> None:
    """The method must be one, and take these options: `Fit.resume` hands them to it."""
    from em_vs_bayes.methods.driving import make_method

    _require(isinstance(name, str) and isinstance(options, dict), "method and options")
    if name == "given":
        _require(not options, "options")
    else:
        make_method(name, options)


def _require(condition: bool, name: str) -> None:
    if not condition:
        raise ValueError(f"{name} is not what a saved fit has.")


def _group(arrays: Mapping[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    return {k.removeprefix(name + "/"): v for k, v in arrays.items() if k.startswith(name + "/")}
