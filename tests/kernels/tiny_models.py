"""Small models written out as tables by hand, for tests of the kernels that read tables."""

from dataclasses import dataclass
from math import lgamma

import numpy as np
from kernels.mixture_tables import streams_of

from em_vs_bayes.kernels.tables import (
    BETA,
    DIAG,
    DIRICHLET,
    FULL,
    GAMMA,
    GAUSS,
    GAUSS_DIAG,
    GAUSS_FULL,
    IDENTITY,
    JOINT,
    LINEAR,
    LOG,
    LOGIT,
    LOOKUP,
    SIGMA,
    SIMPLEX,
    SPD,
    SPHERICAL,
    TIED,
    Blocks,
    Coordinates,
    Data,
    Prior,
    Streams,
)

COVARIANCES = {"full": FULL, "tied": TIED, "diag": DIAG, "spherical": SPHERICAL, "sigma": SIGMA}
CATEGORIES = 3


@dataclass
class Tiny:
    """A mixture of a Gaussian stream and, if ``counts``, a Poisson, a Bernoulli and a categorical stream."""

    K: int
    d: int
    covariance: str
    data: Data
    streams: Streams
    blocks: Blocks
    prior: Prior
    coords: Coordinates
    theta: np.ndarray
    at: dict  # name -> slice of theta
    n_x: int
    n_pot: int
    n_stats: int

    def get(self, name, theta=None):
        """A parameter, in the shape a person would write; means are relative to the centre."""
        value = (self.theta if theta is None else theta)[self.at[name]]
        K, d = self.K, self.d
        spread = {"full": (K, d, d), "tied": (d, d), "diag": (K, d), "spherical": (K,), "sigma": (K,)}
        shapes = {"means": (K, d), "spread": spread[self.covariance], "categories": (K, CATEGORIES)}
        return value.reshape(shapes.get(name, value.shape))

    def covariances(self, theta=None):
        """(K, d, d), whatever the structure."""
        spread, eye = self.get("spread", theta), np.eye(self.d)
        if self.covariance == "full":
            return spread
        if self.covariance == "tied":
            return np.broadcast_to(spread, (self.K, self.d, self.d))
        if self.covariance == "diag":
            return spread[:, :, None] * eye
        return (spread**2 if self.covariance == "sigma" else spread)[:, None, None] * eye

    def directions(self):
        """Directions in which theta may move: one per free element, both halves of a symmetric pair."""
        for i in range(self.theta.size):
            e = np.zeros(self.theta.size)
            e[i] = 1.0
            spread, d = self.at["spread"], self.d
            if self.covariance in ("full", "tied") and spread.start <= i < spread.stop:
                row, column = divmod((i - spread.start) % (d * d), d)
                if row < column:
                    continue
                e[i + (column - row) * d + row - column] = 1.0
            if self.prior.free[i]:
                yield e


def tiny(
    covariance, K, d, *, mean_prior=JOINT, spread_prior=JOINT, conjugate=JOINT, counts=False, fixed=(),
    ordered=False, n=8, seed=0,
):  # fmt: skip
    """A `Tiny` with random parameters, hyperparameters and data.

    ``fixed`` names elements: ("weights", 1), ("means", 0), ("spread", k) for a whole covariance.
    """
    rng = np.random.default_rng(seed)
    matrices, full = COVARIANCES[covariance] in (FULL, TIED), covariance in ("full", "tied")
    n_spread = {"full": K * d * d, "tied": d * d, "diag": K * d, "spherical": K, "sigma": K}[covariance]
    unit = {"full": d * d, "tied": d * d, "diag": d, "spherical": 1, "sigma": 1}[covariance]

    def spd(count, boost=0.5):
        a = rng.normal(size=(count, d, d + 2))
        return a @ a.transpose(0, 2, 1) / d + boost * np.eye(d)

    # theta
    pieces = {"weights": rng.dirichlet(np.full(K, 5.0)), "means": 1.5 * rng.normal(size=K * d)}
    pieces["spread"] = spd(n_spread // unit).ravel() if matrices else rng.uniform(0.5, 2.0, n_spread)
    if ordered:
        pieces["means"].sort()
    if counts:
        pieces["rates"], pieces["probs"] = rng.uniform(0.5, 4.0, K), rng.uniform(0.2, 0.8, K)
        pieces["categories"] = rng.dirichlet(np.full(CATEGORIES, 4.0), size=K).ravel()
    at, start = {}, 0
    for name, value in pieces.items():
        at[name] = slice(start, start + value.size)
        start += value.size
    theta = np.concatenate(list(pieces.values()))
    free = np.ones(theta.size, dtype=bool)
    for name, index in fixed:
        width = unit if name == "spread" else 1
        free[at[name].start + index * width : at[name].start + (index + 1) * width] = False

    # streams and data
    widths = [3 * K * d if not full else K + K * d + K * d * d, 2 * K, 2 * K, K * CATEGORIES]
    offsets = K + np.concatenate([[0], np.cumsum(widths)])
    n_streams = 4 if counts else 1
    kinds = [GAUSS_FULL if full else GAUSS_DIAG, LINEAR, LINEAR, LOOKUP]
    rows = list(zip(kinds, [0, d, d + 2, d + 4], [d, 2, 2, CATEGORIES], offsets, offsets))
    streams = streams_of(rows[:n_streams])
    y, base = rng.normal(size=(n, d)) * 2.0 + 3.0, np.zeros(0)
    centre = np.concatenate([y.mean(axis=0), np.zeros(5 if counts else 0)])
    if counts:
        events, hits = rng.poisson(2.0, n).astype(float), rng.integers(0, 2, n).astype(float)
        category = rng.integers(0, CATEGORIES, n).astype(float)
        y = np.column_stack([y, events, np.ones(n), hits, 1 - hits, category])
        base = np.array([-lgamma(k + 1) for k in events])
    nothing = np.zeros(0, dtype=np.int64)
    observed = np.ones((1, y.shape[1]), dtype=bool)
    data = Data(np.ascontiguousarray(y.T), centre, base, np.zeros(0), nothing, nothing, observed)

    # blocks and hyperparameters
    n_hyper = {"full": K + K * d * d, "tied": 1 + d * d, "diag": 2 * K * d}.get(covariance, 2 * K)
    kappa = rng.uniform(0.1, 2.0, K * d) if covariance in ("diag", "sigma") else np.repeat(rng.uniform(0.1, 2, K), d)
    spread_hyper = rng.uniform(1.0, 4.0, n_hyper)
    if matrices:
        count = n_spread // unit
        spread_hyper = np.concatenate([rng.uniform(d + 1.0, d + 5.0, count), spd(count).ravel()])
    hyper = [
        rng.uniform(0.5, 3.0, K),
        np.concatenate([rng.normal(size=K * d), kappa, spread_hyper]),
        rng.uniform(0.5, 3.0, 2 * K),
        rng.uniform(0.5, 3.0, 2 * K),
        rng.uniform(0.5, 3.0, K * CATEGORIES),
    ]
    starts = np.cumsum([0] + [len(h) for h in hyper])
    order = ["weights", "means", "rates", "probs", "categories"][: 5 if counts else 2]
    B = len(order)
    covariance_code = COVARIANCES[covariance]
    blocks = Blocks(
        code=np.array([DIRICHLET, GAUSS, GAMMA, BETA, DIRICHLET][:B]),
        rows=np.array([1, K, K, K, K][:B]),
        size=np.array([K, d, 1, 1, CATEGORIES][:B]),
        theta=np.array([at[name].start for name in order]),
        theta2=np.array([0, at["spread"].start, 0, 0, 0][:B]),
        pot=np.concatenate([[0], offsets])[:B].copy(),
        stat=np.concatenate([[0], offsets])[:B].copy(),
        hyper=starts[:B].copy(),
        covariance=np.array([0, covariance_code, 0, 0, 0][:B]),
        mean_prior=np.array([conjugate, mean_prior, conjugate, conjugate, conjugate][:B]),
        spread_prior=np.array([0, spread_prior, 0, 0, 0][:B]),
    )
    shift = np.zeros(theta.size)
    shift[at["means"]] = np.tile(centre[:d], K)
    prior = Prior(
        np.concatenate(hyper[:B]),
        np.zeros(0, dtype=np.int64),
        np.zeros(0, dtype=np.int64),
        np.zeros((0, 3)),
        shift,
        free,
        np.zeros(1),
    )

    # coordinates
    units = [(SIMPLEX, np.arange(K), 0)]
    units.append((IDENTITY, np.arange(theta.size)[at["means"]], int(ordered)))
    for k in range(n_spread // unit):
        units.append((SPD if matrices else LOG, at["spread"].start + k * unit + np.arange(unit), 0))
    if counts:
        units.append((LOG, np.arange(theta.size)[at["rates"]], 0))
        units.append((LOGIT, np.arange(theta.size)[at["probs"]], 0))
        units.extend((SIMPLEX, row, 0) for row in np.arange(theta.size)[at["categories"]].reshape(K, CATEGORIES))
    rows, where, n_x = [], [], 0
    for code, positions, is_ordered in units:
        moving = positions[free[positions]]
        mass = 1.0 - theta[positions[~free[positions]]].sum() if code == SIMPLEX else 0.0
        if moving.size == 0:
            continue
        used = {SIMPLEX: moving.size - 1, SPD: d * (d + 1) // 2}.get(code, moving.size)
        rows.append((code, n_x, used, len(where), moving.size, is_ordered, mass, 0.0))
        where.extend(moving)
        n_x += used
    columns = list(zip(*rows, strict=True))
    coords = Coordinates(
        *(np.array(c, dtype=np.int64) for c in columns[:6]),
        *(np.array(c, dtype=float) for c in columns[6:]),
        np.array(where, dtype=np.int64),
    )
    n_pot = int(offsets[n_streams])
    return Tiny(K, d, covariance, data, streams, blocks, prior, coords, theta, at, n_x, n_pot, n_pot)
