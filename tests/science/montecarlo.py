"""Comparing draws with references in units of Monte-Carlo error."""

from __future__ import annotations

from typing import Any

import numpy as np
from arviz_stats.base import array_stats


def mcse(draws: np.ndarray, method: str = "mean") -> float:
    """Monte-Carlo standard error of a statistic of draws (chain, draw)."""
    return float(array_stats.mcse(np.asarray(draws), chain_axis=0, draw_axis=1, method=method))


def assert_mean(draws: np.ndarray, wanted: float, name: str, reference_error: float = 0.0, width: float = 4.0) -> None:
    """The mean of draws (chain, draw) is within ``width`` joint Monte-Carlo standard errors of the reference."""
    draws = np.asarray(draws)
    assert draws.ndim == 2, "draws must be (chain, draw)"
    error = np.hypot(mcse(draws), reference_error)
    z = (draws.mean() - wanted) / error
    assert abs(z) < width, f"{name}: mean {draws.mean():.6g}, wanted {wanted:.6g}, {z:.1f} standard errors away"


def assert_sd(draws: np.ndarray, wanted: float, name: str, relative: float = 0.05) -> None:
    """The standard deviation is within ``relative`` of the reference, and the draws are enough to tell."""
    error = mcse(draws, "sd") / wanted
    assert error < relative / 2, f"{name}: too few effective draws, sd known only to {error:.3f}"
    assert np.std(draws) / wanted == np.clip(np.std(draws) / wanted, 1 - relative, 1 + relative), (
        f"{name}: sd {np.std(draws):.6g}, wanted {wanted:.6g}"
    )


def posterior(fit: Any) -> dict[str, np.ndarray]:
    """Aligned draws (chain, draw, ...) under the parameters' names."""
    return fit.program.public(fit.draws)


def log_evidence_by_importance(fit: Any, modes: int = 1) -> tuple[float, float]:
    """log p(y) and its standard error, a Laplace fit as importance sampler; ``modes`` alike by symmetry."""
    ratio = (fit.sample_stats["lp"] - fit.sample_stats["log_q"]).ravel()
    weight = np.exp(ratio - ratio.max())
    log_mean = ratio.max() + np.log(weight.mean())
    return float(log_mean + np.log(modes)), float(weight.std() / weight.mean() / np.sqrt(len(weight)))
