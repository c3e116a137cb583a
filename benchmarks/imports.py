"""Seconds to import, and from nothing to a fitted mixture, each in fresh processes with a warm disk."""

from benchmarks.measure import probe
from benchmarks.show import at_most, table

TARGET = 0.6
WARM, COLD = 1.0, 5.0
TURNS = 5


def run() -> None:
    rows = []
    for module in ("em_vs_bayes", "numpy", "numba", "scipy.special", "sklearn.mixture", "pymc"):
        runs = [probe("importing", module) for _ in range(TURNS if module != "pymc" else 2)]
        best = min(run["cpu"] for run in runs)
        ours = module == "em_vs_bayes"
        loaded = runs[0]["loaded"]
        if ours and "pymc" in loaded:
            raise RuntimeError("import em_vs_bayes brings pymc along.")
        rows.append((f"import {module}", at_most(best, TARGET, "s") if ours else f"{best:.2f} s", ", ".join(loaded)))
    for library in ("em_vs_bayes", "sklearn"):
        best = min(probe("first_fit", library)["cpu"] for _ in range(TURNS))
        rows.append((f"import {library} and fit Old Faithful", f"{best:.2f} s", ""))
    for method in ("em", "vi", "gibbs", "nuts"):
        cold, warm = (probe("effective", "2d", method, kernels=kernels)["cpu"] for kernels in ("none", "installed"))
        rows.append((f"compile the kernels of method={method!r}, once", f"{cold - warm:.0f} s", ""))
    what = "first gradient of a hidden Markov model's posterior"
    for kernels, target in (("installed", WARM), ("none", COLD)):
        took = probe("gradient", kernels=kernels)["cpu"]
        rows.append((f"{what}, kernels compiled: {kernels}", at_most(took, target, "s"), ""))
    table("Imports", ("what", "seconds", "heavy modules loaded"), rows, "Processor time, fresh process, best of five.")
