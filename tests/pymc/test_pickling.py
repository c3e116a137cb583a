"""A model with our variables goes to another process, where PyMC has not been told of them."""

import subprocess
import sys

import cloudpickle
import numpy as np
import pymc as pm
from pytensor.compile.mode import Mode

import em_vs_bayes as evb
from em_vs_bayes import emissions as e

PYTHON = Mode("py", "fast_compile")
THERE = """
import sys, cloudpickle, numpy as np, pymc as pm
from pymc.step_methods import STEP_METHODS
from pytensor.compile.mode import Mode
from pytensor.link.numba.dispatch.random import numba_core_rv_funcify as drawn_by_numba

for model in cloudpickle.load(open(sys.argv[1], "rb")):
    print(model.compile_logp(mode=Mode("py", "fast_compile"))(model.initial_point()))
    print(*pm.draw(model["y"], random_seed=1, mode=Mode("py", "fast_compile")).shape)
    drawn = [drawn_by_numba.dispatch(type(rv.owner.op)) for rv in model.basic_RVs]
    print(drawn_by_numba.dispatch(object) in drawn)
print(any(method.__name__ == "FFBS" for method in STEP_METHODS))
"""


def test_in_another_process(tmp_path):
    y = np.repeat([0.0, 5.0], 6) + np.linspace(-1.0, 1.0, 12)
    with pm.Model() as own:
        mu = pm.Normal("mu", 0, 10, shape=2)
        z = evb.pymc.HiddenStates("z", initial=[0.5, 0.5], transition=np.full((2, 2), 0.5), lengths=12)
        pm.Normal("y", mu[z], 1.0, observed=y)
    models = [evb.Mixture(e.Normal(), 2).to_pymc(y), own]
    (tmp_path / "models").write_bytes(cloudpickle.dumps(models))
    command = [sys.executable, "-c", THERE, str(tmp_path / "models")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *said, has_step = done.stdout.split()
    assert said[1::3] == ["12", "12"] and said[2::3] == ["False", "False"] and has_step == "True"
    for model, value in zip(models, said[::3], strict=True):
        assert float(value) == model.compile_logp(mode=PYTHON)(model.initial_point())
