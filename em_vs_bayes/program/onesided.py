"""Components and states whose responses are all known on one side alone: zeros of a censored regression, as a rule.

Any line far enough on that side, with any sigma, makes such rows sure. The likelihood never falls as the one runs off
or the other to 0, and has no maximum; under a prior both are the prior's.
"""

from __future__ import annotations

import numpy as np

from em_vs_bayes.common.contract import Array
from em_vs_bayes.kernels import tables
from em_vs_bayes.program.program import Program

CENSORED = (tables.CENSORED, tables.ROBUST)
NONE = 1e-3  # expected rows


def held(program: Program, theta: Array) -> list[int]:
    """Components to which at least one row belongs, and all but `NONE` known from below alone, or all from above."""
    streams, k = program.streams, program.k
    if k == 1 or not np.isin(streams.kind, CENSORED).any():
        return []
    own = program.probabilities(theta) * program.case_weights[:, None]
    out = np.zeros(k, dtype=bool)
    for placed, kind, first, size in zip(program.placed[program.n_latent :], *streams[:3], strict=True):
        if kind in CENSORED:
            low, high = program.data.y[:, first + size - 1], program.data.y[:, first + size]
            rows = own[~np.isnan(low)].sum(axis=0)
            told = np.minimum(own[np.isfinite(low)].sum(axis=0), own[np.isfinite(high)].sum(axis=0))
            free = [np.isnan(fixed).reshape(k, -1).any(axis=1) for fixed in placed.block.fixed_values().values()]
            out |= (rows >= 1.0) & (told < NONE) & np.any(free, axis=0)
    return np.flatnonzero(out).tolist()


def words(program: Program, components: list[int], flat_prior: bool) -> str:
    """A note on them, by the names of the result."""
    part = program.spec.leading
    which = f"{part}{'s' if len(components) > 1 else ''} {', '.join(map(str, components))}"
    told = f"All responses in {which} are known on one side alone (censored), and any line far enough on that side, "
    if flat_prior:
        return (
            f"{told}with any sigma, explains them: those of its parameters run off, and no number stands for them. "
            f"The rest of the estimate is not touched by that. Ask for fewer {part}s, fix what is known, or give "
            "priors that you mean with objective='map', vi, gibbs or nuts."
        )
    return f"{told}with any sigma, explains them: their coefficients and sigma are what the priors say of them."
