"""What every test shares: the same random numbers each time it runs."""

import numpy as np
import pytest
from hypothesis import settings

# The same examples on every machine; no deadline, because the first call of a kernel compiles it.
settings.register_profile("fixed", derandomize=True, deadline=None, database=None)
settings.load_profile("fixed")


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator with a fixed seed, fresh for each test."""
    return np.random.default_rng(20260101)
