"""Whether Gibbs sampling is slow, and where the marginal posterior lies on which it then moves too.

Near the mode a sweep forgets the share I_c^-1 I_o of where it was, I_o being the observed information and I_c that of
the completed data: EM and Gibbs creep along the same eigenvectors (Dempster, Laird & Rubin 1977; Sahu & Roberts 1999,
Statistics and Computing 9). Both come from one gradient: I_o as its statistics move with the parameters (Fisher's
identity), I_c as they stay.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from em_vs_bayes.common.contract import Array
from em_vs_bayes.methods.em import climbed
from em_vs_bayes.program.differences import information
from em_vs_bayes.program.program import Program

SLOW = 0.4  # forgotten in a sweep: above it, moves (some three E-steps each) cost more than they bring
LEAST = 1e-3  # and below it, the mode's curvature is no guide to how wide the posterior is
WIDE = 1.3  # posteriors of what is hidden are skewed: their curvature makes them narrower than they are


def where_slow(program: Program, start: Any) -> tuple[Array, Array]:
    """Centre (D,) and root (D, D) of the marginal posterior of x, if Gibbs is to move on it; else with D = 0.

    It is where a sweep forgets little, in one regression with responses seen through limits or Student t errors. The
    data alone decide, before the first sweep.
    """
    nowhere = np.empty(0), np.empty((0, 0))
    if program.k != 1 or program.ndim == 0 or not program.hides_responses:
        return nowhere
    theta = climbed(program, start, np.random.default_rng(0))  # one component: nothing is left to chance
    x = program.unconstrain(theta)
    if not np.isfinite(x).all():
        return nowhere
    _, held = program.expect(program.potentials(theta))

    def complete(at: Array) -> tuple[float, Array]:
        return 0.0, program.slope(at, theta, held)

    def observed(u: Array) -> tuple[float, Array]:
        at = x + inverse.T @ u
        evidence, stats = program.expect(program.potentials(program.constrain(at, theta)))
        return evidence, inverse @ program.slope(at, theta, stats)

    try:
        inverse = np.linalg.inv(np.linalg.cholesky(information(complete, x).matrix))
        seen = information(observed, np.zeros_like(x)).matrix  # in units of complete data's errors
        shares, vectors = np.linalg.eigh(seen)
    except (np.linalg.LinAlgError, ValueError):  # no maximum there, or a step left the support
        return nowhere
    if not shares[0] < SLOW:
        return nowhere
    long = inverse.T @ vectors / np.sqrt(np.maximum(shares, LEAST))
    return x, WIDE * np.linalg.cholesky(long @ long.T)
