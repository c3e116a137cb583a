"""The table of unconstrained coordinates: which x makes which element of theta, and how."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from em_vs_bayes.common.contract import Array, Layout, Parameter
from em_vs_bayes.kernels import tables
from em_vs_bayes.model.ordering import Ordering

NEAR = 1e-10  # to 0 or 1: a probability that close is on the boundary
ELEMENTWISE = {"real": tables.IDENTITY, "positive": tables.LOG, "unit": tables.LOGIT}


def coordinates(
    placed: Sequence[Any], theta: Layout, fixed: Array, order: Ordering, shift: Array
) -> tables.Coordinates:
    """One unit per group of elements that share a map; fixed elements get none.

    ``shift`` (P,) is what theta lacks of the coordinates that priors are in.
    """
    units: list[tuple[int, int, list[int], int, float, float]] = []  # code, nx, where, ordered, a, b
    for p in placed:
        priors = p.block.elementwise()
        for parameter in p.block.parameters:
            start = theta.offset(p.prefix + parameter.name)
            ordered = p.prefix + parameter.name in order.names
            units += _units(parameter, start, fixed, ordered, priors.get(parameter.name), shift)
    nx = np.array([u[1] for u in units], dtype=np.int64)
    count = np.array([len(u[2]) for u in units], dtype=np.int64)
    return tables.Coordinates(
        code=np.array([u[0] for u in units], dtype=np.int64),
        x=np.concatenate([[0], np.cumsum(nx)[:-1]]).astype(np.int64),
        nx=nx,
        first=np.concatenate([[0], np.cumsum(count)[:-1]]).astype(np.int64),
        ntheta=count,
        ordered=np.array([u[3] for u in units], dtype=np.int64),
        a=np.array([u[4] for u in units], dtype=float),
        b=np.array([u[5] for u in units], dtype=float),
        where=np.array([i for u in units for i in u[2]], dtype=np.int64),
    )


def _units(parameter: Parameter, start: int, fixed: Array, ordered: bool, prior: Any, shift: Array) -> list[Any]:
    positions = start + np.arange(int(np.prod(parameter.shape))).reshape(parameter.shape)
    if parameter.support == "simplex":
        rows = positions.reshape(-1, positions.shape[-1])
        free = [row[np.isnan(fixed[row])] for row in rows]
        masses = [1.0 - float(np.nansum(fixed[row])) for row in rows]
        return [
            (tables.SIMPLEX, len(row) - 1, row.tolist(), 0, mass, 0.0)
            for row, mass in zip(free, masses, strict=True)
            if len(row) > 1
        ]
    if parameter.support == "spd":
        d = parameter.shape[-1]
        matrices = positions.reshape(-1, d * d)
        return [(tables.SPD, d * (d + 1) // 2, m.tolist(), 0, 0.0, 0.0) for m in matrices if np.isnan(fixed[m[0]])]
    free_positions = positions.ravel()[np.isnan(fixed[positions.ravel()])]
    if free_positions.size == 0:
        return []
    if prior is not None and prior.name == "Uniform":
        lower, upper = (np.broadcast_to(v, parameter.shape).ravel() for v in prior.support())
        if ordered:
            raise ValueError(f"ordered={parameter.name!r} with a Uniform prior is not supported; use another prior.")
        return [
            (tables.INTERVAL, 1, [int(i)], 0, *(float(end[i - start] - shift[i]) for end in (lower, upper)))
            for i in free_positions
        ]
    return [(ELEMENTWISE[parameter.support], len(free_positions), free_positions.tolist(), int(ordered), 0.0, 0.0)]


def at_the_edge(placed: Sequence[Any], theta: Layout, values: Array) -> NDArray[np.bool_]:
    """Which elements of theta (P,) lie on the edge of their support, or so near that logarithms tell them no more."""
    edge = np.zeros(theta.size, dtype=bool)
    for p in placed:
        for parameter in p.block.parameters:
            where = slice(start := theta.offset(p.prefix + parameter.name), start + int(np.prod(parameter.shape)))
            if parameter.support == "simplex":
                edge[where] = values[where] < NEAR
            elif parameter.support == "unit":
                edge[where] = (values[where] < NEAR) | (values[where] > 1.0 - NEAR)
            elif parameter.support == "positive":
                edge[where] = values[where] <= 0.0
    return edge


def moved(placed: Sequence[Any], theta: Layout, fixed: Array, values: Array, at: Any, to: Any) -> Array:
    """theta (P,) with elements ``at`` moved ``to``; other free ones of a row of probabilities share what they leave."""
    out, gone = values.copy(), np.zeros(theta.size, dtype=bool)
    out[at], gone[at] = to, True
    for p in placed:
        for parameter in p.block.parameters:
            if parameter.support != "simplex":
                continue
            start = theta.offset(p.prefix + parameter.name)
            rows = (start + np.arange(int(np.prod(parameter.shape)))).reshape(-1, parameter.shape[-1])
            for row in rows[gone[rows].any(axis=1)]:
                rest = row[np.isnan(fixed[row]) & ~gone[row]]
                share = values[rest].sum()
                if share > 0.0:
                    out[rest] *= 1.0 - (out[row] - values[row]).sum() / share
    return out


def jacobian(table: tables.Coordinates, x: Array, theta: Array) -> Array:
    """Derivatives (P, D) of theta by the unconstrained coordinates, theta being theta(x)."""
    out = np.zeros((len(theta), len(x)))
    for u, code in enumerate(table.code):
        where = table.where[table.first[u] : table.first[u] + table.ntheta[u]]
        at = slice(table.x[u], table.x[u] + table.nx[u])
        if code == tables.SIMPLEX:
            own = _simplex_jacobian(theta[where])
        elif code == tables.SPD:
            own = _spd_jacobian(x[at], theta[where])
        else:
            own = _link_slopes(code, theta[where], table.a[u], table.b[u])[:, None] * _steps(x[at], table.ordered[u])
        out[where, at] = own
    return out


def _link_slopes(code: int, value: Array, low: float, high: float) -> Array:
    if code == tables.IDENTITY:
        return np.ones_like(value)
    if code == tables.LOG:
        return value
    low, high = (low, high) if code == tables.INTERVAL else (0.0, 1.0)
    return (value - low) * (high - value) / (high - low)


def _steps(x: Array, ordered: int) -> Array:
    """Of the elements before their link: each its own coordinate, or x_0 plus the steps exp(x_1), exp(x_2), ..."""
    if not ordered:
        return np.eye(len(x))
    return np.tril(np.ones((len(x), len(x)))) * np.concatenate([[1.0], np.exp(x[1:])])


def _simplex_jacobian(p: Array) -> Array:
    """Stick-breaking: each element is the share z_j of what the earlier ones leave."""
    left = np.cumsum(p[::-1])[::-1]
    z = p[:-1] / left[:-1]
    below = np.tril(np.ones((len(p), len(p) - 1)), -1)
    out = -p[:, None] * z * below
    out[np.arange(len(z)), np.arange(len(z))] = p[:-1] * (1.0 - z)
    return out


def _spd_jacobian(x: Array, flat: Array) -> Array:
    """Of L L', L lower triangular, its diagonal logarithmic, packed row by row."""
    d = round(len(flat) ** 0.5)
    rows, columns = np.tril_indices(d)
    lower = np.zeros((d, d))
    lower[rows, columns] = x
    diagonal = np.exp(np.diag(lower))
    lower[np.diag_indices(d)] = diagonal
    out = np.zeros((d, d, len(x)))
    for q, (i, k) in enumerate(zip(rows, columns, strict=True)):
        scale = diagonal[i] if i == k else 1.0
        out[i, :, q] += scale * lower[:, k]
        out[:, i, q] += scale * lower[:, k]
    return out.reshape(d * d, len(x))
