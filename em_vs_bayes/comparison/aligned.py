"""Fits in the labels of one of them: components that are the same are called the same."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from em_vs_bayes.common import align
from em_vs_bayes.fit.results import Fit

CHAINS = ("gibbs", "nuts")  # methods whose draws come from Markov chains and want rhat, ess and mcse
LABEL_DIMS = ("component", "component_to", "state", "state_to")  # dims that relabelling permutes


@dataclass(frozen=True)
class Aligned:
    """One fit in the labels of the reference."""

    name: str
    fit: Fit
    order: np.ndarray  # (K,): the fit's own label of each reference component
    params: Mapping[str, np.ndarray]
    sample: Any  # xarray.Dataset of draws (chain, draw, ...), or None for a point estimate

    @property
    def is_chain(self) -> bool:
        return self.fit.method in CHAINS

    @cached_property
    def raw_labels(self) -> np.ndarray | None:
        """(chain, draw, K): raw label of each component at each draw, or None if nothing was relabelled."""
        return self._statistic("permutation")

    @cached_property
    def log_likelihood(self) -> np.ndarray | None:
        """(chain, draw): log-likelihood of the whole data at each draw, or None without draws."""
        return None if self.sample is None else self._statistic("log_likelihood_total")

    @cached_property
    def log_joint(self) -> np.ndarray | None:
        """(chain, draw): log-likelihood plus log prior, at the estimate where there are no draws; None if not known."""
        return self._statistic("log_joint")

    @cached_property
    def errors(self) -> Mapping[str, np.ndarray] | str:
        """Standard errors from the observed information, or why there are none."""
        try:
            return in_labels(self.fit, self.order, self.fit.std_errors("observed"))
        except ValueError as reason:
            return str(reason)

    def limits(self, level: float) -> tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]] | str:
        """Lower and upper ends of intervals from those errors, or why there are none."""
        try:
            ends = self.fit.confint(level, "observed")
        except ValueError as reason:
            return str(reason)
        cuts = np.cumsum([v.size for v in self.fit.params.values()])[:-1]
        lower, upper = (
            {n: part.reshape(v.shape) for (n, v), part in zip(self.fit.params.items(), parts, strict=True)}
            for parts in (np.split(ends[column].to_numpy(), cuts) for column in ("lower", "upper"))
        )
        return in_labels(self.fit, self.order, lower), in_labels(self.fit, self.order, upper)

    def _statistic(self, name: str) -> np.ndarray | None:
        stats = self.fit.idata["sample_stats"].dataset
        return np.asarray(stats[name]) if name in stats else None


def in_labels(fit: Fit, order: np.ndarray, arrays: Mapping[str, Any], lead: int = 0) -> dict[str, np.ndarray]:
    """Arrays shaped as parameters of ``fit``, after ``lead`` dims of draws, with components in ``order``."""
    dims = fit.spec.parameter_dims()
    axes = {n: [lead + i for i, d in enumerate(dims[n]) if d in LABEL_DIMS] for n in dims}
    return align.apply(order, {n: np.asarray(v) for n, v in arrays.items()}, axes)


def to_labels_of(reference: Fit, fit: Fit, name: str) -> Aligned:
    """Relabel a whole fit by one permutation; its draws already agree among themselves."""
    order = np.arange(fit.spec.size)
    if fit is not reference and fit.spec.size > 1:
        order = align.stephens(fit.predict_proba()[None], reference.predict_proba())[0]
    params = in_labels(fit, order, fit.params)
    posterior = fit.idata["posterior"].dataset
    if posterior.sizes["chain"] * posterior.sizes["draw"] == 1:
        return Aligned(name, fit, order, params, None)
    # Values move, coordinates stay: component 0 of every fit is what the reference calls component 0.
    sample = posterior[list(params)]
    moved = in_labels(fit, order, {parameter: sample[parameter] for parameter in params}, lead=2)
    return Aligned(name, fit, order, params, sample.copy(data=moved))
