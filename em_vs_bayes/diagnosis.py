"""What the diagnostics say of posterior draws, in words (Vehtari et al. 2021; Vehtari et al. 2024 for k-hat)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from em_vs_bayes.status import Status

if TYPE_CHECKING:
    from em_vs_bayes.results import Fit

RHAT = 1.01  # above it chains disagree
ESS_PER_CHAIN = 100  # below it quantiles and R-hat itself are unreliable
KHAT = 0.7  # above it importance sampling, and so the approximation, fails


def diagnose(fit: Fit) -> tuple[Status, tuple[str, ...]]:
    """The status after a look at the draws, and what to say about them."""
    if fit.ended is Status.SAMPLED and fit.draws is not None:
        words = _chains(fit)
        return (Status.SUSPECT if words else fit.ended), words
    if fit.ended is Status.APPROXIMATED and "log_q" in fit.sample_stats:
        khat = pareto_khat(fit)
        if khat > KHAT:
            warning = f"Pareto k-hat is {khat:.2f} (over {KHAT}): the approximation misses tails. Use nuts or gibbs."
            return Status.SUSPECT, (warning,)
        return fit.ended, (f"Pareto k-hat is {khat:.2f}.",)
    return fit.ended, ()


def _chains(fit: Fit) -> tuple[str, ...]:
    from em_vs_bayes.describe import diagnostics

    assert fit.draws is not None
    if fit.draws.shape[0] < 2 or fit.draws.shape[1] < 4:
        return ("One chain, or a handful of draws, cannot be checked for convergence: run at least four chains.",)
    table = diagnostics(fit)
    if table["rhat"].isna().all():  # everything is fixed
        return ()
    words = []
    rhat, ess = table["rhat"].to_numpy(), table["ess_bulk"].to_numpy()
    if np.nanmax(rhat) > RHAT:
        at = int(np.nanargmax(rhat))
        words.append(
            f"R-hat of {table.index[at]} is {rhat[at]:.3f} (over {RHAT}): the chains disagree. Run longer, or start "
            "them from a fit (init=)."
        )
    wanted = ESS_PER_CHAIN * fit.draws.shape[0]
    if np.nanmin(ess) < wanted:
        at = int(np.nanargmin(ess))
        words.append(f"Bulk ESS of {table.index[at]} is {ess[at]:.0f} (under {wanted}): take more draws.")
    return tuple(words)


def pareto_khat(fit: Fit) -> float:
    """Pareto k-hat of the importance ratios p / q of an approximation's draws (Yao et al. 2018)."""
    from arviz_stats.base import array_stats

    ratios = np.ravel(fit.sample_stats["lp"] - fit.sample_stats["log_q"])
    finite = ratios[np.isfinite(ratios)]
    _, khat = array_stats.psislw(-(finite - finite.max()))  # it wants minus the log weights
    return float(khat)
