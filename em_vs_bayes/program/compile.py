"""Spec + data -> program: checks what the user gave, lays out the flat vectors and fills the kernels' tables.

Everything that can be refused is refused here, in words.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from em_vs_bayes.common.contract import (
    Array,
    Context,
    Stream,
)
from em_vs_bayes.data import read
from em_vs_bayes.data.intake import take
from em_vs_bayes.kernels import tables
from em_vs_bayes.kernels.streams import table
from em_vs_bayes.model.ordering import ordering
from em_vs_bayes.model.own import Model
from em_vs_bayes.model.spec import Spec
from em_vs_bayes.program.compiled import CompiledProgram
from em_vs_bayes.program.open import open_program
from em_vs_bayes.program.placed import Placed
from em_vs_bayes.program.placing import place, tables_of
from em_vs_bayes.program.program import Program

AS_USUAL: Any = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}  # whatever np.seterr says


@np.errstate(**AS_USUAL)
def compile(
    spec: Spec,
    y: Any,
    *,
    exog: Any = None,
    lengths: Any = None,
    weights: Any = None,
    labels: Any = None,
    like: Program | None = None,
    fitting: bool = True,
    index: Any = None,
) -> Program:
    """The program that every method runs.

    Parameters
    ----------
    spec : Spec
    y : array_like, frame or dict
    exog : array_like (n, p), optional
        Design matrix of a regression.
    lengths : array_like of int, str or None
        Of consecutive sequences; see `Spec.fit`.
    weights : array_like (n,), optional
    labels : array_like (n,), optional
    like : Program, optional
        A fitted program whose centres (and priors) the new data take on: for prediction.
    fitting : bool
        Whether parameters are to be estimated; where they are given, data from which none could be will do.
    index : pandas.Index, optional
        Labels of the rows, where ``y`` does not bring them.

    Raises
    ------
    ValueError, TypeError
        Naming the argument, what it got and what it wants.
    """
    if isinstance(spec, Model):
        return open_program(spec, y, exog=exog, lengths=lengths, weights=weights, labels=labels)
    k, latent = spec.size, spec.latent
    if exog is not None and not spec.model_emission.takes_exog:
        raise ValueError(
            f"exog does not apply to {type(spec).__name__} with {spec.model_emission!r}; it is for regressions "
            "without a formula."
        )
    order = ordering(spec)
    if lengths is not None and not latent.sequential:
        raise ValueError(f"lengths does not apply to {type(spec).__name__}: its rows are independent.")
    if labels is not None and not spec.leading:
        raise ValueError(f"labels does not apply to {type(spec).__name__}: it has no components or states.")
    given = take(
        y,
        sequential=latent.sequential,
        univariate=spec.model_emission.univariate,
        exog=exog,
        lengths=lengths,
        weights=weights,
        labels=labels,
        like=None if like is None else like.names,
        by_position=not spec.model_emission.by_name,
        index=index,
    )
    y, exog, starts = given.y, given.exog, given.starts
    if like is not None and like.exog is not None and exog is None:
        raise ValueError(
            f"exog is missing: the model was fitted with exog, column(s) {list(like.predictors.popitem()[1])}."
        )
    case_weights = _weights(given.weights, read.rows(y), starts)
    context = Context(
        priors=order.priors,
        fixed=spec.fixed,
        leading=spec.leading,
        like=None if like is None else {**like.centre, **like.designs},
        weights=case_weights if case_weights.size else None,
        exog=exog,
        fitting=fitting and like is None,
    )
    streams = spec.model_emission.streams(y, k, context)
    if like is not None:
        fitted = like.placed[-len(streams) :]
        streams = tuple(replace(s, block=old.block) for s, old in zip(streams, fitted, strict=True))
    n = len(streams[0].columns)
    _check_rows(streams, spec, n, fitting=context.fitting)
    known = _labels(given.labels, n, k)
    if order.names and (known >= 0).any():
        raise ValueError("labels and ordered exclude each other: known components already label the parameters.")
    own = latent.blocks(context)
    data = _data(streams, case_weights, known, starts)
    placed = place([*(("", block) for block in own), *((s.prefix, s.block) for s in streams)])
    centre = {stream.prefix + "y": stream.centre for stream in streams}
    centre |= {stream.prefix + "basis": stream.basis for stream in streams if stream.basis is not None}
    return CompiledProgram(
        spec=spec,
        latent=latent,
        n=n,
        y=y,
        data=data,
        streams=_stream_table(streams, placed[len(own) :]),
        placed=placed,
        centre=centre,
        order=order,
        tables=tables_of(placed, order, centre, k),
        n_latent=len(own),
        exog=exog,
        designs={stream.prefix + "design": stream.design for stream in streams if stream.design is not None},
        index=given.index,
        names=given.names,
        remarks=given.remarks,
        undetermined=next((stream.undetermined for stream in streams if stream.undetermined), ""),
        raw=_raw(streams),
    ).addressed()


def _raw(streams: tuple[Stream, ...]) -> Array | None:
    """Columns of y as the user sees them, where that is not how kernels do."""
    if all(stream.seen is None for stream in streams):
        return None
    return np.hstack([stream.columns if stream.seen is None else stream.seen for stream in streams])


def _check_rows(streams: tuple[Stream, ...], spec: Spec, n: int, *, fitting: bool) -> None:
    k, nothing = spec.size, np.ones(n, dtype=bool)
    for stream in streams:
        nothing &= _unseen(stream)
    if nothing.all():
        raise ValueError("y has no observed value.")
    # in a sequence, a row without values says that time passed; one regression for all rows can predict it
    if nothing.any() and spec.leading and not spec.latent.sequential:
        raise ValueError(
            f"y has {nothing.sum()} row(s) with no observed value (first: row {int(np.argmax(nothing))}): "
            "they say nothing. Drop them."
        )
    meant = any(name not in spec.latent_dims for name in spec.priors)  # priors of one's own see to a posterior
    if fitting and k > 1 and not (spec.latent.sequential or meant):  # states differ in what follows them, too
        head, distinct = max(20 * k, 1000), 0
        for stop in (head, n):  # the first rows nearly always settle it
            if distinct < k:
                distinct = len(np.unique(np.hstack([s.columns[:stop] for s in streams]), axis=0))
        if distinct < k:
            raise ValueError(
                f"n_components={k} is more than the {distinct} distinct row(s) of y. Ask for fewer, or give the "
                "emission's parameters priors that you mean."
            )


def _unseen(stream: Stream) -> NDArray[np.bool_]:
    if stream.kind in (tables.GAUSS_FULL, tables.GAUSS_DIAG, tables.STUDENT):
        return np.isnan(stream.columns).all(axis=1)
    if stream.kind in tables.REGRESSIONS:
        return np.isnan(stream.columns[:, stream.size - 1])
    if stream.kind == tables.LOOKUP:
        return stream.columns[:, 0] < 0
    return ~stream.columns.any(axis=1)


def _weights(weights: Any, n: int, starts: NDArray[np.int64]) -> Array:
    if weights is None:
        return np.empty(0)
    array = read.vector(weights, "weights", "case weights")
    if len(array) != n:
        raise ValueError(f"weights has {len(array)} value(s); y has {n} row(s).")
    if np.isnan(array).any() or (array < 0).any():
        raise ValueError(f"weights must be non-negative numbers; got {array[np.isnan(array) | (array < 0)][0]:g}.")
    if array.sum() <= 0:
        raise ValueError("weights are all zero.")
    for start, stop in itertools.pairwise(starts):
        if (array[start:stop] != array[start]).any():
            raise ValueError(
                f"weights must be the same within a sequence (a power of its likelihood); rows {start} to {stop - 1} "
                f"have {array[start:stop].min():g} to {array[start:stop].max():g}."
            )
    return np.require(array, float, ["C", "A", "W"])


def _labels(labels: Any, n: int, k: int) -> NDArray[np.int64]:
    if labels is None:
        return np.empty(0, dtype=np.int64)
    array = np.asarray(read.vector(labels, "labels", "known components or states"))
    if len(array) != n:
        raise ValueError(f"labels has {len(array)} value(s); y has {n} row(s).")
    if not np.isin(array, np.arange(-1, k)).all():
        bad = array[~np.isin(array, np.arange(-1, k))][0]
        raise ValueError(f"labels must be -1 (unknown) or 0, ..., {k - 1}; got {bad:g}.")
    return array.astype(np.int64)


def _data(
    streams: tuple[Stream, ...], weights: Array, labels: NDArray[np.int64], starts: NDArray[np.int64]
) -> tables.Data:
    y = streams[0].columns if len(streams) == 1 else np.hstack([s.columns for s in streams])
    gaussian = np.concatenate(
        [np.full(s.columns.shape[1], s.kind not in (tables.LINEAR, tables.COUNTS, tables.LOOKUP)) for s in streams]
    )
    pattern, observed = _patterns(y, gaussian)
    bases = [s.base for s in streams if s.base is not None]
    return tables.Data(
        columns=np.require(y.T, float, ["C", "A", "W"]),  # one array type, so kernels compile once
        centre=np.concatenate([s.centre for s in streams]),
        base=sum(bases[1:], bases[0]).astype(float) if bases else np.empty(0),
        weights=weights,
        labels=labels,
        pattern=pattern,
        observed=observed,
        starts=starts,
        known=np.ravel(streams[0].products) if len(streams) == 1 and streams[0].products is not None else np.empty(0),
    )


def _patterns(y: Array, gaussian: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Which pattern of missingness each row has; 0 is complete. Empty when nothing is missing."""
    complete = np.ones((1, y.shape[1]), dtype=bool)
    if not any(np.isnan(y[:, j]).any() for j in np.flatnonzero(gaussian)):
        return np.empty(0, dtype=np.int64), complete
    unique, inverse = np.unique(np.vstack([~np.isnan(y), complete]), axis=0, return_inverse=True)
    whole = inverse[-1]
    order = np.r_[whole, np.delete(np.arange(len(unique)), whole)]
    rank = np.empty(len(unique), dtype=np.int64)
    rank[order] = np.arange(len(unique))
    return rank[np.ravel(inverse)[:-1]], np.ascontiguousarray(unique[order])


def _stream_table(streams: tuple[Stream, ...], placed: tuple[Placed, ...]) -> tables.Streams:
    rows, col = [], 0
    for s, p in zip(streams, placed, strict=True):
        rows.append((s.kind, col, s.size, p.pot, p.stat))
        col += s.columns.shape[1]
    return table(*zip(*rows, strict=True))
