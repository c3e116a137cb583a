"""Whether the likelihood of a censored or truncated regression has a maximum.

In (d, t) = (b / sigma, 1 / sigma) it is log-concave (Olsen 1978), and has one maximum unless there is a direction in
which it never falls: one that takes no exact response off its line, and no line away from what is known of its response
(Silvapulle & Burridge 1986, J. R. Statist. Soc. B 48, 100-106). Whether there is one is a linear program. As with
separation in a logistic regression, a dummy whose rows are all censored is enough.

That of a truncated one has none where responses fall off from the limit more slowly than any normal tail (with an
intercept alone: a coefficient of variation above one; del Castillo 1994): it rises towards an exponential law. EM then
climbs on and on.
"""

from __future__ import annotations

import numpy as np

from em_vs_bayes.contract import Array
from em_vs_bayes.kernels import tables
from em_vs_bayes.program import Program

FEW = 5000  # rows that are always looked at; more are where some response is as good as certain
FAR = 4.75  # standard deviations beyond which a limit is as good as certain to hold: the odds are a million to one
LITTLE = 0.05  # of the population inside the limits
FOUND = 1e-4  # the program's objective: zero, or about as large as the number of rows that gain


def runs_off(program: Program, theta: Array) -> str | None:
    """What runs off, in words; None where there is a maximum, or where this is not one censored regression."""
    streams = program.streams
    if program.k != 1 or streams.kind.tolist() != [tables.CENSORED]:
        return None
    if program.n > FEW and not _certain(program, theta):
        return None
    direction = _direction(program)
    if direction is None:
        return None
    slopes, shrinks = direction[:-1], direction[-1] > 1e-7 * np.abs(direction).max()
    ways = "Use objective='map', or vi, gibbs or nuts with priors that you mean."
    if shrinks:
        return f"The likelihood has no maximum: a line goes through all that is known of y, and sigma runs to 0. {ways}"
    names = next(iter(program.designs.values())).names
    run = np.abs(slopes) > 1e-6 * np.abs(slopes).max()
    where = ", ".join(
        f"{name} to {'inf' if slope > 0 else '-inf'}"
        for name, slope, one in zip(names, slopes, run, strict=True)
        if one
    )
    return (
        f"The likelihood has no maximum: it never falls while coefficients run off ({where}), for the rows that tell "
        f"of them are all censored on that side. {ways}"
    )


def hidden(program: Program, theta: Array) -> str | None:
    """That one truncated regression takes most of its population to be hidden, in words; else None."""
    if program.k != 1 or program.streams.kind.tolist() != [tables.TRUNCATED]:
        return None
    block = program.placed[-1]
    coefficients, sigma = (np.ravel(value) for value in block.params(theta).values())
    x, y = program.data.y[:, :-3], program.data.y[:, -3]
    z = (y - x @ coefficients) / sigma
    untruncated = -0.5 * z**2 - 0.5 * np.log(2.0 * np.pi) - np.log(sigma)
    inside = float(np.exp(np.nanmedian(untruncated - program.pointwise(theta))))
    if inside > LITTLE:
        return None
    return (
        f"At the estimate a share of {inside:.1g} of the population lies inside the limits (the median of rows). Where "
        "responses fall off from a limit like an exponential law, or rise towards both, the likelihood has no maximum. "
        "Use objective='map', or vi, gibbs or nuts with priors that you mean."
    )


def imagined(program: Program, theta: Array) -> float:
    """Rows that truncation hides for each one seen, as expected at theta: the most of any stream."""
    blocks = zip(program.placed[program.n_latent :], program.streams.kind, strict=True)
    truncated = [block for block, kind in blocks if kind == tables.TRUNCATED]
    if not truncated:
        return 0.0
    stats = program.expect(program.potentials(theta))[1]
    return max(float(block.stats(stats)["n"].sum()) for block in truncated) / program.total_weight


def _certain(program: Program, theta: Array) -> bool:
    """Whether the limits of some response are as good as certain to hold."""
    coefficients, sigma = (np.ravel(value) for value in program.placed[-1].params(theta).values())
    y, (sided, _) = program.prepared.y, program.prepared.parts  # what is known on one side is known from above there
    lines = y[:, :-2] @ coefficients
    room = y[:, -2] - lines
    room[sided:] = np.minimum(-room[sided:], y[sided:, -1] - lines[sided:])
    return bool((room > FAR * sigma).any())


def _direction(program: Program) -> Array | None:
    """(d, t), t >= 0, along which the likelihood never falls, in units of the predictors' lengths and of y.

    The one that gains most with no row gaining above one.
    """
    from scipy.optimize import linprog

    y, weights = program.data.y, program.data.weights
    rows = np.isfinite(y[:, -2:]).any(axis=1)  # seen
    if weights.size:
        rows &= weights > 0.0
    x, low, high = y[rows, :-2], y[rows, -2], y[rows, -1]
    ends = np.abs(np.concatenate([low, high]))
    unit = ends[np.isfinite(ends)].max(initial=0.0) or 1.0
    lengths = np.sqrt((x**2).mean(axis=0))
    x, low, high = x / lengths, low / unit, high / unit
    exact = low == high
    above, below = np.isfinite(low) & ~exact, np.isfinite(high) & ~exact
    gains = np.vstack([np.column_stack([x, -low])[above], np.column_stack([-x, high])[below]])
    held = np.column_stack([-x, low])[exact]
    coefficients, sigma = (np.ravel(v) for v in program.placed[-1].block.fixed_values().values())
    bounds = [(None, None)] * x.shape[1] + [(0.0, 1.0 if np.isnan(sigma[0]) else 0.0)]
    for j in np.flatnonzero(~np.isnan(coefficients)):  # b_j stays: d_j = b_j t
        row = np.zeros(x.shape[1] + 1)
        row[j], row[-1] = 1.0, -coefficients[j] * lengths[j] / unit
        held = np.vstack([held, row])
    objective = gains.sum(axis=0) + np.eye(x.shape[1] + 1)[-1]
    found = linprog(
        -objective,
        A_ub=np.vstack([gains, -gains]),
        b_ub=np.concatenate([np.ones(len(gains)), np.zeros(len(gains))]),
        A_eq=held if len(held) else None,
        b_eq=np.zeros(len(held)) if len(held) else None,
        bounds=bounds,
    )
    if found.x is None or objective @ found.x < FOUND:
        return None
    return np.asarray(found.x)
