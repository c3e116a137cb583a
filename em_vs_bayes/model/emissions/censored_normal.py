"""Censored normal observations: a normal distribution per component, seen through limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from em_vs_bayes.common.contract import (
    Array,
    Context,
    Emission,
    Parameter,
    Params,
    Stream,
)
from em_vs_bayes.common.values import broadcast, plain_fields
from em_vs_bayes.model.blocks import Renamed
from em_vs_bayes.model.emissions import limits
from em_vs_bayes.model.emissions.basis import inwards, outwards
from em_vs_bayes.model.emissions.censored_regression import CensoredRegression
from em_vs_bayes.model.emissions.design import Design
from em_vs_bayes.model.emissions.gaussian_priors import moments
from em_vs_bayes.model.priors import Normal, NormalInverseGamma, Prior

INWARDS = {"means": "coefficients", "sigmas": "sigmas", "emission": "emission"}  # own name -> the regression's
OUTWARDS = {inner: own for own, inner in INWARDS.items()}
INTERCEPT = Design(("Intercept",))


@final
@dataclass(frozen=True, slots=True)
class CensoredNormal(Emission):
    """A normal distribution per component, of which only an interval is known: `CensoredRegression` on an intercept.

    Parameters
    ----------
    lower : float, optional
        Where observations are cut off from below: a value at a limit says that the latent one is there or beyond.
    upper : float, optional
        Where they are cut off from above. Without either limit,
        y is (n, 2), the interval of each row: equal ends are an exact observation, an infinite end is no limit, and a
        row with both is missing.

    Notes
    -----
    Fitted parameters: ``means (component,)``, ``sigmas (component,)``, of the latent normal. Default prior: as
    `Normal`, with the limit in the place of an observation known on one side and the middle in that of one known on
    both.
    """

    lower: float | None = None
    upper: float | None = None

    def __post_init__(self) -> None:
        plain_fields(self)
        limits.check_limits(self.lower, self.upper)

    @property
    def _regression(self) -> CensoredRegression:
        return CensoredRegression(None, self.lower, self.upper)

    @property
    def ends(self) -> tuple[str, ...]:
        return self._regression.ends

    def observed(self, y: Any) -> Any:
        return self._regression.observed(y)

    def streams(self, y: Any, n_components: int, context: Context) -> tuple[Stream, ...]:
        moments(self.seeds(y), context.prefix + "y", context)  # refuses what has no variance
        priors = {
            inner: _inwards(context.priors[own], n_components, context.name(own))
            for own, inner in INWARDS.items()
            if own in context.priors
        }
        fixed = {inner: context.fixed[own] for own, inner in INWARDS.items() if own in context.fixed}
        if "means" in context.fixed:
            fixed["coefficients"] = broadcast(context.fixed["means"], (n_components,), context.name("means"))[:, None]
        like = context.like and {**context.like, "design": INTERCEPT}
        inner = replace(context, priors=priors, fixed=fixed, exog=None, like=like, called=OUTWARDS)
        (stream,) = self._regression.streams(y, n_components, inner)
        means = Parameter("means", (n_components,), (context.leading,), "real")
        return (replace(stream, block=Renamed(stream.block, (means, stream.block.parameters[1])), design=None),)

    def public(self, params: Params, centre: Mapping[str, Array]) -> Params:
        columns = {**params, "means": np.asarray(params["means"])[..., None]}
        return {**params, "means": outwards(columns, centre, "means")["means"][..., 0]}

    def internal(self, params: Mapping[str, Any], centre: Mapping[str, Array]) -> Params:
        columns = {**params, "means": np.asarray(params["means"], dtype=float)[..., None]}
        inner = inwards(columns, centre, self.dims(), "means")
        return {**inner, "means": inner["means"][..., 0]}

    def dims(self) -> dict[str, tuple[str, ...]]:
        return {"means": (), "sigmas": ()}

    def seeds(self, y: Any) -> Array:
        return self._regression.seeds(y)

    def simulate(self, params: Mapping[str, Array], z: Any, rng: np.random.Generator) -> Array:
        """Observations cut off at the limits; intervals are those of exact ones, for nothing says how they came."""
        return self._regression.simulate(_on_an_intercept(params, len(z)), z, rng)

    def symbolic_log_density(self, y: Any, params: Mapping[str, Any], n_components: int) -> Any:
        inner = _on_an_intercept(params, len(self.observed(y)))
        return self._regression.symbolic_log_density(y, inner, n_components)

    def to_dict(self) -> dict[str, Any]:
        return {"emission": "CensoredNormal", "lower": self.lower, "upper": self.upper}


def _on_an_intercept(params: Mapping[str, Any], n: int) -> dict[str, Any]:
    """Parameters of the regression, with its design of n rows."""
    return {"coefficients": params["means"][:, None], "sigmas": params["sigmas"], "exog": np.ones((n, 1))}


def _inwards(prior: Any, n_components: int, name: str) -> Any:
    """The same prior for coefficients (K, 1): a vector is one value per component, not per predictor."""
    try:
        if isinstance(prior, Normal):
            return prior.broadcast(n_components, 1)
        if isinstance(prior, NormalInverseGamma):
            wide = prior.broadcast(n_components, 1)
            return replace(wide, kappa=wide.kappa[:, :, None], shape=wide.shape[:, 0], rate=wide.rate[:, 0])
    except ValueError as error:
        raise ValueError(f"priors[{name!r}]: {error}") from None
    if isinstance(prior, Prior) and name.endswith("means"):
        return Prior(prior.name, **{k: v[:, None] if np.ndim(v) == 1 else v for k, v in prior.arguments.items()})
    return prior
