"""Blocks in their places: where the flat vectors have their pieces, and what the kernels read besides the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from em_vs_bayes.common.contract import Array, Block, Layout, Params
from em_vs_bayes.kernels import tables


@dataclass(frozen=True)
class Placed:
    """A block and where its pieces lie in the flat vectors."""

    prefix: str
    block: Block
    theta: int
    pot: int
    stat: int
    hyper: int

    @cached_property
    def parameters(self) -> Layout:
        """The block's parameters, one after the other."""
        return Layout(tuple((p.name, p.shape) for p in self.block.parameters))

    @cached_property
    def statistics(self) -> Layout:
        """Likewise its statistics."""
        return Layout(self.block.statistics)

    @cached_property
    def potentials(self) -> Layout:
        """Likewise its potentials."""
        return Layout(self.block.potentials)

    @cached_property
    def end(self) -> int:
        """One past the block's last element of theta."""
        return self.theta + self.parameters.size

    @cached_property
    def _places(self) -> tuple[tuple[str, slice], ...]:
        """Where theta has each parameter."""
        return tuple((n, slice(self.theta + a.start, self.theta + a.stop)) for n, a, _ in self.parameters.items())

    def row(self) -> list[int]:
        """The block's row of `tables.Blocks`."""
        codes = self.block.codes()
        first = self.block.parameters[0]
        return [
            codes["code"],
            codes["rows"],
            codes["size"],
            self.theta,
            self.theta + prod(first.shape) if len(self.block.parameters) > 1 else 0,
            self.pot,
            self.stat,
            self.hyper,
            codes.get("covariance", 0),
            codes["mean_prior"],
            codes.get("spread_prior", 0),
        ]

    def params(self, theta: Array) -> Params:
        """The block's own parameters out of theta (any leading axes)."""
        return self.parameters.unpack(theta[..., self.theta : self.end])

    def stats(self, flat: Array) -> Params:
        """The block's own statistics."""
        return self.statistics.unpack(flat[self.stat : self.stat + self.statistics.size])

    def pack_potentials(self, potentials: Params, pot: Array) -> None:
        """Write the block's potentials into the flat vector."""
        pot[self.pot : self.pot + self.potentials.size] = self.potentials.pack(potentials)

    def pack_params(self, params: Mapping[str, Array], theta: Array) -> None:
        """Write the block's parameters into theta (any leading axes)."""
        lead = theta.shape[:-1]
        for name, at in self._places:
            theta[..., at] = np.asarray(params[name]).reshape(*lead, at.stop - at.start)


@dataclass(frozen=True, slots=True)
class Tables:
    """What the kernels read besides the data."""

    theta: Layout
    fixed: Array
    blocks: tables.Blocks
    prior: tables.Prior
    coordinates: tables.Coordinates
    plan: tables.Plan
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """What an M-step returns besides theta: components at the covariance floor.

    ``unbounded`` names parameters that would be infinite in a component that ``floored`` has.
    """

    theta: Array
    floored: tuple[int, ...]
    unbounded: tuple[str, ...]
