"""Independent categories: the latent structure of finite mixtures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from em_vs_bayes.contract import Array, Latent
from em_vs_bayes.kernels import mixture


@final
@dataclass(frozen=True, slots=True)
class IidCategorical(Latent):
    """z_i ~ Categorical(weights), independently.

    Parameters
    ----------
    n_components : int
    """

    n_components: int

    def expect(self, data: Any, streams: Any, pot: Array, stats: Array) -> float:
        return float(mixture.expect(data, streams, pot, self.n_components, stats))

    def decode(self, data: Any, streams: Any, pot: Array, stats: Array) -> float:
        return float(mixture.decode(data, streams, pot, self.n_components, stats))

    def pointwise(self, data: Any, streams: Any, pot: Array) -> Array:
        out = np.empty(data.y.shape[0])
        mixture.pointwise(data, streams, pot, self.n_components, out)
        return out

    def probabilities(self, data: Any, streams: Any, pot: Array) -> Array:
        out = np.empty((data.y.shape[0], self.n_components))
        mixture.responsibilities(data, streams, pot, self.n_components, out)
        return out

    def simulate(self, params: Mapping[str, Array], n: int, rng: np.random.Generator) -> NDArray[np.int64]:
        cumulative = np.cumsum(params["weights"])
        return np.searchsorted(cumulative / cumulative[-1], rng.random(n), side="right").astype(np.int64)
