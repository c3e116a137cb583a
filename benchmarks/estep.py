"""One EM iteration of a Gaussian mixture: this package's E-step against scikit-learn's, on one thread.

    python benchmarks/estep.py

Both get the same data and the same parameters, side by side in one process, and must agree on the log-likelihood.
scikit-learn's iteration is its E-step, M-step and lower bound; our M-step is left out, being a loop over K x d x d
numbers whatever the number of rows. Best of alternating runs; ratios carry over to other machines, seconds do not.
The growth of the process's peak memory is that of our first call, before scikit-learn's, on the largest data.
"""

import resource
import time
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from em_vs_bayes.kernels.mixture import expect
from em_vs_bayes.kernels.streams import ADD, SUM, address_roles, table
from em_vs_bayes.kernels.tables import GAUSS_DIAG, GAUSS_FULL, Data

CASES = [(1_000_000, 5, 5), (100_000, 2, 3), (100_000, 10, 10), (20_000, 50, 10)]
REPEATS = 9


def simulate(n, d, K, rng):
    means = rng.normal(scale=2.0, size=(K, d))
    y = rng.normal(size=(n, d))
    y *= rng.uniform(0.5, 1.5, size=d)
    for j in range(d):
        y[:, j] += means[rng.integers(K, size=n), j]
    return y


def parameters(y, K, covariance):
    """scikit-learn's parameters after one iteration on the first rows: weights, means, precision factors."""
    model = GaussianMixture(K, covariance_type=covariance, init_params="random_from_data", max_iter=1, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(y[:2000])


def tables(y, model, K, covariance):
    """The same parameters as potentials."""
    d = y.shape[1]
    centre = y.mean(axis=0)
    none = np.empty(0)
    data = Data(
        np.ascontiguousarray(y.T),
        centre,
        none,
        none,
        np.empty(0, np.int64),
        np.empty(0, np.int64),
        np.ones((1, d), bool),
    )
    means = (model.means_ - centre).ravel()
    if covariance == "full":
        W = np.ascontiguousarray(model.precisions_cholesky_.transpose(0, 2, 1))
        constants = np.log(np.diagonal(W, axis1=1, axis2=2)).sum(axis=1) - 0.5 * d * np.log(2 * np.pi)
        kind, n_stats = GAUSS_FULL, K * (2 + d + d * d)
    else:
        W = model.precisions_cholesky_
        constants = np.log(W) - 0.5 * np.log(2 * np.pi)
        kind, n_stats = GAUSS_DIAG, K * (1 + 3 * d)
    pot = np.concatenate([np.log(model.weights_), constants.ravel(), means, W.ravel()])
    streams = address_roles(table([kind], [0], [d], [K], [K]), ADD, SUM)
    return data, streams, pot, K, 0, len(y), np.empty(n_stats), np.empty(0)


def seconds(f):
    start = time.perf_counter()
    value = f()
    return time.perf_counter() - start, value


def peak_memory():
    """MiB, of the process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def compare(n, d, K, covariance, rng):
    y = simulate(n, d, K, rng)
    model = parameters(y, K, covariance)
    problem = tables(y, model, K, covariance)
    before = peak_memory()
    expect(*problem)
    grown = peak_memory() - before

    def iteration():
        lower_bound, log_responsibilities = model._e_step(y)
        model._m_step(y, log_responsibilities)
        return lower_bound

    start = model._get_parameters()
    ours, theirs = [], []
    for _ in range(REPEATS):
        t, evidence = seconds(lambda: expect(*problem))
        ours.append(t)
        model._set_parameters(start)
        t, lower_bound = seconds(iteration)
        theirs.append(t)
        assert abs(evidence / n - lower_bound) <= 1e-9 * abs(lower_bound), (evidence / n, lower_bound)
    a, b = min(ours), min(theirs)
    print(f"{n:>9} {d:>3} {K:>3}  {covariance:<5} {1e3 * a:>9.2f} {1e3 * b:>9.1f} {b / a:>7.1f}")
    return grown


def main():
    rng = np.random.default_rng(0)
    with threadpool_limits(1):
        print("        n   d   K  kind    ours, ms  sklearn   ratio")
        for covariance in ("full", "diag"):
            compare(300, 2, 3, covariance, rng)  # compiles
            grown = [compare(*case, covariance, rng) for case in CASES]
            print(f"peak memory over the data at {CASES[0]}: {grown[0]:.0f} MiB")


if __name__ == "__main__":
    main()
