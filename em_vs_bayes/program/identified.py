"""Whether the likelihood of one censored or truncated regression has a maximum: what is so in the data, before a climb.

`recession`, `spikes` and `tilted` (`model.emissions`) hold the mathematics. As with separation in a logistic
regression, a dummy whose rows are all censored is enough to have none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from em_vs_bayes.common.contract import Array
from em_vs_bayes.kernels import tables
from em_vs_bayes.program.program import Program

if TYPE_CHECKING:
    from em_vs_bayes.model.emissions.recession import Known

ONE = (tables.CENSORED, tables.TRUNCATED, tables.ROBUST)
ON, OFF = 0.1, 100.0  # sigmas: nearer to its line, farther from it, where a climb has all but left sigma behind
WAYS = "Use objective='map', or vi, gibbs or nuts with priors that you mean."


def runs_off(program: Program) -> str | None:
    """What runs off, in words; "" where there is a maximum, None where that is not known.

    It is known of one regression for all rows with normal errors. Under Student t errors it is not concave; what runs
    off with normal ones does so there too, but for an infinite sigma, and sigma to 0 about fewer rows.
    """
    if not _of_kinds(program, ONE):
        return None
    if program.streams.kind[0] == tables.TRUNCATED:
        return _truncated(program)
    found = _censored(program)
    if found or program.streams.kind[0] != tables.ROBUST:
        return found
    return _spike(program, "without bound") if _gain(program) > 0.0 else None


def narrows(program: Program, theta: Array) -> str:
    """Words where a climb under Student t errors follows a line through a few rows, sigma to 0; else "".

    For data whose likelihood has a limit there that no sigma reaches: what is higher inside is a maximum as any other.
    """
    if not _of_kinds(program, (tables.ROBUST,)):
        return ""
    p, values = int(program.streams.size[0]) - 1, program.tables.theta.unpack(theta)
    last = program.placed[-1]
    coefficients, sigma = (np.ravel(values[last.prefix + q.name]) for q in last.block.parameters)
    x, low, high = program.data.y[:, :p], *program.data.y[:, p : p + 2].T
    away = np.abs(low - x @ coefficients)[low == high] / sigma[0]
    if not ((away < ON) | (away > OFF)).all() or _gain(program) != 0.0:
        return ""
    return _spike(program, "towards a bound that no sigma reaches")


def _of_kinds(program: Program, kinds: tuple[int, ...]) -> bool:
    """Whether this is one regression for all rows, of these kinds."""
    return program.k == 1 and len(program.streams.kind) == 1 and program.streams.kind[0] in kinds


def _gain(program: Program) -> float:
    """As `spikes.gain` has it."""
    from em_vs_bayes.model.emissions.spikes import gain

    known, _ = _known(program)
    return gain(known, float(program.seen[0, -1])) if known.spread else -np.inf


def _spike(program: Program, how: str) -> str:
    return (
        f"The likelihood has no maximum: it rises {how} as sigma runs to 0 about a line through some exact responses. "
        f"Errors with df={float(program.seen[0, -1]):g} hold the others, far as they are, too weakly against that: "
        f"raise df. Or {WAYS[0].lower()}{WAYS[1:]}"
    )


def _censored(program: Program) -> str:
    from em_vs_bayes.model.emissions.recession import only_shares, recession, spreads_out

    known, free = _known(program)
    x, p = known.x, int(program.streams.size[0]) - 1
    direction = recession(known)
    if direction is None:
        if only_shares(known):
            return (
                "The likelihood has no single maximum: responses are known to lie above or below limits that are on a "
                f"line themselves, which tells of coefficients / sigma and not of sigma. {WAYS}"
            )
        if program.streams.kind[0] == tables.CENSORED and spreads_out(known):
            return (
                "The likelihood has no maximum: responses are known on one side alone, and it still rises as sigma "
                f"runs to infinity, the coefficients with it. {WAYS}"
            )
        return ""
    if np.isneginf(known.low).all() or np.isposinf(known.high).all():
        return f"No maximum: all responses lie beyond limits, and nothing holds the line or sigma. {WAYS}"
    slopes = direction[:-1] * np.abs(x).max(axis=0, initial=0.0)
    if direction[-1] * _size(known.low, known.high) > 1e-7 * np.abs(slopes).max(initial=0.0):
        return f"The likelihood has no maximum: a line goes through all that is known of y, and sigma runs to 0. {WAYS}"
    run = np.abs(slopes) > 1e-6 * np.abs(slopes).max()
    where = ", ".join(
        f"{name} to {'inf' if slope > 0 else '-inf'}"
        for name, slope, one in zip(_names(program, p)[free], slopes, run, strict=True)
        if one
    )
    return (
        f"The likelihood has no maximum: it never falls while coefficients run off ({where}), for the rows that tell "
        f"of them are all censored on that side. {WAYS}"
    )


def _known(program: Program) -> tuple[Known, Any]:
    """What is known of the responses, and the places of the free coefficients."""
    from em_vs_bayes.model.emissions.recession import Known

    p, columns = int(program.streams.size[0]) - 1, program.seen
    rows, x, free, shift, spread = _free_design(program, p, columns)
    low, high = (columns[rows, p + j] - shift for j in range(2))
    return Known(x, low, high, program.case_weights[rows], spread), free


def _truncated(program: Program) -> str:
    from em_vs_bayes.model.emissions.tilted import spreads_out

    p, columns = int(program.streams.size[0]) - 1, program.seen
    rows, x, _, shift, spread = _free_design(program, p, columns)
    y, low, high = (columns[rows, p + j] - shift for j in range(3))
    if not (spread and spreads_out(x, y, low, high, program.case_weights[rows])):
        return ""
    return (
        "The likelihood has no maximum: responses fall off from a limit no faster than an exponential law, or towards "
        "none of two limits, and it still rises as sigma runs to infinity, the coefficients with it. " + WAYS
    )


def _free_design(program: Program, p: int, columns: Array) -> tuple[Any, Array, Any, Array, bool]:
    """Rows that count, columns and places of free coefficients, what fixed ones add to lines, whether sigma is free."""
    coefficients, sigma = (np.ravel(v) for v in program.placed[-1].block.fixed_values().values())
    rows = ~np.isnan(columns[:, p])
    if program.data.weights.size:
        rows &= program.data.weights > 0.0
    which: Any = slice(None) if rows.all() else np.flatnonzero(rows)
    x, free = columns[which, :p], np.isnan(coefficients)
    shift = x[:, ~free] @ coefficients[~free] if not free.all() else np.zeros(1)
    return which, x if free.all() else x[:, free], np.flatnonzero(free), shift, bool(np.isnan(sigma[0]))


def _names(program: Program, p: int) -> Array:
    """Names of the columns of the design; a mean has none."""
    designs = list(program.designs.values())
    return np.array(designs[0].names if designs else ("the mean",) * p, dtype=object)


def _size(low: Array, high: Array) -> float:
    ends = np.abs(np.concatenate([low, high]))
    return float(ends[np.isfinite(ends)].max(initial=0.0)) or 1.0


HIDDEN = 1e5  # imagined rows per seen one in all, from where VI cannot begin: E-steps at a point count to 1e6
MOST_IMAGINED = 1e10  # hidden rows per seen one: beyond, what the seen ones say is lost in the sums' rounding


def astray(program: Program, stats: Array) -> tuple[int, ...]:
    """Components that truncation hides so much of that sums over their rows hold nothing of the seen ones."""
    if not program.truncates:
        return ()
    rows = _imagined(program, stats)
    return tuple(int(k) for k in np.flatnonzero(~(rows <= MOST_IMAGINED * program.total_weight)))


def far_off(program: Program, stats: Array) -> bool:
    """Whether truncation hides nearly all rows at the point of these expected statistics."""
    return program.truncates and float(_imagined(program, stats).sum()) > HIDDEN * program.total_weight


def words_astray(program: Program, components: tuple[int, ...]) -> str:
    """A note on them, by the names of the result."""
    which = f" of {program.spec.leading}(s) {', '.join(map(str, components))}" if program.spec.leading else ""
    return (
        f"Truncation hides all but one row in ten thousand million{which}: responses there fall off from the limit no "
        "faster than an exponential law, sigma runs to infinity and coefficients with it. Use fewer "
        f"{program.spec.leading or 'component'}s, or gibbs or nuts with priors that you mean."
    )


def _imagined(program: Program, stats: Array) -> Array:
    """Rows counted in each component (K,), those that truncation hides too: the most of any stream."""
    blocks = zip(program.placed[program.n_latent :], program.streams.kind, strict=True)
    rows = [block.stats(stats)["n"] for block, kind in blocks if kind == tables.TRUNCATED]
    return np.asarray(np.max(rows, axis=0))
