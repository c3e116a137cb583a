"""Milliseconds per EM iteration against scikit-learn, from the same start, and the log-likelihoods compared."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

import em_vs_bayes as evb
from benchmarks.cases import MIXTURES, mixture
from benchmarks.measure import per_iteration
from benchmarks.show import at_least, ms, table

TARGET = {"full": (8.0, 4.0, 2.5, 6.0), "diag": (4.0, 4.0, 4.0, 4.0)}  # in the order of MIXTURES
AGREEMENT = 1e-9  # relative difference of log-likelihoods at the same parameters


def run() -> None:
    rows = []
    for covariance, targets in TARGET.items():
        for (n, d, k), target in zip(MIXTURES, targets, strict=True):
            rows.append(_case(n, d, k, covariance, target))
    table(
        "EM, per iteration of the whole public road (start-up differenced away)",
        ("N, d, K", "em_vs_bayes", "scikit-learn", "ratio", "log-likelihoods differ by"),
        rows,
        "Processor time, one thread, best of ten turns (of three for a million rows).",
    )


def _case(n: int, d: int, k: int, covariance: str, target: float) -> tuple[str, ...]:
    y, start = mixture(n, d, k)
    spec = evb.GaussianMixture(k, covariance=covariance)
    spread = start["covariances"] if covariance == "full" else np.diagonal(start["covariances"], axis1=1, axis2=2)
    precisions = np.linalg.inv(spread) if covariance == "full" else 1.0 / spread

    def ours(iterations: int) -> int:
        options = {"n_init": 1, "accelerate": None, "max_iter": iterations, "tol": 0.0}
        return spec.fit(y, "em", init=start, progressbar=False, **options).n_iter

    def theirs(iterations: int) -> int:
        model = GaussianMixture(
            k,
            covariance_type=covariance,
            tol=0.0,
            max_iter=iterations,
            weights_init=start["weights"],
            means_init=start["means"],
            precisions_init=precisions,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # tol=0 is meant
            return model.fit(y).n_iter_

    many = 12 if n < 1_000_000 else 6
    took = per_iteration({"ours": ours, "theirs": theirs}, 2, many, turns=10 if n < 1_000_000 else 3)
    difference = _difference(spec, y, start, spread, precisions)
    verdict = "ok" if difference < AGREEMENT else "[red]TOO MUCH[/]"
    return (
        f"{n:,}, {d}, {k} {covariance}",
        ms(took["ours"]),
        ms(took["theirs"]),
        at_least(took["theirs"] / took["ours"], target),
        f"{difference:.1e} relative: {verdict}",
    )


def _difference(spec, y, start, spread, precisions) -> float:
    """Relative difference of the two libraries' log-likelihoods at the start."""
    other = GaussianMixture(len(start["weights"]), covariance_type=spec.covariance)
    other.weights_, other.means_, other.covariances_ = start["weights"], start["means"], spread
    other.precisions_cholesky_ = np.linalg.cholesky(precisions) if spec.covariance == "full" else np.sqrt(precisions)
    theirs = float(other.score_samples(y).sum())
    return abs(spec.log_likelihood(y, start) - theirs) / abs(theirs)
