"""Models evaluated without compiling anything: PyTensor's Python linker on barely optimised graphs."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytensor
import pytest
from pytensor.compile.mode import Mode

from em_vs_bayes.methods import starts
from em_vs_bayes.program.compile import compile as compile_program
from em_vs_bayes.pymc.build import build

PYTHON = Mode(linker="py", optimizer="fast_compile")


class Road:
    """The PyMC model of a spec beside the compiled program, both at one point."""

    def __init__(self, spec: Any, y: Any, **data: Any) -> None:
        self.program = compile_program(spec, y, **data)
        self.built = build(self.program)
        self.model = self.built.model
        start = starts.start(self.program, "random", np.random.default_rng(3))
        self.theta = 0.9 * start + 0.1 * self.program.with_fixed(self.program.neutral())  # off every boundary
        self.names = list(spec.parameter_dims())
        inputs = self.model.value_vars
        logp = self.model.logp(jacobian=False)
        public = self.model.replace_rvs_by_values([self.model[name] for name in self.names])
        self._evaluate = pytensor.function(
            inputs, [logp, *pytensor.grad(logp, inputs)], mode=PYTHON, on_unused_input="ignore"
        )
        self._public = pytensor.function(inputs, public, mode=PYTHON, on_unused_input="ignore")

    def x(self, theta: np.ndarray) -> list[np.ndarray]:
        """Unconstrained values of the model's free variables at theta."""
        values = self.built.values(self.program.public(theta))
        out = []
        for rv in self.model.free_RVs:
            transform, value = self.model.rvs_to_transforms[rv], pytensor.tensor.as_tensor(values[rv.name])
            moved = value if transform is None else transform.forward(value, *rv.owner.inputs)
            out.append(np.asarray(moved.eval(mode=PYTHON)))
        return out

    def log_density(self, x: list[np.ndarray]) -> float:
        return float(self._evaluate(*x)[0])

    def gradient(self, x: list[np.ndarray]) -> list[np.ndarray]:
        return [np.asarray(g) for g in self._evaluate(*x)[1:]]

    def to_theta(self, x: list[np.ndarray]) -> np.ndarray:
        return self.program.theta_of(dict(zip(self.names, self._public(*x), strict=True)))

    def direct(self, theta: np.ndarray) -> float:
        return self.program.log_likelihood(theta) + self.program.log_prior(theta)


@pytest.fixture
def road() -> Callable[..., Road]:
    return Road
