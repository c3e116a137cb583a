"""What the diagnostics say of posterior draws, in words, by the limits of `thresholds`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from em_vs_bayes.common.status import Status
from em_vs_bayes.common.thresholds import (
    BULK,
    DIVERGENT,
    ENERGY,
    RHAT,
    TAIL,
    khat_limit,
)
from em_vs_bayes.fit import boundary
from em_vs_bayes.fit.mixing import diagnostics
from em_vs_bayes.fit.names import scalar_draws
from em_vs_bayes.fit.record import Record

if TYPE_CHECKING:
    from em_vs_bayes.common.contract import Array

FEWEST = 30  # importance ratios from which a Pareto tail can be fitted: six in the upper fifth
EXACT = 1e-10  # relative difference of log importance ratios that are one
UNMIXED = 1.05  # an R-hat beyond it is no near miss
LOST = 0.5  # nats of the log density in a last bit: acceptance of a draw is then a matter of rounding
NOISE = 1e-4  # probability below which means of chains differ by more than their own Monte-Carlo errors


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing the diagnostics say.

    Attributes
    ----------
    kind : "multimodal", "slow_mixing", "divergences", "low_energy", "unchecked", or "few_divergences", which is a note
    statistic : name of the `thresholds.Threshold`, or ""
    parameter : scalar parameter, or ""
    figure : the number the sentence rests on
    sentence : str
    """

    kind: str
    statistic: str
    parameter: str
    figure: float
    sentence: str

    @property
    def warns(self) -> bool:
        """Whether draws of which it is said are not to be used as they are."""
        return self.kind != "few_divergences"


def diagnose(fit: Record) -> tuple[Status, tuple[str, ...]]:
    """The status after a look at the draws, and what to say about them."""
    if "diagnosis" not in fit.kept:
        fit.kept["diagnosis"] = _diagnosis(fit)
    return fit.kept["diagnosis"]


def notes(fit: Record) -> tuple[str, ...]:
    """All that is to be said of a fit, in words."""
    return (*fit.program.remarks, *fit.remarks, *diagnose(fit)[1])


def _diagnosis(fit: Record) -> tuple[Status, tuple[str, ...]]:
    if fit.ended is Status.SAMPLED and fit.draws is not None:
        said = remarks_on_chains(fit)
        return (Status.SUSPECT if any(r.warns for r in said) else fit.ended), tuple(r.sentence for r in said)
    if fit.ended is Status.APPROXIMATED and "log_q" in fit.sample_stats:
        shape = pareto_khat(fit)
        if shape != shape:
            return Status.SUSPECT, (f"Pareto k-hat cannot be told from fewer than {FEWEST} draws: take more.",)
        limit = khat_limit(fit.sample_stats["log_q"].size)
        if shape > limit:
            warning = f"Pareto k-hat is {beyond(shape, limit)} (over {limit:.2g}): the approximation misses tails. "
            return Status.SUSPECT, (f"{warning}Use nuts or gibbs.",)
        told = f"Pareto k-hat is {shape:.2f} (good up to {limit:.2g}): importance weights can mend what is not normal."
        return fit.ended, (told,)
    if fit.method == "em":
        return fit.ended, boundary.note(fit)
    return fit.ended, ()


def remarks_on_chains(fit: Record) -> tuple[Remark, ...]:
    """What the diagnostics say of a sampler's chains."""
    draws = scalar_draws(fit)
    return tuple(remarks(draws, diagnostics(fit), fit.sample_stats))


def remarks(draws: Mapping[str, Array], table: Any, stats: Mapping[str, Array]) -> Iterator[Remark]:
    """What to say of chains.

    Parameters
    ----------
    draws : label of a scalar parameter -> ndarray (chain, draw)
    table : DataFrame
        Of the same labels: ``rhat``, ``ess_bulk``, ``ess_tail``; NaN where a parameter is fixed.
    stats : name -> ndarray (chain, draw)
        Of the sampler: ``diverging`` and ``energy`` are read where it has them.
    """
    chains, length = next(iter(draws.values())).shape
    if chains < 2 or length < 4:
        sentence = "One chain, or a handful of draws, cannot be checked for convergence: run at least four chains."
        yield Remark("unchecked", "", "", float(chains), sentence)
    elif not table["rhat"].isna().all():  # else everything is fixed
        yield from _mixing(draws, table, chains)
    yield from _divergences(stats)
    yield from _energy(stats)


def _mixing(draws: Mapping[str, Array], table: Any, chains: int) -> Iterator[Remark]:
    rhat = table["rhat"]
    if not RHAT.passed(rhat.max()):
        where = str(rhat.idxmax())
        told = f"R-hat of {where} is {beyond(rhat[where], RHAT.limit, 3)} (over {RHAT.limit:g})"
        if apart(draws[where]):
            means = ", ".join(f"{m:.4g}" for m in draws[where].mean(axis=1))
            sentence = f"{told}: the chains disagree, with means {means}. There is more than one mode, or the chains "
            sentence += "are far too short: intervals describe neither. Run longer, and see where they start (init=)."
            yield Remark("multimodal", RHAT.name, where, float(rhat[where]), sentence)
        else:
            much = "not mixed" if rhat[where] > UNMIXED else "not mixed well yet"
            sentence = f"{told}: the chains have {much}. Take more draws."
            yield Remark("slow_mixing", RHAT.name, where, float(rhat[where]), sentence)
    for limit, column in ((BULK, "ess_bulk"), (TAIL, "ess_tail")):
        ess, wanted = table[column], limit.limit * chains
        if ess.min() < wanted:
            where = str(ess.idxmin())
            name = limit.name[0].upper() + limit.name[1:]
            sentence = f"{name} of {where} is {ess[where]:.0f} (under {wanted:g}): take more draws."
            yield Remark("slow_mixing", limit.name, where, float(ess[where]), sentence)


def beyond(value: float, limit: float, digits: int = 2) -> str:
    """A value over its limit, with the decimals that show it: not "1.010 (over 1.01)"; limits are shown to 0.01."""
    while round(value, digits) <= round(limit, 2) and digits < 8:
        digits += 1
    return f"{value:.{digits}f}"


def apart(draws: Array) -> bool:
    """Whether the means of chains (chain, draw) differ by more than their own Monte-Carlo errors (chi-squared test)."""
    from arviz_stats.base import array_stats
    from scipy.special import gammaincc

    errors = np.array([float(array_stats.mcse(chain[None], chain_axis=0, draw_axis=1)) for chain in draws])
    errors = np.maximum(np.nan_to_num(errors), 1e-12 * (1.0 + np.abs(draws).max()))
    means, weights = draws.mean(axis=1), errors**-2.0
    distance = (weights * (means - (weights * means).sum() / weights.sum()) ** 2).sum()
    return bool(gammaincc(0.5 * (len(draws) - 1), 0.5 * distance) < NOISE)


def _divergences(stats: Mapping[str, Array]) -> Iterator[Remark]:
    diverging = np.asarray(stats.get("diverging", np.zeros((1, 1))))
    count, share = int(diverging.sum()), float(diverging.mean())
    if not count:
        return
    cause = "the posterior has a corner that the step size cannot follow"
    told = f"{count} divergent transition(s) in {diverging.size} draws"
    if DIVERGENT.passed(share):
        yield Remark("few_divergences", DIVERGENT.name, "", share, f"{told}: {cause}. Raise target_accept.")
    else:
        limit = f"{100 * DIVERGENT.limit:g} %"
        sentence = f"{told} ({100 * share:.3g} %, over {limit}): {cause}, and draws avoid it. "
        sentence += "Raise target_accept, or give a prior that keeps the posterior out of it."
        yield Remark("divergences", DIVERGENT.name, "", share, sentence)


def _energy(stats: Mapping[str, Array]) -> Iterator[Remark]:
    energy = np.asarray(stats.get("energy", np.empty((0, 0))), dtype=float)
    if energy.size == 0 or energy.shape[1] < 4:
        return
    size = float(np.abs(energy).max())
    if (lost := float(np.spacing(size))) > LOST:
        sentence = f"The log density is about {size:.2g} in size, of which floating point holds no differences below "
        sentence += f"{lost:.2g} nats: the sampler cannot follow it. Use gibbs or vi."
        yield Remark("unchecked", "", "", lost, sentence)
    each = ebfmi(energy)
    if not ENERGY.passed(float(each.min())):
        chain = int(each.argmin())
        sentence = f"E-BFMI of chain {chain} is {each[chain]:.2f} (under {ENERGY.limit:g}): momentum does not carry "
        sentence += "the chain into the tails of the posterior, which its draws then miss. Take more draws, or priors "
        yield Remark("low_energy", ENERGY.name, "", float(each[chain]), f"{sentence}with shorter tails.")


def ebfmi(energy: Array) -> Array:
    """Estimated Bayesian fraction of missing information of each chain (Betancourt 2016); energy is (chain, draw)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.mean(np.diff(energy, axis=1) ** 2, axis=1) / energy.var(axis=1, ddof=1)
    return np.where(np.isfinite(found), found, np.inf)  # energies all alike, or not known


def pareto_khat(fit: Record) -> float:
    """Pareto k-hat of the importance ratios p / q of an approximation's draws (Yao et al. 2018)."""
    return khat(np.ravel(fit.sample_stats["lp"] - fit.sample_stats["log_q"]))


def khat(log_ratios: Any) -> float:
    """Pareto k-hat of log importance ratios (S,); NaN where they are too few to fit a tail to.

    0 where they are all one but for rounding, as of an approximation that is exact: there is no tail.
    """
    from arviz_stats.base import array_stats

    finite = log_ratios[np.isfinite(log_ratios)]
    if len(finite) < FEWEST:
        return float("nan")
    if np.ptp(finite) <= EXACT * (1.0 + np.abs(finite).max()):
        return 0.0
    _, shape = array_stats.psislw(-(finite - finite.max()))  # it wants minus the log weights
    return float(shape)
