"""What has to be measured in a process of its own: ``python -m benchmarks.probes NAME [argument ...]`` prints JSON."""

import json
import sys
from time import perf_counter, process_time
from typing import Any

from benchmarks import threads  # noqa: F401 - sets one thread before numpy loads


def importing(module: str) -> dict[str, Any]:
    """Seconds to import a module, and which heavy modules it brings along."""
    wall, cpu = perf_counter(), process_time()
    __import__(module)
    heavy = ("pymc", "pytensor", "arviz", "nutpie", "pandas", "matplotlib", "xarray", "scipy", "numba")
    return {
        "wall": perf_counter() - wall,
        "cpu": process_time() - cpu,
        "loaded": [m for m in heavy if m in sys.modules],
    }


def first_fit(library: str) -> dict[str, Any]:
    """Seconds from nothing to a fitted mixture of Old Faithful (numpy included)."""
    wall, cpu = perf_counter(), process_time()
    if library == "em_vs_bayes":
        import em_vs_bayes as evb

        y = evb.datasets.load("faithful", as_frame=False)
        evb.GaussianMixture(2).fit(y, "em", seed=1, progressbar=False)
    else:
        from pathlib import Path

        import numpy as np
        from sklearn.mixture import GaussianMixture

        file = Path(__file__).parents[1] / "em_vs_bayes" / "data" / "sets" / "faithful.csv"
        GaussianMixture(2, random_state=1).fit(np.genfromtxt(file, delimiter=",", skip_header=1))
    return {"wall": perf_counter() - wall, "cpu": process_time() - cpu, "pymc": "pymc" in sys.modules}


def memory(library: str, covariance: str) -> dict[str, Any]:
    """Peak resident memory of a few EM iterations at N = 1,000,000, d = 5, K = 5, above what the data took, in MiB."""
    import resource

    from benchmarks.cases import mixture

    y, start = mixture(1_000_000, 5, 5)
    small = y[:10_000].copy()
    _iterate(library, small, start, covariance)  # imports and compiled code are not the price of the data
    before = _reset_peak()
    _iterate(library, y, start, covariance)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 if before is None else _status("VmHWM") - before
    return {"mib": peak, "reset": before is not None}


def _iterate(library: str, y: Any, start: dict[str, Any], covariance: str) -> None:
    import numpy as np

    if library == "em_vs_bayes":
        import em_vs_bayes as evb

        options = {"n_init": 1, "accelerate": None, "max_iter": 3, "tol": 0.0, "progressbar": False}
        evb.GaussianMixture(5, covariance=covariance).fit(y, "em", init=start, **options)
        return
    import warnings

    from sklearn.mixture import GaussianMixture

    warnings.simplefilter("ignore")  # three iterations do not converge, and need not
    precisions = np.linalg.inv(start["covariances"])
    if covariance == "diag":
        precisions = np.diagonal(precisions, axis1=1, axis2=2)
    GaussianMixture(
        5,
        covariance_type=covariance,
        max_iter=3,
        weights_init=start["weights"],
        means_init=start["means"],
        precisions_init=precisions,
    ).fit(y)


def _status(key: str) -> float:
    """A line of /proc/self/status in MiB."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(key)) / 1024


def _reset_peak() -> float | None:
    """Set the kernel's high-water mark to what is resident now (Linux), and return that; None elsewhere."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        return None
    return _status("VmRSS")


def effective(name: str, method: str, draws: str = "", tune: str = "", preload: str = "") -> dict[str, Any]:
    """Seconds of a fit, and what its draws are worth; chains run one after the other. The clock starts after imports.

    Parameters
    ----------
    draws, tune : str of int, optional
        For samplers; by default few.
    preload : "nutpie", optional
        Whether to have the sampler's import done, too, before the clock starts.
    """
    import em_vs_bayes  # noqa: F401
    from benchmarks.cases import SOON

    case = SOON[name]()
    spec, options = case.spec, {"seed": 1, "progressbar": False}
    if method in ("gibbs", "nuts"):
        options |= {"draws": int(draws or 100), "tune": int(tune or 100), "chains": 4, "cores": 1}
    if preload == "nutpie":
        import nutpie  # noqa: F401
        from nutpie import compiled_pyfunc  # noqa: F401
    wall, cpu = perf_counter(), process_time()
    fit = spec.fit(case.y, method, **options)
    took = {"wall": perf_counter() - wall, "cpu": process_time() - cpu}
    from benchmarks.measure import free, min_ess

    return took | ({} if fit.draws is None else {"ess": min_ess(free(fit.draws))})


def gradient() -> dict[str, Any]:
    """Seconds from a spec and data to the first log posterior with its gradient, imports done."""
    import numpy as np

    from em_vs_bayes import GaussianHMM
    from em_vs_bayes.program.compile import compile as compile_program

    y = np.random.default_rng(0).normal(size=(1000, 1))
    wall, cpu = perf_counter(), process_time()
    program = compile_program(GaussianHMM(3), y)
    theta = program.neutral()
    program.density(theta)(program.unconstrain(theta))
    return {"wall": perf_counter() - wall, "cpu": process_time() - cpu}


PROBES = {f.__name__: f for f in (importing, first_fit, memory, effective, gradient)}

if __name__ == "__main__":
    print(json.dumps(PROBES[sys.argv[1]](*sys.argv[2:])))
