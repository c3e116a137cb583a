"""The response itself is the latent variable: one regression for all rows, seen through limits.

Nothing discrete is hidden, so this is a mixture of one component, whose weight of one is no parameter of the user's.
What is asked row by row is answered by the mixture; the E-step of censored rows with normal errors is fused
(`kernels.single`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from em_vs_bayes.common.align import even_rows
from em_vs_bayes.common.contract import Array, Context, Latent, Params
from em_vs_bayes.common.threads import shared
from em_vs_bayes.kernels import mixture, single, tables
from em_vs_bayes.model.blocks import ProbabilityRows
from em_vs_bayes.model.latents.probabilities import probability_block
from em_vs_bayes.model.latents.working_memory import NO_MEMORY
from em_vs_bayes.model.priors import Dirichlet


@final
@dataclass(frozen=True, slots=True)
class Censoring(Latent):
    """y*_i of each row given its limits, independently.

    Parameters
    ----------
    truncated : bool
        Rows beyond the limits are missing altogether. Else they are censored, and the exact ones are summed once.
    robust : bool
        Errors are Student t: every row is weighed anew in every E-step, the exact ones too.
    """

    truncated: bool = False
    robust: bool = False

    @property
    def _fused(self) -> bool:
        return not (self.truncated or self.robust)

    @property
    def code(self) -> int:
        return tables.SINGLE if self._fused else tables.MIXTURE

    @property
    def sequential(self) -> bool:
        return False

    @property
    def derived(self) -> tuple[str, ...]:
        return ()

    @property
    def pointwise_kinds(self) -> dict[str, str]:
        return {"row": "log p(y_i): the density of an exact response, the probability of a limited one"}

    def blocks(self, context: Context) -> tuple[ProbabilityRows]:
        return (probability_block("weights", None, Dirichlet(1.0), (1, 1), ("component",), Context()),)

    def public(self, params: Params) -> Params:
        return {}

    def internal(self, params: Mapping[str, Any]) -> Params:
        leading = np.shape(params["sigma"])
        return {"weights": np.ones((*leading, 1))}

    @property
    def concave(self) -> bool:
        return self._fused  # in b / sigma and 1 / sigma, for normal errors (Olsen 1978; Burridge 1981)

    def prepared(self, data: Any, streams: Any) -> Any:
        return single.condense(data, int(streams.size[0])) if self._fused else data

    def expect(self, data: Any, streams: Any, pot: Array, stats: Array, cores: int) -> float:
        def part(first: int, last: int, own: Array) -> float:
            kernel = single.expect if self._fused else mixture.expect
            return float(kernel(data, streams, pot, 1, first, last, own, NO_MEMORY))

        cores = max(1, min(cores, data.columns.shape[1]))  # the sums that are known go with the first row
        return shared(part, [data.columns.shape[1] * i // cores for i in range(cores + 1)], stats)

    def decode(self, data: Any, streams: Any, pot: Array, stats: Array) -> float:
        return float(mixture.decode(data, streams, pot, 1, stats))

    def assign(self, data: Any, streams: Any, pot: Array) -> NDArray[np.int64]:
        return np.zeros(data.columns.shape[1], dtype=np.int64)

    def pointwise(self, data: Any, streams: Any, pot: Array, kind: str) -> Array:
        out = np.empty(data.columns.shape[1])
        mixture.pointwise(data, streams, pot, 1, out)
        return out

    def probabilities(self, data: Any, streams: Any, pot: Array) -> Array:
        return np.ones((data.columns.shape[1], 1))

    def occupancy(self, stats: Array) -> Array:
        return stats[:1]

    def sample(self, n: int, starts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return even_rows(n), starts

    def simulate(
        self, params: Mapping[str, Array], lengths: NDArray[np.int64], rng: np.random.Generator
    ) -> NDArray[np.int64]:
        return np.zeros(lengths.sum(), dtype=np.int64)
