"""What every test shares: the same random numbers each time it runs."""

import gc
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from em_vs_bayes.kernels.shelf import SOURCES

# Before PyTensor is imported, here and in processes of the tests' own: it need not keep where in the code each node of
# a graph was made, which is a fifth of the time that building a model takes.
os.environ.setdefault("PYTENSOR_FLAGS", "traceback__limit=0")

# The same examples on every machine; no deadline, because the first call of a kernel compiles it.
settings.register_profile("fixed", derandomize=True, deadline=None, database=None)
settings.load_profile("fixed")


def pytest_configure(config: pytest.Config) -> None:
    """Forget the tests' own compiled functions when a kernel that they call has changed: numba does not see that.

    And hear Ctrl-C, also where the run was started in the background of a shell, which has it ignored.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    here = Path(__file__).parent
    stamp = here / "__pycache__" / "kernels.txt"
    if hasattr(config, "workerinput") or (stamp.exists() and stamp.read_text() == SOURCES):
        return
    for compiled in here.rglob("*.nb[ic]"):
        compiled.unlink()
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(SOURCES)


def pytest_collection_finish() -> None:
    """What has been imported and collected stays: let the garbage collector not walk through it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator with a fixed seed, fresh for each test."""
    return np.random.default_rng(20260101)
