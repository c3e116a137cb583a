"""Which rows stand or fall together: clusters that the user names, sequences, or each row on its own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from em_vs_bayes.common.arguments import as_array, brief
from em_vs_bayes.data.intake import aligned_with
from em_vs_bayes.data.numbers import is_series
from em_vs_bayes.fit.record import Record


def cluster_codes(fit: Record, clusters: Any) -> tuple[NDArray[np.int64], int]:
    """The cluster 0, ..., G - 1 of every row (n,), and G.

    Parameters
    ----------
    clusters : array_like (n,) or str
        Any labels, or the name of a column of the frame that was fitted.

    Raises
    ------
    ValueError
        For labels that are missing or do not fit the rows or the sequences, and for a single cluster.
    """
    import pandas as pd

    program = fit.program
    if isinstance(clusters, str):
        columns = list(getattr(program.y, "columns", program.y if isinstance(program.y, dict) else ()))
        if clusters not in columns:
            raise ValueError(f"clusters={brief(clusters)} is no column of the data; they have {columns}.")
        clusters = program.y[clusters]
    elif is_series(clusters) and not isinstance(clusters, pd.Index):
        own = pd.RangeIndex(program.n) if program.index is None else program.index
        clusters = aligned_with(own, clusters, "clusters")
    labels = as_array(clusters)
    if labels is None:
        raise ValueError(f"clusters must be ({program.n},), one label per row; got {brief(clusters)}.")
    if labels.shape != (program.n,):
        raise ValueError(f"clusters must be ({program.n},), one label per row; got shape {labels.shape}.")
    values = pd.Series(labels, dtype=object)
    if values.isna().any():
        raise ValueError(
            f"clusters is missing in {int(values.isna().sum())} row(s) (first: row {values.isna().argmax()})."
        )
    codes, names = pd.factorize(values)
    if len(names) < 2:
        raise ValueError("clusters has one cluster; what varies between clusters takes two at least.")
    starts = program.data.starts
    if starts.size and (codes != np.repeat(codes[starts[:-1]], np.diff(starts))).any():
        raise ValueError("clusters must be the same within a sequence: a sequence stands or falls whole.")
    return codes.astype(np.int64), len(names)
