"""Blocks laid out in flat vectors, and the tables that the kernels read of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import lgamma
from typing import Any

import numpy as np

from em_vs_bayes.common.arguments import brief
from em_vs_bayes.common.contract import Array, Block, Layout
from em_vs_bayes.kernels import gibbs, tables
from em_vs_bayes.model.ordering import Ordering
from em_vs_bayes.model.priors import Prior
from em_vs_bayes.program.coordinates import coordinates
from em_vs_bayes.program.placed import Placed, Tables


def place(blocks: Sequence[tuple[str, Block]]) -> tuple[Placed, ...]:
    """Prefixes and blocks with the offsets of their pieces, one after the other."""
    placed, theta, pot, stat, hyper = [], 0, 0, 0, 0
    for prefix, block in blocks:
        placed.append(Placed(prefix, block, theta, pot, stat, hyper))
        theta += sum(int(np.prod(p.shape)) for p in block.parameters)
        pot += sum(int(np.prod(shape)) for _, shape in block.potentials)
        stat += sum(int(np.prod(shape)) for _, shape in block.statistics)
        hyper += len(block.hyper())
    return tuple(placed)


def tables_of(placed: tuple[Placed, ...], order: Ordering, centre: Mapping[str, Array], k: int) -> Tables:
    """What the kernels read of placed blocks."""
    theta = Layout()
    for p in placed:
        for parameter in p.block.parameters:
            theta = theta.add(p.prefix + parameter.name, parameter.shape)
    fixed = np.concatenate([np.ravel(p.block.fixed_values()[q.name]) for p in placed for q in p.block.parameters])
    shift = np.zeros(theta.size)
    for name, where, shape in theta.items():
        origin = centre.get(name.removesuffix("means") + "y", np.zeros(1))
        if name.endswith("means") and origin.any():  # else they are relative to nothing
            shift[where] = np.broadcast_to(origin, shape).ravel()
    element, code, abc, unknown = _elementwise(placed, theta)
    prior = tables.Prior(
        hyper=np.concatenate([p.block.hyper() for p in placed]).astype(float),
        element=element,
        density=code,
        abc=abc,
        shift=shift,
        free=np.isnan(fixed),
        constant=np.array([lgamma(k + 1) if order.exchangeable else 0.0]),
    )
    blocks = tables.Blocks(*np.ascontiguousarray(np.array([p.row() for p in placed], dtype=np.int64).T))
    return Tables(
        theta=theta,
        fixed=fixed,
        blocks=blocks,
        prior=prior,
        coordinates=coordinates(placed, theta, fixed, order, shift),
        plan=_plan(placed, theta, prior, order),
        unknown=unknown,
    )


def _elementwise(placed: tuple[Placed, ...], theta: Layout) -> tuple[Any, Any, Any, tuple[str, ...]]:
    """The elementwise densities, and the names of priors that only PyMC knows."""
    rows: list[tuple[int, int, float, float, float]] = []
    unknown = []
    for p in placed:
        for name, prior in p.block.elementwise().items():
            start, shape = theta.offset(p.prefix + name), dict(theta.shapes)[p.prefix + name]
            if not prior.compiled:
                unknown.append(f"{p.prefix + name} ~ {prior!r}")
                continue
            _check_support(prior, p, name)
            code, a, b, c = prior.columns(*shape)
            rows += [
                (start + i, code, *values)
                for i, values in enumerate(zip(np.ravel(a), np.ravel(b), np.ravel(c), strict=True))
                if np.isnan(np.ravel(p.block.fixed_values()[name])[i])
            ]
    element = np.array([r[0] for r in rows], dtype=np.int64)
    code = np.array([r[1] for r in rows], dtype=np.int64)
    return element, code, np.array([r[2:] for r in rows], dtype=float).reshape(-1, 3), tuple(unknown)


def _check_support(prior: Prior, placed: Placed, name: str) -> None:
    support = next(q.support for q in placed.block.parameters if q.name == name)
    low, high = (float(np.min(prior.support()[0])), float(np.max(prior.support()[1])))
    allowed = {"real": (-np.inf, np.inf), "positive": (0.0, np.inf), "unit": (0.0, 1.0)}[support]
    if low < allowed[0] or high > allowed[1]:
        hint = " For a Normal cut off at 0, use Prior('TruncatedNormal', mu=..., sigma=..., lower=0)."
        hint = hint if support == "positive" and prior.name == "Normal" else ""
        raise ValueError(
            f"priors[{placed.prefix + name!r}]={brief(prior)} gives mass outside the parameter's support "
            f"({support}: {allowed[0]:g} to {allowed[1]:g}).{hint}"
        )


def _plan(placed: tuple[Placed, ...], theta: Layout, prior: tables.Prior, order: Ordering) -> tables.Plan:
    codes = {"conjugate": gibbs.CONJUGATE, "means": gibbs.MEANS, "spread": gibbs.SPREAD}
    rows: list[tuple[int, int, int, int, int]] = []
    for b, p in enumerate(placed):
        for step in p.block.steps():
            if step in codes:
                rows.append((codes[step], b, -1, -1, -1))
                continue
            first, last = theta.offset(p.prefix + p.block.parameters[0].name), p.end
            for e, position in enumerate(prior.element):
                if first <= position < last:
                    below, above = order.neighbours(int(position), theta)
                    rows.append((gibbs.SLICE, b, e, below, above))
    return gibbs.plan(rows)
