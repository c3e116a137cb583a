"""Compile every kernel once and keep it with the package: ``python -m em_vs_bayes.program.warm``.

Kernels read tables and call functions of streams and of Gibbs steps by address: all of these, and one small model of
each latent structure, compile everything for all models.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing import get_context
from shutil import rmtree
from time import perf_counter

import numpy as np
from rich.console import Console
from rich.progress import track

from em_vs_bayes.kernels import chain_rows, gibbs, shelf, streams
from em_vs_bayes.kernels.stationary_mode import maximum
from em_vs_bayes.model.blocks.elementwise import climbed, climbed_vectors
from em_vs_bayes.model.chains import GaussianHMM
from em_vs_bayes.model.emissions.moments import between, student_between
from em_vs_bayes.model.mixtures import GaussianMixture
from em_vs_bayes.model.priors import Prior
from em_vs_bayes.model.regressions import Tobit, TruncatedRegression
from em_vs_bayes.program import truncation
from em_vs_bayes.program.compile import compile as compile_program
from em_vs_bayes.program.compiled import CompiledDensity
from em_vs_bayes.program.program import Program

SIZE = 20


def _program(latent: str) -> Program:
    y = np.random.default_rng(0).normal(size=(SIZE, 2))
    if latent == "regression":
        return compile_program(Tobit(), np.maximum(y[:, 0], 0.0))
    return compile_program(GaussianHMM(2) if latent == "chain" else GaussianMixture(2), y)


def _role(role: int) -> None:
    kinds = list(streams.KINDS)
    streams.address_roles(streams.table(*([kinds] * 5)), role)


def _step(step: int) -> None:
    gibbs.address_steps(gibbs.plan([(step, 0, -1, -1, -1)]))


def _expect(latent: str) -> None:
    program = _program(latent)
    pot = program.potentials(program.neutral())
    program.expect(pot)
    program.decode(pot)


def _scores(latent: str) -> None:
    program = _program(latent)
    theta = program.neutral()
    program.assign(theta)
    program.probabilities(theta)
    for kind in program.latent.pointwise_kinds:
        program.pointwise(theta, kind)


def _gibbs(latent: str) -> None:
    program, rng = _program(latent), np.random.default_rng(0)
    theta = program.neutral()
    pot, z = program.potentials(theta), np.zeros(SIZE, np.int64)
    program.gibbs_sweeps(rng, theta.copy(), pot.copy(), z, 1, 1)
    if latent == "regression":
        x = program.unconstrain(theta)
        program.gibbs_sweeps(rng, theta.copy(), pot.copy(), z, 1, 1, x, np.eye(x.size))


def _rows() -> None:
    """What `evb.pymc.HMM` calls."""
    initial, transition, emission = np.full((1, 2), 0.5), np.full((1, 2, 2), 0.5), np.zeros((SIZE, 2))
    starts, uniforms = np.array([0, SIZE]), np.full(SIZE, 0.5)
    terms, alpha, b, kind = chain_rows.forward_pass(initial, transition, emission, starts)
    chain_rows.backward_pass(initial, transition, emission, starts, terms, alpha, b, kind, np.ones(SIZE))
    chain_rows.draw_paths(transition, starts, alpha, kind, uniforms)
    chain_rows.walk(initial, transition, starts, uniforms)
    chain_rows.leave_one_out(initial, transition, emission, starts)


def _posterior() -> None:
    program = _program("mixture")
    theta = program.neutral()
    program.log_prior(theta)
    x = program.unconstrain(theta)
    program.constrain(x, theta)
    density = program.density(theta)
    density(x)
    assert isinstance(density, CompiledDensity)
    density.natural(theta)
    program.slope(x, theta, program.expect(program.potentials(theta))[1])


def _moments() -> None:
    """What priors, truncation, stationary chains and predictions of regressions call."""
    one, prior = np.ones((1, 1)), Prior("Normal", mu=0.0, sigma=1.0)
    climbed("MEAN", prior, one, one > 0.0, one, one)
    climbed_vectors(prior, one, one > 0.0, one[None], one)
    maximum(np.ones(4), np.ones(2), np.ones(4, np.bool_), np.ones(2), np.full(4, 0.5), np.full(4, 0.5))
    y = np.random.default_rng(0).exponential(size=SIZE)
    truncated = compile_program(TruncatedRegression(lower=0.0), y)
    theta = truncated.neutral()
    truncation.maximize(truncated, theta, truncated.expect(truncated.potentials(theta))[1], flat_prior=True, floor=0.0)
    between(-1.0, 1.0)
    student_between(-1.0, 1.0, 4.0)


def _groups() -> Iterator[tuple[str, Callable[[], None]]]:
    """What is compiled together, the longest first."""
    yield "log posterior", _posterior
    yield "chain: rows", _rows
    for latent in ("chain", "regression", "mixture"):
        yield f"{latent}: E-step", partial(_expect, latent)
        yield f"{latent}: scores", partial(_scores, latent)
        yield f"{latent}: Gibbs sweeps", partial(_gibbs, latent)
    for step in gibbs.STEPS:
        yield f"Gibbs step {step}", partial(_step, step)
    for role, name in enumerate(streams.Roles._fields):
        yield f"streams: {name}", partial(_role, role)
    yield "moments", _moments


def _timed(name: str) -> float:
    """Compile one group into the installation; the seconds that it took."""
    shelf.fill()
    began = perf_counter()
    dict(_groups())[name]()
    return perf_counter() - began


def _tidy() -> None:
    """Remove what other versions of the kernels were compiled to."""
    mark = shelf.INSTALLED / "sources.txt"
    if not mark.exists() or mark.read_text() != shelf.SOURCES:
        rmtree(shelf.INSTALLED, ignore_errors=True)
        shelf.INSTALLED.mkdir(exist_ok=True)
        mark.write_text(shelf.SOURCES)


def warm(console: Console | None = None) -> dict[str, float]:
    """Compile what has not been compiled yet, in one process per core.

    Parameters
    ----------
    console : rich.console.Console, optional
        Where a progress bar goes; without it there is none.

    Returns
    -------
    dict
        Seconds that each group of kernels took.

    Raises
    ------
    OSError
        If the folder of the installation cannot be written to.
    """
    _tidy()
    names = [name for name, _ in _groups()]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(_timed, name): name for name in names}
        done = as_completed(waiting)
        shown = track(done, "Compiling kernels", len(names), console=console) if console else done
        return {waiting[future]: future.result() for future in shown}


def main() -> None:
    """Compile, and print what each group took."""
    try:
        seconds = warm(Console(stderr=True))
    except OSError as error:
        say = f"{shelf.INSTALLED} cannot be filled ({error}): kernels are compiled when they are first used."
        raise SystemExit(say) from None
    for name, value in seconds.items():
        print(f"{name:24s} {value:6.2f} s")


if __name__ == "__main__":
    main()
