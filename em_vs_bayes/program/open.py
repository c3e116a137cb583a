"""A program in Python: the E-step, draws and data are a user's `Model`; parameters are blocks as everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from em_vs_bayes.common.arguments import as_floats, brief
from em_vs_bayes.common.contract import Array, Context
from em_vs_bayes.data.numbers import is_frame, is_series
from em_vs_bayes.kernels import block_priors, conditionals, gibbs, tables
from em_vs_bayes.kernels import blocks as block_kernels
from em_vs_bayes.kernels import coordinates as coordinate_kernels
from em_vs_bayes.kernels.streams import table
from em_vs_bayes.model.ordering import Ordering
from em_vs_bayes.model.own import Model, OwnStructure, rows_of
from em_vs_bayes.model.params import Param
from em_vs_bayes.program.placed import Placed
from em_vs_bayes.program.placing import place, tables_of
from em_vs_bayes.program.program import NOTHING, Density, Program


@final
@dataclass(frozen=True, eq=False)
class OpenProgram(Program):
    """Made by `open_program`.

    Attributes
    ----------
    begin : ndarray (P,)
        theta where the model says that fits start; of length 0 where it says nothing.
    """

    begin: Array = field(default_factory=lambda: np.empty(0))

    @cached_property
    def _parts(self) -> tuple[tuple[str, Param, Placed, slice, slice], ...]:
        """Each parameter with its block and where the flat vectors have its potentials and statistics."""
        return tuple(
            (name, param, p, slice(p.pot, p.pot + p.potentials.size), slice(p.stat, p.stat + p.statistics.size))
            for (name, param), p in zip(self.spec.declared.items(), self.placed, strict=True)
        )

    def _called(self, what: str, pot: Array, **more: Any) -> Any:
        """What the model's method returns, given the potentials of each parameter."""
        own = {name: param.potentials(p.potentials.unpack(pot[at])) for name, param, p, at, _ in self._parts}
        return getattr(self.spec, what)(self.y, **own, **more)

    def _packed(self, given: Any, what: str) -> Array:
        """Statistics as the model's method returned them, checked, in one vector."""
        who, names = type(self.spec).__name__, self.spec.declared
        if not isinstance(given, Mapping):
            raise TypeError(f"{who}.{what} must return statistics as a dict with {list(names)}; got {brief(given)}.")
        if given.keys() != names.keys():
            raise ValueError(f"{who}.{what} must return statistics of {list(names)}; got those of {list(given)}.")
        stats = np.empty(self.stats_layout.size)
        for name, param, p, _, at in self._parts:
            own = param.statistics(param.checked(given[name], who, what, name))
            stats[at] = np.concatenate([own[key].ravel() for key, _ in p.block.statistics])
        return stats

    def _expected(self, pot: Array) -> tuple[Array, Array]:
        """Terms of the log evidence (one, or one per row), and expected statistics."""
        who, found = type(self.spec).__name__, self._called("expect", pot)
        if not (isinstance(found, tuple) and len(found) == 2):
            raise TypeError(f"{who}.expect must return (log evidence, dict of statistics); got {brief(found)}.")
        given = found[0] if isinstance(found[0], float) else as_floats(found[0])
        terms = np.full(0, np.nan) if given is None else np.atleast_1d(given)
        if terms.ndim != 1 or len(terms) not in (1, self.n):
            raise ValueError(
                f"{who}.expect must return the log evidence as one number, or one per row of y ({self.n}); got "
                f"{brief(found[0])}."
            )
        if np.isnan(terms).any() or (terms == np.inf).any():
            raise ValueError(f"{who}.expect: the log evidence must not be NaN or infinite; got {brief(found[0])}.")
        return terms, self._packed(found[1], "expect")

    def expect(self, pot: Array, cores: int = 1) -> tuple[float, Array]:
        terms, stats = self._expected(pot)
        return float(terms.sum()), stats

    def decode(self, pot: Array) -> tuple[float, Array]:
        raise ValueError(f"{type(self.spec).__name__} has no most probable assignment: it says expect, not decode.")

    def pointwise(self, theta: Array, kind: str | None = None) -> Array:
        return self._expected(self.potentials(theta))[0]

    def probabilities(self, theta: Array) -> Array:
        return np.ones((self.n, 1))

    def told_apart(self, theta: Array, pairs: Sequence[tuple[int, int]]) -> list[bool]:
        return [True] * len(pairs)  # there are no components

    def assign(self, theta: Array) -> NDArray[np.int64]:
        return np.zeros(self.n, dtype=np.int64)

    def neutral(self) -> Array:
        return self.begin.copy() if self.begin.size else self.of_blocks()

    def completed(self, pot: Array, rng: np.random.Generator) -> Array:
        """Statistics of one completion of the data."""
        return self._packed(self._called("draw", pot, rng=rng), "draw")

    def require_draws(self) -> None:
        if not self.spec.writes("draw"):
            self.spec.draw(self.y)  # raises, in words

    @property
    def reads_values(self) -> str:
        if self.spec.reads == "potentials":
            return ""
        return f"{type(self.spec).__name__} reads values of its parameters, not averages of potentials"

    def density(self, theta: Array, likelihood: float = 1.0, prior: float = 1.0, jacobian: float = 1.0) -> OpenDensity:
        if prior:
            self.require_known_priors("The direct road")
        return OpenDensity(self, np.array(theta, dtype=float), (likelihood, prior, jacobian))

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
        t, out = self.tables, np.empty((draws, theta.size))
        plan, work = gibbs.address_steps(t.plan), conditionals.workspace(t.blocks)
        for i in range(draws):
            for _ in range(thin):
                stats = self.completed(pot, rng)
                if not gibbs.draw_parameters(t.blocks, t.prior, plan, theta, stats, rng, work):
                    return out[:i]
                if not block_kernels.potentials(t.blocks, theta, pot):
                    return out[:i]
            out[i] = theta
        return out


@final
@dataclass(frozen=True, eq=False)
class OpenDensity(Density):
    """By Fisher's identity: expected statistics are the gradient."""

    program: OpenProgram
    start: Array
    powers: tuple[float, float, float]

    @property
    def theta(self) -> Array:
        return self.start

    def __call__(self, x: Array) -> tuple[float, Array]:
        program, (likelihood, prior, jacobian) = self.program, self.powers
        t, theta, nothing = program.tables, self.start.copy(), np.zeros_like(x)
        volume = coordinate_kernels.constrain(t.coordinates, x, theta)
        pot, g = np.empty(program.n_pot), np.zeros_like(theta)
        if not block_kernels.potentials(t.blocks, theta, pot):
            return -np.inf, nothing
        evidence, stats = program.expect(pot)
        block_kernels.gradient(t.blocks, theta, stats, g)
        total, g = likelihood * evidence, likelihood * g
        if prior:
            slope = np.zeros_like(theta)
            total += prior * block_priors.log_prior(t.blocks, t.prior, theta, slope)
            g += prior * slope
        out = program.pulled_back(x, theta, g, jacobian)
        total += jacobian * volume if jacobian else 0.0
        if not (np.isfinite(total) and np.isfinite(out).all()):
            return -np.inf, nothing
        return float(total), out


def open_program(model: Model, y: Any, **others: Any) -> OpenProgram:
    """The program of a user's model; what it returns is checked at once, in words."""
    for name, value in others.items():
        if value is not None:
            raise ValueError(f"{name} does not apply to {type(model).__name__}: its data are what expect reads as y.")
    y = _taken(y)
    n = rows_of(y)
    context = Context(priors=model.priors, fixed=model.fixed, leading="")
    structure, order = OwnStructure(model), Ordering((), False, model.priors)
    placed = place(structure.placed(context))
    empty = np.empty(0)
    data = tables.Data(
        columns=np.zeros((1, n)),
        centre=np.zeros(1),
        base=empty,
        weights=empty,
        labels=np.empty(0, dtype=np.int64),
        pattern=np.empty(0, dtype=np.int64),
        observed=np.ones((1, 1), dtype=bool),
        starts=np.array([0, n], dtype=np.int64),
    )
    program = OpenProgram(
        spec=model,
        latent=structure,
        n=n,
        y=y,
        data=data,
        streams=table([], [], [], [], []),
        placed=placed,
        centre={},
        order=order,
        tables=tables_of(placed, order, {}, 1),
        n_latent=len(placed),
    )
    if model.writes("start"):
        given = model.start(y)
        if not isinstance(given, Mapping):
            raise TypeError(f"{type(model).__name__}.start must return a dict of parameters; got {brief(given)}.")
        try:
            program = replace(program, begin=program.theta_of(given))
        except (TypeError, ValueError) as error:
            raise type(error)(f"{type(model).__name__}.start: {error}") from None
    terms, _ = program._expected(program.potentials(program.with_fixed(program.neutral())))
    if len(terms) == n and n > 1:  # rows that stand for themselves; else all data are one sequence
        rows = data._replace(starts=np.empty(0, dtype=np.int64))
        return replace(program, latent=OwnStructure(model, by_row=True), data=rows)
    return program


def _taken(y: Any) -> Any:
    """Numbers as an array of floats; frames, dicts and whatever else a model reads as they are."""
    if y is None:
        raise ValueError("y got None; a model wants the data that its expect reads.")
    if is_frame(y) or is_series(y) or isinstance(y, Mapping):
        return y
    array = as_floats(y)
    return y if array is None else array
