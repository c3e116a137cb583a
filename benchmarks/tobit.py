"""Tobit: seconds to the maximum against L-BFGS in Olsen's parametrisation, and effective draws per second.

The rival in this process is numpy with SciPy's L-BFGS (Olsen 1978: concave in b / sigma and 1 / sigma). Figures of R's
survreg, Stan and JAGS are published ones from another machine (2 cores, x86-64).
"""

from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_ndtr

import em_vs_bayes as evb
from benchmarks.measure import max_rhat, min_ess, seconds
from benchmarks.show import at_least, table
from em_vs_bayes.common.contract import Array

HALF_LOG_2PI = 0.5 * np.log(2.0 * np.pi)
PREDICTORS = 10
SURVREG = {10_000: 0.032, 100_000: 0.41, 1_000_000: 6.0}  # seconds
FASTER_THAN_SURVREG, FASTER = 15.0, 2.0
AGREEMENT = 1e-9  # relative difference of log-likelihoods
STAN, JAGS = 2722.0, 322.0  # min bulk ESS per second, n = 2000, p = 5
ESS_FACTOR = {"nuts": 2.0, "gibbs": 3.0}  # times Stan's
CHAINS: dict[str, Any] = {"chains": 4, "cores": 1, "seed": 1, "progressbar": False}


def run() -> None:
    _maximum()
    _effective()


def _data(n: int, p: int) -> tuple[Array, Array]:
    """Design and responses, about 40 % censored at 0."""
    rng = np.random.default_rng(n)
    x = np.column_stack([np.ones(n), rng.normal(size=(n, p - 1))])
    b = np.concatenate([[0.5], 0.5 * rng.normal(size=p - 1)])
    return x, np.maximum(x @ b + 1.5 * rng.normal(size=n), 0.0)


def olsen(x: Array, y: Array) -> float:
    """The maximum of the log-likelihood by L-BFGS from least squares."""
    cut = y <= 0.0
    seen, response, hidden = x[~cut], y[~cut], x[cut]
    n = len(y)

    def objective(v: Array) -> tuple[float, Array]:
        d, log_g = v[:-1], v[-1]
        g = np.exp(log_g)
        r, z = g * response - seen @ d, -(hidden @ d)
        log_p = log_ndtr(z)
        hazard = np.exp(-0.5 * z * z - HALF_LOG_2PI - log_p)
        value = len(r) * (log_g - HALF_LOG_2PI) - 0.5 * r @ r + log_p.sum()
        slope = np.append(seen.T @ r - hidden.T @ hazard, len(r) - g * (r @ response))
        return -value / n, -slope / n

    start = np.linalg.lstsq(x, y, rcond=None)[0]
    sd = np.std(y - x @ start)
    options = {"ftol": 1e-14, "gtol": 1e-8, "maxiter": 500}
    best = minimize(objective, np.append(start / sd, -np.log(sd)), jac=True, method="L-BFGS-B", options=options)
    return float(-best.fun * n)


def _maximum() -> None:
    rows = []
    for n, published in SURVREG.items():
        x, y = _data(n, PREDICTORS)
        spec = evb.Tobit(lower=0.0)
        spec.fit(y[:1000], "em", exog=x[:1000], progressbar=False)  # compiles
        ours = theirs = np.inf
        for _ in range(5 if n < 1_000_000 else 3):
            took, fit = seconds(lambda: spec.fit(y, "em", exog=x, progressbar=False))  # noqa: B023
            ours = min(ours, took)
            took, maximum = seconds(lambda: olsen(x, y))  # noqa: B023
            theirs = min(theirs, took)
        difference = abs(fit.log_likelihood - maximum) / abs(maximum)
        rows.append(
            (
                f"n = {n:,}, p = {PREDICTORS}",
                f"{1e3 * ours:,.1f} ms, {fit.n_iter} iterations",
                f"{1e3 * theirs:,.1f} ms",
                at_least(theirs / ours, FASTER) if n >= 100_000 else f"{theirs / ours:.2g}x",
                at_least(published / ours, FASTER_THAN_SURVREG) if n >= 100_000 else f"{published / ours:.3g}x",
                f"{difference:.1e} relative: " + ("ok" if difference < AGREEMENT else "[red]TOO MUCH[/]"),
            )
        )
    table(
        "Tobit, maximum likelihood, 40 % censored",
        ("case", "em_vs_bayes", "L-BFGS", "ratio", "to survreg, published", "log-likelihoods differ by"),
        rows,
        "Processor time of the whole call, data read and checked, one thread, best of a few turns.",
    )


def _effective() -> None:
    x, y = _data(2000, 5)
    independent = {"coefficients": evb.priors.Normal(0.0, 10.0), "sigma": evb.Prior("HalfNormal", sigma=5.0)}
    rows = []
    for what, priors in (("Normal, half-normal sigma", independent), ("default priors", {})):
        spec = evb.Tobit(lower=0.0, priors=priors)
        for method, tune in (("nuts", 300), ("gibbs", 200)):
            spec.fit(y, method, exog=x, draws=20, tune=20, **CHAINS)
            whole, fit = seconds(lambda: spec.fit(y, method, exog=x, draws=2000, tune=tune, **CHAINS))  # noqa: B023
            ess = min_ess(np.asarray(fit.draws)[..., 1:])
            target = ESS_FACTOR[method] * STAN
            rows.append(
                (
                    f"{what}, {method}",
                    f"{ess:,.0f}",
                    f"{max_rhat(np.asarray(fit.draws)[..., 1:]):.3f}",
                    at_least(ess / whole, target, "/s"),
                    f"{ess / whole / JAGS:.0f}x",
                )
            )
    table(
        "Tobit, n = 2000, p = 5, 4 chains x 2000 draws, chains one after the other",
        ("case", "min ESS", "R-hat", "ESS/s, warm-up counted", "to JAGS, published"),
        rows,
        f"Processor time. Stan, published: {STAN:,.0f}/s of sampling.",
    )
