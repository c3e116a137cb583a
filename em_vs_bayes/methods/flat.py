"""Maxima that are not alone: parameters that the data cannot tell apart, in words.

A flat direction of curvature shows them inside the parameter space. On its boundary, where elements are held, a count
does: a mixture that gives each distinct row its observed share and has parameters to spare reaches the same height at
others (as a mixture of two Bernoulli components with one trial a row does: three parameters for one share).
"""

from __future__ import annotations

import numpy as np

from em_vs_bayes.common.contract import Array
from em_vs_bayes.program.program import Program

FLAT = 1e-7  # part of the completed data's information that is left, below which it is that of differences: none
MOVED = 0.1  # length of a step along a flat direction, in errors that completed data would have
SHARE = 1e-3  # of the change that changes most, below which a parameter does not move
SAME = 1e-8  # relative difference of log-likelihoods that are one
WAYS = (
    "Standard errors mean nothing there. Ask for fewer {parts}, fix what is known, give priors with "
    "objective='map' or a method that draws, or add data in which the {parts} differ (columns, trials a row, time)."
)
WAYS_OF_ONE = "Standard errors mean nothing there. Fix what is known, or give priors with objective='map'."


def along(program: Program, theta: Array, direction: Array) -> str:
    """A note of a flat direction, which names the parameters that move along it.

    Parameters
    ----------
    direction : ndarray (D,)
        In unconstrained coordinates, of length about one in errors that completed data would have.
    """
    x = program.unconstrain(theta)
    here, there = (program.public(program.constrain(x + h * direction, theta)) for h in (-MOVED, MOVED))
    moves = {}
    for name, value in here.items():
        size = np.abs(value).max(initial=0.0)
        moves[name] = float(np.abs(there[name] - value).max(initial=0.0) / size) if size else 0.0
    names = [name for name, move in moves.items() if move > SHARE * max(moves.values())]
    if not names:
        return ""
    return (
        f"Not identified: {', '.join(names)} can move{' together' if len(names) > 1 else ''} and the likelihood stays "
        f"where it is, so that this estimate is one of many that are as good. {_ways(program)}"
    )


def spare(program: Program, theta: Array) -> str:
    """A note where rows have their observed shares under the model, and fewer parameters would do; else ""."""
    size, columns = program.ndim, program.data.columns
    if program.k == 1 or program.latent.sequential or (program.data.labels >= 0).any() or np.isnan(columns).any():
        return ""
    head = np.unique(columns[:, : 4 * (size + 1)], axis=1)
    if head.shape[1] > size:
        return ""
    rows, which = np.unique(columns, axis=1, return_inverse=True)
    shares = np.bincount(np.ravel(which), program.case_weights, minlength=rows.shape[1])
    shares = shares[shares > 0.0]
    if len(shares) > size:
        return ""
    most = float((shares * np.log(shares / shares.sum())).sum())
    if abs(program.log_likelihood(theta) - most) > SAME * (1.0 + abs(most)):
        return ""
    return (
        f"Not identified: with {size} free parameters the model gives each of the {len(shares)} distinct rows its "
        f"observed share, as others do that are as good. {_ways(program)}"
    )


def _ways(program: Program) -> str:
    part = program.spec.leading
    return WAYS.format(parts=f"{part}s") if part and program.k > 1 else WAYS_OF_ONE
