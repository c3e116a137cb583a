"""The No-U-Turn sampler on the marginal posterior, by two roads (Hoffman & Gelman 2014; nutpie, Seyboldt et al.).

``sampler="direct"``: our log posterior and gradient (Fisher's identity: the E-step is the gradient) handed to nutpie as
a plain function, in coordinates whitened by the posterior mode and its observed information. Nothing is compiled by
PyTensor. ``sampler="pymc"``: the PyMC model of the spec, sampled by ``pymc.sample``; any prior by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from em_vs_bayes.common.arguments import (
    brief,
    fraction,
    one_of,
    positive_integer,
    yes_or_no,
)
from em_vs_bayes.common.contract import Array
from em_vs_bayes.common.status import Status
from em_vs_bayes.common.threads import processors
from em_vs_bayes.methods.base import (
    Beyond,
    Method,
    Outcome,
    Run,
    not_resumable,
)
from em_vs_bayes.methods.laplace import near_mode
from em_vs_bayes.methods.mode import Whitening, settled
from em_vs_bayes.program.program import Program

HALVINGS = 30  # of a start that is too far out
WORTH_A_THREAD = 60e-6  # seconds of work between two calls of Python code, for which threads queue


@dataclass(frozen=True, slots=True)
class State:
    """A running sampler, or the draws it left."""

    theta: Array
    map: Whitening | None
    running: Any
    draws: Any = None
    done: float = 0.0
    broken: str = ""


@final
@dataclass(frozen=True, slots=True)
class NUTS(Method):
    """Options of ``method="nuts"``.

    Parameters
    ----------
    draws : int
        Draws kept, per chain.
    tune : int
        Draws discarded before them. Whitened coordinates need little tuning.
    chains : int
    cores : int, optional
        Threads; at most as many as there are processors, or ``chains``, which is the default. One where an evaluation
        of the density takes less than 60 microseconds: threads would then wait for each other longer than they work.
    sampler : {"direct", "pymc"}
    target_accept : float
    whiten : bool
        Start at the posterior mode with its observed information as the metric (direct road).
    options : dict, optional
        Passed on to ``pymc.sample`` (PyMC road).
    """

    draws: int = 1000
    tune: int = 300
    chains: int = 4
    cores: int | None = None
    sampler: str = "direct"
    target_accept: float = 0.8
    whiten: bool = True
    options: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        for name in ("draws", "tune", "chains"):
            positive_integer(name, getattr(self, name), most=10**4 if name == "chains" else 10**9)
        if self.cores is not None:
            positive_integer("cores", self.cores, most=10**4)
        yes_or_no("whiten", self.whiten)
        one_of("sampler", self.sampler, ("direct", "pymc"))
        fraction("target_accept", self.target_accept)
        if self.options is not None and not isinstance(self.options, dict):
            raise TypeError(f"options must be a dict of arguments of pymc.sample; got {brief(self.options)}.")
        if self.options and self.sampler != "pymc":
            raise ValueError(f"options={brief(self.options)} goes to pymc.sample: it wants sampler='pymc'.")

    @property
    def _most(self) -> int:
        return min(self.cores or processors(), processors(), self.chains)

    def _threads(self, density: Callable[[Array], Any], x: Array) -> int:
        """How many are worth it for a density that takes as long as at x."""
        if self.cores is None and min(_seconds(density, x) for _ in range(5)) < WORTH_A_THREAD:
            return 1
        return self._most

    def init(self, program: Program, start: Any, rng: np.random.Generator) -> list[Run]:
        seed = int(rng.integers(2**31))
        if self.sampler == "pymc":
            return [Run(State(program.neutral(), None, _PyMCRun(program, self, start, seed, self._most)))]
        theta = near_mode(program, start, rng)
        density = program.density(theta)
        x = program.unconstrain(theta)
        if self.whiten:
            found = settled(density, x)
        else:
            found = Whitening(x, np.eye(program.ndim), 0.0, density(x)[0], False)
        return [Run(State(theta, found, _direct(program, self, theta, found, seed)))]

    def step(self, program: Program, state: State) -> State:
        if self.sampler == "pymc":
            return replace(state, draws=state.running.sample(), done=1.0)
        try:
            return replace(state, draws=state.running.wait(timeout=0.2), done=1.0)
        except TimeoutError:  # still sampling
            return replace(state, done=min(state.done + 0.02, 0.99))
        except RuntimeError as error:  # of nutpie, whose cause follows the sentence
            return replace(state, broken=" ".join(str(error).partition("Stack backtrace")[0].split()) or "RuntimeError")

    def record(self, state: State) -> dict[str, float]:
        return {"objective": state.map.height if state.map else float("nan")}

    def finished(self, state: State) -> Status | None:
        if state.broken:
            return Status.FAILED
        return None if state.draws is None else Status.SAMPLED

    def beyond(self, program: Program, state: State, status: Status) -> Beyond:
        return Beyond()

    def progress(self, state: State) -> tuple[float, str]:
        return state.done, f"{self.chains} chains"

    def checkpoint(self, state: State) -> dict[str, Array]:
        return {}

    def restore(self, program: Program, checkpoint: dict[str, Array], records: list[dict[str, float]]) -> Run:
        raise not_resumable("nuts")

    def outcome(self, program: Program, state: State, status: Status) -> Outcome:
        if self.sampler == "pymc":
            if state.draws is None:
                return Outcome(state.theta, status, notes=("No draw was kept.",))
            theta, stats = state.draws
            return Outcome(None, status, draws=theta, sample_stats=stats, exchange=True)
        if state.broken:
            note = (
                f"nutpie gave up ({state.broken}): the posterior has no finite density where chains began, or none "
                "that they could follow. The estimate is its mode. Give init=, or priors that you mean, or use gibbs."
            )
            return Outcome(state.theta, status, notes=(note,))
        trace = state.draws if state.draws is not None else state.running.abort()
        if state.map is None or "posterior" not in trace.children or trace["posterior"].sizes.get("draw", 0) == 0:
            return Outcome(state.theta, status, notes=("No draw was kept: still tuning.",))
        u = np.asarray(trace["posterior"]["u"])
        chains, length = longest(np.isfinite(u).all(axis=2).sum(axis=1))  # an aborted run is ragged
        u = u[chains, :length]
        stats = {
            name: values.to_numpy()[chains, :length]
            for name, values in trace["sample_stats"].data_vars.items()
            if values.ndim == 2 and values.dtype.kind in "fiub"
        }
        stats["lp"] = stats.pop("logp")
        theta = program.constrain(state.map.to_x(u), state.theta)
        if theta.shape[1] == 0:
            return Outcome(state.theta, status, notes=("No draw was kept: still tuning.",))
        return Outcome(
            None,
            status,
            draws=theta,
            sample_stats=stats,
            exchange=True,
            notes=_missing_chains(len(u), self.chains),
            attrs={"tuning_steps": self.tune, "inference_library": "nutpie"},
        )


def longest(lengths: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """The chains to keep of those that broke off after so many draws, and how many of each: most draws in all."""
    length = max(lengths.tolist(), key=lambda n: n * int((lengths >= n).sum()))
    return np.flatnonzero(lengths >= length), length


def _missing_chains(kept: int, asked: int) -> tuple[str, ...]:
    return () if kept == asked else (f"Draws of {kept} of {asked} chains: the others had hardly begun.",)


def _seconds(density: Callable[[Array], Any], x: Array) -> float:
    began = perf_counter()
    density(x)
    return perf_counter() - began


def _direct(program: Program, method: NUTS, theta: Array, found: Whitening, seed: int) -> Any:
    """A nutpie sampler running in the background on the whitened density."""
    import nutpie
    from nutpie.compiled_pyfunc import from_pyfunc

    mode, root, transposed = found.mode, found.root, np.ascontiguousarray(found.root.T)

    def make_log_density() -> Any:
        density = program.density(theta)  # buffers of its own, one per chain

        def log_density(u: Array) -> tuple[float, Array]:
            value, gradient = density(mode + root @ u)
            return value, transposed @ gradient

        return log_density

    def make_expand(_seed1: int, _seed2: int, _chain: int) -> Any:
        return lambda u: {"u": np.array(u)}

    model = from_pyfunc(
        program.ndim,
        make_log_density,
        make_expand,
        [np.dtype("float64")],
        [(program.ndim,)],
        ["u"],
        make_initial_point_fn=lambda s: initial_point(program.density(theta), found, s),
    )
    return nutpie.sample(
        model,
        draws=method.draws,
        tune=method.tune,
        chains=method.chains,
        cores=method._threads(program.density(theta), mode),
        seed=seed,
        save_warmup=False,
        progress_bar=False,
        blocking=False,
        target_accept=method.target_accept,
    )


def initial_point(density: Callable[[Array], tuple[float, Array]], found: Whitening, seed: Any) -> Array:
    """A draw (D,) in whitened coordinates, halved while the density there is beyond what draws fall below the mode.

    A standard normal's log density falls short of its mode's by D / 2 with standard deviation sqrt(D / 2); where the
    information at the mode misjudges the posterior, a draw may lie where the density is flat or not finite.
    """
    u = np.random.default_rng(seed).standard_normal(len(found.mode))
    for _ in range(HALVINGS):
        if density(found.to_x(u))[0] > found.height - 2.0 * len(u) - 20.0:
            break
        u *= 0.5
    return u


@dataclass(frozen=True, slots=True)
class _PyMCRun:
    program: Program
    method: NUTS
    start: Any
    seed: int
    cores: int

    def sample(self) -> tuple[Array, dict[str, Array]]:
        from em_vs_bayes.methods.pymc_chains import sample

        return sample(self.program, self.method, self.start, self.seed, self.cores)
