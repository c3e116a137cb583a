"""Peak memory of EM above the data: N = 1,000,000, d = 5, K = 5 (the data take 38 MiB)."""

from benchmarks.measure import probe
from benchmarks.show import at_most, table

TARGET = 64.0


def run() -> None:
    rows = []
    for covariance in ("full", "diag"):
        ours, theirs = (probe("memory", library, covariance) for library in ("em_vs_bayes", "sklearn"))
        rows.append((f"1,000,000, 5, 5 {covariance}", at_most(ours["mib"], TARGET, "MiB"), f"{theirs['mib']:,.0f} MiB"))
        if not ours["reset"]:
            print("This system cannot reset the peak: the figures include imports and compiled code.")
    table("Peak resident memory over the data", ("N, d, K", "em_vs_bayes", "scikit-learn"), rows)
