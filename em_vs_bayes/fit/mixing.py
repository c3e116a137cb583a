"""How well chains mix: R-hat, effective sample sizes, Monte-Carlo errors (Vehtari et al. 2021), by ArviZ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from em_vs_bayes.common.contract import Array
from em_vs_bayes.fit.names import scalar_draws
from em_vs_bayes.fit.record import Record

if TYPE_CHECKING:
    import pandas as pd


def diagnostics(fit: Record) -> pd.DataFrame:
    """R-hat, bulk and tail ESS and MCSE of the mean of every public scalar (Vehtari et al. 2021)."""
    import pandas as pd

    rows = {name: mixing(draws) for name, draws in scalar_draws(fit).items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["rhat", "ess_bulk", "ess_tail", "mcse"])


def mixing(draws: Array) -> tuple[float, float, float, float]:
    """R-hat, bulk and tail ESS and the mean's Monte-Carlo standard error of one scalar (chain, draw); NaN if fixed."""
    from arviz_stats.base import array_stats

    if np.ptp(draws) == 0:
        return np.nan, np.nan, np.nan, np.nan
    return (
        float(array_stats.rhat(draws, chain_axis=0, draw_axis=1)),
        float(array_stats.ess(draws, chain_axis=0, draw_axis=1, method="bulk")),
        float(array_stats.ess(draws, chain_axis=0, draw_axis=1, method="tail", prob=(0.05, 0.95))),
        float(array_stats.mcse(draws, chain_axis=0, draw_axis=1, method="mean")),
    )
