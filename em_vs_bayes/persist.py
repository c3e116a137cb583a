"""Saving and loading: one zip of JSON and ``.npy`` arrays. Nothing is pickled, so loading a file runs nothing."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from em_vs_bayes import times
from em_vs_bayes.spec import from_dict
from em_vs_bayes.status import Status

if TYPE_CHECKING:
    from em_vs_bayes.results import Fit

FORMAT = 1


def save(fit: Fit, path: str | Path) -> None:
    """See `Fit.save`."""
    data = fit.program.data
    arrays: dict[str, Any] = {"theta": fit.theta, "weights": data.weights, "labels": data.labels, "starts": data.starts}
    arrays |= {f"history/{name}": value for name, value in fit.history.items()}
    arrays |= {f"sample_stats/{name}": value for name, value in fit.sample_stats.items()}
    arrays |= {f"checkpoint/{name}": value for name, value in fit.checkpoint.items()}
    optional = {"draws": fit.draws, "raw_draws": fit.raw_draws, "permutation": fit.permutation}
    arrays |= {name: value for name, value in optional.items() if value is not None}
    attrs = {}
    for name, value in fit.attrs.items():
        if isinstance(value, np.ndarray):
            arrays[f"attrs/{name}"] = value
        else:
            attrs[name] = value
    y, layout = _plain(fit.program.y)
    arrays |= {f"y/{i}": column for i, column in enumerate(y)}
    exog, exog_layout = ([], None) if fit.program.exog is None else _plain(fit.program.exog)
    arrays |= {f"exog/{i}": column for i, column in enumerate(exog)}
    index = None
    if fit.program.index is not None:
        arrays["index"], index = times.packed(fit.program.index)
    meta = {
        "format": FORMAT,
        "spec": fit.spec.to_dict(),
        "method": fit.method,
        "status": fit.ended.name,
        "notes": list(fit.remarks),
        "seconds": dict(fit.seconds),
        "options": dict(fit.options),
        "attrs": attrs,
        "lower_bound": fit.lower_bound,
        "y": layout,
        "exog": exog_layout,
        "index": index,
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("fit.json", json.dumps(meta))
        for name, value in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, np.ascontiguousarray(value), allow_pickle=False)
            archive.writestr(f"{name}.npy", buffer.getvalue())


def load(path: str | Path) -> Fit:
    """See `em_vs_bayes.load`."""
    from em_vs_bayes.compile import compile as compile_program
    from em_vs_bayes.results import Fit

    if not Path(path).is_file():
        raise FileNotFoundError(f"path={str(path)!r} is not a file.")
    if not zipfile.is_zipfile(path):
        raise ValueError(f"path={str(path)!r} is not a saved fit (a zip of JSON and arrays).")
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if "fit.json" not in names:
            raise ValueError(f"path={str(path)!r} is a zip but not a saved fit: fit.json is missing.")
        meta = json.loads(archive.read("fit.json"))
        arrays = {
            name.removesuffix(".npy"): np.load(io.BytesIO(archive.read(name)), allow_pickle=False)
            for name in names
            if name.endswith(".npy")
        }
    if meta.get("format") != FORMAT:
        raise ValueError(f"path={str(path)!r} has format {meta.get('format')!r}; this version reads {FORMAT}.")
    weights, labels = (arrays[n] if arrays[n].size else None for n in ("weights", "labels"))
    lengths = np.diff(arrays["starts"]) if arrays["starts"].size else None
    exog = _restored(arrays, meta["exog"], "exog") if meta.get("exog") else None
    y = _restored(arrays, meta["y"], "y")
    index = times.unpacked(arrays["index"], meta["index"]) if meta.get("index") else None
    own: dict[str, Any] = {"exog": exog, "lengths": lengths, "weights": weights, "labels": labels, "index": index}
    program = compile_program(from_dict(meta["spec"]), y, **own, fitting=False)
    if arrays["theta"].shape != (program.tables.theta.size,):
        raise ValueError(
            f"path={str(path)!r} holds {arrays['theta'].size} parameters; its spec has {program.tables.theta.size}: "
            "the spec and the fit do not match."
        )
    return Fit(
        program=program,
        method=meta["method"],
        theta=arrays["theta"],
        ended=Status[meta["status"]],
        remarks=tuple(meta["notes"]),
        history=_group(arrays, "history"),
        draws=arrays.get("draws"),
        raw_draws=arrays.get("raw_draws"),
        permutation=arrays.get("permutation"),
        sample_stats=_group(arrays, "sample_stats"),
        seconds=meta["seconds"],
        options=meta["options"],
        attrs={**meta["attrs"], **_group(arrays, "attrs")},
        lower_bound=meta["lower_bound"],
        checkpoint=_group(arrays, "checkpoint"),
    )


def _group(arrays: dict[str, Any], name: str) -> dict[str, Any]:
    return {k.removeprefix(name + "/"): v for k, v in arrays.items() if k.startswith(name + "/")}


def _plain(y: Any) -> tuple[list[Any], dict[str, Any]]:
    """The data as numeric arrays, and how to put them together again."""
    from em_vs_bayes.emissions import read

    columns = list(y.keys()) if isinstance(y, dict) else getattr(y, "columns", None)
    if columns is not None:
        names = [str(c) for c in columns]
        kind = "dict" if isinstance(y, dict) else "frame"
        coded = {str(c): _coded(y[c]) for c in columns if _is_categorical(y[c])}
        categories = {name: levels for name, (_, levels) in coded.items()}
        arrays = [coded[str(c)][0] if str(c) in coded else _column(y[c]) for c in columns]
        return arrays, {"kind": kind, "columns": names, "categories": categories}
    array = read.matrix(y, finite=False)  # the ends of an interval may be infinite
    return [array[:, 0] if np.ndim(y) == 1 else array], {"kind": "array"}


def _column(values: Any) -> Any:
    from em_vs_bayes.emissions import read

    if getattr(getattr(values, "dtype", None), "kind", "") in ("b", "i", "u"):
        return np.asarray(values)  # a formula's categories are named after them
    array = read.matrix(values, finite=False)
    return array[:, 0] if array.shape[1] == 1 else array


def _is_categorical(values: Any) -> bool:
    """Whether a column holds categories rather than numbers: what a formula encodes."""
    import pandas as pd

    if np.ndim(values) != 1:
        return False
    dtype = pd.Series(values).dtype
    return isinstance(dtype, pd.CategoricalDtype) or pd.api.types.is_string_dtype(dtype)


def _coded(values: Any) -> tuple[Any, list[Any]]:
    """Codes (n,), -1 where missing, and the levels in their order."""
    import pandas as pd

    own = pd.Categorical(values)
    return np.asarray(own.codes, dtype=np.int64), own.categories.tolist()


def _restored(arrays: dict[str, Any], layout: dict[str, Any], group: str) -> Any:
    if layout["kind"] == "array":
        return arrays[f"{group}/0"]
    columns = {name: arrays[f"{group}/{i}"] for i, name in enumerate(layout["columns"])}
    if layout.get("categories"):
        import pandas as pd

        columns |= {n: pd.Categorical.from_codes(columns[n], levels) for n, levels in layout["categories"].items()}
    if layout["kind"] == "dict":
        return columns
    import pandas as pd

    return pd.DataFrame(columns)
