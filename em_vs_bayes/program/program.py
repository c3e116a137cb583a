"""A model and data, ready: what methods talk to. They see vectors, evidence and statistics, never a family or a kernel.

theta  natural parameters, flat      pot  potentials, flat      stats  expected statistics, flat
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from em_vs_bayes.common.carried import owned, owned_table, stored, without_addresses
from em_vs_bayes.common.contract import (
    Array,
    Layout,
    Params,
    Stats,
)
from em_vs_bayes.kernels import (
    block_priors,
    tables,
)
from em_vs_bayes.kernels import blocks as block_kernels
from em_vs_bayes.kernels import coordinates as coordinate_kernels
from em_vs_bayes.kernels.streams import (
    ADD,
    FILL,
    MISSING,
    SUM,
    address_roles,
)
from em_vs_bayes.model.ordering import Ordering
from em_vs_bayes.program.coordinates import at_the_edge, coordinates
from em_vs_bayes.program.given import completed
from em_vs_bayes.program.placed import Placed, Step, Tables

OPEN = 0.1
INSIDE = 0.01
APART = 1e-3  # of the odds
NOTHING = np.empty(0)


@dataclass(frozen=True, eq=False)
class Program(ABC):
    """Spec and data, ready for every method. Immutable.

    What concerns parameters is here, for they are blocks in every program. How data make evidence and statistics of
    potentials, and what rests on that, is for each kind of program to implement: compiled, or open to any Python.
    """

    spec: Any
    latent: Any  # a `Structure`
    n: int
    y: Any
    data: tables.Data
    streams: tables.Streams
    placed: tuple[Placed, ...]
    centre: Mapping[str, Array]
    order: Ordering
    tables: Tables
    n_latent: int  # blocks of the latent structure, first in ``placed``
    exog: Any = None
    designs: Mapping[str, Any] = field(default_factory=dict)
    raw: Array | None = None  # columns as the user sees them, where a regression has coordinates of its own
    index: Any = None  # labels of the rows (a pandas Index); None where they are numbered
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # of the columns of y and exog
    remarks: tuple[str, ...] = ()  # on how the data were read
    undetermined: str = ""  # what the rows alone do not tell, in words, where the user's priors do

    # --- to another process and back ----------------------------------------------------------------------------

    def addressed(self) -> Self:
        """The same program, whose streams can play the roles of an E-step."""
        roles = (ADD, SUM, MISSING, FILL) if self.data.pattern.size > 0 else (ADD, SUM)
        address_roles(self.streams, *roles)
        return self

    def __getstate__(self) -> dict[str, Any]:
        plan = without_addresses(self.tables.plan)
        own = {"streams": without_addresses(self.streams), "tables": replace(self.tables, plan=plan)}
        return stored(self) | own

    def __setstate__(self, state: dict[str, Any]) -> None:
        t = state["tables"]
        own = {name: owned_table(getattr(t, name)) for name in ("blocks", "prior", "coordinates", "plan")}
        vars(self).update(state)
        vars(self).update(
            y=owned(self.y),
            exog=owned(self.exog),
            data=owned_table(self.data),
            streams=owned_table(self.streams),
            tables=replace(t, fixed=owned(t.fixed), **own),
        )
        self.addressed()

    # --- sizes --------------------------------------------------------------------------------------------------

    @property
    def k(self) -> int:
        """Number of components."""
        return int(self.spec.size)

    @property
    def ndim(self) -> int:
        """Number of unconstrained coordinates: the free parameters."""
        return int(self.tables.coordinates.nx.sum())

    @cached_property
    def stats_layout(self) -> Layout:
        """Names of the statistics: ``counts`` of components, then each stream's under its prefix."""
        return Layout(tuple((p.prefix + n, s) for p in self.placed for n, s in p.block.statistics))

    @cached_property
    def n_pot(self) -> int:
        """Length of the potentials."""
        return sum(prod(s) for p in self.placed for _, s in p.block.potentials)

    @property
    def case_weights(self) -> Array:
        """Of each row (n,), ones where none were given."""
        return self.data.weights if self.data.weights.size else np.ones(self.n)

    @property
    def total_weight(self) -> float:
        """Number of observations, case weights counted."""
        return float(self.data.weights.sum()) if self.data.weights.size else float(self.n)

    @cached_property
    def kept(self) -> dict[Any, Any]:
        """What others work out once from the rows and the priors, under keys of their own."""
        return {}

    @cached_property
    def summed(self) -> float:
        """The size of what a log-likelihood is the sum of, as rounding sees it: errors of rows are independent."""
        base = self.data.base if self.data.base.size else np.zeros(1)
        return float(np.sqrt((self.case_weights**2 * (1.0 + base**2)).sum()))

    def infinite_priors(self, theta: Array) -> dict[str, Any]:
        """Parameter name -> prior, where the prior density at theta is infinite."""
        found, neutral = {}, self.with_fixed(self.neutral())
        priors = {p.prefix + name: prior for p in self.placed for names, prior in p.block.describe() for name in names}
        for name, where, _ in self.tables.theta.items():
            alone = neutral.copy()
            alone[where] = theta[where]
            if name in priors and self.log_prior(alone) == np.inf:
                found[name] = priors[name]
        return found

    @abstractmethod
    def neutral(self) -> Array:
        """A valid theta on the scale of the data, components alike."""

    def of_blocks(self) -> Array:
        """The theta that blocks call neutral."""
        theta = np.empty(self.tables.theta.size)
        for p in self.placed:
            p.pack_params(p.block.neutral(), theta)
        return theta

    def seeds(self) -> Array:
        """Features (n, f) for k-means++ starts, NaN where missing."""
        return np.column_stack([self.spec.model_emission.seeds(self.y), *self.exogs.values()])

    @property
    def exogs(self) -> Params:
        """The design matrices (n, p) of regressions: ``exog``, under the prefix of their stream."""
        return {p.prefix + "exog": self.seen[:, a : a + d - 1] for p, _, a, d in self._regressions()}

    @property
    def seen(self) -> Array:
        """Columns of y (n, c) as the user sees them."""
        return self.data.y if self.raw is None else self.raw

    def _regressions(self) -> list[tuple[Placed, int, int, int]]:
        """Block, kind, first column and size of the streams that have a design of their own."""
        own = zip(self.placed[self.n_latent :], *self.streams[:3], strict=True)
        return [row for row in own if row[0].prefix + "design" in self.designs]

    @cached_property
    def truncates(self) -> bool:
        """Whether rows are missing for what their responses were."""
        return tables.TRUNCATED in self.streams.kind

    @property
    def hides_responses(self) -> bool:
        """Whether responses are latent: seen through limits, or with weights of their own that nobody sees."""
        return bool(np.isin(self.streams.kind, (tables.CENSORED, tables.TRUNCATED, tables.ROBUST)).any())

    def first_regression(self) -> Array:
        """Design and response (n, p + 1) of the first regression; a censored response by its finite end or middle."""
        from em_vs_bayes.model.emissions.limits import representative

        _, kind, first, d = self._regressions()[0]
        columns = self.data.y[:, first : first + d]
        if kind not in (tables.CENSORED, tables.ROBUST):
            return columns
        return np.column_stack([columns[:, :-1], representative(columns[:, -1], self.data.y[:, first + d])])

    @property
    def predictors(self) -> dict[str, list[str]]:
        """Name of the predictor dim -> names of the columns of its design."""
        return {name.removesuffix("design") + "predictor": list(d.names) for name, d in self.designs.items()}

    # --- E-step -------------------------------------------------------------------------------------------------

    def _outside(self, theta: Array) -> str:
        """Positive parameters whose squares floats cannot hold, for a message."""
        positive = {p.prefix + q.name for p in self.placed for q in p.block.parameters if q.support == "positive"}
        with np.errstate(all="ignore"):
            squares = {name: np.square(value) for name, value in self.public(theta).items() if name in positive}
        found = [name for name, value in squares.items() if not np.all((value > 0.0) & (value < np.inf))]
        return f"{' and '.join(found)} too small or too large for its square to be held? " if found else ""

    def potentials(self, theta: Array) -> Array:
        """Potentials at a point. Raises ValueError where theta is outside its support."""
        pot = np.empty(self.n_pot)
        if not block_kernels.potentials(self.tables.blocks, theta, pot):
            raise ValueError(
                f"The parameters are outside their support ({self._outside(theta)}a covariance that is not positive "
                "definite, a chain that all but falls apart?)."
            )
        return pot

    # --- what each kind of program does for itself -------------------------------------------------------------------

    @abstractmethod
    def expect(self, pot: Array, cores: int = 1) -> tuple[float, Array]:
        """Log evidence and expected statistics."""

    @abstractmethod
    def decode(self, pot: Array) -> tuple[float, Array]:
        """Complete-data log-likelihood and statistics of the most probable assignment (hard EM)."""

    @abstractmethod
    def pointwise(self, theta: Array, kind: str | None = None) -> Array:
        """Log predictive density terms, case weights not applied; by default the latent structure's first kind."""

    @abstractmethod
    def probabilities(self, theta: Array) -> Array:
        """Posterior probabilities of the components or states (n, K)."""

    @abstractmethod
    def told_apart(self, theta: Array, pairs: Sequence[tuple[int, int]]) -> list[bool]:
        """Whether some row that one of two components explains is clearly likelier under one than under the other."""

    @abstractmethod
    def assign(self, theta: Array) -> NDArray[np.int64]:
        """The most probable assignment (n,): of each row, or the path of each sequence."""

    @abstractmethod
    def require_draws(self) -> None:
        """Refuse Gibbs sampling in words where what is latent cannot be drawn."""

    @property
    @abstractmethod
    def reads_values(self) -> str:
        """Why averages of potentials will not do in an E-step, in words; "" where they do."""

    @abstractmethod
    def density(self, theta: Array, likelihood: float = 1.0, prior: float = 1.0, jacobian: float = 1.0) -> Density:
        """The log density of unconstrained coordinates with its gradient, each term raised to a power.

        (1, 1, 1) is the posterior of x; (1, 1, 0) has the MAP in the natural parameters as its maximum; (1, 0, 0) the
        maximum likelihood estimate. Fixed elements are read from ``theta``.
        """

    @abstractmethod
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
        """Advance ``theta``, ``pot`` and ``z`` in place by draws * thin sweeps; the kept draws (draws, P).

        Fewer draws come back where a conditional was improper or left floating point. With ``centre`` (D,) and ``root``
        (D, D) of unconstrained coordinates a sweep ends with a move on the marginal posterior: see `kernels.collapsed`.
        """

    def named_stats(self, flat: Array) -> Stats:
        """The statistics under their names."""
        return Stats(self.stats_layout, flat)

    def log_likelihood(self, theta: Array) -> float:
        """Marginal log-likelihood."""
        return self.expect(self.potentials(theta))[0]

    def log_prior(self, theta: Array) -> float:
        """Log prior density in the natural parameters."""
        self.require_known_priors("log_prior")
        inner = block_priors.log_prior(self.tables.blocks, self.tables.prior, theta, np.zeros_like(theta))
        return float(inner) + self._stretch

    @cached_property
    def _stretch(self) -> float:
        """Log density of the user's parameters over that of theta."""
        from em_vs_bayes.model.emissions.basis import stretch

        return self.k * sum(stretch(basis) for name, basis in self.centre.items() if name.endswith("basis"))

    def slope(self, x: Array, theta: Array, stats: Array, *, prior: bool = True, jacobian: bool = True) -> Array:
        """Gradient in x (D,) of the log posterior density of x, the data completed to these statistics.

        With those expected at x it is that of the marginal posterior (Fisher's identity). Fixed elements are read from
        ``theta``. Without ``prior`` it is that of the likelihood; without ``jacobian`` that of the density of theta.
        """
        t, at, g = self.tables, self.constrain(x, theta), np.zeros_like(theta)
        block_kernels.gradient(t.blocks, at, stats, g)
        if prior:
            block_priors.log_prior(t.blocks, t.prior, at, g)
        return self.pulled_back(x, at, g, float(jacobian))

    def pulled_back(self, x: Array, theta: Array, g: Array, jacobian: float = 1.0) -> Array:
        """Gradient in x (D,) from that in theta = theta(x), with so many times the gradient of the log-Jacobian."""
        out = np.empty_like(x)
        coordinate_kernels.pull_back(self.tables.coordinates, x, theta, g, out)
        if jacobian == 1.0:
            return out
        volume = np.empty_like(x)
        coordinate_kernels.pull_back(self.tables.coordinates, x, theta, np.zeros_like(theta), volume)
        return out - (1.0 - jacobian) * volume

    def held(self, theta: Array) -> Self:
        """The program in which what lies on the boundary at theta stays there, and nothing is kept in order.

        Its coordinates of theta are finite, if theta is feasible.
        """
        t, edge = self.tables, at_the_edge(self.placed, self.tables.theta, theta)
        unordered = Ordering((), False, {})
        for _ in range(2):
            fixed = np.where(edge & np.isnan(t.fixed), theta, t.fixed)
            made = coordinates(self.placed, t.theta, fixed, unordered, t.prior.shift)
            x = np.empty(int(made.nx.sum()))
            coordinate_kernels.unconstrain(made, theta, x)
            for u in np.flatnonzero(made.code != tables.SPD):  # at the ends of an interval
                if not np.isfinite(x[made.x[u] : made.x[u] + made.nx[u]]).all():
                    edge[made.where[made.first[u] : made.first[u] + made.ntheta[u]]] = True
        return replace(self, tables=replace(t, fixed=fixed, coordinates=made))

    # --- M-step -------------------------------------------------------------------------------------------------

    def maximize(self, theta: Array, stats: Array, *, flat_prior: bool, floor: float) -> Step:
        """One (conditional) maximisation of every block."""
        new, floored, unbounded = theta.copy(), set[int](), []
        for p in self.placed:
            best = p.block.maximize(p.params(theta), p.stats(stats), flat_prior=flat_prior, floor=floor)
            p.pack_params(best.params, new)
            floored |= set(best.floored)
            unbounded += [p.prefix + name for name in best.unbounded]
        return Step(new, tuple(sorted(floored)), tuple(unbounded))

    # --- CAVI ---------------------------------------------------------------------------------------------------

    def require_conjugate(self) -> None:
        """Refuse CAVI in words where a block has no conjugate update."""
        reasons = [r for p in self.placed if (r := p.block.refuses_vi())]
        reasons += [self.reads_values] if self.reads_values else []
        if self.order.names and not self.order.exchangeable:
            reasons.append(f"ordered={self.order.names} truncates the prior")
        if reasons:
            raise ValueError(
                f"method='vi' (CAVI) needs conjugate priors, but {'; '.join(reasons)}. "
                "Use method='advi', 'laplace', 'gibbs' or 'nuts'."
            )

    def factors(self, theta: Array, stats: Array) -> tuple[Any, ...]:
        """First variational factors, from the statistics at theta."""
        return tuple(p.block.factor(p.params(theta), p.stats(stats)) for p in self.placed)

    def update_factors(self, factors: tuple[Any, ...], stats: Array) -> tuple[Any, ...]:
        """Next variational factors."""
        return tuple(p.block.update(q, p.stats(stats)) for p, q in zip(self.placed, factors, strict=True))

    def expected_potentials(self, factors: tuple[Any, ...]) -> Array:
        """Potentials averaged over the factors."""
        pot = np.empty(self.n_pot)
        for p, q in zip(self.placed, factors, strict=True):
            p.pack_potentials(p.block.expected_potentials(q), pot)
        return pot

    def kl(self, factors: tuple[Any, ...]) -> float:
        """KL(q || prior), summed over blocks."""
        return sum(p.block.kl(q) for p, q in zip(self.placed, factors, strict=True))

    def factor_mean(self, factors: tuple[Any, ...]) -> tuple[Array, Array]:
        """Posterior means as theta, not finite where they do not exist, and the point that stands in for those."""
        theta, centre = np.empty((2, self.tables.theta.size))
        for p, q in zip(self.placed, factors, strict=True):
            p.pack_params(p.block.factor_mean(q), theta)
            p.pack_params(p.block.factor_centre(q), centre)
        return theta, centre

    def factor_draws(self, factors: tuple[Any, ...], rng: np.random.Generator, size: int) -> Array:
        """Independent draws of theta (size, P)."""
        theta = np.empty((size, self.tables.theta.size))
        for p, q in zip(self.placed, factors, strict=True):
            p.pack_params(p.block.factor_draw(q, rng, size), theta)
        return theta

    def factor_log_density(self, factors: tuple[Any, ...], theta: Array) -> Array:
        """Log density (S,) of draws of theta (S, P), up to a constant."""
        each = (p.block.factor_log_density(q, p.params(theta)) for p, q in zip(self.placed, factors, strict=True))
        return np.asarray(sum(each))

    # --- Gibbs --------------------------------------------------------------------------------------------------

    # --- direct posterior ---------------------------------------------------------------------------------------

    def require_known_priors(self, what: str) -> None:
        """Refuse in words what the compiled roads cannot evaluate."""
        if self.tables.unknown:
            from em_vs_bayes.model.priors import Prior

            raise ValueError(
                f"{what} cannot evaluate {'; '.join(self.tables.unknown)}: the densities known here are "
                f"{', '.join(Prior.COMPILED)} (TruncatedNormal from 0 on). Use method='nuts' with sampler='pymc', or "
                "method='advi'."
            )

    def constrain(self, x: Array, theta: Array) -> Array:
        """theta from unconstrained coordinates; fixed elements as in ``theta``. ``x`` may have leading axes."""
        out = np.broadcast_to(theta, (*x.shape[:-1], theta.size)).copy()
        flat = out.reshape(-1, theta.size)
        flat_x = np.ascontiguousarray(x.reshape(len(flat), x.shape[-1]))  # of no coordinates, too
        for i in range(len(flat)):
            coordinate_kernels.constrain(self.tables.coordinates, flat_x[i], flat[i])
        return out

    def unconstrain(self, theta: Array) -> Array:
        """Unconstrained coordinates of theta; NaN where theta is on the edge of its support."""
        x = np.empty(self.ndim)
        inside = coordinate_kernels.unconstrain(self.tables.coordinates, theta, x)
        return x if inside else np.full(self.ndim, np.nan)

    def groups(self) -> NDArray[np.int64]:
        """A number for each coordinate (D,): those of one number belong to the same place of different components.

        Completed data tell of each of them alone.
        """
        made, keys = self.tables.coordinates, []
        dims = [(p.prefix + q.name, q) for p in self.placed for q in p.block.parameters]
        for u in range(made.code.size):
            where = made.where[made.first[u] : made.first[u] + made.ntheta[u]]
            name, parameter = next(d for d in dims if where[0] < self.tables.theta.offset(d[0]) + prod(d[1].shape))
            own = prod(parameter.shape[1:])
            if made.nx[u] == len(where) and parameter.dims[:1] == (self.spec.leading,):  # element by element
                places = (where - self.tables.theta.offset(name)) % own
            else:
                places = np.arange(made.nx[u])
            keys += [(name, int(place)) for place in places]
        numbers = {key: i for i, key in enumerate(dict.fromkeys(keys))}
        return np.array([numbers[key] for key in keys], dtype=np.int64)

    # --- the user's parameters ----------------------------------------------------------------------------------

    def public(self, theta: Array) -> Params:
        """The user's parameters, in pipeline order; leading axes of theta kept."""
        internal = self.tables.theta.unpack(theta)
        names = [p.prefix + q.name for p in self.placed[: self.n_latent] for q in p.block.parameters]
        own = {name: internal.pop(name) for name in names}
        return self.latent.public(own) | self.spec.model_emission.public(internal, self.centre)

    def theta_of(self, params: Mapping[str, Any], rest: Params | None = None) -> Array:
        """theta from the user's parameters; errors in words. See `given.completed`."""
        return self.with_fixed(self.internal(completed(self, params, rest)))

    def internal(self, params: Mapping[str, Any]) -> Array:
        """theta from the user's parameters (any leading axes, the same for all), fixed values as they come."""
        arrays = self.latent.internal(params) | self.spec.model_emission.internal(params, self.centre)
        parts = []
        for name, where, shape in self.tables.theta.items():
            value = np.asarray(arrays[name], dtype=float)
            parts.append(value.reshape(*value.shape[: value.ndim - len(shape)], where.stop - where.start))
        return np.concatenate(parts, axis=-1)

    def inside(self, theta: Array) -> Array:
        """theta, moved towards the neutral one where it is on the edge of its support: samplers cannot start there."""
        for point in (theta, self.opened(theta, INSIDE)):  # what is not on an edge stays where it is, if it can
            if np.isfinite(self.unconstrain(point)).all():
                return point
        return self.towards_neutral(theta)

    def towards_neutral(self, theta: Array) -> Array:
        """theta a hundredth of the way to the neutral one: inside, for the parameter space is convex."""
        return (1.0 - INSIDE) * theta + INSIDE * self.with_fixed(self.neutral())

    @property
    def latent_end(self) -> int:
        """One past the last element of theta that belongs to the latent structure beside emissions of its own."""
        return self.placed[self.n_latent].theta if self.n_latent < len(self.placed) else 0

    def opened(self, theta: Array, share: float = OPEN) -> Array:
        """theta with the latent structure's probabilities a little nearer to even: EM never leaves a zero.

        So are the emission's where they are on the edge: a partition of symbols has every other one at zero, in the
        whole row of the component or state.
        """
        moved = np.zeros(theta.size, dtype=bool)
        moved[: self.latent_end] = True
        edge = at_the_edge(self.placed, self.tables.theta, theta)
        for _, where, shape in self.tables.theta.items():
            rows = edge[where].reshape(*shape[:1], -1)  # a single number has none
            moved[where] |= np.repeat(rows.any(axis=-1), prod(shape[1:]))
        return np.where(moved, (1.0 - share) * theta + share * self.with_fixed(self.neutral()), theta)

    def with_fixed(self, theta: Array) -> Array:
        """theta with the user's fixed values in place."""
        return np.where(np.isnan(self.tables.fixed), theta, self.tables.fixed)

    def permuted(self, theta: Array, permutation: NDArray[np.int64]) -> Array:
        """theta relabelled: component j of the result is component ``permutation[..., j]``.

        Parameters
        ----------
        theta : ndarray (..., P)
        permutation : ndarray (..., K)
        """
        out, order, leading = theta.copy(), np.asarray(permutation), self.spec.leading
        dims = {p.prefix + q.name: q.dims for p in self.placed for q in p.block.parameters}
        for name, where, _ in self.tables.theta.items():
            if dims[name][:1] != (leading,):
                continue
            values = theta[..., where].reshape(*theta.shape[:-1], self.k, -1)
            values = np.take_along_axis(values, order[..., None], axis=-2)
            if dims[name][1:] == (f"{leading}_to",):
                values = np.take_along_axis(values, order[..., None, :], axis=-1)
            out[..., where] = values.reshape(*theta.shape[:-1], -1)
        return out

    def emissions(self, theta: Array) -> Iterator[tuple[Array, Array]]:
        """Each emission parameter by component or state (K, size), and its fixed values, NaN where free."""
        values, fixed = self.tables.theta.unpack(theta), self.tables.theta.unpack(self.tables.fixed)
        for p in self.placed[self.n_latent :]:
            for name in (p.prefix + q.name for q in p.block.parameters if q.dims[:1] == (self.spec.leading,)):
                yield values[name].reshape(self.k, -1), fixed[name].reshape(self.k, -1)

    def sample(self) -> Self:
        """The same model on rows enough to tell which label is which."""
        return self.subset(*self.latent.sample(self.n, self.data.starts))

    def subset(self, rows: NDArray[np.int64], starts: NDArray[np.int64]) -> Self:
        """The same model on some of the rows, with sequences that start anew at ``starts`` among them."""
        data = self.data
        picked = {
            name: (value[rows] if value.shape[0] == self.n else value)
            for name, value in (
                ("base", data.base),
                ("weights", data.weights),
                ("labels", data.labels),
                ("pattern", data.pattern),
            )
        }
        chosen = data.changed(columns=np.ascontiguousarray(data.columns[:, rows]), starts=starts, **picked)
        return replace(self, n=len(rows), y=None, data=chosen, raw=None if self.raw is None else self.raw[rows])

    @cached_property
    def copies(self) -> Self:
        """The program in which a row (a sequence) of whole weight w stands w times: all copies are drawn."""
        weights, starts = self.data.weights, self.data.starts
        if not weights.size:
            return self
        if starts.size:
            times = weights[starts[:-1]].astype(np.int64)
            pieces = [np.arange(starts[s], starts[s + 1]) for s in np.repeat(np.arange(len(times)), times)]
            lengths = np.repeat(np.diff(starts), times)
            repeated = self.subset(np.concatenate(pieces), np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))
        else:
            repeated = self.subset(np.repeat(np.arange(self.n), weights.astype(np.int64)), starts)
        return replace(repeated, data=repeated.data.changed(weights=np.empty(0)))

    def with_labels(self, labels: NDArray[np.int64]) -> Self:
        """The same program with every component known: its statistics are those of the assignment."""
        known = self.data.labels
        merged = np.where(known >= 0, known, labels) if known.size else labels
        return replace(self, data=self.data._replace(labels=np.ascontiguousarray(merged, dtype=np.int64)))


class Density(ABC):
    """x -> (log density, gradient); one per thread, for buffers may be reused."""

    program: Program

    @property
    @abstractmethod
    def theta(self) -> Array:
        """Where fixed elements are read from (P,)."""

    @abstractmethod
    def __call__(self, x: Array) -> tuple[float, Array]: ...
