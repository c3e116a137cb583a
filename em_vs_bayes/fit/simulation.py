"""New observations from a fitted model."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from em_vs_bayes.common.arguments import affordable, brief, generator, positive_integer
from em_vs_bayes.data.sequences import whole_numbers
from em_vs_bayes.fit.record import Record


def simulate(fit: Record, n: int | None, seed: Any, lengths: Any) -> Any:
    """See `Fit.simulate`."""
    program = fit.program
    if n is not None:
        positive_integer("n", n, least=0)
    if program.exogs and (lengths is not None or n not in (None, program.n)):
        raise ValueError(
            f"n={n}, lengths={brief(lengths)}: a regression is simulated at the {program.n} row(s) of its design."
        )
    rng = generator(seed)
    z = program.latent.simulate(fit.params, _lengths(fit, n, lengths), rng)
    y = fit.spec.model_emission.simulate(fit.params | program.exogs, z, rng)
    if isinstance(y, dict):
        import pandas as pd

        return pd.DataFrame({name: list(v) if np.ndim(v) > 1 else v for name, v in y.items()})
    return y


def _lengths(fit: Record, n: int | None, lengths: Any) -> NDArray[np.int64]:
    if n is not None and lengths is not None:
        raise ValueError("n and lengths exclude each other.")
    if n is not None:
        affordable(f"n={n}: the sample", 8.0 * n)
    if lengths is not None:
        whole = whole_numbers(lengths)
        affordable(f"lengths={brief(lengths)}: the sample", 8.0 * float(np.sum(whole)))
        return whole.astype(np.int64)
    if n is not None or not fit.program.data.starts.size:
        return np.array([fit.program.n if n is None else n], dtype=np.int64)
    return np.diff(fit.program.data.starts)
