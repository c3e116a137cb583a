"""Hidden Markov models: published and exactly known answers. Values and sources: `reference_hmm.py`."""

from __future__ import annotations

from itertools import pairwise, product
from math import lgamma, log

import numpy as np
import pytest
from science import reference_hmm as reference
from science.montecarlo import assert_mean, assert_sd, log_evidence_by_importance, posterior
from scipy import stats

import em_vs_bayes as evb
from em_vs_bayes import emissions as e
from em_vs_bayes import priors as p

QUIET = {"progressbar": False, "seed": 1}


def column(name, which):
    return evb.datasets.load(name)[which].to_numpy()


def path_log_probability(path, initial, transition, log_densities):
    """log p(y, path), factor by factor; ``log_densities`` (n, K)."""
    total = log(initial[path[0]]) + sum(log(transition[i][j]) for i, j in pairwise(path))
    return total + sum(row[k] for row, k in zip(log_densities, path, strict=True))


# --- earthquakes: Poisson, one to four states -----------------------------------------------------------------------


def quakes_spec(initial, k):
    return evb.HMM(e.Poisson(), k, initial=initial, ordered="rates")


@pytest.mark.parametrize(
    ("initial", "k"), [(initial, k) for initial, by_k in reference.QUAKES_PUBLISHED.items() for k in by_k if k < 4]
)
def test_quakes(initial, k):
    fit = quakes_spec(initial, k).fit(column("quakes", "count"), "em", **QUIET)
    assert fit.converged
    assert -fit.log_likelihood == pytest.approx(reference.QUAKES_PUBLISHED[initial][k], abs=1e-4)
    assert fit.n_parameters == k * k + (k - 1 if initial == "free" else 0)
    if (initial, k) not in reference.QUAKES:
        assert fit.params["rates"][0] == pytest.approx(column("quakes", "count").mean(), rel=1e-10)
        return
    wanted = reference.QUAKES[initial, k]
    assert fit.log_likelihood == pytest.approx(wanted["loglik"], abs=1e-6)
    for name in ("initial", "transition", "rates"):
        np.testing.assert_allclose(fit.params[name], wanted[name], atol=1e-4)


@pytest.mark.parametrize("accelerate", [None, "squarem"])
def test_quakes_with_and_without_acceleration(accelerate):
    """Also where the maximum is on the boundary: initial = (1, 0, 0) and transition[2, 0] = 0."""
    fit = quakes_spec("free", 3).fit(column("quakes", "count"), "em", accelerate=accelerate, **QUIET)
    assert fit.converged
    assert fit.log_likelihood == pytest.approx(reference.QUAKES["free", 3]["loglik"], abs=1e-6)
    assert fit.params["initial"][0] > 1.0 - 1e-6
    assert fit.params["transition"][2, 0] < 1e-6


@pytest.mark.parametrize("case", reference.QUAKES)
def test_quakes_at_the_maximum(case):
    wanted = reference.QUAKES[case]
    params = {name: wanted[name] for name in ("initial", "transition", "rates")}
    at = quakes_spec(*case).at(column("quakes", "count"), params)
    assert at.log_likelihood == pytest.approx(wanted["loglik"], abs=1e-8)


def test_quakes_four_stationary_states():
    """The published maximum is one of several: from a start near it EM goes there, and its zeros stay zeros."""
    start = {
        "initial": np.full(4, 0.25),
        "transition": 0.05 + 0.8 * np.eye(4),
        "rates": [11.0, 14.0, 20.0, 30.0],
    }
    fit = quakes_spec("stationary", 4).fit(column("quakes", "count"), "em", init=start, **QUIET)
    assert fit.converged
    assert -fit.log_likelihood == pytest.approx(reference.QUAKES_PUBLISHED["stationary"][4], abs=1e-4)


def test_quakes_four_free_states():
    """Nine probabilities are zero at the best maximum known; a start off the boundary finds it again."""
    y, wanted = column("quakes", "count"), reference.QUAKES_FREE_4
    best = {name: np.array(wanted[name]) for name in ("initial", "transition", "rates")}
    assert quakes_spec("free", 4).at(y, best).log_likelihood == pytest.approx(wanted["loglik"], abs=1e-8)
    start = {
        "initial": 0.8 * best["initial"] + 0.05,
        "transition": 0.8 * best["transition"] + 0.05,
        "rates": best["rates"],
    }
    fit = quakes_spec("free", 4).fit(y, "em", init=start, **QUIET)
    assert fit.converged
    assert fit.log_likelihood == pytest.approx(wanted["loglik"], abs=1e-4)
    np.testing.assert_allclose(fit.params["rates"], wanted["rates"], atol=0.005)
    np.testing.assert_allclose(fit.params["transition"], wanted["transition"], atol=0.005)
    from_nowhere = quakes_spec("free", 4).fit(y, "em", **QUIET).log_likelihood  # a lesser maximum, with default starts
    assert -327.7 < from_nowhere < wanted["loglik"] + 1e-6


def test_quakes_viterbi():
    y, wanted = column("quakes", "count"), reference.QUAKES["free", 2]
    fit = quakes_spec("free", 2).fit(y, "em", **QUIET)
    path = fit.predict()
    assert "".join(map(str, path)) == reference.QUAKES_VITERBI["path"]
    densities = stats.poisson(np.array(wanted["rates"])).logpmf(y[:, None])
    by_hand = path_log_probability(path, wanted["initial"], wanted["transition"], densities)
    assert by_hand == pytest.approx(reference.QUAKES_VITERBI["logprob"], abs=1e-8)
    complete, _ = fit.program.decode(fit.program.potentials(fit.theta))
    assert complete == pytest.approx(reference.QUAKES_VITERBI["logprob"], abs=1e-4)


# --- the casino: everything at given parameters ---------------------------------------------------------------------

CASINO = {
    "initial": np.array([0.5, 0.5]),
    "transition": np.array([[0.95, 0.05], [0.1, 0.9]]),
    "probs": np.array([[1 / 6] * 6, [0.1] * 5 + [0.5]]),
}


def test_casino():
    rolls, wanted = column("casino", "roll") - 1, reference.CASINO
    at = evb.HMM(e.Categorical(6), 2).at(rolls, CASINO)
    assert at.log_likelihood == pytest.approx(wanted["loglik"], abs=1e-8)
    np.testing.assert_allclose(at.predict_proba()[:, 1], reference.CASINO_LOADED, atol=1e-8)
    path = at.predict()
    assert "".join("FL"[k] for k in path) == wanted["path"]
    complete, hard = at.program.decode(at.program.potentials(at.theta))
    assert complete == pytest.approx(wanted["logprob"], abs=1e-8)
    densities = np.log(CASINO["probs"].T[rolls])
    by_hand = path_log_probability(path, CASINO["initial"], CASINO["transition"], densities)
    assert by_hand == pytest.approx(wanted["logprob"], abs=1e-8)
    transitions = slice(2, 6)  # the statistics of a chain: starts, transitions, then the emission's
    _, expected = at.program.expect(at.program.potentials(at.theta))
    np.testing.assert_allclose(expected[transitions].reshape(2, 2), wanted["transitions"], atol=1e-6)
    switches = hard[transitions].reshape(2, 2)
    assert switches.sum() == 299
    assert switches[0, 1] == wanted["path"].count("FL")


def test_casino_predictions_add_up():
    """One step ahead and sequence terms are two ways to the same log-likelihood."""
    at = evb.HMM(e.Categorical(6), 2).at(column("casino", "roll") - 1, CASINO)
    assert at.score_samples(kind="predictive").sum() == pytest.approx(reference.CASINO["loglik"], abs=1e-8)
    np.testing.assert_allclose(at.score_samples(kind="sequence"), [reference.CASINO["loglik"]], atol=1e-8)


# --- beavers: two sequences -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["column", "lengths", "list"])
@pytest.mark.parametrize("emission", ["normal", "mvnormal"])
def test_beavers(given, emission):
    frame, wanted = evb.datasets.load("beavers")[["beaver", "temp"]], reference.BEAVERS
    y, lengths = {
        "column": (frame, "beaver"),
        "lengths": (frame["temp"], [114, 100]),
        "list": ([group["temp"].to_numpy() for _, group in frame.groupby("beaver")], None),
    }[given]
    if emission == "normal":
        fit = evb.HMM(e.Normal(), 2, ordered="means").fit(y, "em", lengths=lengths, **QUIET)
        means, sigmas = fit.params["means"], fit.params["sigmas"]
    else:
        fit = evb.GaussianHMM(2).fit(y, "em", lengths=lengths, **QUIET)
        means, sigmas = fit.params["means"][:, 0], np.sqrt(fit.params["covariances"][:, 0, 0])
    order = np.argsort(means)
    assert fit.converged
    assert fit.log_likelihood == pytest.approx(wanted["loglik"], abs=1e-6)
    np.testing.assert_allclose(means[order], wanted["means"], atol=1e-5)
    np.testing.assert_allclose(sigmas[order], wanted["sigmas"], atol=1e-5)
    np.testing.assert_allclose(fit.params["initial"][order], wanted["initial"], atol=1e-6)  # on the boundary,
    np.testing.assert_allclose(fit.params["transition"][np.ix_(order, order)], wanted["transition"], atol=1e-6)  # both


# --- posteriordb: hmm_example ---------------------------------------------------------------------------------------

EXAMPLE = evb.HMM(
    e.Normal(),
    2,
    initial="uniform",
    priors={"means": p.Normal([3.0, 10.0], 1.0), "transition": p.Dirichlet(1.0)},
    fixed={"sigmas": 1.0},
    ordered="means",
)
EXAMPLE_NAMES = {
    "theta1[1]": ("transition", (0, 0)),
    "theta2[1]": ("transition", (1, 0)),
    "mu[1]": ("means", (0,)),
    "mu[2]": ("means", (1,)),
}


@pytest.mark.parametrize("method", ["gibbs", "nuts"])
def test_posteriordb_hmm_example(method):
    fit = EXAMPLE.fit(column("hmm_example", "y"), method, draws=2500, **QUIET)
    draws = posterior(fit)
    for key, (name, index) in EXAMPLE_NAMES.items():
        mean, sd, error = reference.HMM_EXAMPLE[key]
        assert_mean(draws[name][..., *index], mean, key, reference_error=error)
        assert_sd(draws[name][..., *index], sd, key)


def test_posteriordb_hmm_example_evidence():
    """A uniform start halves each path's weight; the order and 0 < mu truncate the priors by a factor of 0.9987."""
    fit = EXAMPLE.fit(column("hmm_example", "y"), "laplace", draws=8000, **QUIET)
    evidence, error = log_evidence_by_importance(fit)
    assert error < 0.02
    assert evidence == pytest.approx(reference.HMM_EXAMPLE_LOG_EVIDENCE - log(2), abs=0.02 + 4 * error)


# --- ten binary values: the posterior by enumeration ----------------------------------------------------------------

FLAT = {name: p.Dirichlet(1.0) for name in ("initial", "transition", "probs")}
TINY = evb.HMM(e.Categorical(2), 2, priors=FLAT)


def log_dirichlet_multinomial(counts):
    """log of the integral of prod theta_c^n_c over a uniform Dirichlet."""
    return lgamma(len(counts)) + sum(lgamma(1 + n) for n in counts) - lgamma(len(counts) + sum(counts))


def enumerated(x):
    """(log evidence, P(z_t = z_t+1 | y), E[A_00 | y], E[sum_k B_km^2 | y]) summed over all paths of two states."""
    logs, same, stay, squares = [], [], [], []
    for z in product((0, 1), repeat=len(x)):
        moves = [[sum(a == i and b == j for a, b in pairwise(z)) for j in (0, 1)] for i in (0, 1)]
        seen = [[sum(a == i and v == j for a, v in zip(z, x, strict=True)) for j in (0, 1)] for i in (0, 1)]
        first = [int(z[0] == k) for k in (0, 1)]
        logs.append(sum(map(log_dirichlet_multinomial, [first, *moves, *seen])))
        same.append([a == b for a, b in pairwise(z)])
        stay.append((1 + moves[0][0]) / (2 + sum(moves[0])))
        squares.append([sum((1 + n[m]) * (2 + n[m]) / ((2 + sum(n)) * (3 + sum(n))) for n in seen) for m in (0, 1)])
    top = max(logs)
    weight = np.exp(np.array(logs) - top)
    share = weight / weight.sum()
    return top + log(weight.sum()), share @ np.array(same), share @ np.array(stay), share @ np.array(squares)


def test_tiny_hmm_evidence():
    x, wanted = column("tiny_hmm", "x"), reference.TINY_HMM
    evidence, same, stay, squares = enumerated(x.tolist())
    assert evidence == pytest.approx(wanted["log_evidence"], abs=1e-8)
    np.testing.assert_allclose(same, wanted["p_same"], atol=1e-8)
    assert stay == pytest.approx(wanted["E_A_kk"], abs=1e-8)
    np.testing.assert_allclose(squares, wanted["E_sum_B_sq"], atol=1e-8)
    vi = TINY.fit(x, "vi", **QUIET)
    assert vi.elbo < evidence  # mean field on ten values: a loose bound
    for k in (0, 1):  # with all states known nothing is factorised away, and the bound is exact
        labels = (np.arange(10) + k) // 3 % 2
        known = TINY.fit(x, "vi", labels=labels, **QUIET)
        assert known.elbo == pytest.approx(completed_evidence(labels, x), abs=1e-8)


def completed_evidence(z, x):
    """log p(y, z), parameters integrated out."""
    counts = [np.bincount(z[:1], minlength=2)]
    counts += [np.bincount(z[1:][z[:-1] == k], minlength=2) for k in (0, 1)]
    counts += [np.bincount(x[z == k], minlength=2) for k in (0, 1)]
    return sum(log_dirichlet_multinomial(c.tolist()) for c in counts)


def same_state(draws, x):
    """P(z_t = z_t+1 | y, theta) (chain, draw, n - 1): alpha A b beta by hand, all draws at once."""
    initial, transition, probs = draws["initial"], draws["transition"], draws["probs"]
    b = [probs[..., v] for v in x]
    alpha, beta = [initial * b[0]], [np.ones_like(initial)]
    for t in range(1, len(x)):
        alpha.append(np.einsum("...i,...ij->...j", alpha[-1], transition) * b[t])
    for t in range(len(x) - 1, 0, -1):
        beta.insert(0, np.einsum("...ij,...j->...i", transition, b[t] * beta[0]))
    evidence = alpha[-1].sum(-1)
    stay = np.diagonal(transition, axis1=-2, axis2=-1)
    return np.stack([(alpha[t] * stay * b[t + 1] * beta[t + 1]).sum(-1) / evidence for t in range(len(x) - 1)], axis=-1)


@pytest.mark.parametrize(
    ("method", "options"), [("gibbs", {"draws": 10_000}), ("nuts", {"draws": 2000, "target_accept": 0.9})]
)
def test_tiny_hmm_draws(method, options):
    """Functions of the raw draws that no relabelling changes, exact to Monte-Carlo error."""
    x, wanted = column("tiny_hmm", "x"), reference.TINY_HMM
    fit = TINY.fit(x, method, **options, **QUIET)
    draws = fit.program.public(fit.raw_draws)
    for t, exact in enumerate(wanted["p_same"]):
        assert_mean(same_state(draws, x)[..., t], exact, f"P(z_{t} = z_{t + 1})")
    assert_mean(draws["transition"].diagonal(axis1=-2, axis2=-1).mean(-1), wanted["E_A_kk"], "A_kk")
    for m, exact in enumerate(wanted["E_sum_B_sq"]):
        assert_mean((draws["probs"][..., m] ** 2).sum(-1), exact, f"sum of squared B_k{m}")
