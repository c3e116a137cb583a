"""Compile every kernel once and leave it in numba's cache: ``python -m em_vs_bayes.warm``.

Kernels read tables and call functions of streams and of Gibbs steps by address: all of these, and one small model of
each latent structure, compile everything for all models.
"""

from __future__ import annotations

from time import perf_counter

import numpy as np

from em_vs_bayes.compile import compile as compile_program
from em_vs_bayes.kernels import gibbs, streams
from em_vs_bayes.regressions import Tobit
from em_vs_bayes.spec import GaussianHMM, GaussianMixture


def warm() -> dict[str, float]:
    """Seconds that the first use of each group of kernels took."""
    seconds, began = {}, perf_counter()

    def lap(name: str) -> None:
        nonlocal began
        seconds[name], began = perf_counter() - began, perf_counter()

    kinds = list(streams.KINDS)
    streams.address_roles(streams.table(*([kinds] * 5)), *range(len(streams.Roles._fields)))
    lap("streams")
    gibbs.address_steps(gibbs.plan((step, 0, -1, -1, -1) for step in gibbs.STEPS))
    lap("steps of Gibbs sweeps")
    y, rng = np.random.default_rng(0).normal(size=(20, 2)), np.random.default_rng(0)
    for latent, spec, rows in (
        ("mixture", GaussianMixture(2), y),
        ("chain", GaussianHMM(2), y),
        ("regression", Tobit(), np.maximum(y[:, 0], 0.0)),
    ):
        program = compile_program(spec, rows)
        theta = program.neutral()
        pot = program.potentials(theta)
        program.expect(pot)
        lap(f"{latent}: expect")
        program.decode(pot)
        lap(f"{latent}: decode")
        program.assign(theta)
        program.probabilities(theta)
        for kind in program.latent.pointwise_kinds:
            program.pointwise(theta, kind)
        lap(f"{latent}: scores")
        program.gibbs_sweeps(rng, theta.copy(), pot.copy(), np.zeros(20, np.int64), 1, 1)
        if latent == "regression":
            x = program.unconstrain(theta)
            program.gibbs_sweeps(rng, theta.copy(), pot.copy(), np.zeros(20, np.int64), 1, 1, x, np.eye(x.size))
        lap(f"{latent}: gibbs")
    program.log_prior(theta)
    x = program.unconstrain(theta)
    program.constrain(x, theta)
    lap("coordinates and prior")
    density = program.density(theta)
    density(x)
    lap("log posterior")
    density.natural(theta)
    lap("log joint")
    return seconds


def main() -> None:
    """Print what each group took."""
    for name, value in warm().items():
        print(f"{name:24s} {value:6.2f} s")


if __name__ == "__main__":
    main()
