"""`Record`: what a method left, frozen. What can be asked of it are functions on it; `Fit` lists them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from em_vs_bayes.common.carried import owned
from em_vs_bayes.common.contract import Array, Params
from em_vs_bayes.common.status import Status
from em_vs_bayes.methods.driving import Driven
from em_vs_bayes.model.spec import Spec
from em_vs_bayes.program.program import Program
from em_vs_bayes.program.relabel import relabel

MADE = ("kept", "log_likelihood")  # when asked for: they do not travel to other processes


@dataclass(frozen=True, eq=False)
class Record:
    """What there is to know of a fit; see `Fit` for its attributes."""

    program: Program
    method: str
    theta: Array
    ended: Status
    remarks: tuple[str, ...]
    history: Mapping[str, Array]
    draws: Array | None
    raw_draws: Array | None
    permutation: NDArray[np.int64] | None
    sample_stats: Mapping[str, Array]
    seconds: Mapping[str, float]
    options: Mapping[str, Any]
    attrs: Mapping[str, Any]
    lower_bound: float | None
    checkpoint: Mapping[str, Array]

    @classmethod
    def from_driven(
        cls,
        program: Program,
        method: str,
        driven: Driven,
        seconds: Mapping[str, float],
        options: Mapping[str, Any],
        begun: Mapping[str, Any],
    ) -> Self:
        """Relabel what wants it and take the posterior mean where the method gave only draws."""
        outcome = driven.outcome
        draws, permutation = outcome.draws, None
        if draws is not None and outcome.exchange:
            draws, permutation = relabel(program, draws, None)
        theta = outcome.theta if outcome.theta is not None else np.asarray(draws).mean(axis=(0, 1))
        return cls(
            program=program,
            method=method,
            theta=theta,
            ended=outcome.status,
            remarks=outcome.notes,
            history=driven.history,
            draws=draws,
            raw_draws=outcome.draws,
            permutation=permutation,
            sample_stats=outcome.sample_stats,
            seconds={**seconds, "total": sum(seconds.values())},
            options=dict(options),
            attrs={**begun, **outcome.attrs},
            lower_bound=outcome.elbo,
            checkpoint=driven.checkpoint,
        )

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in MADE}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update({name: owned(value) for name, value in state.items()})

    @property
    def spec(self) -> Spec:
        """The spec."""
        return self.program.spec

    @property
    def params(self) -> Params:
        """The EM estimate, or the posterior mean after relabelling, under the user's names."""
        return {name: np.array(value) for name, value in self.program.public(self.theta).items()}

    @cached_property
    def log_likelihood(self) -> float:
        """Marginal log-likelihood at `params`."""
        return self.program.log_likelihood(self.theta)

    @property
    def n_parameters(self) -> int:
        """Free parameters, as AIC and BIC count them."""
        return self.program.ndim

    @property
    def aic(self) -> float:
        """Akaike's criterion at `params`: smaller is better."""
        return -2.0 * self.log_likelihood + 2.0 * self.n_parameters

    @property
    def bic(self) -> float:
        """Schwarz's criterion at `params`: smaller is better (mclust prints the negative)."""
        return -2.0 * self.log_likelihood + self.n_parameters * float(np.log(self.program.total_weight))

    @property
    def log_likelihood_kind(self) -> str:
        """What the terms of ``idata["log_likelihood"]`` are: a kind of `score_samples`."""
        return str(self.attrs.get("log_likelihood_kind", next(iter(self.program.latent.pointwise_kinds))))

    @cached_property
    def kept(self) -> dict[str, Any]:
        """What functions of the record worked out once, under their names."""
        return {}
