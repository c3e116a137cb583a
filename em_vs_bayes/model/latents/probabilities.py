"""What latent structures share: blocks of probabilities from the user's priors, and probabilities checked in words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from em_vs_bayes.common.arguments import brief
from em_vs_bayes.common.contract import Array, Context
from em_vs_bayes.common.supports import check_support
from em_vs_bayes.common.values import probability_table
from em_vs_bayes.model.blocks import ProbabilityRows
from em_vs_bayes.model.emissions.linear import resolve_prior
from em_vs_bayes.model.priors import Dirichlet, Prior


def probability_block(
    name: str, given: Any, default: Dirichlet, shape: tuple[int, int], dims: tuple[str, ...], context: Context
) -> ProbabilityRows:
    """Rows of probabilities under the user's prior (or the default) with the user's fixed elements."""
    own = replace(context, priors={name: given} if given is not None else {})
    prior = resolve_prior(own, name, (Dirichlet,), default, shape)
    if isinstance(prior, Prior):
        raise TypeError(f"priors[{name!r}] must be Dirichlet; got {brief(prior)}.")
    return ProbabilityRows(name, prior, dims, probability_table(context.fixed.get(name), shape, name))


def simplex(value: Any, name: str) -> Array:
    """Probabilities whose last axis sums to one."""
    array = np.asarray(value, dtype=float)
    check_support(array, name, "simplex")
    return array
