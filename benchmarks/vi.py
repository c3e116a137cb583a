"""Milliseconds per iteration of coordinate-ascent variational Bayes against scikit-learn, the same priors."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import BayesianGaussianMixture

import em_vs_bayes as evb
from benchmarks.cases import mixture
from benchmarks.measure import per_iteration
from benchmarks.show import at_least, ms, table

TARGET = 4.0


def run() -> None:
    table(
        "Variational Bayes, per iteration of the whole public road (start-up differenced away)",
        ("N, d, K", "em_vs_bayes", "scikit-learn", "ratio"),
        [_case(100_000, 10, 10, covariance) for covariance in ("full", "diag")],
        "Processor time, one thread, best of five turns. scikit-learn takes no start: it begins from random rows.",
    )


def _case(n: int, d: int, k: int, covariance: str) -> tuple[str, ...]:
    y, start = mixture(n, d, k)
    spec = evb.GaussianMixture(k, covariance=covariance)

    def ours(iterations: int) -> int:
        return spec.fit(y, "vi", init=start, n_init=1, max_iter=iterations, tol=0.0, progressbar=False).n_iter

    def theirs(iterations: int) -> int:
        model = BayesianGaussianMixture(
            n_components=k,
            covariance_type=covariance,
            tol=0.0,
            max_iter=iterations,
            init_params="random_from_data",
            weight_concentration_prior_type="dirichlet_distribution",
            weight_concentration_prior=1.0,
            mean_precision_prior=0.01,
            covariance_prior=np.eye(d) if covariance == "full" else np.ones(d),
            random_state=0,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # tol=0 is meant
            return model.fit(y).n_iter_

    took = per_iteration({"ours": ours, "theirs": theirs}, 2, 12)
    return (
        f"{n:,}, {d}, {k} {covariance}",
        ms(took["ours"]),
        ms(took["theirs"]),
        at_least(took["theirs"] / took["ours"], TARGET),
    )
