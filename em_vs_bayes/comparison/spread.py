"""Chains that begin in each of several maxima, so that their agreement says something."""

from __future__ import annotations

from typing import Any

import numpy as np

from em_vs_bayes.common.arguments import generator
from em_vs_bayes.common.status import Status
from em_vs_bayes.fit.modes import modes
from em_vs_bayes.fit.results import Fit
from em_vs_bayes.methods.base import Outcome
from em_vs_bayes.methods.driving import Driven, make_method


def from_modes(spec: Any, y: Any, em: Fit, method: str, own: dict[str, Any], shared: dict[str, Any]) -> Fit:
    """A sampler whose chains begin in turn at each of the modes that EM's starts ended in."""
    chains = int(make_method(method, own).chains)  # type: ignore[attr-defined]
    found = modes(em)[:chains] if em.options.get("objective") == "mle" else ()
    if len(found) < 2:
        return spec.fit(y, method=method, init=em, **shared, **own)
    parts = []
    for i, (mode, rng) in enumerate(zip(found, generator(shared["seed"]).spawn(len(found)), strict=True)):
        count = len(range(i, chains, len(found)))
        start = {**shared, **own, "seed": rng, "chains": count, "init": em.program.public(mode.theta)}
        parts.append(spec.fit(y, method=method, **start))
    plain = shared["seed"] if isinstance(shared["seed"], int) else None
    return joined(parts, {**parts[0].options, "chains": chains}, {"seed": plain, "init": "the maxima of em's starts"})


def joined(parts: list[Fit], options: dict[str, Any], begun: dict[str, Any]) -> Fit:
    """Fits of one sampler to the same data as one fit with all their chains, relabelled together."""
    first, kept = parts[0], [part for part in parts if part.raw_draws is not None]
    if len(kept) < len(parts):  # broken off before the first draw
        return next(part for part in parts if part.raw_draws is None)
    length = min(part.raw_draws.shape[1] for part in kept if part.raw_draws is not None)
    draws = np.concatenate([part.raw_draws[:, :length] for part in kept if part.raw_draws is not None])
    names = set.intersection(*(set(part.sample_stats) for part in parts))
    stats = {name: np.concatenate([part.sample_stats[name][:, :length] for part in parts]) for name in sorted(names)}
    status = next((part.ended for part in parts if part.ended is not Status.SAMPLED), Status.SAMPLED)
    notes = tuple(dict.fromkeys(note for part in parts for note in part.remarks))
    attrs = {name: value for name, value in first.attrs.items() if name not in begun}
    outcome = Outcome(None, status, draws, stats, notes, exchange=True, attrs=attrs)
    seconds = {name: sum(part.seconds.get(name, 0.0) for part in parts) for name in first.seconds if name != "total"}
    driven = Driven(outcome, dict(first.history), {})
    return Fit.from_driven(first.program, first.method, driven, seconds, options, begun)
