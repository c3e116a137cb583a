"""What the tests of the Gibbs kernels share: hard statistics, loops, means in their own standard errors."""

import numba
import numpy as np
from scipy import stats

from em_vs_bayes.kernels.block_priors import log_prior
from em_vs_bayes.kernels.blocks import gradient
from em_vs_bayes.kernels.conditionals import workspace
from em_vs_bayes.kernels.gibbs import address_steps, draw_parameters, plan, prior_draw


def make_plan(*steps):
    """A plan from rows (step, block[, element[, below, above]])."""
    rows = [(*row, *(-1,) * (5 - len(row))) for row in steps]
    return address_steps(plan(rows))


@numba.njit(cache=True)
def _transitions(blocks, prior, plan, theta, statistics, rng, spacing, out):
    work = workspace(blocks)
    for i in range(out.shape[0]):
        for _ in range(spacing):
            if not draw_parameters(blocks, prior, plan, theta, statistics, rng, work):
                return False
        out[i] = theta
    return True


def transitions(model, plan, statistics, rng, draws, spacing=1, prior=None):
    """Theta (draws, P) after every ``spacing`` runs of the plan, the statistics held fixed."""
    out = np.empty((draws, model.theta.size))
    prior = model.prior if prior is None else prior
    assert _transitions(model.blocks, prior, plan, model.theta.copy(), statistics, rng, spacing, out)
    return out


@numba.njit(cache=True)
def complete_data_gradients(blocks, prior, statistics, thetas, out):
    """Gradient of the log prior and the complete-data log-likelihood at each theta."""
    for i in range(thetas.shape[0]):
        log_prior(blocks, prior, thetas[i], out[i])
        gradient(blocks, thetas[i], statistics, out[i])


@numba.njit(cache=True)
def _prior_draws(blocks, prior, K, rng, theta, out):
    for i in range(out.shape[0]):
        if not prior_draw(blocks, prior, K, rng, theta):
            return False
        out[i] = theta
    return True


def prior_draws(model, rng, draws, prior=None):
    """Theta (draws, P) from the prior."""
    out = np.empty((draws, model.theta.size))
    prior = model.prior if prior is None else prior
    assert _prior_draws(model.blocks, prior, model.K, rng, model.theta.copy(), out)
    return out


def hard_statistics(model, z):
    """The statistics of ``tables.py`` for allocations z (n,) of a `Tiny`; z = -1 counts nowhere."""
    K, d, y = model.K, model.d, model.data.y
    r = (np.asarray(z)[:, None] == np.arange(K)).astype(float)
    x, n = y[:, :d] - model.data.centre[:d], r.sum(axis=0)
    pieces = [n]
    if model.covariance in ("full", "tied"):
        pieces += [n, r.T @ x, np.einsum("ik,ij,il->kjl", r, x, x)]
    else:
        pieces += [np.repeat(n, d), r.T @ x, r.T @ x**2]
    if y.shape[1] > d:
        categories = y[:, d + 4, None] == np.arange(3)
        pieces += [r.T @ y[:, d : d + 2], r.T @ y[:, d + 2 : d + 4], r.T @ categories]
    return np.concatenate([np.ravel(p) for p in pieces]).astype(float)


def with_elements(model, *rows):
    """The prior of a `Tiny` with elementwise densities (name, index, code, a, b, c)."""
    return model.prior._replace(
        element=np.array([model.at[name].start + i for name, i, *_ in rows], dtype=np.int64),
        density=np.array([row[2] for row in rows], dtype=np.int64),
        abc=np.array([row[3:] for row in rows], dtype=float),
    )


def assert_follows(sample, cdf):
    """At this level a correct draw fails one seed in ten thousand; seeds are fixed."""
    assert stats.kstest(sample, cdf).pvalue > 1e-4


def batch_means(chain, batches=50):
    """Means (batches, columns) of successive pieces of equal length; of themselves, they are themselves."""
    chain = np.asarray(chain, dtype=float).reshape(len(chain), -1)
    length = len(chain) // batches
    return chain[: batches * length].reshape(batches, length, -1).mean(axis=1)


def z_scores(chain, expected, batches=50):
    """(mean - expected) / standard error per column, by batch means, which hold for autocorrelated chains."""
    means = batch_means(chain, batches)
    return (means.mean(axis=0) - np.ravel(expected)) / (means.std(axis=0, ddof=1) / np.sqrt(batches))


def assert_stein(model, step, spacing):
    """E[f d log p] = -E[df] with f = 1 and f = theta, along every free element that the step draws; the rest stays.

    ``step`` is a code of a step of block 1, and the names of the parameters that it draws.
    """
    code, *names = step
    draws = transitions(model, make_plan((code, 1)), model.statistics, np.random.default_rng(3), 10_000, spacing)
    slopes = np.zeros_like(draws)
    complete_data_gradients(model.blocks, model.prior, model.statistics, draws, slopes)
    moved = np.zeros(model.theta.size, dtype=bool)
    for name in names:
        moved[getattr(model, name)] = model.prior.free[getattr(model, name)]
    assert (draws[:, ~moved] == model.theta[~moved]).all()
    slope, value = slopes[:, moved], draws[:, moved] - draws[:, moved].mean(axis=0)
    z = np.concatenate([z_scores(slope, 0 * slope[0]), z_scores(slope * value, 0 * slope[0] - 1)])
    assert np.abs(z).max() < 4.8, z.round(1)


def difference_scores(chain, draws, functions):
    """z-scores of the means of functions of theta, a chain's against those of independent draws; constants left out."""
    there = functions(draws)
    difference, moves = functions(chain) - there, there.std(axis=0) > 1e-9
    return z_scores(difference[:, moves], np.zeros(moves.sum()))
