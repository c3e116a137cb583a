"""Compile every kernel once and leave it in numba's cache: ``python -m em_vs_bayes.warm``.

The kernels are interpreted from tables, so one small model of each method compiles them for all models.
"""

from __future__ import annotations

from time import perf_counter

import numpy as np

from em_vs_bayes.compile import compile as compile_program
from em_vs_bayes.regressions import Tobit
from em_vs_bayes.spec import GaussianHMM, GaussianMixture


def warm() -> dict[str, float]:
    """Seconds that the first use of each group of kernels took."""
    seconds, began = {}, perf_counter()

    def lap(name: str) -> None:
        nonlocal began
        seconds[name], began = perf_counter() - began, perf_counter()

    y = np.random.default_rng(0).normal(size=(20, 2))
    regression = compile_program(Tobit(), np.maximum(y[:, 0], 0.0))
    regression.expect(regression.potentials(regression.neutral()))
    lap("regression: expect")
    theta = regression.neutral()
    centre = regression.unconstrain(theta)
    chain = np.random.default_rng(0), theta.copy(), regression.potentials(theta), np.zeros(20, np.int64)
    regression.gibbs_sweeps(*chain, 1, 1, centre, np.eye(len(centre)))
    lap("regression: gibbs")
    for latent, spec in (("mixture", GaussianMixture(2)), ("chain", GaussianHMM(2))):
        program = compile_program(spec, y)
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
    program.log_prior(theta)
    x = program.unconstrain(theta)
    program.constrain(x, theta)
    lap("coordinates and prior")
    density = program.density(theta)
    density(x)
    lap("log posterior")
    density.natural(theta)
    lap("log joint")
    program.gibbs_sweeps(np.random.default_rng(0), theta.copy(), pot.copy(), np.zeros(20, np.int64), 1, 1)
    lap("gibbs")
    return seconds


def main() -> None:
    """Print what each group took."""
    for name, value in warm().items():
        print(f"{name:24s} {value:6.2f} s")


if __name__ == "__main__":
    main()
