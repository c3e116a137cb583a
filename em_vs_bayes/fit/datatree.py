"""A fit as an ArviZ DataTree: the same variable names and dims for every method."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from em_vs_bayes.common.threads import each
from em_vs_bayes.data.intake import all_column_names
from em_vs_bayes.data.times import coordinate
from em_vs_bayes.fit.diagnosis import diagnose
from em_vs_bayes.fit.record import Record

if TYPE_CHECKING:
    import xarray as xr


NO_DRAWS = "no_draws_only_a_point_estimate"
LARGEST = 200_000_000  # elements of the log_likelihood group; beyond, draws are thinned and the attrs say so


def to_datatree(fit: Record) -> xr.DataTree:
    """Groups posterior, log_likelihood, observed_data and sample_stats; for EM the posterior is the point itself.

    A fit without draws has a second variable in log_likelihood, named `NO_DRAWS`: ArviZ's ``loo``, which weighs draws,
    then refuses to choose between the two, and its message has that name.

    Notes
    -----
    The terms of the log_likelihood group are those of `Fit.log_likelihood_kind`, named in the attrs. Rows of a sequence
    in which nothing was observed have no term: ``obs`` there is the label of the row, as in observed_data: that of the
    index of y, as dates or years, or its number.
    """
    from arviz_base import from_dict

    program = fit.program
    theta = fit.draws if fit.draws is not None else fit.theta[None, None]
    posterior = {name: np.asarray(v) for name, v in program.public(theta).items()}
    dims = {name: list(d) for name, d in fit.spec.parameter_dims().items()}
    coords = _coords(fit, posterior, dims)
    observed, observed_dims = _observed(fit)
    kind, labels = fit.log_likelihood_kind, coordinate(program.index, program.n)
    rows = np.arange(len(program.data.starts) - 1) if kind == "sequence" else _seen(observed)
    terms, thinned = _log_likelihood(fit, theta, kind, rows)
    groups: dict[str, Any] = {"posterior": posterior, "log_likelihood": {"y": terms}}
    if fit.draws is None:
        groups["log_likelihood"][NO_DRAWS] = np.full((1, 1), np.nan)
    groups["sample_stats"] = dict(fit.sample_stats) | _totals(fit, theta, None if thinned else terms, rows)
    if fit.permutation is not None:
        groups["sample_stats"]["permutation"] = fit.permutation
        dims["permutation"] = [fit.spec.leading]
    attrs = {
        "inference_library": fit.attrs.get("inference_library", "em_vs_bayes"),
        "created_at": datetime.now(UTC).isoformat(),
        "sampling_time": float(fit.seconds.get("total", 0.0)),
        "method": fit.method,
        "status": diagnose(fit)[0].name,
        "spec": fit.spec.to_json(),
        "tuning_steps": int(fit.attrs.get("tuning_steps", 0)),
        "log_likelihood_kind": kind,
        "log_likelihood_terms": program.latent.pointwise_kinds[kind],
        "relabelled": int(fit.permutation is not None),
        "seed": _written(fit.attrs.get("seed")),
        "init": _written(fit.attrs.get("init")),
    }
    if thinned > 1:
        attrs["log_likelihood_thinned"] = thinned
    tree = from_dict(
        groups,
        coords=coords | {_dim(kind): labels[rows] if kind != "sequence" else rows},
        dims=dims | {"y": [_dim(kind)]},
        attrs=dict.fromkeys(("posterior", "sample_stats", "log_likelihood"), attrs),
    )
    own = {"obs": labels} | ({"feature": coords["feature"]} if "feature" in coords else {})
    ends = {dim: ["lower", "upper"] for dims in observed_dims.values() for dim in dims if dim.endswith("end")}
    tree["observed_data"] = from_dict({"observed_data": observed}, coords=own | ends, dims=observed_dims)[
        "observed_data"
    ]
    return tree


def _written(value: Any) -> int | str:
    """A number or a name as it is, all else as JSON: files of this format have neither None nor lists in lists."""
    small = isinstance(value, int) and abs(value) < 2**63
    return value if isinstance(value, str) or small else json.dumps(value)


def _dim(kind: str) -> str:
    return "sequence" if kind == "sequence" else "obs"


def _seen(observed: dict[str, Any]) -> Any:
    """Numbers of the rows in which anything was observed."""
    known = [np.isfinite(v).reshape(len(v), -1).any(axis=1) for v in observed.values()]
    return np.flatnonzero(np.any(known, axis=0))


def datatree(fit: Record) -> xr.DataTree:
    """The tree, made once."""
    if "datatree" not in fit.kept:
        fit.kept["datatree"] = to_datatree(fit)
    return fit.kept["datatree"]


def rows_of_terms(tree: xr.DataTree) -> Any:
    """Numbers of the rows that have terms in the log_likelihood group, where terms are rows'."""
    observed = tree["observed_data"].dataset
    return _seen({str(name): np.asarray(values) for name, values in observed.data_vars.items()})


def _observed(fit: Record) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """The data as the user gave them: ``y``, or one variable per stream of a product."""
    from em_vs_bayes.data import read
    from em_vs_bayes.model.emissions import Product

    y, emission = fit.program.y, fit.spec.model_emission
    if isinstance(emission, Product):
        streams = {
            name: read.matrix(part.observed(y[name]), name, finite=False) for name, part in emission.parts.items()
        }
        last = {name: f"{name}_{'end' if part.ends else 'feature'}" for name, part in emission.parts.items()}
        columns = {n: v[:, 0] if v.shape[1] == 1 else v for n, v in streams.items()}
        return columns, {n: ["obs", last[n]][: v.ndim] for n, v in columns.items()}
    values = read.matrix(emission.observed(y), finite=False)
    if emission.ends:
        return {"y": values}, {"y": ["obs", "end"]}
    multivariate = "feature" in {dim for dims in fit.spec.parameter_dims().values() for dim in dims}
    return {"y": values if multivariate else values[:, 0]}, {"y": ["obs", "feature"] if multivariate else ["obs"]}


def _totals(fit: Record, theta: Any, terms: Any, rows: Any) -> dict[str, Any]:
    """Per draw: the marginal log-likelihood and, in the spec's own parameters, the log joint density.

    ``terms``, of ``rows``, sum to the log-likelihood only where rows are independent; None where some draws have none.
    """
    program = fit.program
    if program.latent.sequential:
        flat, total = theta.reshape(-1, theta.shape[-1]), np.empty(theta.shape[:2])

        def whole(i: int) -> None:
            total.flat[i] = program.log_likelihood(flat[i])

        each(whole, len(flat))
    elif terms is None:
        return {}
    else:
        total = (terms * program.case_weights[rows]).sum(-1)
    if program.tables.unknown:  # a prior that only PyMC can evaluate
        return {"log_likelihood_total": total}
    prior = np.array([[program.log_prior(draw) for draw in chain] for chain in theta])
    return {"log_likelihood_total": total, "log_joint": total + prior}


def _coords(fit: Record, posterior: dict[str, Any], dims: dict[str, list[str]]) -> dict[str, Any]:
    coords: dict[str, Any] = {}
    names = all_column_names(fit.program.y)
    for name, own in dims.items():
        for dim, length in zip(own, posterior[name].shape[2:], strict=True):
            if dim in fit.program.predictors:
                coords[dim] = _writable(fit.program.predictors[dim])
                continue
            features = dim in ("feature", "feature_to") and names is not None and len(names) == length
            coords[dim] = _writable(names) if features and names is not None else np.arange(length)
    return coords


def _writable(names: list[str]) -> list[str]:
    """Names without zeros, at which files of this format end a string."""
    return [name.replace("\x00", "\\x00") for name in names]


def _log_likelihood(fit: Record, theta: Any, kind: str, rows: Any) -> tuple[Any, int]:
    chains, draws = theta.shape[:2]
    step = max(1, -(-chains * draws * len(rows) // LARGEST))
    kept = theta[:, ::step]
    out = np.empty((*kept.shape[:2], len(rows)))

    flat, terms = kept.reshape(-1, kept.shape[-1]), out.reshape(-1, len(rows))

    def term(i: int) -> None:
        terms[i] = fit.program.pointwise(flat[i], kind)[rows]

    each(term, len(flat))
    return out, (step if step > 1 else 0)
