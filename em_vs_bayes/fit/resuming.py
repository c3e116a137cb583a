"""Going on where a fit stopped."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import Any

import numpy as np

from em_vs_bayes.common.arguments import yes_or_no
from em_vs_bayes.common.interrupts import Watch
from em_vs_bayes.fit.record import Record
from em_vs_bayes.methods.base import not_resumable
from em_vs_bayes.methods.driving import ANEW, drive, generator_at, loop, make_method, require_memory, used


def resume[R: Record](fit: R, progressbar: bool, options: Mapping[str, Any]) -> R:
    """Go on where a fit stopped. See `Fit.resume`."""
    if not fit.checkpoint:
        raise not_resumable(fit.method)
    method = make_method(fit.method, {**fit.options, **options})
    yes_or_no("progressbar", progressbar)
    require_memory(method, fit.program)
    began = perf_counter()
    if ANEW in fit.checkpoint:
        init = fit.attrs.get("init")
        start = {name: np.array(value) for name, value in init.items()} if isinstance(init, Mapping) else init
        driven = drive(method, fit.program, start, generator_at(fit.checkpoint[ANEW]), fit.method, progressbar)
    else:
        names = list(fit.history)
        records = [dict(zip(names, row, strict=True)) for row in zip(*fit.history.values(), strict=True)]
        run = method.restore(fit.program, dict(fit.checkpoint), records)
        driven = loop(method, fit.program, [run], fit.method, progressbar)
    seconds = {**{k: v for k, v in fit.seconds.items() if k != "total"}, "resumed": perf_counter() - began}
    begun = {name: fit.attrs.get(name) for name in ("seed", "init")}
    with Watch(holds=True):
        return type(fit).from_driven(fit.program, fit.method, driven, seconds, used(method), begun)
