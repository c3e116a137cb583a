"""Undo label switching in posterior draws, before anything is averaged; the raw draws stay available."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from em_vs_bayes.common import align
from em_vs_bayes.common.contract import Array
from em_vs_bayes.model.ordering import exchangeable
from em_vs_bayes.program.program import Program


def relabel(program: Program, draws: Array, reference: Array | None) -> tuple[Array, NDArray[np.int64] | None]:
    """Aligned draws (chain, draw, P), and the permutations (chain, draw, K); None where labels are identified.

    Parameters
    ----------
    reference : ndarray (P,) or None
        The fit whose labels to take (EM or MAP); None takes the draw of highest posterior density among a few hundred.

    Notes
    -----
    With an order constraint the draws are sorted. Otherwise Stephens' (2000) criterion on the responsibilities of some
    hundred rows; components identified by priors, fixed values or known labels are left as they are.
    """
    if program.k == 1 or (program.data.labels >= 0).any() or not exchangeable(program.spec):
        return draws, None
    flat = draws.reshape(-1, draws.shape[-1])
    if program.order.names:
        values = program.tables.theta.unpack(flat)[program.order.names[0]].reshape(len(flat), program.k)
        permutation = np.argsort(values, axis=1, kind="stable")
    else:
        sample = program.sample()
        target = reference if reference is not None else _highest(program, flat)
        permutation = align.stephens(
            lambda s: sample.probabilities(flat[s]), sample.probabilities(target), draws=len(flat)
        )
    aligned = program.permuted(flat, permutation)
    return aligned.reshape(draws.shape), permutation.reshape(*draws.shape[:2], program.k)


def _highest(program: Program, flat: Array) -> Array:
    few = flat[align.even_rows(len(flat), 200)]
    known = not program.tables.unknown
    heights = [program.log_likelihood(t) + (program.log_prior(t) if known else 0.0) for t in few]
    return few[int(np.argmax(heights))]
