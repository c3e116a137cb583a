"""The laws of a user's model, put to it: whether what it says of evidence, statistics, draws and data hangs together.

Each law is judged where the model has what it needs; what it does not have is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from em_vs_bayes.common.arguments import brief
from em_vs_bayes.common.contract import Array
from em_vs_bayes.model.own import Model
from em_vs_bayes.program.open import OpenProgram, open_program

POINTS = 3  # of the parameter space, about the estimate
AWAY = 0.3  # how far they lie, in unconstrained coordinates
STEP = 1e-5  # of differences
CLOSE = 1e-5  # differences and gradients agree to
ITERATIONS = 25
DRAWS = 2000
DATA = 400  # simulated data sets
RATIO = 0.05  # how far two parameters of an importance ratio lie apart
ERRORS = 4.5  # Monte-Carlo standard errors within which averages agree


@dataclass(frozen=True, slots=True)
class Law:
    """One law: what it says, whether it holds (None: it could not be put), and what was seen."""

    name: str
    holds: bool | None
    seen: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What `check` found; prints as a list."""

    model: str
    laws: tuple[Law, ...]

    @property
    def passed(self) -> bool:
        """Whether no law is broken."""
        return all(law.holds is not False for law in self.laws)

    def __repr__(self) -> str:
        marks = {True: "holds      ", False: "DOES NOT   ", None: "not checked"}
        lines = [f"  {marks[law.holds]}  {law.name}: {law.seen}" for law in self.laws]
        verdict = "no law is broken" if self.passed else "laws are broken"
        return "\n".join([f"{self.model}: {verdict}", *lines])


def check(model: Model, y: Any, *, seed: int = 0) -> Checked:
    """Put the laws of a model to it, and say in words which it breaks.

    Parameters
    ----------
    model : Model
    y : data, or dict of parameters
        Data as ``expect`` reads them; or parameters, at which data are simulated (the model must have ``simulate``).
    seed : int
        Of points, draws and simulated data.

    Returns
    -------
    Checked
        Its ``laws``, whether they ``passed``; it prints as a list.

    Notes
    -----
    Fisher's identity (expected statistics are the gradient of the log evidence) against central differences; EM's
    objective never falls; draws average to the expected statistics; the score averages zero over simulated data and
    ratios of evidences average one, as those of any density do (the first is TMB's checkConsistency).

    Raises
    ------
    TypeError, ValueError
        Where the model does not return what it must; the message says what.
    """
    if not isinstance(model, Model):
        raise TypeError(f"model must be an instance of a subclass of evb.Model; got {brief(model)}.")
    rng = np.random.default_rng(seed)
    if isinstance(y, Mapping) and set(y) == set(model.parameter_dims()):
        params = {name: np.asarray(value, dtype=float) for name, value in y.items()}
        y = model.simulate(params, rng)
    program = open_program(model, y)
    theta = _near(program)
    points = list(_points(program, theta, rng))
    laws = (
        _gradient(program, points),
        _monotone(program),
        _drawn(program, points, rng),
        *_simulated(program, model, points[0], rng),
    )
    return Checked(type(model).__name__, laws)


def _near(program: OpenProgram) -> Array:
    """theta after some EM steps under the prior: inside, and of the data."""
    theta = program.with_fixed(program.neutral())
    for _ in range(5):
        _, theta = _stepped(program, theta, flat_prior=bool(program.tables.unknown))
    return program.inside(theta)


def _stepped(program: OpenProgram, theta: Array, *, flat_prior: bool) -> tuple[float, Array]:
    """The log evidence at theta, and where a step of plain EM leads."""
    height, stats = program.expect(program.potentials(theta))
    return height, program.with_fixed(program.maximize(theta, stats, flat_prior=flat_prior, floor=1e-8).theta)


def _points(program: OpenProgram, theta: Array, rng: np.random.Generator) -> Iterator[Array]:
    x = program.unconstrain(theta)
    for _ in range(POINTS):
        yield program.constrain(x + AWAY * rng.standard_normal(x.size), theta)


def _gradient(program: OpenProgram, points: list[Array]) -> Law:
    name, worst = "gradient (Fisher's identity)", 0.0
    for theta in points:
        density, x = program.density(theta, prior=0.0, jacobian=0.0), program.unconstrain(theta)
        slope = density(x)[1]
        for j in range(x.size):
            step = np.zeros_like(x)
            step[j] = STEP * max(1.0, abs(x[j]))
            seen = (density(x + step)[0] - density(x - step)[0]) / (2.0 * step[j])
            size = max(1.0, float(np.abs(slope).max()))
            worst = max(worst, abs(seen - slope[j]) / size)
    if worst < CLOSE:
        return Law(name, True, f"statistics and differences of the evidence agree to {worst:.1e}.")
    return Law(
        name,
        False,
        f"the statistics that expect returns are not the gradient of its log evidence (off by {worst:.2g} of its "
        "size): one of the two is wrong.",
    )


def _monotone(program: OpenProgram) -> Law:
    name, theta, last = "EM never falls", program.with_fixed(program.neutral()), -np.inf
    for i in range(ITERATIONS):
        height, theta = _stepped(program, theta, flat_prior=True)
        if height < last - 1e-9 * (1.0 + abs(last)):
            return Law(name, False, f"the log evidence fell by {last - height:.3g} in iteration {i}.")
        last = height
    return Law(name, True, f"{ITERATIONS} iterations from neutral parameters.")


def _drawn(program: OpenProgram, points: list[Array], rng: np.random.Generator) -> Law:
    name = "draws average to the expected statistics"
    try:
        program.require_draws()
    except ValueError:
        return Law(name, None, f"{type(program.spec).__name__} has no method draw: Gibbs sampling wants one.")
    pot = program.potentials(points[0])
    _, expected = program.expect(pot)
    draws = np.array([program.completed(pot, rng) for _ in range(DRAWS)])
    z = _errors_away(draws, expected)
    if z < ERRORS:
        return Law(name, True, f"{DRAWS:,} draws, {z:.1f} standard errors at most.")
    return Law(name, False, f"the mean of {DRAWS:,} draws is {z:.1f} standard errors from what expect says.")


def _simulated(program: OpenProgram, model: Model, theta: Array, rng: np.random.Generator) -> Iterator[Law]:
    names = ("the score averages zero", "ratios of evidences average one")
    if not model.writes("simulate"):
        for name in names:
            yield Law(name, None, f"{type(model).__name__} has no method simulate.")
        return
    params, x = program.public(theta), program.unconstrain(theta)
    other = x + RATIO * rng.standard_normal(x.size)
    scores, ratios = [], []
    for _ in range(DATA):
        data = open_program(model, model.simulate({n: np.array(v) for n, v in params.items()}, rng))
        density = data.density(theta, prior=0.0, jacobian=0.0)
        here, slope = density(x)
        scores.append(slope)
        ratios.append(np.exp(density(other)[0] - here))
    yield _averages(names[0], np.array(scores), np.zeros(x.size), "simulate and expect are of two models.")
    yield _averages(names[1], np.array(ratios)[:, None], np.ones(1), "the evidence is not that of a density of y.")


def _averages(name: str, values: Array, wanted: Array, otherwise: str) -> Law:
    z = _errors_away(values, wanted)
    if z < ERRORS:
        return Law(name, True, f"{len(values)} simulated data sets, {z:.1f} standard errors at most.")
    return Law(
        name, False, f"over {len(values)} simulated data sets the mean is {z:.1f} standard errors off: {otherwise}"
    )


def _errors_away(values: Array, wanted: Array) -> float:
    """The most standard errors by which the means of columns miss what is wanted; what never varies must be it."""
    gap = np.abs(values.mean(axis=0) - wanted)
    error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    size = 1e-9 * (1.0 + np.abs(wanted))
    return float(np.max(np.where(gap <= size, 0.0, gap / np.maximum(error, 1e-300)), initial=0.0))


__all__: list[str] = ["Checked", "Law", "check"]
