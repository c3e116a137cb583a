"""PyMC's own samplers on a compiled program: draws come back as theta, like those of every other road."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pymc as pm

from em_vs_bayes.common.contract import Array
from em_vs_bayes.methods import starts
from em_vs_bayes.program.program import Program
from em_vs_bayes.pymc.build import Built, build

STATS = {"logp": "lp", "depth": "tree_depth", "maxdepth_reached": "reached_max_treedepth"}  # nutpie's names


def sample(program: Program, method: Any, start: Any, seed: int, cores: int) -> tuple[Array, dict[str, Array]]:
    """The No-U-Turn sampler by `pymc.sample`.

    Parameters
    ----------
    program : Program
    method : NUTS
        Its ``draws``, ``tune``, ``chains``, ``target_accept``; ``options`` go to `pymc.sample` as they are
        (``nuts_sampler="pymc"`` takes PyMC's own sampler in place of nutpie).
    start : anything `starts.start` reads
        Every chain starts there.
    seed, cores : int

    Returns
    -------
    theta : ndarray (chain, draw, P)
    sample_stats : dict of ndarray (chain, draw)
    """
    built = build(program)
    initvals = _initvals(program, built, start, seed)
    options: dict[str, Any] = {"nuts_sampler": "nutpie", **(method.options or {})}
    if options["nuts_sampler"] == "nutpie":  # jitter of one unit knows nothing of the scale of the data
        options["compile_kwargs"] = {"jitter_rvs": set(), **options.get("compile_kwargs", {})}
    else:
        options.setdefault("init", "adapt_diag")
    options["nuts"] = {"target_accept": method.target_accept, **options.get("nuts", {})}
    trace = pm.sample(
        **{
            "draws": method.draws,
            "tune": method.tune,
            "chains": method.chains,
            "cores": cores,
            "random_seed": seed,
            "initvals": initvals,
            "model": built.model,
            "progressbar": False,
            "quiet": True,
            "compute_convergence_checks": False,
            **options,
        }
    )
    stats = {
        STATS.get(str(name), str(name)): np.asarray(values)
        for name, values in trace["sample_stats"].data_vars.items()
        if values.ndim == 2 and values.dtype.kind in "fiub"
    }
    return _theta(program, trace["posterior"]), stats


def advi(program: Program, method: Any, theta: Array, seed: int) -> tuple[Array, Array]:
    """Mean-field Gaussian variational inference in PyMC's unconstrained coordinates (Kucukelbir et al. 2017).

    Parameters
    ----------
    program : Program
    method : ADVI
        Its ``n_steps``, ``learning_rate`` (of Adam) and ``draws``.
    theta : ndarray (P,)
        Where the means of the approximation start.
    seed : int

    Returns
    -------
    theta : ndarray (1, draws, P)
    elbo : ndarray (n_steps,)
        Noisy estimates, one per step.
    """
    built = build(program)
    with built.model, _silent():
        approximation = pm.fit(
            n=method.n_steps,
            method="advi",
            start=built.values(program.public(theta)),
            obj_optimizer=pm.adam(learning_rate=method.learning_rate),
            random_seed=seed,
            progressbar=False,
        )
        trace = approximation.sample(method.draws, random_seed=seed + 1)
    return _theta(program, trace["posterior"]), -np.asarray(approximation.hist, dtype=float)


@contextmanager
def _silent() -> Iterator[None]:
    """Without what PyMC logs of its progress."""
    logger = logging.getLogger("pymc")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _initvals(program: Program, built: Built, start: Any, seed: int) -> dict[str, Array]:
    """Values of the free variables at a start; k-means++ where none is given."""
    theta = starts.start(program, start, np.random.default_rng(seed))
    return built.values(program.public(theta))


def _theta(program: Program, posterior: Any) -> Array:
    """Draws of the public parameters (chain, draw, ...) as theta (chain, draw, P)."""
    public: Mapping[str, Array] = {name: np.asarray(posterior[name]) for name in program.spec.parameter_dims()}
    return program.internal(public)
