"""Draw the decoded earthquakes of the page on hidden Markov models: `python docs/figures/make_states.py`."""

from pathlib import Path

import em_vs_bayes as evb
from em_vs_bayes.report import states

IMAGES = Path(__file__).resolve().parents[1] / "images"


def main() -> None:
    """Write ``quakes.png``."""
    y = evb.datasets.load("quakes")[["count"]]
    spec = evb.HMM(evb.emissions.Poisson(), 3, initial="stationary", ordered="rates")
    figure = states.paths(evb.compare([spec.fit(y, "em", seed=1, progressbar=False)]))
    figure.savefig(IMAGES / "quakes.png", dpi=110)


if __name__ == "__main__":
    main()
