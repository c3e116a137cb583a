"""The numbers of a comparison as pandas frames: parameters, elpd, timing."""

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import arviz_stats as az
import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import logsumexp

from em_vs_bayes.common import printable
from em_vs_bayes.common.thresholds import khat_limit
from em_vs_bayes.comparison.aligned import Aligned
from em_vs_bayes.fit.datatree import rows_of_terms
from em_vs_bayes.fit.diagnosis import FEWEST, khat
from em_vs_bayes.fit.mixing import mixing
from em_vs_bayes.fit.results import Fit

COLUMNS = ("estimate", "sd", "lower", "upper", "rhat", "ess_bulk", "mcse")
ELPD = ["elpd", "se", "p", "difference", "se_difference", "worst_khat", "bad_khat", "good_khat_limit", "khat"]


def parameters(aligned: Sequence[Aligned], level: float, mixed: pd.DataFrame) -> pd.DataFrame:
    """Scalar parameters (rows) by (method, quantity).

    A point estimate has standard errors from the observed information and normal intervals; draws have their
    mean, standard deviation and equal-tailed interval. ``rhat``, bulk effective sample size and the
    Monte-Carlo standard error of the mean are those of Markov chains alone.
    """
    cells = dict(scalars(aligned[0].fit))
    frames = {
        a.name: _point(a, cells, level) if a.sample is None else _draws(a, cells, level, mixed[a.name]) for a in aligned
    }
    return pd.concat(frames, axis=1, names=["method", "quantity"]).rename_axis("parameter")


def diagnostics(aligned: Sequence[Aligned]) -> pd.DataFrame:
    """R-hat, bulk and tail ESS, Monte-Carlo error of the mean by (method, quantity); NaN but for Markov chains."""
    columns = ["rhat", "ess_bulk", "ess_tail", "mcse"]
    labels = dict(scalars(aligned[0].fit))
    nothing = pd.DataFrame(np.nan, index=list(labels), columns=columns)
    frames = {
        a.name: pd.DataFrame([mixing(x) for x in chains(a).values()], index=list(labels), columns=columns)
        if a.is_chain and a.sample is not None
        else nothing
        for a in aligned
    }
    return pd.concat(frames, axis=1, names=["method", "quantity"]).rename_axis("parameter")


def chains(a: Aligned) -> dict[str, np.ndarray]:
    """Label of each scalar parameter -> its draws (chain, draw)."""
    return {label: a.sample[name].to_numpy()[(..., *index)] for label, (name, index) in scalars(a.fit)}


def scalars(fit: Fit) -> Iterator[tuple[str, tuple[str, tuple[int, ...]]]]:
    """Label and place of every scalar parameter: ``("means[component 0, feature x]", ("means", (0, 0)))``.

    A coefficient is called by its predictor, ``"coefficients[age]"``, for that says which dim it is.

    A symmetric matrix, told by dims ``name`` and ``name_to`` other than component and state, gives its upper
    triangle.
    """
    posterior = fit.idata["posterior"].dataset
    for name, dims in fit.spec.parameter_dims().items():
        pairs = [
            (dims.index(d), dims.index(f"{d}_to"))
            for d in dims
            if f"{d}_to" in dims and d not in ("component", "state")
        ]
        ticks = [posterior[name].coords[d].to_numpy() for d in dims]
        for index in np.ndindex(*(len(t) for t in ticks)):
            if all(index[i] <= index[j] for i, j in pairs):
                where = ", ".join(
                    printable.name(f"{t[i]}") if d.endswith("predictor") else printable.name(f"{d} {t[i]}")
                    for d, t, i in zip(dims, ticks, index, strict=True)
                )
                yield (f"{name}[{where}]" if where else name), (name, index)


def short(fit: Fit, name: str, index: tuple[int, ...]) -> str:
    """``means[0, eruptions]`` for ``means[component 0, feature eruptions]``."""
    coords = fit.idata["posterior"].dataset[name].coords
    dims = fit.spec.parameter_dims()[name]
    where = ", ".join(printable.name(str(coords[d].to_numpy()[i])) for d, i in zip(dims, index, strict=True))
    return f"{name}[{where}]" if where else name


def elpd(aligned: Sequence[Aligned]) -> pd.DataFrame:
    """Leave-one-out predictive density of each posterior sample, best first (Vehtari et al. 2017).

    Draws of an approximation q are weighted by p(theta, y) / q(theta), together with what leaves an observation out
    (Magnusson et al. 2019). ``khat`` is the Pareto k-hat of those ratios; beyond the limit, or where q is not known,
    no elpd can be had from the draws: it is NaN, and the method is not ranked.

    ``difference`` and its standard error are paired over observations, against the best. ``bad_khat`` counts the
    rows whose Pareto k lies above ``good_khat_limit``: there the estimate is not to be trusted. A row of case weight
    w stands for w observations, each left out by itself.

    Terms p(y_t | other rows of its sequence) leave out one row of a hidden Markov model exactly so: they are the
    importance ratios of its posterior without that row (Bürkner, Gabry & Vehtari 2021, section 2). Terms of kind
    "sequence" leave out a sequence.
    """
    rows, pointwise = {}, {}
    for a in aligned:
        if a.sample is None or "log_likelihood" not in a.fit.idata.children:
            continue
        if np.asarray(a.fit.idata["log_likelihood"]["y"]).shape[-1] < 2:  # without the only term nothing is left
            continue
        both = None if a.is_chain else _densities(a.fit)
        shape = np.nan if both is None else khat(both[0] - both[1])
        size = np.asarray(a.fit.idata["log_likelihood"]["y"])[..., 0].size
        limit = khat_limit(size)
        if size < FEWEST or not (a.is_chain or shape <= limit):
            rows[a.name] = [*[np.nan] * 6, 0, limit, shape]
            continue
        each, k = _left_out(a.fit, both)
        terms, weights = np.asarray(a.fit.idata["log_likelihood"]["y"]), _term_weights(a.fit)
        ratios = np.zeros(terms.shape[:2]) if both is None else np.reshape(both[0] - both[1], terms.shape[:2])
        ratios = ratios - logsumexp(ratios)
        known = logsumexp(terms + ratios[..., None], axis=(0, 1))
        effective, _ = _sum(known - each, weights)
        pointwise[a.name] = each
        bad = int((k > limit).sum())
        rows[a.name] = [*_sum(each, weights), effective, 0.0, 0.0, k.max(), bad, limit, shape]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=ELPD).sort_values("elpd", ascending=False)
    for name in [name for name in table.index[1:] if name in pointwise]:
        gap = pointwise[name] - pointwise[table.index[0]]
        table.loc[name, ["difference", "se_difference"]] = _sum(gap, weights)
    return table.rename_axis("method")


def _left_out(fit: Fit, both: tuple[np.ndarray, np.ndarray] | None) -> tuple[np.ndarray, np.ndarray]:
    """Leave-one-out density and Pareto k of each term; a term on which the draws all agree is itself, and k is 0."""
    tree = fit.idata
    terms: Any = tree["log_likelihood"]["y"]
    each = np.array(terms[0, 0], dtype=float)
    moving, k = np.ptp(np.asarray(terms), axis=(0, 1)) > 0.0, np.zeros(each.size)
    if not moving.any():
        return each, k
    if not moving.all():  # ArviZ cannot tell the tail of what has none
        own = tree["log_likelihood"].dataset.isel({terms.dims[-1]: moving})
        tree = xr.DataTree.from_dict({"posterior": tree["posterior"].dataset, "log_likelihood": own})
    with warnings.catch_warnings():  # a bad k-hat is in the table and among the findings
        warnings.filterwarnings("ignore", "Estimated shape parameter of Pareto", UserWarning)
        if both is None:
            loo = az.loo(tree, pointwise=True, var_name="y")
        else:
            loo = az.loo_approximate_posterior(tree, *both, pointwise=True, var_name="y")
    each[moving], k[moving] = loo.elpd_i.to_numpy().ravel(), loo.pareto_k.to_numpy().ravel()
    return each, k


def _densities(fit: Fit) -> tuple[np.ndarray, np.ndarray] | None:
    """Log joint density and log density of the approximation, (S,) each, at the draws of the log_likelihood group."""
    stats, own = fit.sample_stats, fit.idata["sample_stats"].dataset
    if "log_q" not in stats or not ("lp" in stats or "log_joint" in own):
        return None
    log_p = stats["lp"] if "lp" in stats else np.asarray(own["log_joint"])  # lp: of unconstrained coordinates, as log_q
    step = int(fit.idata["log_likelihood"].attrs.get("log_likelihood_thinned", 1))
    return np.ravel(np.asarray(log_p)[:, ::step]), np.ravel(np.asarray(stats["log_q"])[:, ::step])


def _term_weights(fit: Fit) -> np.ndarray:
    """Case weight of each log-likelihood term; empty where there are none."""
    data, terms = fit.program.data, fit.idata["log_likelihood"]["y"]
    if not data.weights.size:
        return data.weights
    return data.weights[data.starts[:-1]] if "sequence" in terms.dims else data.weights[rows_of_terms(fit.idata)]


def _sum(terms: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Sum over observations and its standard error; a row counts as many times as its case weight says."""
    w = weights if weights.size else np.ones(len(terms))
    total = w.sum()
    mean = (w * terms).sum() / total
    se = np.sqrt((w * (terms - mean) ** 2).sum()) if len(terms) > 1 else np.nan
    return float(total * mean), float(se)


def timing(aligned: Sequence[Aligned], table: pd.DataFrame) -> pd.DataFrame:
    """Seconds of each method, stage by stage, and the rate of its slowest parameter's effective draws."""
    frame = pd.DataFrame.from_dict({a.name: dict(a.fit.seconds) for a in aligned}, orient="index")
    frame.insert(0, "total", frame.pop("total"))
    smallest = pd.Series({a.name: table[a.name]["ess_bulk"].min() for a in aligned})
    frame["smallest_ess"] = smallest
    frame["ess_per_second"] = smallest / frame["total"]
    return frame.rename_axis("method")


def _point(a: Aligned, cells: dict, level: float) -> pd.DataFrame:
    estimate = np.array([a.params[name][index] for name, index in cells.values()])
    nothing = np.full(len(cells), np.nan)
    errors, ends = a.errors, a.limits(level)
    if isinstance(errors, str) or isinstance(ends, str):
        return _frame(cells, estimate, *[nothing] * 6)
    known = [np.array([v[name][index] for name, index in cells.values()]) for v in (errors, *ends)]
    return _frame(cells, estimate, *known, nothing, nothing, nothing)


def _draws(a: Aligned, cells: dict, level: float, own: Any) -> pd.DataFrame:
    tail = (1 - level) / 2
    flat = np.stack([x.ravel() for x in chains(a).values()])
    lower, upper = np.quantile(flat, [tail, 1 - tail], axis=1)
    if a.is_chain:
        estimate = flat.mean(1)
    else:  # independent draws of a fitted q: its own mean is exact
        estimate = np.array([a.params[name][index] for name, index in cells.values()])
    sd = (flat - flat[:, :1]).std(1, ddof=1)  # exactly 0 for what is fixed
    return _frame(cells, estimate, sd, lower, upper, *(own[name].to_numpy() for name in ("rhat", "ess_bulk", "mcse")))


def _frame(cells: dict, *columns: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)), index=list(cells))
