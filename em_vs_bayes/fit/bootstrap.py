"""The bootstrap: fits to rows (clusters, sequences) drawn with replacement (Efron & Tibshirani 1993, chapter 6).

A row drawn m times has case weight m, so that nothing is compiled or copied anew; EM goes on from the estimate. Of one
sequence there is nothing to draw: it is simulated from the fit (the parametric bootstrap, section 6.5).
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from em_vs_bayes.common.arguments import generator, positive_integer
from em_vs_bayes.common.contract import Array
from em_vs_bayes.common.interrupts import Watch
from em_vs_bayes.common.progress import Progress
from em_vs_bayes.fit.clusters import cluster_codes
from em_vs_bayes.fit.parametric import require_simulable, simulated
from em_vs_bayes.fit.record import Record
from em_vs_bayes.program.relabel import relabel

FEW = 20  # fits at least, for standard errors of an interrupted bootstrap
LOOSE = 1e-8  # nats; they move an estimate by some 1e-4 of its standard error


def bootstrap(fit: Record, clusters: Any, n_boot: int, seed: Any, progressbar: bool) -> Array:
    """Estimates (B, Q) of every public scalar, one per resampled or simulated data set, in the labels of the fit.

    Raises
    ------
    ValueError
        Where there is no estimate to go on from, or nothing to draw or simulate.

    KeyboardInterrupt
        Where fewer than 20 fits were made before Ctrl-C.

    Warns
    -----
    UserWarning
        How many fits did not converge; they are left out. How many were made before Ctrl-C.
    """
    from em_vs_bayes.methods.driving import drive
    from em_vs_bayes.methods.em import EM

    if fit.method != "em":
        raise ValueError(f"kind='bootstrap' fits again by EM; this fit is by {fit.method!r}. Fit with method='em'.")
    positive_integer("n_boot", n_boot, least=2, most=10**6)
    method = EM(**{**fit.options, "n_init": 1, "tol": max(fit.options["tol"], LOOSE)})
    rng, program, start = generator(seed), fit.program, fit.params
    make, failed, found = _maker(fit, clusters), 0, []
    with Watch() as watch, Progress("bootstrap", shown=progressbar) as bar:
        for i in range(n_boot):
            try:
                outcome = drive(method, make(rng), start, rng, "bootstrap", False).outcome
            except KeyboardInterrupt:
                break
            if watch.pressed:
                break
            if outcome.status.good and outcome.theta is not None:
                found.append(outcome.theta)
            else:
                failed += 1
            bar.show((i + 1) / n_boot, f"{i + 1} of {n_boot} fits")
    made = len(found) + failed
    if made < n_boot:
        said = f"Interrupted after {made} of {n_boot} bootstrap fits"
        if len(found) < FEW:
            raise KeyboardInterrupt(f"{said}: {FEW} are wanted for standard errors.")
        warnings.warn(f"{said}: the errors rest on those.", UserWarning, stacklevel=2)
    if failed > made // 2:
        raise ValueError(f"{failed} of {made} bootstrap fits did not converge: raise max_iter, or use another kind.")
    if failed:
        warnings.warn(
            f"{failed} of {made} bootstrap fits did not converge and are left out.", UserWarning, stacklevel=2
        )
    aligned, _ = relabel(program, np.array(found)[None], fit.theta)
    return np.concatenate([v.reshape(len(found), -1) for v in program.public(aligned[0]).values()], axis=1)


def _maker(fit: Record, clusters: Any) -> Any:
    """A function of a generator: the program on one resampled or simulated data set."""
    program = fit.program
    if clusters is None and len(program.data.starts) == 2:
        require_simulable(fit)
        return lambda rng: simulated(fit, rng)
    draw = _drawer(fit, clusters)
    return lambda rng: replace(program, data=program.data.changed(weights=draw(rng)))


def _drawer(fit: Record, clusters: Any) -> Any:
    """A function of a generator: case weights (n,) of one resampled data set."""
    program = fit.program
    weights, starts = program.data.weights, program.data.starts
    own = weights if weights.size else np.ones(program.n)
    if clusters is not None:
        codes, groups = cluster_codes(fit, clusters)
    elif starts.size:
        groups = len(starts) - 1
        codes = np.repeat(np.arange(groups), np.diff(starts))
    elif (own != np.round(own)).any():
        raise ValueError("kind='bootstrap' draws rows: case weights must be whole numbers, or give clusters.")
    else:  # a row of weight w is w rows
        total = int(own.sum())
        return lambda rng: rng.multinomial(total, own / total).astype(float)
    even = np.full(groups, 1.0 / groups)
    return lambda rng: rng.multinomial(groups, even)[codes] * own
