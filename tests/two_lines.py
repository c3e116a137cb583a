"""A sample of two regressions whose lower fifth was never seen."""

import numpy as np


def seen(seed):
    """(x, y, cut): the rows with y above the cut, of 100 with four coefficients."""
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(100), rng.normal(size=(100, 3))])
    lines = rng.normal(0.0, 2.0, (2, 4))
    y = np.einsum("np,np->n", x, lines[rng.integers(2, size=100)]) + rng.normal(size=100)
    cut = float(np.quantile(y, 0.2))
    return x[y > cut], y[y > cut], cut
