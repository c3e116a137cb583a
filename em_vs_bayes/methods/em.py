"""Expectation-maximisation: maximum likelihood or maximum a posteriori, soft or hard, accelerated when it crawls.

    theta <- mode(update(prior, E[statistics | y, theta]))

Dempster, Laird & Rubin (1977); conditional blocks make it ECM (Meng & Rubin 1993), numerical ones GEM. Acceleration is
Anderson's (`anderson`) or SQUAREM (Varadhan & Roland 2008, scheme S3), in unconstrained coordinates, kept only where
the objective rises.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from em_vs_bayes.common.arguments import (
    brief,
    is_number,
    one_of,
    positive_integer,
    tolerance,
)
from em_vs_bayes.common.contract import Array
from em_vs_bayes.common.status import Status
from em_vs_bayes.common.threads import processors
from em_vs_bayes.methods import edge, flat, regroup, starts
from em_vs_bayes.methods.anderson import Trail
from em_vs_bayes.methods.ascent import (
    FINISHERS,
    Climb,
    Interrupted,
    alike,
    emptied,
    hopeless,
    screened,
    twins,
    unfinished,
)
from em_vs_bayes.methods.base import Beyond, Method, Outcome, Run
from em_vs_bayes.methods.leap import leapt
from em_vs_bayes.methods.maximum import ways_up
from em_vs_bayes.program import onesided, truncation
from em_vs_bayes.program.identified import narrows, runs_off
from em_vs_bayes.program.placed import Step
from em_vs_bayes.program.program import Program

FEW = 10  # starts at most of a climb that others only begin from: they have little time
FLOOR = 1e-8  # of the features' variances, for the least eigenvalue of a covariance
NARROWEST = 1e-12  # and where it rests on rows enough: nearer to zero, rounding of the sums over rows takes its digits
ENOUGH = 2  # times as many distinct rows as a mean and a covariance need
CRAWL = 0.8  # linear rate above which "auto" accelerates
PATIENCE = 20  # plain iterations "auto" always makes first
GAIN = 0.01  # nats by which another maximum is a higher one
SHOWN = 100  # iterations at most where no maximum is to be reached: they show which way it rises
LEAP = 100  # iterations of a crawl after which L-BFGS takes a step, and the next if that gained as much as so many and
WORTH = 1e-3  # nats
ENDS = (Status.CONVERGED, Status.MAX_ITER, Status.SADDLE, Status.COLLAPSED, Status.OBJECTIVE_FELL)
PROBES = 6  # of the objective, each parameter moved by its last bit
LAST_BIT = float(np.finfo(float).eps)
BLURS = 4.0  # times what the most of them changes: an M-step solves with such errors, too
PATIENT = 3  # corrections of Anderson's without a gain, in a row but for plain steps, after which SQUAREM takes over


@dataclass(frozen=True, slots=True)
class State:
    """Where EM is: parameters, and the statistics and objective at them."""

    theta: Array
    stats: Array
    climb: Climb
    floored: tuple[int, ...] = ()
    crawling: bool = False
    trail: Trail | None = None
    refused: int = 0
    pace: float = 0.0  # gain of a step before L-BFGS took over, while it goes on
    floor: float = FLOOR
    past: tuple[dict[str, float], ...] = ()
    astray: tuple[int, ...] = ()
    runs_off: str | None = None  # as `identified.runs_off` says; None too where a prior keeps all in place


@final
@dataclass(frozen=True, slots=True)
class EM(Method):
    """Options of ``method="em"``.

    A component or state that less than one row is expected in is said in a note. Without any row it keeps its last
    parameters, its row of a transition matrix too, or goes to the prior's mode (``objective="map"``).

    Parameters
    ----------
    objective : {"mle", "map"}
        Maximise the likelihood, or likelihood times prior (in the spec's own parameters).
    algorithm : {"em", "hard"}
        Expected statistics, or those of the most probable assignment (classification EM).
    accelerate : {"auto", "squarem", "anderson", None}
        "auto" is Anderson's acceleration from the first step where the likelihood is concave (censored regression: no
        jump can land near another maximum); elsewhere from when EM's linear rate exceeds 0.8 after 20 iterations. It
        leaves every hundredth step to L-BFGS, which does not mind how much is missing.
    n_init : int, optional
        Starts; by default 30 (10 for more than 50,000 rows x components x columns, 4 for more than a
        million), 1 when ``init`` is given. They take several kinds of partition in turn; all are screened, the best
        three finished (Biernacki, Celeux & Govaert 2003).
    max_iter : int
    tol : float
        Stop when Aitken's estimate of what the objective can still gain is below this many nats.
    covariance_floor : float, optional
        Least eigenvalue of a covariance, in units of the features' variances. A fit at the floor is not converged. By
        default 1e-8, and 1e-12 once a component with many distinct rows of its own is narrower.
    cores : int
        Threads that share the rows of each E-step, or the sequences (one sequence is one thread's); for large data. No
        more are started than there are processors.
    """

    objective: str = "mle"
    algorithm: str = "em"
    accelerate: str | None = "auto"
    n_init: int | None = None
    max_iter: int = 5000
    tol: float = 1e-13
    covariance_floor: float | None = None
    cores: int = 1

    def __post_init__(self) -> None:
        one_of("objective", self.objective, ("mle", "map"))
        one_of("algorithm", self.algorithm, ("em", "hard"))
        one_of("accelerate", self.accelerate, ("auto", "squarem", "anderson", None))
        positive_integer("max_iter", self.max_iter)
        if self.n_init is not None:
            positive_integer("n_init", self.n_init, most=10**6)
        tolerance(self.tol)
        positive_integer("cores", self.cores, most=10**4)
        if self.cores > 1 and self.algorithm == "hard":
            raise ValueError(f"cores={self.cores} shares expected statistics; algorithm='hard' runs on one core.")
        if self.covariance_floor is not None and (
            not is_number(self.covariance_floor) or not 0 <= self.covariance_floor < 1
        ):
            raise ValueError(f"covariance_floor must lie in [0, 1), or None; got {brief(self.covariance_floor)}.")

    @property
    def _flat(self) -> bool:
        return self.objective == "mle"

    def init(self, program: Program, start: Any, rng: np.random.Generator) -> list[Run]:
        if not self._flat:
            program.require_known_priors("objective='map'")
        elif program.undetermined:
            raise ValueError(f"{program.undetermined} With these priors objective='map', vi, gibbs and nuts fit it.")
        n = self.n_init or starts.enough(program, start)
        away = runs_off(program) if self._flat else None
        best = screened(
            lambda attempt: replace(
                self._at(program, starts.start(program, start, rng, attempt), several=n > 1), runs_off=away
            ),
            lambda state: self.step(program, state, screening=True) if self.finished(state) is None else state,
            lambda state: (
                not (state.floored or state.astray or twins(program, state.theta)),
                state.climb.objective < np.inf,
                state.climb.objective,
            ),
            n,
        )
        return [
            Run(state, list(state.past), goes_on=i < FINISHERS, spare=hopeless(state.climb, best[0].climb))
            for i, state in enumerate(best)
        ]

    def _at(self, program: Program, theta: Array, *, several: bool = False) -> State:
        objective, stats = self._expect(program, theta)
        floor = FLOOR if self.covariance_floor is None else self.covariance_floor
        new = State(theta, stats, Climb(objective, summed=program.summed, several=several), floor=floor)
        return replace(new, past=(self.record(new),))

    def _expect(self, program: Program, theta: Array) -> tuple[float, Array]:
        pot = program.potentials(theta)
        cores = 1 if self.cores == 1 else min(self.cores, processors())
        evidence, stats = program.decode(pot) if self.algorithm == "hard" else program.expect(pot, cores)
        return (evidence if self._flat else evidence + program.log_prior(theta)), stats

    def step(self, program: Program, state: State, *, screening: bool = False) -> State:
        new = self._once(program, state)
        lower = bool(new.floored) and self.covariance_floor is None and state.floor > NARROWEST
        if lower and crowded(program, new.theta, new.floored):
            new = self._once(program, replace(state, floor=NARROWEST, trail=None))
        if new.climb.gain < -new.climb.rounding:
            new = replace(new, climb=self._blurred(program, new))
        past = (*state.past, self.record(new)) if screening else ()
        held = state.runs_off is not None or not (self._flat and program.truncates)
        lost = () if held else truncation.spreading(program, new.theta)
        if not past and not lost and state.runs_off is None:  # as most steps are; `new` has none of these
            return new
        return replace(new, past=past, runs_off=state.runs_off, astray=lost)

    def _blurred(self, program: Program, state: State) -> Climb:
        """The climb; a fall that is no more than the last bits of parameters make of the objective is its rounding.

        A covariance all but singular, of features that one far row ties together, magnifies them.
        """
        rng, climb, blur = np.random.default_rng(0), state.climb, 0.0
        for _ in range(PROBES):
            bits = np.where(rng.random(state.theta.size) < 0.5, -LAST_BIT, LAST_BIT)
            try:
                height, _ = self._expect(program, program.with_fixed(state.theta * (1.0 + bits)))
            except ValueError:  # out of the support
                continue
            blur = max(blur, abs(height - climb.objective))
        return climb.rounded(-climb.gain) if -climb.gain <= BLURS * blur else climb

    def _once(self, program: Program, state: State) -> State:
        if self.algorithm == "hard" or self.accelerate is None or (program.truncates and program.k == 1):
            return self._plain(program, state)
        if self.accelerate == "squarem":
            return replace(self._extrapolated(program, state, self._plain(program, state)), crawling=True)
        if self.accelerate == "auto" and state.crawling and (state.pace or state.climb.iteration % LEAP == LEAP - 1):
            return self._leapt(program, state)
        if self.accelerate == "anderson" or program.latent.concave or state.crawling:
            return self._mixed(program, state)
        once = self._plain(program, state)
        return replace(once, crawling=once.climb.iteration > PATIENCE and once.climb.rate > CRAWL)

    def _maximize(self, program: Program, state: State) -> Step:
        floor = 0.0 if state.runs_off == "" else state.floor  # there is a maximum: sigma may be what it is
        if program.truncates and self.algorithm == "em":
            return truncation.maximize(program, state.theta, state.stats, flat_prior=self._flat, floor=floor)
        if program.truncates and not np.isfinite(state.stats).all():  # astray
            return Step(state.theta, (), ())
        return program.maximize(state.theta, state.stats, flat_prior=self._flat, floor=floor)

    def _stepped(self, program: Program, theta: Array) -> Array:
        return self._maximize(program, State(theta, self._expect(program, theta)[1], Climb(0.0))).theta

    def _plain(self, program: Program, state: State) -> State:
        step = self._maximize(program, state)
        objective, stats = self._expect(program, step.theta)
        return State(step.theta, stats, state.climb.then(objective), step.floored, floor=state.floor)

    def _mixed(self, program: Program, state: State) -> State:
        """One EM step with Anderson's correction; the plain step where that is no gain, SQUAREM where it is none again.

        Far from the maximum steps hardly change from one to the next, and where they would cancel is anyone's guess.
        """
        step = self._maximize(program, state)
        here, there = program.unconstrain(state.theta), program.unconstrain(step.theta)
        trail = (state.trail or Trail.empty(len(here))).then(here, there - here)
        if len(trail.points) > 1 and not step.floored and np.isfinite(trail.steps).all():
            theta = program.constrain(trail.next(), state.theta)
            try:
                objective, stats = self._expect(program, theta)
            except ValueError:  # left the support
                objective = -np.inf
            if objective >= state.climb.objective - state.climb.resolution:  # higher, or both at the top
                climb = state.climb.then(objective)
                return State(theta, stats, climb, crawling=True, trail=trail, floor=state.floor)
            trail, refused = trail.restarted(), state.refused + 1
        else:
            refused = state.refused
        objective, stats = self._expect(program, step.theta)
        climb = state.climb.then(objective)
        crawling = state.crawling
        once = State(step.theta, stats, climb, step.floored, crawling=crawling, floor=state.floor)
        if refused < PATIENT:
            return replace(once, trail=trail, refused=refused)
        return replace(self._extrapolated(program, state, once), crawling=True, refused=PATIENT - 1)

    def _leapt(self, program: Program, state: State) -> State:
        """A quasi-Newton ascent, then an EM step; Anderson's where that leads no higher."""
        theta = leapt(program, state.theta, state.stats, prior=not self._flat)
        if theta is None:
            return self._mixed(program, state)
        try:
            objective, stats = self._expect(program, theta)
        except ValueError:  # left the support
            return self._mixed(program, state)
        if not objective > state.climb.objective:
            return self._mixed(program, state)
        landed = self._plain(program, State(theta, stats, state.climb, floor=state.floor))
        if not landed.climb.objective >= objective - landed.climb.rounding:
            return self._mixed(program, state)
        pace = state.pace or abs(state.climb.gain)
        return replace(landed, crawling=True, pace=pace if landed.climb.gain > max(LEAP * pace, WORTH) else 0.0)

    def _extrapolated(self, program: Program, state: State, once: State) -> State:
        """Two EM steps, a jump along their trend, one EM step from there; the two plain ones where that is no gain."""
        twice = self._plain(program, once)
        x0, x1, x2 = (program.unconstrain(s.theta) for s in (state, once, twice))
        r, v = x1 - x0, (x2 - x1) - (x1 - x0)
        climb = replace(twice.climb, iteration=state.climb.iteration + 1)  # gains of plain EM: they tell what remains
        fallback = replace(twice, climb=climb)
        length = float(np.linalg.norm(v))
        if not (np.isfinite(r).all() and np.isfinite(v).all() and length > 0):
            return fallback
        alpha = max(float(np.linalg.norm(r)) / length, 1.0)
        jump = x0 + 2.0 * alpha * r + alpha**2 * v
        theta = program.constrain(jump, state.theta)
        try:
            objective, stats = self._expect(program, theta)
        except ValueError:  # left the support
            return fallback
        if not objective > state.climb.objective:
            return fallback
        landed = self._plain(program, State(theta, stats, Climb(objective), floor=state.floor))
        if not landed.climb.objective > twice.climb.objective:
            return fallback
        return replace(landed, climb=replace(climb, objective=landed.climb.objective))

    def record(self, state: State) -> dict[str, float]:
        return {"objective": state.climb.objective, "accelerated": float(state.crawling)}

    def finished(self, state: State) -> Status | None:
        verdict = state.climb.verdict(self.tol, self.max_iter)
        if state.floored and (verdict or state.climb.iteration > 5):
            return Status.UNBOUNDED if state.runs_off else Status.COLLAPSED
        if state.runs_off and (verdict or state.climb.iteration >= SHOWN):
            return Status.UNBOUNDED
        if state.astray and not state.runs_off:
            return Status.UNBOUNDED
        return verdict

    def beyond(self, program: Program, state: State, status: Status) -> Beyond:
        if status is not Status.CONVERGED or self.algorithm == "hard" or program.latent.concave:
            return Beyond()
        if state.runs_off == "":  # of one truncated regression, which is concave in other parameters
            return Beyond()
        level = state.climb.objective + state.climb.rounding
        found = ways_up(program, state.theta, level, lambda theta: self._expect(program, theta), not self._flat)
        if found.points:
            return Beyond(tuple(self._onwards(program, state, theta) for theta in found.points))
        if state.climb.several and regroup.can(program) and (run := self._regrouped(program, state)):
            return Beyond((run,), optimum=True)
        if twins(program, state.theta):  # said in words of their own
            return Beyond()
        note = found.flat or (flat.spare(program, state.theta) if self._flat else "")
        return Beyond(notes=(note,) if note else ())

    def _onwards(self, program: Program, state: State, theta: Array) -> Run:
        """A climb that goes on from a higher point, its iterations counted from the first."""
        objective, stats = self._expect(program, theta)
        climb = replace(state.climb, objective=objective, gain=np.inf, previous_gain=np.inf)
        climb = replace(climb, iteration=climb.iteration + 1)
        new = State(theta, stats, climb, floor=state.floor, runs_off=state.runs_off)
        return Run(new, [self.record(new)])

    def _regrouped(self, program: Program, state: State) -> Run | None:
        """A higher maximum, its components split and merged; its records begin where it is higher."""
        level = state.climb.objective + GAIN
        for theta in regroup.starts(program, state.theta, program.log_likelihood(state.theta)):
            new, records = self._onwards(program, state, theta).state, []
            while self.finished(new) is None:
                new = self.step(program, new)
                records += [self.record(new)] if new.climb.objective > level else []
                if not records and new.climb.iteration - state.climb.iteration > regroup.FIRST:
                    break
            if records and self.finished(new) is Status.CONVERGED:
                return Run(new, records)
        return None

    def _tried(self, state: State) -> str:
        """What made the iterations fewer, for a note."""
        if self.algorithm == "hard":
            return ""
        if self.accelerate is None:
            return "They were plain EM's: accelerate='auto' needs fewer. "
        names = {"squarem": "SQUAREM", "anderson": "Anderson's acceleration"}
        return f"They were accelerated ({names.get(self.accelerate, names['anderson'])}). " if state.crawling else ""

    def progress(self, state: State) -> tuple[float, str]:
        return state.climb.iteration / self.max_iter, f"objective {state.climb.objective:.6g}"

    def checkpoint(self, state: State) -> dict[str, Array]:
        flags = np.array([state.crawling], dtype=float)
        floored = np.array(state.floored, dtype=float)
        trail = state.trail or Trail.empty(0)
        return {
            "theta": state.theta,
            "climb": state.climb.to_array(),
            "crawling": flags,
            "floored": floored,
            "points": trail.points,
            "steps": trail.steps,
            "refused": np.array([state.refused], dtype=float),
            "floor": np.array([state.floor]),
            "pace": np.array([state.pace]),
        }

    def restore(self, program: Program, checkpoint: dict[str, Array], records: list[dict[str, float]]) -> Run:
        theta = checkpoint["theta"]
        _, stats = self._expect(program, theta)
        climb, crawling = Climb.from_array(checkpoint["climb"]), bool(checkpoint["crawling"][0])
        floored = tuple(int(k) for k in checkpoint["floored"])
        trail = Trail(checkpoint["points"], checkpoint["steps"]) if len(checkpoint["points"]) else None
        refused = int(checkpoint["refused"][0])
        floor, pace = (float(checkpoint.get(name, [usual])[0]) for name, usual in (("floor", FLOOR), ("pace", 0.0)))
        state = State(theta, stats, climb, floored, crawling, trail, refused, pace, floor)
        return Run(replace(state, runs_off=runs_off(program) if self._flat else None), records)

    def outcome(self, program: Program, state: State, status: Status) -> Outcome:
        notes = [state.runs_off] if state.runs_off else []
        if self._flat and status in ENDS and (narrow := narrows(program, state.theta)):
            status, notes = Status.UNBOUNDED, [narrow]
        theta, order = state.theta, np.arange(program.k)
        if program.order.names:
            theta, order = sorted_components(program, theta)
            if not program.order.exchangeable and not np.array_equal(order, np.arange(program.k)):
                notes.append(
                    f"The maximum without the order constraint on {', '.join(program.order.names)} violates it: "
                    "the constrained maximum lies on the boundary. Use nuts or gibbs."
                )
                theta, order = state.theta, np.arange(program.k)
        if state.floored and not state.runs_off:
            which = ", ".join(map(str, np.sort(np.argsort(order)[list(state.floored)])))
            where = f"{program.spec.leading}(s) {which}" if program.spec.leading else "the model"
            unbounded = self._maximize(program, state).unbounded
            if unbounded:
                notes.append(
                    f"{', '.join(unbounded)} of {where} run to infinity: all rows there have one value, at which the "
                    "density has no bound."
                )
            else:
                notes.append(f"The covariance floor ({state.floor:g} of the features' variances) holds {where}.")
                if crowded(program, state.theta, state.floored):
                    notes.append(
                        "Many distinct rows lie there, too near to each other, against how far others are away, for "
                        "sums in floating point to tell how far. Fit them on their own."
                    )
        if status is Status.UNBOUNDED and not (self._flat or state.astray):
            notes += [
                f"The posterior density is infinite: priors[{name!r}]={prior!r} has no bound at the edge of "
                f"{name}, where this climb ended. Use vi, gibbs or nuts, or a prior whose mode lies inside."
                for name, prior in program.infinite_priors(state.theta).items()
            ]
        if state.astray and not state.runs_off:
            notes.append(truncation.words(program, tuple(np.sort(np.argsort(order)[list(state.astray)]))))
        if status in ENDS and (one_sided := onesided.held(program, theta)):
            status = Status.UNBOUNDED if self._flat and status is not Status.COLLAPSED else status
            notes.append(onesided.words(program, one_sided, self._flat))
        notes += emptied(program, state.stats, order, "where they last were" if self._flat else "at the prior's mode")
        notes += alike(program, theta, state.stats, order)
        if status is Status.CONVERGED and self.algorithm == "em":
            note = edge.trapped(
                program, theta, lambda at: self._expect(program, at)[0], lambda at: self._stepped(program, at)
            )
            notes += [note] if note else []
        if status is Status.MAX_ITER:
            notes.append(unfinished(state.climb, self._tried(state)))
        if status is Status.SADDLE:
            notes.append(
                "From each end so far there was a way up, and it led to another saddle point; the last stands."
            )
        return Outcome(theta, status, notes=tuple(notes))


def crowded(program: Program, theta: Array, components: tuple[int, ...]) -> bool:
    """Whether many distinct rows belong to these components: narrow as they are, they have not run into a few."""
    own = program.probabilities(theta)[:, list(components)].sum(axis=1) > 0.5
    if program.data.weights.size:
        own &= program.data.weights > 0.0
    distinct = len(np.unique(program.data.columns[:, own], axis=1).T)
    return distinct >= ENOUGH * len(components) * (len(program.data.columns) + 1)


def best_start(em: EM, program: Program, start: Any, rng: np.random.Generator) -> State:
    """The highest of EM's starts, for other methods."""
    try:
        return em.init(program, start, rng)[0].state
    except Interrupted:  # its starts are EM's, not the caller's
        raise KeyboardInterrupt from None


def climbed(program: Program, start: Any, rng: np.random.Generator) -> Array:
    """theta near the posterior mode, not to the last digit."""
    em = EM(objective="map", n_init=min(FEW, starts.enough(program, start)), tol=1e-3, max_iter=300)
    state = best_start(em, program, start, rng)
    while em.finished(state) is None:
        state = em.step(program, state)
    return state.theta


def sorted_components(program: Program, theta: Array) -> tuple[Array, NDArray[np.int64]]:
    """theta relabelled so that the ordered parameter increases, and which component each one was."""
    values = program.tables.theta.unpack(theta)[program.order.names[0]].ravel()
    order = np.argsort(values, kind="stable")
    return program.permuted(theta, order), order


def inside_the_order(program: Program, theta: Array) -> Array:
    """theta relabelled, then each ordered parameter sorted on its own: a point that an order constraint admits."""
    if not program.order.names:
        return theta
    theta, _ = sorted_components(program, theta)
    for name, where, _ in program.tables.theta.items():
        if name in program.order.names:
            theta[where] = np.sort(theta[where])
    return theta
