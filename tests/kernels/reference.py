"""What kernels are tested against: densities of scipy.stats and finite differences.

Parameters go to SciPy's methods: a frozen distribution writes its own documentation each time one is made.
"""

import numpy as np
from scipy import stats

from em_vs_bayes.kernels.tables import INDEPENDENT, JOINT


def along(f, theta, e, step=1e-3):
    """Derivative of f at theta along e: central difference of fourth order."""
    near, far = f(theta + step * e) - f(theta - step * e), f(theta + 2 * step * e) - f(theta - 2 * step * e)
    return (8 * near - far) / (12 * step)


def log_densities(model, theta=None):
    """log p(row i, component k): list of (n, K) arrays, one per block, from scipy."""
    d, K, y = model.d, model.K, model.data.y
    x = y[:, :d] - model.data.centre[:d]
    means, covariances = model.get("means", theta), model.covariances(theta)
    with np.errstate(divide="ignore"):
        out = [np.tile(np.log(model.get("weights", theta)), (len(y), 1))]
    out.append(np.column_stack([stats.multivariate_normal.logpdf(x, means[k], covariances[k]) for k in range(K)]))
    if y.shape[1] > d:
        rates, probs = model.get("rates", theta), model.get("probs", theta)
        # the base measure 1/y! is not the potential's
        poisson = stats.poisson.logpmf(y[:, [d]], rates) - model.data.base[:, None]
        out += [poisson, stats.bernoulli.logpmf(y[:, [d + 2]], probs)]
        out.append(np.log(model.get("categories", theta))[:, y[:, d + 4].astype(int)].T)
    return out


def reference_prior(model, theta):
    """The prior of every block from scipy.stats, fixed elements conditioned on."""
    K, d, hyper, free = model.K, model.d, model.prior.hyper, model.prior.free
    mean_prior, spread_prior = model.blocks.mean_prior[1], model.blocks.spread_prior[1]
    total = 0.0

    def dirichlet(p, alpha, moving):
        if moving.sum() < 2:
            return 0.0
        mass = 1 - p[~moving].sum()
        # scipy refuses what does not sum to one, as a finite difference does: take its constant
        q = p[moving] / mass
        log_norm = stats.dirichlet.logpdf(np.full(moving.sum(), 1 / moving.sum()), alpha[moving])
        log_norm += np.sum((alpha[moving] - 1) * np.log(moving.sum()))
        return log_norm + np.sum((alpha[moving] - 1) * np.log(q)) - (moving.sum() - 1) * np.log(mass)

    if model.blocks.mean_prior[0] == JOINT:
        weights = model.at["weights"]
        total += dirichlet(theta[weights], hyper[:K], free[weights])
        if "rates" in model.at:
            h = hyper[model.blocks.hyper[2] :].copy()
            for k in range(K):
                shape, rate = h[2 * k : 2 * k + 2]
                if free[model.at["rates"]][k]:
                    total += stats.gamma.logpdf(model.get("rates", theta)[k], shape, scale=1 / rate)
                if free[model.at["probs"]][k]:
                    a, b = h[2 * K + 2 * k : 2 * K + 2 * k + 2]
                    total += stats.beta.logpdf(model.get("probs", theta)[k], a, b)
                row = slice(model.at["categories"].start + 3 * k, model.at["categories"].start + 3 * k + 3)
                total += dirichlet(theta[row], h[4 * K + 3 * k : 4 * K + 3 * k + 3], free[row])

    h = hyper[K:]
    m, kappa, h = h[: K * d].reshape(K, d), h[K * d : 2 * K * d].reshape(K, d), h[2 * K * d :]
    means, covariances, spread = (
        model.get("means", theta),
        model.covariances(theta),
        model.get("spread", theta),
    )
    if mean_prior == JOINT:
        for k in range(K):
            scaled = covariances[k] / np.sqrt(np.outer(kappa[k], kappa[k]))
            total += stats.multivariate_normal.logpdf(means[k], m[k], scaled)
    if mean_prior == INDEPENDENT:
        moving = free[model.at["means"]].reshape(K, d)
        total += np.sum(stats.norm.logpdf(means, m, 1 / np.sqrt(kappa))[moving])
    if spread_prior in (JOINT, INDEPENDENT):
        moving = free[model.at["spread"]].reshape(spread.shape)
        if model.covariance in ("full", "tied"):
            count = K if model.covariance == "full" else 1
            df, scale = h[:count], h[count : count + count * d * d].reshape(count, d, d)
            for k in range(count):
                if moving.reshape(count, d, d)[k, 0, 0]:
                    total += stats.invwishart.logpdf(spread.reshape(count, d, d)[k], df[k], scale[k])
        else:
            size = spread.size
            shape, rate = h[:size].reshape(spread.shape), h[size : 2 * size].reshape(spread.shape)
            v = spread**2 if model.covariance == "sigma" else spread
            density = stats.invgamma.logpdf(v, shape, scale=rate)
            density += np.log(2 * spread) if model.covariance == "sigma" else 0.0
            total += np.sum(density[moving])
    return total
