"""How parameters become PyMC variables: whole and free under their public name, or assembled from free pieces.

A parameter that is free throughout is one random variable with its public name. Where elements are fixed, the free ones
are a random variable ``NAME_free`` and the public name is a Deterministic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import signature
from typing import Any, final

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pymc.distributions.transforms import Ordered

from em_vs_bayes.common.contract import Array, Params
from em_vs_bayes.model.priors import Prior
from em_vs_bayes.pymc.python_draws import draw_in_python

Read = Callable[[Params], Array]


@dataclass(frozen=True, slots=True)
class Variables:
    """The variables of one model under construction.

    Parameters
    ----------
    dims : mapping
        Public name -> dims.
    ordered : tuple of str
        Public names that increase over components.
    public : dict
        Public name -> tensor; filled as priors are written.
    start : dict
        Name of a free random variable -> how to read its value from public parameters.
    """

    dims: Mapping[str, tuple[str, ...]]
    ordered: tuple[str, ...]
    public: dict[str, Any] = field(default_factory=dict)
    start: dict[str, Read] = field(default_factory=dict)

    def elementwise(
        self,
        name: str,
        make: Callable[..., Any],
        arguments: Mapping[str, Array],
        fixed: Array,
        *,
        dims: tuple[str, ...],
        read: Read,
        gap: float = 1.0,
    ) -> Any:
        """A parameter whose elements are independent given ``arguments``; the fixed ones are constants.

        Parameters
        ----------
        make : callable (name, **arguments, dims=..., transform=...)
            Registers the random variable.
        arguments : mapping
            Arrays or tensors that broadcast to the parameter's shape.
        fixed : ndarray
            NaN where free.
        gap : float
            Distance between the default initial values of an ordered parameter.
        """
        free = np.isnan(fixed)
        if free.all():
            extra = {"transform": OrderedFromTies(gap)} if name in self.ordered else {}
            variable = make(name, **arguments, dims=dims, **extra)
            self.start[name] = read
            return variable
        value = pt.as_tensor(np.where(free, 0.0, fixed))
        if free.any():
            picked = {
                key: pt.broadcast_to(pt.as_tensor(a), fixed.shape)[free.nonzero()] for key, a in arguments.items()
            }
            value = value[free.nonzero()].set(make(name + "_free", **picked, shape=(int(free.sum()),)))
            self.start[name + "_free"] = lambda params: read(params)[free]
        return pm.Deterministic(name, value, dims=dims)

    def named(
        self,
        name: str,
        prior: Prior,
        fixed: Array,
        *,
        dims: tuple[str, ...],
        read: Read,
        gap: float = 1.0,
        inner: tuple[int, ...] | None = None,
    ) -> Any:
        """A parameter with a PyMC distribution by name on each of its free elements.

        ``inner``: the shape that the prior's arguments fit, of the same size, where it is not the parameter's own.
        """
        kind = _distribution(name, prior)
        shape = fixed.shape
        arguments = {
            key: _fit(np.asarray(value), inner or shape, name, prior).reshape(shape)
            for key, value in prior.arguments.items()
        }

        def make(own: str, **options: Any) -> Any:
            if not arguments:
                options.setdefault("shape", shape)
            try:
                variable = kind(own, **options)
            except (TypeError, ValueError) as error:
                raise ValueError(f"priors[{name!r}]={prior!r}: PyMC refuses it elementwise ({error}).") from error
            if variable.owner.op.ndim_supp:
                raise ValueError(f"priors[{name!r}]={prior!r} applies elementwise and wants a univariate distribution.")
            return variable

        return self.elementwise(name, make, arguments, fixed, dims=dims, read=read, gap=gap)

    def flat(self, name: str, fixed: Array, *, dims: tuple[str, ...], read: Read) -> Any:
        """Free elements without a density of their own: a Potential supplies it."""

        def make(own: str, **options: Any) -> Any:
            return pm.Flat(own, **options)

        return self.elementwise(name, make, {}, fixed, dims=dims, read=read)


def _distribution(name: str, prior: Prior) -> Any:
    """The PyMC distribution that a prior names; it must be continuous and have every argument given."""
    kind: Any = getattr(pm, prior.name, None)
    continuous = isinstance(kind, type) and issubclass(kind, pm.Continuous)
    if not continuous:
        raise ValueError(f"priors[{name!r}]={prior!r}: PyMC has no continuous distribution {prior.name!r}.")
    parameters = signature(kind.dist).parameters.values()
    known = [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    odd = [key for key in prior.arguments if key not in known]  # PyMC would take no notice of them
    if odd:
        raise ValueError(f"priors[{name!r}]={prior!r}: {prior.name} has no argument {odd}; it has {known}.")
    return kind


def _fit(value: Array, shape: tuple[int, ...], name: str, prior: Prior) -> Array:
    """Broadcast as compiled code does: a vector (K,) fits (K, 1) as one value per component."""
    if len(shape) == 2 and value.shape == shape[:1] and shape[1] == 1:
        value = value[:, None]
    try:
        return np.broadcast_to(value, shape)
    except ValueError:
        raise ValueError(f"priors[{name!r}]={prior!r} does not fit: wants scalars or arrays for {shape}.") from None


@final
class OrderedFromTies(Ordered):
    """PyMC's ordered transform; initial values that are tied or out of order are spread ``gap`` apart."""

    def __init__(self, gap: float) -> None:
        super().__init__()
        self.gap = gap

    def forward(self, value: Any, *inputs: Any) -> Any:
        steps = value[..., 1:] - value[..., :-1]
        return pt.concatenate([value[..., :1], pt.log(pt.where(steps > 0, steps, self.gap))], axis=-1)


def standard_deviation_inverse_gamma(name: str, shape_: Any, rate: Any, **options: Any) -> Any:
    """A free random variable sigma with sigma^2 ~ InverseGamma(shape, rate); the density is that of sigma."""

    def logp(value: Any, a: Any, b: Any) -> Any:
        return pm.logp(pm.InverseGamma.dist(alpha=a, beta=b), value**2) + pt.log(2.0 * value)

    def random(a: Array, b: Array, rng: Any = None, size: Any = None) -> Array:
        return np.asarray(np.sqrt(b / rng.gamma(a, size=size)))

    variable = pm.CustomDist(
        name,
        shape_,
        rate,
        logp=logp,
        random=random,
        support_point=lambda rv, size, a, b: pt.broadcast_to(pt.sqrt(b / (a + 0.5)), rv.shape),
        default_transform=pm.distributions.transforms.log,
        class_name="RootInverseGamma",
        **options,
    )
    return draw_in_python(variable, random)
