"""Log densities of every emission in the plainest possible way: one row and one component at a time."""

from __future__ import annotations

from itertools import product
from math import exp, inf, log

import numpy as np
from naive import censored, normal
from scipy import stats

from em_vs_bayes import emissions


def log_density(emission, row, params, k, x=None):
    """log p(row | component k) at public parameters, x being the row's predictors; missing values are left out."""
    if isinstance(emission, emissions.Product):
        return sum(
            log_density(
                part,
                row[name],
                {p.removeprefix(name + "_"): v for p, v in params.items() if p.startswith(name + "_")},
                k,
                x,
            )
            for name, part in emission.parts.items()
        )
    if isinstance(emission, emissions.MvNormal):
        seen = ~np.isnan(row)
        if not seen.any():
            return 0.0
        cov = params["covariances"][k][np.ix_(seen, seen)]
        return float(normal.log_density_of_vector(row[seen], params["means"][k][seen], cov))
    if isinstance(emission, emissions.Single):
        of_one = {"coefficients": [params["coefficients"]], "sigmas": [params["sigma"]]}
        return log_density(emission.regression, row, of_one, k, x)
    if isinstance(emission, emissions.CensoredNormal):
        line = {"coefficients": [[mean] for mean in params["means"]], "sigmas": params["sigmas"]}
        return log_density(emissions.CensoredRegression(None, emission.lower, emission.upper), row, line, k, [1.0])
    value = float(np.ravel(row)[0])
    if np.isnan(value):
        return 0.0
    if isinstance(emission, emissions.CensoredRegression):
        limits = (emission.lower, emission.upper)
        ends = np.reshape(row, (1, 2)) if limits == (None, None) else censored.tobit_intervals([value], *limits)
        if emission.df is not None:
            line = sum(b * v for b, v in zip(params["coefficients"][k], x, strict=True))
            return log_student(
                emission.df, *((end - line) / params["sigmas"][k] for end in ends[0]), params["sigmas"][k]
            )
        return float(censored.censored_terms(ends, [x], params["coefficients"][k], params["sigmas"][k])[0])
    if isinstance(emission, emissions.TruncatedRegression):
        limits = (-inf if emission.lower is None else emission.lower, inf if emission.upper is None else emission.upper)
        return float(censored.truncated_terms([value], [x], params["coefficients"][k], params["sigmas"][k], *limits)[0])
    if isinstance(emission, emissions.Normal):
        return float(normal.log_density(value, params["means"][k], params["sigmas"][k]))
    if isinstance(emission, emissions.StudentT):
        return float(stats.t.logpdf(value, emission.df, params["means"][k], params["sigmas"][k]))
    if isinstance(emission, emissions.LinearRegression):
        line = sum(b * v for b, v in zip(params["coefficients"][k], x, strict=True))
        if emission.df is not None:
            return float(stats.t.logpdf(value, emission.df, line, params["sigmas"][k]))
        return float(normal.log_density(value, line, params["sigmas"][k]))
    if isinstance(emission, emissions.Poisson):
        return float(stats.poisson.logpmf(value, params["rates"][k]))
    if isinstance(emission, emissions.Exponential):
        return float(stats.expon.logpdf(value, scale=1.0 / params["rates"][k]))
    if isinstance(emission, emissions.Bernoulli):
        return float(stats.bernoulli.logpmf(value, params["probs"][k]))
    if isinstance(emission, emissions.Categorical):
        return log(params["probs"][k][int(value)])
    raise TypeError(emission)


def log_student(df, a, b, sigma):
    """Log probability of an interval of a standard t; where the ends are equal, its log density over sigma."""
    own = stats.t(df)
    if a == b:
        return float(own.logpdf(a)) - log(sigma)
    return log(own.sf(a) - own.sf(b) if a > 0 else own.cdf(b) - own.cdf(a))


def rows(y):
    """The observations one at a time."""
    if isinstance(y, dict):
        names = list(y)
        return [{name: np.atleast_1d(y[name][i]) for name in names} for i in range(len(y[names[0]]))]
    array = np.asarray(y, dtype=float)
    return [np.atleast_1d(array[i]) for i in range(len(array))]


def log_sum(terms):
    """log of a sum of exponentials."""
    top = max(terms)
    return top if top == -inf else top + log(sum(exp(t - top) for t in terms))


def mixture_evidence(emission, y, params, weights=None, labels=None, exog=None):
    """log p(y | params) by summing over every joint assignment of components: K^n terms."""
    data = rows(y)
    x = [None] * len(data) if exog is None else exog
    params = {"weights": [1.0]} | params  # a single regression has none
    k = len(params["weights"])
    power = np.ones(len(data)) if weights is None else weights
    tables = [
        [
            log(params["weights"][j]) + log_density(emission, row, params, j, x[i])
            if params["weights"][j] > 0
            else -inf
            for j in range(k)
        ]
        for i, row in enumerate(data)
    ]
    if labels is not None:
        tables = [
            [v if lab in (-1, j) else -inf for j, v in enumerate(t)] for t, lab in zip(tables, labels, strict=True)
        ]
    if np.all(power == 1):
        return log_sum([sum(t[j] for t, j in zip(tables, z, strict=True)) for z in product(range(k), repeat=len(data))])
    return sum(p * log_sum(t) for p, t in zip(power, tables, strict=True))


def responsibilities(emission, y, params, exog=None):
    """p(z_i = k | y_i, params) by Bayes' rule, row by row."""
    out = []
    params = {"weights": [1.0]} | params
    for i, row in enumerate(rows(y)):
        x = None if exog is None else exog[i]
        terms = [log(w) + log_density(emission, row, params, j, x) for j, w in enumerate(params["weights"])]
        total = log_sum(terms)
        out.append([exp(t - total) for t in terms])
    return np.array(out)
