"""One thread for everyone. Imported before numpy."""

import os
from contextlib import AbstractContextManager

for _library in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
    os.environ[f"{_library}_NUM_THREADS"] = "1"


def limited() -> AbstractContextManager[object]:
    """The same limit, set on the pools of libraries that have loaded already."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1)
