"""Order constraints: a labelling when the prior is exchangeable, a truncation when it differs by component."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from em_vs_bayes.common.arguments import brief
from em_vs_bayes.common.contract import Layout
from em_vs_bayes.model.priors import Beta, Gamma, Normal, Prior
from em_vs_bayes.model.spec import Spec


@dataclass(frozen=True, slots=True)
class Ordering:
    """Which parameters increase over components.

    Parameters
    ----------
    names : tuple of str
    exchangeable : bool
        The prior is the same for every component: the order only chooses labels (and multiplies the density by K!).
    priors : mapping
        The spec's priors; where the order truncates, conjugate ones are rewritten as elementwise densities.
    """

    names: tuple[str, ...]
    exchangeable: bool
    priors: Mapping[str, Any]

    def neighbours(self, position: int, theta: Layout) -> tuple[int, int]:
        """Positions in theta that bound the element at ``position``; -1 where nothing does."""
        if self.exchangeable:  # draws are sorted afterwards
            return -1, -1
        for name, where, _ in theta.items():
            if name in self.names and where.start <= position < where.stop:
                return (
                    position - 1 if position > where.start else -1,
                    position + 1 if position + 1 < where.stop else -1,
                )
        return -1, -1


def ordering(spec: Spec) -> Ordering:
    """What the spec's ``ordered`` means given its priors."""
    names = (spec.ordered,) if isinstance(spec.ordered, str) else tuple(spec.ordered or ())
    if not names or spec.size == 1:
        return Ordering((), False, spec.priors)
    for name in names:
        if name in spec.fixed and not np.isnan(np.asarray(spec.fixed[name], dtype=float)).all():
            raise ValueError(
                f"ordered={brief(name)} and fixed[{name!r}] exclude each other: the fixed values already label."
            )
    uneven = _uneven(spec)
    if len(names) > 1:
        uneven.append("several parameters are ordered")
    if not uneven:
        return Ordering(names, True, spec.priors)
    rewritten = dict(spec.priors)
    for name in names:
        prior = spec.priors.get(name)
        if prior is None:
            raise ValueError(
                f"ordered={brief(name)} truncates here, because the prior differs by component ({', '.join(uneven)}); "
                f"give {name!r} a prior of its own: priors={{{name!r}: ...}}."
            )
        rewritten[name] = _elementwise(prior, name)
    return Ordering(names, False, rewritten)


def exchangeable(spec: Spec) -> bool:
    """Whether the prior is the same for every component, so that relabelling leaves the posterior as it is."""
    return not _uneven(spec)


def _uneven(spec: Spec) -> list[str]:
    uneven = [name for name, prior in spec.priors.items() if _differs(prior, spec, name)]
    return uneven + [
        name
        for name, value in spec.fixed.items()
        if np.ndim(value) > _own_axes(spec, name, "") and _tells_apart(spec, name, value)
    ]


def _own_axes(spec: Spec, name: str, argument: str) -> int:
    """Trailing axes of a value that run over predictors, not components: vectors of a regression are per predictor."""
    if name.endswith("coefficients"):
        return 1
    if name.endswith("emission") and name.removesuffix("emission") + "coefficients" in spec.parameter_dims():
        return {"mean": 1, "kappa": 2}.get(argument, 0)
    return 0


def _differs(prior: Any, spec: Spec, name: str) -> bool:
    """Whether any hyperparameter has different values for different components."""
    arguments = (
        prior.arguments if isinstance(prior, Prior) else {f: getattr(prior, f) for f in prior.__dataclass_fields__}
    )
    return any(
        _tells_apart(spec, name, value)
        for argument, value in arguments.items()
        if np.ndim(value) > _own_axes(spec, name, argument) and np.shape(value)[0] == spec.size
    )


def _tells_apart(spec: Spec, name: str, value: Any) -> bool:
    """Whether relabelling changes a value; rows and columns of a transition matrix are relabelled together."""
    square = np.ndim(value) == 2 and spec.parameter_dims().get(name) == (spec.leading, f"{spec.leading}_to")
    if not square or np.shape(value) != (spec.size, spec.size):
        return _varies(value)
    matrix = np.asarray(value, dtype=float)
    return _varies(np.diagonal(matrix)) or _varies(matrix[~np.eye(spec.size, dtype=bool)])


def _varies(value: Any) -> bool:
    array = np.asarray(value, dtype=float)
    return array.ndim > 0 and not np.array_equal(array, np.broadcast_to(array[:1], array.shape), equal_nan=True)


def _elementwise(prior: Any, name: str) -> Prior:
    if isinstance(prior, Prior):
        return prior
    if isinstance(prior, Normal):
        return Prior("Normal", mu=prior.mean, sigma=prior.sd)
    if isinstance(prior, Gamma):
        return Prior("Gamma", alpha=prior.shape, beta=prior.rate)
    if isinstance(prior, Beta):
        return Prior("Beta", alpha=prior.a, beta=prior.b)
    raise ValueError(f"ordered={brief(name)} with the prior {prior!r}, which differs by component, is not supported.")
