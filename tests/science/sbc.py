"""Simulation-based calibration: where a parameter drawn from the prior falls among the draws of its posterior.

If theta ~ prior and y ~ p(y | theta), the rank of theta among exact draws of p(theta | y) is uniform (Talts,
Betancourt, Simpson, Vehtari & Gelman 2018). The log-likelihood is ranked with the parameters: it sees errors in
their dependence (Modrak et al. 2023).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

import em_vs_bayes as evb
from em_vs_bayes import emissions as e
from em_vs_bayes import priors as p

KEPT = 99  # draws kept of each fit: ranks are 0, ..., 99
OPTIONS: dict[str, dict[str, Any]] = {
    "gibbs": {"chains": 1, "cores": 1, "tune": 500, "draws": KEPT, "thin": 20},
    "nuts": {"chains": 1, "cores": 1, "tune": 300, "draws": 5 * KEPT, "target_accept": 0.9},
    "vi": {"draws": 10 * KEPT + 9},  # its draws are a function of q: few would leave their own pattern in every rank
    "laplace": {"draws": KEPT},
}


@dataclass(frozen=True)
class Study:
    """A model with proper priors, how to draw from them, and how many rows to simulate.

    Parameters
    ----------
    draw : callable (rng) -> params
    labelled : int
        Rows whose component is revealed, where nothing else tells the components apart.
    """

    spec: evb.Mixture | evb.GaussianMixture
    draw: Callable[[np.random.Generator], dict[str, np.ndarray]]
    n: int
    labelled: int = 0


def _sorted(params: dict[str, np.ndarray], by: str) -> dict[str, np.ndarray]:
    """With an exchangeable prior an order constraint only names the components."""
    order = np.argsort(params[by])
    return {name: value[order] for name, value in params.items()}


def _normal(rng: np.random.Generator) -> dict[str, np.ndarray]:
    variances = 3.0 / rng.gamma(4.0, size=2)
    drawn = {"weights": rng.dirichlet([5.0, 5.0]), "means": rng.normal(0.0, 4.0, 2), "sigmas": np.sqrt(variances)}
    return _sorted(drawn, "means")


def _poisson(rng: np.random.Generator) -> dict[str, np.ndarray]:
    return _sorted({"weights": rng.dirichlet([3.0, 3.0]), "rates": rng.gamma(2.0, 1 / 0.3, 2)}, "rates")


def _plane(rng: np.random.Generator) -> dict[str, np.ndarray]:
    covariances = stats.invwishart(df=6.0, scale=3.0 * np.eye(2)).rvs(2, random_state=rng)
    means = np.array([rng.multivariate_normal([0.0, 0.0], s / 0.1) for s in covariances])
    return {"weights": rng.dirichlet([3.0, 3.0]), "means": means, "covariances": covariances}


STUDIES = {
    "normal": Study(
        evb.Mixture(
            e.Normal(),
            2,
            priors={"weights": p.Dirichlet(5.0), "means": p.Normal(0.0, 4.0), "sigmas": p.InverseGamma(4.0, 3.0)},
            ordered="means",
        ),
        _normal,
        n=40,
    ),
    "poisson": Study(
        evb.Mixture(e.Poisson(), 2, priors={"weights": p.Dirichlet(3.0), "rates": p.Gamma(2.0, 0.3)}, ordered="rates"),
        _poisson,
        n=40,
    ),
    "plane": Study(
        evb.GaussianMixture(
            2,
            priors={
                "weights": p.Dirichlet(3.0),
                "emission": p.NormalInverseWishart(mean=[0.0, 0.0], kappa=0.1, df=6.0, scale=3.0 * np.eye(2)),
            },
        ),
        _plane,
        n=40,
        labelled=12,
    ),
}


def ranks(study: Study, method: str, simulations: int, seed: int) -> dict[str, np.ndarray]:
    """Scalar name -> ranks (simulations,) of the truth among `KEPT` draws."""
    rows: list[Mapping[str, int]] = []
    for child in np.random.default_rng(seed).spawn(simulations):
        truth = study.draw(child)
        z = child.choice(2, size=study.n, p=truth["weights"])
        y = study.spec.model_emission.simulate(truth, z, child)
        labels = np.where(np.arange(study.n) < study.labelled, z, -1) if study.labelled else None
        # EM's climb to the mode (not the chains) starts at the truth: it saves looking for the mode from many places.
        start = None if method == "gibbs" else truth
        fit = study.spec.fit(y, method, labels=labels, init=start, seed=child, progressbar=False, **OPTIONS[method])
        rows.append(_ranks_of(fit, truth))
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _ranks_of(fit: evb.Fit, truth: Mapping[str, np.ndarray]) -> dict[str, int]:
    flat = fit.draws.reshape(-1, fit.draws.shape[-1])
    kept = flat if fit.method == "vi" else flat[np.linspace(0, len(flat) - 1, KEPT).astype(int)]
    coarse = (len(kept) + 1) // (KEPT + 1)
    out = {}
    for name, draws in fit.program.public(kept).items():
        for index in np.ndindex(truth[name].shape):
            if (name == "covariances" and index[1] < index[2]) or (name == "weights" and index[0] > 0):
                continue  # said already
            label = f"{name}[{', '.join(map(str, index))}]"
            out[label] = int((draws[(slice(None), *index)] < truth[name][index]).sum()) // coarse
    heights = np.array([fit.program.log_likelihood(theta) for theta in kept])
    out["log-likelihood"] = int((heights < fit.program.log_likelihood(fit.program.theta_of(truth))).sum()) // coarse
    return out


def p_values(found: Mapping[str, np.ndarray], bins: int) -> dict[str, float]:
    """Of uniformity: the smaller of a chi-square test on ``bins`` bins and a Kolmogorov-Smirnov test, doubled."""
    out = {}
    for name, values in found.items():
        counts = np.histogram(values, bins=bins, range=(-0.5, KEPT + 0.5))[0]
        uniform = stats.uniform(loc=-0.5, scale=KEPT + 1.0)
        distance = stats.kstest(values, uniform.cdf).pvalue
        out[name] = min(1.0, 2.0 * min(float(stats.chisquare(counts).pvalue), float(distance)))
    return out
