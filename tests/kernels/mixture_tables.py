"""From a naive mixture and rows to the tables that kernels read, and random ones to test with."""

import numpy as np
from naive.mixture import Censored, Diagonal, Full, Linear, Lookup, Mixture, Regression, Robust, Student, Truncated
from scipy.special import gammaln

from em_vs_bayes.kernels.streams import (
    ADD,
    DRAW,
    FILL,
    MISSING,
    SUM,
    address_roles,
    table,
)
from em_vs_bayes.kernels.tables import (
    CENSORED,
    GAUSS_DIAG,
    GAUSS_FULL,
    LINEAR,
    LOOKUP,
    REGRESSION,
    ROBUST,
    STUDENT,
    TRUNCATED,
    Data,
)

LOG_2PI = np.log(2 * np.pi)


def data_of(y, gaussian, weights=(), labels=(), base=()):
    """Tables of rows; ``gaussian`` names the columns that are centred and may be missing."""
    y = np.asarray(y, float)
    centre = np.zeros(y.shape[1])
    with np.errstate(invalid="ignore"):
        for j in gaussian:
            seen = y[~np.isnan(y[:, j]), j]
            centre[j] = seen.mean() + 0.3 if len(seen) else 0.0
    pattern, observed = np.empty(0, np.int64), np.ones((1, y.shape[1]), bool)
    if np.isnan(y).any():
        kinds, pattern = np.unique(np.vstack([observed, ~np.isnan(y)])[:, ::-1], axis=0, return_inverse=True)
        pattern = pattern.ravel()[1:]
        full = len(kinds) - 1  # the complete pattern sorts last, and must be number 0
        pattern = np.where(pattern == full, 0, pattern + 1).astype(np.int64)
        observed = np.vstack([kinds[full], kinds[:full]])[:, ::-1].copy()
    return Data(
        np.ascontiguousarray(y.T),
        centre,
        np.asarray(base, float),
        np.asarray(weights, float),
        np.asarray(labels, np.int64),
        pattern,
        observed,
    )


def streams_of(rows):
    """The table of streams from kind, first column, size and offsets of each; every role can be played."""
    return address_roles(table(*zip(*rows, strict=True)), ADD, SUM, MISSING, FILL, DRAW)


def potentials_of(model, centre):
    """Streams, pot and the length of stats."""
    K = model.K
    rows, pot, n_stats = [], [model.log_weights], K
    for s in model.streams:
        at = sum(map(len, pot))
        if isinstance(s, Full):
            d = s.means.shape[1]
            W = np.linalg.inv(np.linalg.cholesky(s.covariances))
            c = s.excess + np.log(np.diagonal(W, axis1=1, axis2=2)).sum(1) - 0.5 * d * LOG_2PI
            m = s.means - centre[s.first : s.first + d]
            pot += [c, m.ravel(), W.ravel()]
            rows.append((GAUSS_FULL, s.first, d, at, n_stats))
            n_stats += K * (1 + d + d * d)
        elif isinstance(s, Diagonal):
            d = s.means.shape[1]
            c = s.excess - np.log(s.sds) - 0.5 * LOG_2PI
            m = s.means - centre[s.first : s.first + d]
            pot += [c.ravel(), m.ravel(), (1 / s.sds).ravel()]
            rows.append((GAUSS_DIAG, s.first, d, at, n_stats))
            n_stats += 3 * K * d
        elif isinstance(s, Regression):
            d = s.coefficients.shape[1] + 1
            W = np.zeros((K, d, d))
            for k in range(K):  # any lower triangle U with U'U = V: Cholesky with rows and columns in reverse
                if s.V[k].any():
                    W[k, :-1, :-1] = np.linalg.cholesky(s.V[k][::-1, ::-1])[::-1, ::-1].T
            W[:, -1] = np.column_stack([-s.coefficients, np.ones(K)]) / s.sds[:, None]
            pot += [s.excess - np.log(s.sds) - 0.5 * LOG_2PI, W.ravel()]
            kind = {Regression: REGRESSION, Censored: CENSORED, Truncated: TRUNCATED, Robust: ROBUST}[type(s)]
            rows.append((kind, s.first, d, at, n_stats))
            n_stats += K * (1 + d * d)
        elif isinstance(s, Student):
            df, half = s.df, 0.5 * (s.df + 1)
            log_constant = gammaln(half) - gammaln(0.5 * df) + 0.5 * df * np.log(df) - 0.5 * np.log(np.pi)
            c = log_constant - np.log(s.sigmas) - half * np.log(df + s.extra)
            root = s.sigmas * np.sqrt(df + s.extra)
            pot += [c, s.means - centre[s.first], 1 / root, half, 2 * half / (df + s.extra)]
            rows.append((STUDENT, s.first, 1, at, n_stats))
            n_stats += 4 * K
        else:
            pot.append(s.eta.ravel())
            rows.append((LINEAR if isinstance(s, Linear) else LOOKUP, s.first, s.eta.shape[1], at, n_stats))
            n_stats += s.eta.size
    return streams_of(rows), np.concatenate(pot), n_stats


def random_stream(kind, size, K, first, rng):
    if kind == "full":
        A = rng.normal(size=(K, size, size)) / np.sqrt(size)
        covariances = A @ A.transpose(0, 2, 1) + 0.3 * np.eye(size)
        return Full(first, rng.normal(size=(K, size)), covariances, rng.normal(size=K))
    if kind == "diag":
        return Diagonal(
            first, rng.normal(size=(K, size)), rng.uniform(0.5, 2, size=(K, size)), rng.normal(size=(K, size))
        )
    if kind in ("regression", "averaged"):  # averaged over coefficients, as CAVI does
        A = rng.normal(size=(K, size, size)) * (kind == "averaged")
        return Regression(
            first, rng.normal(size=(K, size)), rng.uniform(0.5, 2, size=K), A @ A.transpose(0, 2, 1), rng.normal(size=K)
        )
    if kind.startswith(
        ("censored", "truncated", "robust")
    ):  # known exactly, on average, or but for the variance, as CAVI does
        A = rng.normal(size=(K, size, size)) * 0.3 * ("averaged" in kind)
        excess = -rng.uniform(0.05, 0.5, size=K) * (" " in kind)
        coefficients, sds = rng.normal(size=(K, size)), rng.uniform(0.5, 2, size=K)
        stream = {"censored": Censored, "truncated": Truncated, "robust": Robust}[kind.split()[0]]
        return stream(first, coefficients, sds, A @ A.transpose(0, 2, 1), excess)
    if kind == "student":  # half of them averaged over means, as CAVI does
        extra = np.where(np.arange(K) % 2 == 0, rng.uniform(0.0, 0.5, K), 0.0)
        return Student(first, rng.normal(size=K), rng.uniform(0.5, 2.0, K), rng.uniform(0.8, 8.0, K), extra)
    if kind == "linear":
        return Linear(first, rng.normal(size=(K, size)))
    return Lookup(first, np.log(rng.dirichlet(np.ones(size), size=K)))


def limited(kind, n, rng):
    """Ends of intervals of every sort (n, 2), with degrees of freedom (n, 3), or responses and their limits (n, 3)."""
    y = rng.normal(size=n) * 1.5 + 1.0
    low, high = y - rng.exponential(1.0, n), y + rng.exponential(1.0, n)
    sort = rng.integers(0, 4, n)
    low, high = (
        np.choose(sort, [low, low, np.full(n, -np.inf), y]),
        np.choose(sort, [high, np.full(n, np.inf), high, y]),
    )
    if kind.startswith("censored"):
        return np.column_stack([low, high])
    if kind.startswith("robust"):
        return np.column_stack([low, high, np.full(n, rng.uniform(0.8, 8.0))])
    unlimited = sort == 3
    return np.column_stack([y, np.where(unlimited, -np.inf, low), np.where(unlimited, np.inf, high)])


def random_case(parts, n, K, rng, missing=0.0):
    """A mixture with the given (kind, size) streams, rows of data for it, and its Gaussian columns."""
    streams, columns, gaussian, responses = [], [], [], []
    for kind, size in parts:
        first = sum(c.shape[1] for c in columns)
        streams.append(random_stream(kind, size, K, first, rng))
        if kind in ("full", "diag", "student"):
            gaussian += range(first, first + size)
            columns.append(rng.normal(size=(n, size)) * 1.5 + 5.0)
            streams[-1].means[:] += 5.0
        elif kind in ("regression", "averaged"):
            responses.append(first + size)
            columns.append(rng.normal(size=(n, size + 1)) * 1.5 + 1.0)
        elif kind.startswith(("censored", "truncated", "robust")):
            last = first + size
            responses += [last] if kind.startswith("truncated") else [last, last + 1]
            columns.append(np.column_stack([rng.normal(size=(n, size)), limited(kind, n, rng)]))
        elif kind == "linear":
            columns.append(rng.poisson(1.5, size=(n, size)).astype(float))
        else:
            columns.append(rng.integers(-1, size, size=(n, 1)).astype(float))
    y = np.hstack(columns)
    for j in gaussian + responses:
        y[rng.random(n) < missing, j] = np.nan
    for s in streams:  # both ends of an interval, or neither
        if type(s) in (Censored, Robust):
            low = s.first + s.coefficients.shape[1]
            y[np.isnan(y[:, low]), low + 1] = np.nan
            y[np.isnan(y[:, low + 1]), low] = np.nan
    if missing and n > 2:
        y[1, gaussian + responses] = np.nan
    return Mixture(np.log(rng.dirichlet(np.full(K, 3.0))), tuple(streams)), y, gaussian
