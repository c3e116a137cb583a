"""Specs: a latent structure, an emission, priors and fixed values. Data only; every method reads the same one.

A spec is immutable, prints itself, compares by value and survives JSON. `fit` sends it down the one road: compile it
with data, drive a method, wrap the result.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from em_vs_bayes.common import door
from em_vs_bayes.common.arguments import brief
from em_vs_bayes.common.contract import Emission, Structure
from em_vs_bayes.model import priors as prior_families

if TYPE_CHECKING:
    import pandas as pd
    import pymc as pm

    from em_vs_bayes.common.door import Fit


class Spec(ABC):
    """What every model is. Concrete specs are frozen dataclasses; implement the three properties, get the rest."""

    priors: Mapping[str, Any]
    fixed: Mapping[str, Any]
    ordered: str | tuple[str, ...] | None

    @property
    @abstractmethod
    def model_emission(self) -> Emission:
        """The emission."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Number of components or states."""

    @property
    @abstractmethod
    def leading(self) -> str:
        """Name of the leading dim: ``component`` or ``state``; empty where there is only one of everything."""

    @property
    @abstractmethod
    def joint_prior(self) -> str:
        """What ``priors`` calls a joint prior of the emission's parameters."""

    @property
    @abstractmethod
    def latent_dims(self) -> dict[str, tuple[str, ...]]:
        """Dims of the latent structure's own parameters."""

    @property
    @abstractmethod
    def latent(self) -> Structure:
        """The latent structure."""

    @abstractmethod
    def _arguments(self) -> dict[str, Any]:
        """The constructor's own arguments, JSON-ready."""

    # --- public verbs -------------------------------------------------------------------------------------------

    def fit(
        self,
        y: Any,
        method: str = "em",
        *,
        exog: Any = None,
        lengths: Any = None,
        weights: Any = None,
        labels: Any = None,
        seed: int | np.random.Generator | None = None,
        init: Any = None,
        progressbar: bool = True,
        **options: Any,
    ) -> Fit:
        """Fit the model.

        Parameters
        ----------
        y : array_like (n,) or (n, d), pandas, polars or xarray; a frame or dict of streams for `Product`
            Observations; NaN is missing and integrated out. Its pandas index labels the rows of results; ``exog``,
            ``weights`` and ``labels`` that have one as well are put in its order. New data go by the names of columns.
        method : {"em", "vi", "gibbs", "nuts", "laplace", "advi"}
        exog : array_like (n, p) or frame, optional
            Design matrix of a regression, used as it is. With a formula, ``y`` is the frame instead.
        lengths : array_like of int, or str, optional
            Lengths of consecutive sequences, or the name of the column of a frame that says whose each row is. Or give
            ``y`` as a list of arrays or frames, one per sequence. Without any, all rows are one sequence.
        weights : array_like (n,), optional
            Case weights: powers of each row's likelihood (of each sequence's, where the model has sequences).
        labels : array_like (n,) of int, optional
            Known components or states, -1 where unknown. Of several sequences ``exog``, ``weights`` and ``labels``
            may be lists as ``y`` is; one weight for each sequence will do.
        seed : int or Generator, optional
            The same seed gives the same result.
        init : Fit, dict of parameters, or {"kmeans++", "random"}, optional
            Where to start.
        progressbar : bool
        **options
            Of the method; an unknown one is refused by name. See `em_vs_bayes.methods`.

        Returns
        -------
        Fit

        Raises
        ------
        ValueError, TypeError
            When an argument does not fit; the message names it, what it got and what it wants.
        """
        return door.fit(
            self,
            y,
            method,
            exog=exog,
            lengths=lengths,
            weights=weights,
            labels=labels,
            seed=seed,
            init=init,
            progressbar=progressbar,
            options=options,
        )

    def at(self, y: Any, params: Mapping[str, Any], *, exog: Any = None, lengths: Any = None) -> Fit:
        """The model at given parameters, nothing fitted (status ``given``)."""
        return door.at(self, y, params, exog=exog, lengths=lengths)

    def log_likelihood(self, y: Any, params: Mapping[str, Any], *, exog: Any = None, lengths: Any = None) -> float:
        """Marginal log-likelihood of ``y`` at ``params``."""
        return self.at(y, params, exog=exog, lengths=lengths).log_likelihood

    def log_prior(self, params: Mapping[str, Any], y: Any = None, *, exog: Any = None) -> float:
        """Log prior density in the spec's own (constrained) parameters.

        Parameters
        ----------
        params : dict of arrays
        y : array_like, optional
            Needed only where a prior is left at its default, which is scaled to the data, and for regressions.
        exog : array_like (n, p), optional
            Design matrix of a regression.
        """
        return door.log_prior(self, params, y, exog)

    def describe_priors(self, y: Any, *, exog: Any = None) -> pd.DataFrame:
        """The priors that would hold for ``y``, defaults resolved, one row per parameter."""
        return door.describe_priors(self, y, exog)

    def to_pymc(self, y: Any, **options: Any) -> pm.Model:
        """A PyMC model of the same posterior, the latent variables marginalised."""
        return door.to_pymc(self, y, **options)

    def parameter_dims(self) -> dict[str, tuple[str, ...]]:
        """Public parameter name -> dims."""
        leading = (self.leading,) if self.leading else ()
        own = {name: (*leading, *dims) for name, dims in self.model_emission.dims().items()}
        return self.latent_dims | own

    # --- value semantics ----------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready description."""
        return {
            "spec": type(self).__name__,
            **self._arguments(),
            "priors": {name: prior.to_dict() for name, prior in self.priors.items()},
            "fixed": {name: _to_json(value) for name, value in self.fixed.items()},
            "ordered": list(self.ordered) if isinstance(self.ordered, tuple) else self.ordered,
        }

    def to_json(self) -> str:
        """A JSON string that `from_json` reads back to an equal spec."""
        return json.dumps(self.to_dict(), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The spec that `to_json` wrote."""
        try:
            description = json.loads(text)
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"text is no JSON of a spec ({error}); got {brief(text)}.") from None
        if not isinstance(description, dict):
            raise ValueError(f"text: the JSON must describe a spec as an object; got {brief(text)}.")
        spec = door.spec_of(description)
        if not isinstance(spec, cls):
            raise ValueError(f"The JSON describes a {type(spec).__name__}, not a {cls.__name__}.")
        return spec

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spec) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(self.to_json())

    def __repr__(self) -> str:
        shown = [f"{k}={v!r}" for k, v in self._shown().items()]
        shown += [f"{k}={dict(v)!r}" for k, v in (("priors", self.priors), ("fixed", self.fixed)) if v]
        if self.ordered:
            shown.append(f"ordered={self.ordered!r}")
        return f"{type(self).__name__}({', '.join(shown)})"

    def _shown(self) -> dict[str, Any]:
        return self._arguments()

    def _check(self) -> None:
        """Shared validation of sizes and names; called from ``__post_init__``."""
        size_name = "n_states" if self.leading == "state" else "n_components"
        if isinstance(self.size, bool) or not isinstance(self.size, (int, np.integer)) or self.size < 1:
            raise ValueError(f"{size_name} must be a positive integer; got {brief(self.size)}.")
        if not isinstance(self.model_emission, Emission):
            raise TypeError(f"emission must be one of evb.emissions; got {brief(self.model_emission)}.")
        known = [*self.parameter_dims()]
        for argument, given, extra in (("priors", self.priors, [self.joint_prior]), ("fixed", self.fixed, [])):
            if not isinstance(given, Mapping):
                raise TypeError(f"{argument} must be a dict of parameter name -> value; got {brief(given)}.")
            allowed = known + extra + [n + joint for n in _prefixes(known) for joint in extra]
            odd = [name for name in given if name not in allowed]
            if odd:
                raise ValueError(f"{argument} names {odd}, but the parameters are {known}.")
        for name, prior in self.priors.items():
            if not isinstance(prior, (prior_families.base.Value, prior_families.Prior)):
                raise TypeError(f"priors[{name!r}] must be one of evb.priors or evb.Prior(...); got {brief(prior)}.")
        if not (
            self.ordered is None
            or isinstance(self.ordered, str)
            or (isinstance(self.ordered, (tuple, list)) and all(isinstance(name, str) for name in self.ordered))
        ):
            raise TypeError(f"ordered must be the name of a parameter, or a tuple of names; got {brief(self.ordered)}.")
        ordered = (self.ordered,) if isinstance(self.ordered, str) else self.ordered or ()
        for name in ordered:
            if name not in known or len(self.parameter_dims()[name]) != 1 or name in self.latent_dims:
                one = [n for n, dims in self.parameter_dims().items() if len(dims) == 1 and n not in self.latent_dims]
                raise ValueError(f"ordered names {brief(name)}; it can order one-dimensional parameters: {one}.")


def _prefixes(names: list[str]) -> set[str]:
    return {name.rsplit("_", 1)[0] + "_" for name in names if "_" in name}


def _to_json(value: Any) -> Any:
    array = np.asarray(value, dtype=float)
    return _null_for_nan(array.tolist())


def _null_for_nan(value: Any) -> Any:
    """JSON has no NaN: a free element travels as null."""
    if isinstance(value, list):
        return [_null_for_nan(v) for v in value]
    return None if value != value else value
