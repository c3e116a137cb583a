"""What the scalars of a fit are called, and their draws."""

from __future__ import annotations

from itertools import product

import numpy as np

from em_vs_bayes.common import printable
from em_vs_bayes.common.contract import Array
from em_vs_bayes.fit.record import Record


def scalar_names(fit: Record) -> list[str]:
    """``means[0, 1]``, ``coefficients[age]`` and so on, in the order of the flattened parameters.

    Predictors go by their names, where a formula or a frame gave them any.
    """
    names, named = [], named_predictors(fit)
    for name, value in fit.params.items():
        dims = fit.spec.parameter_dims()[name]
        ticks = [named.get(dim, range(length)) for dim, length in zip(dims, value.shape, strict=True)]
        names += [f"{name}[{', '.join(map(str, where))}]" if where else name for where in product(*ticks)]
    return [printable.name(label) for label in names]


def named_predictors(fit: Record) -> dict[str, list[str]]:
    """Dims of predictors that a formula or a frame gave names."""
    return {
        dim: names for dim, names in fit.program.predictors.items() if names != [f"x{j}" for j in range(len(names))]
    }


def scalar_draws(fit: Record) -> dict[str, Array]:
    """Label of each public scalar -> its draws (chain, draw)."""
    assert fit.draws is not None
    public = fit.program.public(fit.draws)
    values = np.concatenate([v.reshape(*fit.draws.shape[:2], -1) for v in public.values()], axis=2)
    return dict(zip(scalar_names(fit), np.moveaxis(values, 2, 0), strict=True))


def flat_draws(fit: Record) -> Array:
    """Posterior draws of every public scalar, (chain * draw, Q)."""
    assert fit.draws is not None
    public = fit.program.public(fit.draws)
    rows = fit.draws.shape[0] * fit.draws.shape[1]
    return np.concatenate([v.reshape(rows, -1) for v in public.values()], axis=1)
