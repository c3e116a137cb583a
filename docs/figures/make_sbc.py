"""Draw docs/images/sbc.png: rank histograms of every Bayesian method on one small normal mixture.

Run from the repository's root: ``python docs/figures/make_sbc.py``; it takes a few minutes.
"""

import sys
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from scipy import stats

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))  # the study is the one that the tests run

from science.sbc import KEPT, STUDIES, ranks  # noqa: E402

SIMULATIONS, BINS = 500, 20
METHODS = {"gibbs": "Gibbs", "nuts": "NUTS", "laplace": "Laplace", "vi": "variational"}
SHOWN = {
    "weights[0]": "weight of component 0",
    "means[0]": "mean of component 0",
    "sigmas[0]": "sd of component 0",
    "log-likelihood": "log-likelihood",
}


def main() -> None:
    """Simulate, rank, draw."""
    matplotlib.use("Agg")
    low, high = stats.binom.ppf([0.005, 0.995], SIMULATIONS, 1 / BINS)
    figure, axes = plt.subplots(len(METHODS), len(SHOWN), figsize=(9.0, 6.4), sharex=True, sharey="row")
    for row, (method, title) in zip(axes, METHODS.items(), strict=True):
        found = ranks(STUDIES["normal"], method, SIMULATIONS, seed=5)
        for ax, (name, label) in zip(row, SHOWN.items(), strict=True):
            ax.axhspan(low, high, color="0.88")
            ax.hist(
                found[name],
                bins=BINS,
                range=(-0.5, KEPT + 0.5),
                color="#2a6f97" if method in ("gibbs", "nuts") else "#c8553d",
            )
            ax.spines[["top", "right"]].set_visible(False)
            if method == "gibbs":
                ax.set_title(label, fontsize=9)
            ax.set_xticks([0, 50, KEPT])
            ax.tick_params(labelsize=7)
        row[0].set_ylabel(title, fontsize=9)
    figure.supxlabel(
        f"rank of the truth among {KEPT} draws; flat inside the grey band (99%) when calibrated", fontsize=9
    )
    figure.tight_layout()
    folder = ROOT / "docs" / "images"
    folder.mkdir(exist_ok=True)
    figure.savefig(folder / "sbc.png", dpi=80, metadata={"Software": None})
    print(f"{np.prod(axes.shape)} histograms of {SIMULATIONS} simulations each")


if __name__ == "__main__":
    main()
