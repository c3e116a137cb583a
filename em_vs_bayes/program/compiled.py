"""A program of tables and kernels: the latent structures and emissions of the library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from em_vs_bayes.common.arguments import one_of
from em_vs_bayes.common.contract import Array
from em_vs_bayes.kernels import collapsed, gibbs, mixture, posterior
from em_vs_bayes.kernels.latent import draw_code
from em_vs_bayes.kernels.streams import DRAW, address_roles
from em_vs_bayes.program.program import APART, NOTHING, Density, Program


@final
@dataclass(frozen=True, eq=False)
class CompiledProgram(Program):
    """Made by `compile`."""

    @cached_property
    def prepared(self) -> Any:
        """The data as E-steps read them."""
        return self.latent.prepared(self.data, self.streams)

    def expect(self, pot: Array, cores: int = 1) -> tuple[float, Array]:
        asked, known = (pot.tobytes(), cores), self._known.get("last")
        if known is not None and known[0] == asked:
            return known[1], known[2].copy()
        stats = np.zeros(self.stats_layout.size)
        evidence = self.latent.expect(self.prepared, self.streams, pot, stats, cores)
        self._known["last"] = asked, evidence, stats.copy()
        return evidence, stats

    @cached_property
    def _known(self) -> dict[str, tuple[Any, float, Array]]:
        """The last E-step: fits ask twice where they begin (can the data be?) and end (how likely are they?)."""
        return {}

    def told_apart(self, theta: Array, pairs: Sequence[tuple[int, int]]) -> list[bool]:
        if not pairs:
            return []
        try:
            pot = self.potentials(theta)
        except ValueError:  # outside the support
            return [False] * len(pairs)
        pot[: self.k] = 0.0  # rows one by one, components equally likely before they are seen
        shares = np.empty((self.n, self.k))
        mixture.responsibilities(self.data, self.streams, pot, self.k, shares)
        one, other = np.array(pairs).T
        most = np.abs(shares[:, one] - shares[:, other]).max(axis=0)
        return list(most > APART * (shares[:, one] + shares[:, other]).max(axis=0))

    def decode(self, pot: Array) -> tuple[float, Array]:
        stats = np.zeros(self.stats_layout.size)
        return self.latent.decode(self.data, self.streams, pot, stats), stats

    def pointwise(self, theta: Array, kind: str | None = None) -> Array:
        kinds = self.latent.pointwise_kinds
        if kind is not None:
            one_of("kind", kind, tuple(kinds))
        return self.latent.pointwise(self.data, self.streams, self.potentials(theta), kind or next(iter(kinds)))

    def probabilities(self, theta: Array) -> Array:
        return self.latent.probabilities(self.data, self.streams, self.potentials(theta))

    def assign(self, theta: Array) -> NDArray[np.int64]:
        return self.latent.assign(self.data, self.streams, self.potentials(theta))

    def neutral(self) -> Array:
        return self.of_blocks()

    def require_draws(self) -> None:
        weights = self.data.weights
        if weights.size and (weights != np.floor(weights)).any():
            raise ValueError(
                "weights must be whole numbers for method='gibbs' (a weight is that many copies of the row); "
                f"got {weights[weights != np.floor(weights)][0]:g}. Use em, vi, laplace or nuts."
            )

    @property
    def reads_values(self) -> str:
        return ""

    def density(
        self, theta: Array, likelihood: float = 1.0, prior: float = 1.0, jacobian: float = 1.0
    ) -> CompiledDensity:
        if prior:
            self.require_known_priors("The direct road")
        t = self.tables
        made = posterior.program(
            self.prepared,
            self.streams,
            t.blocks,
            t.prior,
            t.coordinates,
            self.k,
            theta,
            self.n_pot,
            self.stats_layout.size,
            latent=self.latent.code,
            powers=(likelihood, prior, jacobian),
        )
        return CompiledDensity(self, made, posterior.hold(made))

    def gibbs_sweeps(
        self,
        rng: np.random.Generator,
        theta: Array,
        pot: Array,
        z: NDArray[np.int64],
        draws: int,
        thin: int,
        centre: Array = NOTHING,
        root: Array = NOTHING,
    ) -> Array:
        out, stats = np.empty((draws, theta.size)), np.zeros(self.stats_layout.size)
        t, draw = self.tables, draw_code(self.latent.code)
        model = (self.copies.prepared, address_roles(self.streams, DRAW), t.blocks, t.prior)
        sweeps = (gibbs.address_steps(t.plan), self.k, rng, theta, pot, stats, z, thin, out)
        if centre.size:
            ellipse = collapsed.ellipse(self.latent.code, t.coordinates, centre, root)
            done = collapsed.collapsed_sweeps(draw, ellipse, *model, *sweeps)
        else:
            done = gibbs.sweeps(draw, *model, *sweeps)
        return out[: done // thin]


@final
@dataclass(frozen=True, eq=False)
class CompiledDensity(Density):
    """By one compiled function."""

    program: CompiledProgram
    made: posterior.Program
    held: Any

    @property
    def theta(self) -> Array:
        return self.made.theta

    def __reduce__(self) -> tuple[Any, ...]:
        return CompiledProgram.density, (self.program, self.made.theta, *self.made.powers.tolist())

    def __call__(self, x: Array) -> tuple[float, Array]:
        return posterior.evaluate(self.held, x)

    def natural(self, theta: Array) -> tuple[float, Array]:
        """Log density and gradient in theta itself."""
        return posterior.evaluate_natural(self.held, theta)
