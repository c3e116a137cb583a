"""Whether the likelihood of a regression seen through limits has a maximum: against other ways to know."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import two_lines
from scipy import optimize, stats

import em_vs_bayes as evb
from em_vs_bayes import Status
from em_vs_bayes.model.emissions import recession, tilted
from em_vs_bayes.program.compile import compile as compiled
from em_vs_bayes.program.identified import runs_off

QUIET = {"progressbar": False, "seed": 1}


def by_linear_program(x, low, high, spread):
    """Silvapulle & Burridge's condition as one program over all rows."""
    exact = low == high
    above, below = np.isfinite(low) & ~exact, np.isfinite(high) & ~exact
    gains = np.vstack([np.column_stack([x, -low])[above], np.column_stack([-x, high])[below]])
    held = np.column_stack([-x, low])[exact]
    objective = gains.sum(axis=0) + np.eye(x.shape[1] + 1)[-1]
    found = optimize.linprog(
        -objective,
        A_ub=np.vstack([gains, -gains]),
        b_ub=np.concatenate([np.ones(len(gains)), np.zeros(len(gains))]),
        A_eq=held if len(held) else None,
        b_eq=np.zeros(len(held)) if len(held) else None,
        bounds=[(None, None)] * x.shape[1] + [(0.0, 1.0 if spread else 0.0)],
    )
    return found.x is not None and objective @ found.x > 1e-4


def some_rows(rng):
    """A few rows of all kinds, often without a maximum."""
    n, p = int(rng.integers(4, 40)), int(rng.integers(1, 5))
    others = rng.integers(0, 3, (n, p - 1)) if rng.random() < 0.7 else rng.normal(size=(n, p - 1))
    x = np.column_stack([np.ones(n), others])
    y = np.round(x @ rng.normal(size=p) + rng.normal(size=n), rng.integers(0, 3))
    kinds = rng.choice(4, size=n, p=rng.dirichlet(np.full(4, 0.5)))
    low = np.choose(kinds, [y, y, np.full(n, -np.inf), y])
    high = np.choose(kinds, [y, np.full(n, np.inf), y, y + rng.choice([0.5, 1.0, 2.0])])
    return x, low, high, bool(rng.random() < 0.8)


def test_a_direction_of_recession_is_found_where_there_is_one():
    rng, found = np.random.default_rng(0), []
    while len(found) < 300:
        x, low, high, spread = some_rows(rng)
        if np.linalg.matrix_rank(x) < x.shape[1]:
            continue
        direction = recession.recession(recession.Known(x, low, high, np.ones(len(x)), spread))
        assert (direction is not None) == by_linear_program(x, low, high, spread)
        found.append(direction is not None)
        if direction is None:
            continue
        line = x @ direction[:-1]
        for end, sign in ((low, 1.0), (high, -1.0)):
            seen = np.isfinite(end)
            assert (
                sign * (line - direction[-1] * np.where(seen, end, 0.0))[seen] > -1e-5 * np.abs(direction).max()
            ).all()
    assert 15 < sum(found) < 150


def test_many_rows_are_looked_at_a_few_at_a_time():
    """One row of twenty thousand is all that stands against a direction."""
    rng = np.random.default_rng(3)
    x = np.column_stack([np.ones(20_000), rng.normal(size=(20_000, 3))])
    above = x @ [0.0, 1.0, -1.0, 0.5] > 0.0
    low, high = np.where(above, 0.0, -np.inf), np.where(above, np.inf, 0.0)
    ones = np.ones(len(x))
    assert recession.recession(recession.Known(x, low, high, ones, True)) is not None
    far = int(np.argmax(x @ [0.0, 1.0, -1.0, 0.5]))
    low[far], high[far] = -np.inf, 0.0
    assert recession.recession(recession.Known(x, low, high, ones, True)) is None


def test_sigma_is_infinite_where_one_sided_responses_are_best_told_apart_by_no_limit():
    """Against a climb over (d, log t) from several places."""
    rng, found = np.random.default_rng(1), []
    while len(found) < 40:
        n = int(rng.integers(20, 60))
        x = np.column_stack([np.ones(n), rng.normal(size=n)])
        limits, noise = rng.normal(size=n), rng.logistic(size=n)
        above = rng.choice([-0.3, 0.0, 0.3]) * limits + 0.5 * x[:, 1] + noise > 0.0
        known = recession.Known(x, np.where(above, limits, -np.inf), np.where(above, np.inf, limits), np.ones(n), True)
        if recession.recession(known) is not None:
            continue
        sign = np.where(above, 1.0, -1.0)

        def minus(z, x=x, sign=sign, limits=limits):
            return -stats.norm.logcdf(sign * (x @ z[:2] - limits * np.exp(z[2]))).sum()

        ends = [optimize.minimize(minus, [0.0, 0.0, start], method="BFGS").x[2] for start in (0.0, -2.0)]
        rises = max(ends) < -9.0
        assert recession.spreads_out(known) == rises
        found.append(rises)
    assert 5 < sum(found) < 35


@pytest.mark.parametrize("upper", [np.inf, 1.0])
def test_sigma_is_infinite_where_truncated_responses_are_too_spread(upper):
    """Against profile likelihoods at ever larger sigma, by SciPy's truncated normal."""
    rng, found = np.random.default_rng(2), []
    for _ in range(24):
        n = 60
        x = np.column_stack([np.ones(n), rng.normal(size=n)])
        if np.isinf(upper):
            y = rng.gamma(rng.choice([0.6, 1.0, 1.6]), size=n) * np.exp(0.2 * x[:, 1])
        else:
            y = rng.beta(*[rng.choice([0.7, 1.0, 1.4])] * 2, size=n)

        def profile(sigma, x=x, y=y):
            def minus(eta):
                line = sigma**2 * (x @ eta)
                inside = np.logaddexp(
                    -np.inf, stats.truncnorm.logpdf(y, -line / sigma, (upper - line) / sigma, line, sigma)
                )
                return -inside.sum()

            start = [-1.0 / y.mean() - y.mean() / sigma**2, 0.0] if np.isinf(upper) else [0.0, 0.0]
            return -optimize.minimize(minus, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-10}).fun

        unit = y.std()
        near, far = profile(6.0 * unit), profile(60.0 * unit)
        if abs(far - near) < 1e-3:
            continue
        low, high = np.zeros(n), np.full(n, upper)
        none = tilted.spreads_out(x, y, low, high, np.ones(n))
        found.append(none)
        if none:
            assert far > near
        elif far > near:  # then the maximum lies between, or beyond
            assert profile(600.0 * unit) < far + 1e-5
    assert 3 < sum(found) < len(found) - 3


def test_a_shifted_limit_and_a_fixed_coefficient_change_nothing():
    rng = np.random.default_rng(5)
    x = np.column_stack([np.ones(80), rng.normal(size=80)])
    for shape in (0.7, 1.8):
        y = rng.gamma(shape, size=80)
        for far in (0.0, 1e6):
            assert tilted.spreads_out(x, y + far, np.full(80, far), np.full(80, np.inf), np.ones(80)) == (shape < 1.0)
            assert tilted.spreads_out(x, far - y, np.full(80, -np.inf), np.full(80, far), np.ones(80)) == (shape < 1.0)


@pytest.mark.parametrize("spec", [evb.Tobit(), evb.TruncatedRegression(lower=0.0), evb.CensoredRegression()])
def test_ordinary_data_have_a_maximum(spec):
    for seed in range(30):
        rng = np.random.default_rng(seed)
        x = np.column_stack([np.ones(60), rng.normal(size=(60, 2))])
        y = x @ [0.5, 1.0, -1.0] + rng.normal(size=60)
        if isinstance(spec, evb.TruncatedRegression):
            x, y = x[y > 0.0], y[y > 0.0]
        if isinstance(spec, evb.CensoredRegression):
            y = np.column_stack([np.floor(y), np.floor(y) + 1.0])
        elif isinstance(spec, evb.Tobit):
            y = np.maximum(y, 0.0)
        assert runs_off(compiled(spec, y, exog=x)) == ""


@pytest.mark.parametrize("noise", [1e-3, 1e-5])
def test_a_small_sigma_is_no_collapse(noise):
    rng = np.random.default_rng(0)
    x = np.column_stack([np.ones(200), rng.normal(size=200)])
    y = x @ [1.0, 2.0] + noise * rng.normal(size=200)
    fit = evb.Tobit().fit(np.maximum(y, 0.0), exog=x, **QUIET)
    assert fit.status is Status.CONVERGED
    seen = y > 0.0
    b = np.linalg.lstsq(x[seen], y[seen], rcond=None)[0]
    np.testing.assert_allclose(fit.params["sigma"], np.std(y[seen] - x[seen] @ b), rtol=1e-2)


@pytest.mark.parametrize("upper", [None, 4.0])
def test_a_truncated_regression_that_hides_most_is_fitted(upper):
    """Against SciPy's climb of the same likelihood in its natural parameters."""
    rng = np.random.default_rng(2)
    x = np.column_stack([np.ones(200), rng.normal(size=200)])
    y = rng.exponential(np.exp(0.1 * x[:, 1])) * 0.999
    keep = y < (upper or np.inf)
    x, y = x[keep], y[keep]
    fit = evb.TruncatedRegression(lower=0.0, upper=upper).fit(y, exog=x, **QUIET)
    assert fit.status is Status.CONVERGED

    def minus(z):
        nu = np.exp(z[2])
        line, sigma = x @ z[:2] / nu, nu**-0.5
        return -stats.truncnorm.logpdf(y, -line / sigma, ((upper or np.inf) - line) / sigma, line, sigma).sum()

    best = min(
        (
            optimize.minimize(minus, [-1.0, 0.0, start], method="Nelder-Mead", options={"maxiter": 4000})
            for start in (-1, -3)
        ),
        key=lambda found: found.fun,
    )
    assert fit.log_likelihood == pytest.approx(-best.fun, abs=2e-4)
    assert fit.log_likelihood > -best.fun - 1e-6


CORES = {"SkylakeX": "avx512f", "Haswell": "avx2", "Zen": "avx2", "Prescott": "sse3"}  # core type -> what it needs


def runnable():
    """The core types of OpenBLAS that this processor can run."""
    try:
        flags = Path("/proc/cpuinfo").read_text().replace("pni", "sse3").split()
    except OSError:
        flags = []
    return [{"OPENBLAS_CORETYPE": core} for core, needs in CORES.items() if needs in flags] + [
        {"NUMBA_CPU_NAME": "generic"}
    ]


@pytest.mark.slow
@pytest.mark.parametrize("setting", runnable(), ids=lambda setting: "-".join(*setting.items()))
def test_statuses_do_not_hang_on_the_last_bits(setting, tmp_path):
    """The tests of statuses in a process of its own, whose sums round in another way."""
    here = Path(__file__).parent
    files = ["test_censored_input.py", "test_em.py", "test_regression_maximum.py", "test_vi.py"]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-m",
        "not slow",
        "-p",
        "no:cacheprovider",
        *map(str, map(here.joinpath, files)),
    ]
    run = subprocess.run(
        command, cwd=here.parent, env=os.environ | setting, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout[-3000:]


BY_NAME = [evb.Prior("StudentT", nu=3.0, mu=0.0, sigma=0.2), evb.Prior("Normal", mu=0.0, sigma=0.2)]


@pytest.mark.parametrize("prior", BY_NAME)
def test_the_mode_under_priors_by_name_is_the_highest_point(prior):
    rng = np.random.default_rng(0)
    x = np.column_stack([np.ones(60), rng.normal(size=60)])
    y = x @ [1.0, 2.0] + rng.normal(size=60)
    spec = evb.CensoredRegression(priors={"coefficients": prior, "sigma": evb.Prior("HalfCauchy", beta=0.1)})
    fit = spec.fit(np.column_stack([y, y]), exog=x, objective="map", **QUIET)
    law = stats.t(3.0, 0.0, 0.2) if prior.name == "StudentT" else stats.norm(0.0, 0.2)

    def minus(z):
        sigma = np.exp(z[2])
        prior = law.logpdf(z[:2]).sum() + stats.halfcauchy.logpdf(sigma, scale=0.1)
        return -(stats.norm.logpdf(y, x @ z[:2], sigma).sum() + prior)

    best = optimize.minimize(minus, [1.0, 2.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-11})
    found = np.append(fit.params["coefficients"], fit.params["sigma"])
    np.testing.assert_allclose(found, np.append(best.x[:2], np.exp(best.x[2])), rtol=1e-5)


def test_gibbs_draws_coefficients_with_a_flat_prior_as_a_block():
    rng = np.random.default_rng(0)
    iq = rng.normal(100.0, 15.0, 100)
    x = np.column_stack([np.ones(100), iq])
    y = x @ [-11.0, 1.1] + 18.0 * rng.normal(size=100)
    priors = {"coefficients": evb.Prior("Flat"), "sigma": evb.Prior("HalfCauchy", beta=2.5)}
    spec = evb.CensoredRegression(priors=priors)
    fit = spec.fit(np.column_stack([y, y]), "gibbs", exog=x, draws=300, tune=50, **QUIET)
    table = fit.summary()
    assert table["ess_bulk"].iloc[:2].min() > 500
    slope = np.sqrt(np.linalg.inv(x.T @ x)[1, 1]) * float(fit.params["sigma"])
    np.testing.assert_allclose(table["sd"].iloc[1], slope, rtol=0.1)


@pytest.mark.parametrize("seed", [1, 3])
def test_a_mixture_of_truncated_regressions_ends_in_a_status(seed):
    """Components may run off to where truncation hides more rows than can be counted."""
    x, y, cut = two_lines.seen(seed)
    spec = evb.Mixture(evb.emissions.TruncatedRegression(None, cut), 2)
    for method in ("em", "vi"):
        fit = spec.fit(y, method, exog=x, n_init=3, max_iter=60, **QUIET)
        assert fit.status in (Status.CONVERGED, Status.MAX_ITER, Status.UNBOUNDED)
        assert all(np.isfinite(value).all() for value in fit.params.values())
