"""The clock, the comparison of contestants, and fresh processes.

The clock is processor time. With one thread each it is wall time on a quiet machine, and on a busy one it still says
what a run cost. Contestants take turns, so that a slow spell of the machine falls on all; the best turn counts.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from shutil import copytree, ignore_patterns
from time import process_time
from typing import Any

import numpy as np

from em_vs_bayes.common.contract import Array

ROOT = Path(__file__).parents[1]


def seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    """Processor seconds of a call, and what it returned."""
    began = process_time()
    value = call()
    return process_time() - began, value


def per_iteration(
    contestants: Mapping[str, Callable[[int], int]], few: int, many: int, turns: int = 5
) -> dict[str, float]:
    """Seconds per iteration: the difference of a long and a short run, so that starting up cancels.

    Parameters
    ----------
    contestants : name -> callable
        Takes the number of iterations to make, returns how many it made.
    """
    best = {name: {few: np.inf, many: np.inf} for name in contestants}
    made = {name: {few: 0, many: 0} for name in contestants}
    for turn in range(turns + 1):
        for name, run in contestants.items():
            for length in (few, many):
                took, made[name][length] = seconds(lambda run=run, length=length: run(length))
                if turn:  # the first turn warms caches and compiles
                    best[name][length] = min(best[name][length], took)
    for name, counts in made.items():
        if counts[many] - counts[few] != many - few:
            raise RuntimeError(f"{name} made {counts} iterations: it stopped early, the difference means nothing.")
    return {name: (best[name][many] - best[name][few]) / (many - few) for name in contestants}


def free(draws: Array) -> Array:
    """The parameters that vary: what is fixed has no effective sample size."""
    return draws[..., np.ptp(draws, axis=(0, 1)) > 0]


def min_ess(draws: Array) -> float:
    """Least bulk effective sample size over the parameters of (chain, draw, P) draws (Vehtari et al. 2021)."""
    from arviz_stats.base import array_stats

    ess = array_stats.ess(np.moveaxis(draws, -1, 0), chain_axis=1, draw_axis=2, method="bulk")
    return float(np.nanmin(ess))


def max_rhat(draws: Array) -> float:
    """Largest rank-normalised R-hat: chains that disagree make an effective sample size meaningless."""
    from arviz_stats.base import array_stats

    return float(np.nanmax(array_stats.rhat(np.moveaxis(draws, -1, 0), chain_axis=1, draw_axis=2)))


def probe(name: str, *arguments: Any, kernels: str = "as they are") -> dict[str, Any]:
    """What a fresh process running `benchmarks.probes` prints.

    Parameters
    ----------
    kernels : {"as they are", "installed", "none"}
        What is compiled already: what this machine has, what came with the installation, or nothing.
    """
    command = [sys.executable, "-m", "benchmarks.probes", name, *map(str, arguments)]
    with tempfile.TemporaryDirectory() as folder:
        place, cache = ROOT, {} if kernels == "as they are" else {"NUMBA_CACHE_DIR": f"{folder}/cache"}
        if kernels == "none":
            place = Path(folder)
            for package in ("em_vs_bayes", "benchmarks"):
                copytree(ROOT / package, place / package, ignore=ignore_patterns("compiled", "__pycache__"))
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=place, env=os.environ | cache)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[1:])} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])
