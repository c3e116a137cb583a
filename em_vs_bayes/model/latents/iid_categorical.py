"""Independent categories: the latent structure of finite mixtures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from em_vs_bayes.common.align import even_rows
from em_vs_bayes.common.contract import Array, Context, Latent, Params
from em_vs_bayes.common.threads import shared
from em_vs_bayes.kernels import mixture, tables
from em_vs_bayes.model.blocks import ProbabilityRows
from em_vs_bayes.model.latents.probabilities import probability_block, simplex
from em_vs_bayes.model.latents.working_memory import NO_MEMORY
from em_vs_bayes.model.priors import Beta, Dirichlet


@final
@dataclass(frozen=True, slots=True)
class IidCategorical(Latent):
    """z_i ~ Categorical(weights), independently.

    Parameters
    ----------
    n_components : int
    """

    n_components: int

    @property
    def code(self) -> int:
        return tables.MIXTURE

    @property
    def sequential(self) -> bool:
        return False

    @property
    def derived(self) -> tuple[str, ...]:
        return ()

    @property
    def pointwise_kinds(self) -> dict[str, str]:
        return {"row": "log p(y_i): marginal over latent variables, one term per row"}

    def blocks(self, context: Context) -> tuple[ProbabilityRows]:
        given = context.priors.get("weights")
        if isinstance(given, Beta):
            if self.n_components != 2:
                raise TypeError(
                    f"priors['weights']: Beta is for two components; with {self.n_components} use Dirichlet."
                )
            given = Dirichlet([float(given.a), float(given.b)])
        shape = (1, self.n_components)
        return (probability_block("weights", given, Dirichlet(1.0), shape, (context.leading,), context),)

    def public(self, params: Params) -> Params:
        return {"weights": params["weights"]}

    def internal(self, params: Mapping[str, Any]) -> Params:
        return {"weights": simplex(params["weights"], "weights")}

    @property
    def concave(self) -> bool:
        return False

    def prepared(self, data: Any, streams: Any) -> Any:
        return data

    def expect(self, data: Any, streams: Any, pot: Array, stats: Array, cores: int) -> float:
        def part(first: int, last: int, own: Array) -> float:
            return float(mixture.expect(data, streams, pot, self.n_components, first, last, own, NO_MEMORY))

        return shared(part, [data.columns.shape[1] * i // cores for i in range(cores + 1)], stats)

    def decode(self, data: Any, streams: Any, pot: Array, stats: Array) -> float:
        return float(mixture.decode(data, streams, pot, self.n_components, stats))

    def assign(self, data: Any, streams: Any, pot: Array) -> NDArray[np.int64]:
        out = np.empty(data.columns.shape[1], dtype=np.int64)
        mixture.assign(data, streams, pot, self.n_components, out)
        out[self.pointwise(data, streams, pot, "row") == -np.inf] = -1  # as in chains
        return out

    def pointwise(self, data: Any, streams: Any, pot: Array, kind: str) -> Array:
        out = np.empty(data.columns.shape[1])
        mixture.pointwise(data, streams, pot, self.n_components, out)
        return out

    def probabilities(self, data: Any, streams: Any, pot: Array) -> Array:
        out = np.empty((data.columns.shape[1], self.n_components))
        mixture.responsibilities(data, streams, pot, self.n_components, out)
        return out

    def occupancy(self, stats: Array) -> Array:
        return stats[: self.n_components]

    def sample(self, n: int, starts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return even_rows(n), starts

    def simulate(
        self, params: Mapping[str, Array], lengths: NDArray[np.int64], rng: np.random.Generator
    ) -> NDArray[np.int64]:
        cumulative = np.cumsum(params["weights"])
        return np.searchsorted(cumulative / cumulative[-1], rng.random(lengths.sum()), side="right").astype(np.int64)
