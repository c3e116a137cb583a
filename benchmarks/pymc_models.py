"""The same posteriors written in PyMC by hand, the components summed out by logsumexp: what nutpie samples here."""

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from em_vs_bayes.common.contract import Array

LOG_2PI = float(np.log(2.0 * np.pi))


def one_dimensional(y: Array) -> pm.Model:
    """mu ~ N(0, 2) ordered, sigma ~ N+(0, 2), theta ~ Beta(5, 5)."""
    with pm.Model() as model:
        mu = pm.Normal("mu", 0.0, 2.0, shape=2, transform=pm.distributions.transforms.ordered, initval=[-1.0, 1.0])
        sigma = pm.HalfNormal("sigma", 2.0, shape=2)
        theta = pm.Beta("theta", 5.0, 5.0)
        z = (y[:, None] - mu) / sigma
        terms = pt.log(pt.stack([theta, 1.0 - theta])) - pt.log(sigma) - 0.5 * LOG_2PI - 0.5 * z**2
        pm.Potential("log_likelihood", pt.logsumexp(terms, axis=1).sum())
    return model


def two_dimensional(y: Array) -> pm.Model:
    """w ~ Dirichlet(2, 2, 2), mu ~ N(0, 25 I), Sigma = L L' ~ IW(5, 2 I), in the elements of L with the Jacobian."""
    start = y[np.random.default_rng(1).choice(len(y), 3, replace=False)]
    with pm.Model() as model:
        weights = pm.Dirichlet("weights", np.full(3, 2.0))
        mu = pm.Normal("mu", 0.0, 5.0, shape=(3, 2), initval=start)
        a, c = pm.HalfFlat("a", shape=3, initval=np.ones(3)), pm.HalfFlat("c", shape=3, initval=np.ones(3))
        b = pm.Flat("b", shape=3, initval=np.zeros(3))
        log_det = 2.0 * (pt.log(a) + pt.log(c))
        trace = 1.0 / a**2 + (b**2 / a**2 + 1.0) / c**2  # of the inverse of Sigma
        inverse_wishart = -0.5 * (5.0 + 3.0) * log_det - 0.5 * 2.0 * trace
        pm.Potential("covariances", (inverse_wishart + 2.0 * pt.log(a) + pt.log(c)).sum())
        u = (y[:, 0, None] - mu[:, 0]) / a
        v = (y[:, 1, None] - mu[:, 1] - b * u) / c
        terms = pt.log(weights) - LOG_2PI - 0.5 * log_det - 0.5 * (u**2 + v**2)
        pm.Potential("log_likelihood", pt.logsumexp(terms, axis=1).sum())
    return model


MODELS = {"1d": one_dimensional, "2d": two_dimensional}


def parameters(name: str, posterior: Any) -> Array:
    """Draws (chain, draw, P) of the parameters our fits report, components sorted by their first mean."""
    draws = {key: np.asarray(posterior[key]) for key in posterior.data_vars}
    if name == "1d":
        return np.concatenate([draws["theta"][..., None], draws["mu"], draws["sigma"]], axis=-1)
    a, b, c = draws["a"], draws["b"], draws["c"]
    parts = np.stack([draws["weights"], draws["mu"][..., 0], draws["mu"][..., 1], a**2, a * b, b**2 + c**2], axis=-1)
    order = np.argsort(parts[..., 1], axis=-1)
    return np.take_along_axis(parts, order[..., None], axis=-2).reshape(*parts.shape[:2], -1)
