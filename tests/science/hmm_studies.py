"""Hidden Markov models with proper priors, how to draw from the priors, and how to simulate from the draws.

Shared by the joint-distribution test (Geweke 2004) and simulation-based calibration (Talts et al. 2018). States are
told apart by an order, by structural zeros or by priors that differ; then ranks of single parameters mean something.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import em_vs_bayes as evb
from em_vs_bayes import emissions as e
from em_vs_bayes import priors as p

NAN = np.nan
Params = dict[str, np.ndarray]


@dataclass(frozen=True)
class Study:
    """A model, draws from its priors, and the shape of the data.

    Parameters
    ----------
    draw : callable (rng) -> params
    lengths : tuple of int
    missing : callable (y) -> y, optional
        Takes values away, always the same ones.
    labelled : int
        Rows whose state is revealed, the first ones.
    """

    spec: evb.HMM | evb.GaussianHMM
    draw: Callable[[np.random.Generator], Params]
    lengths: tuple[int, ...]
    missing: Callable[[Any], Any] = lambda y: y
    labelled: int = 0

    def states(self, params: Params, rng: np.random.Generator) -> np.ndarray:
        """Chains of the study's lengths, one after the other, step by step."""
        initial, rows = np.cumsum(params["initial"]), np.cumsum(params["transition"], axis=1)
        z, last = [], self.spec.n_states - 1
        for length in self.lengths:
            for t in range(length):
                below = initial if t == 0 else rows[z[-1]]
                z.append(min(int((below < rng.random()).sum()), last))
        return np.array(z)

    def observations(self, params: Params, z: np.ndarray, rng: np.random.Generator) -> Any:
        return self.missing(self.spec.model_emission.simulate(params, z, rng))


def stationary(transition: np.ndarray) -> np.ndarray:
    """The left eigenvector of the eigenvalue 1."""
    values, vectors = np.linalg.eig(transition.T)
    delta = np.abs(np.real(vectors[:, np.argmin(abs(values - 1.0))]))
    return delta / delta.sum()


def reordered(params: Params, by: str) -> Params:
    """With an exchangeable prior an order constraint only names the states."""
    order = np.argsort(params[by])
    return {
        name: value[np.ix_(order, order)] if name == "transition" else value[order] for name, value in params.items()
    }


def without(*rows: int, cells: tuple[tuple[int, int], ...] = ()) -> Callable[[Any], Any]:
    """Whole rows missing, and single cells."""

    def take(y: Any) -> Any:
        y = np.array(y, dtype=float)
        y[list(rows)] = NAN
        for cell in cells:
            y[cell] = NAN
        return y

    return take


# --- Poisson, stationary start: a Metropolis step in every sweep ----------------------------------------------------

STICKY = np.array([[4.0, 1.5], [1.5, 4.0]])


def _poisson(rng: np.random.Generator) -> Params:
    transition = np.array([rng.dirichlet(row) for row in STICKY])
    return {"initial": stationary(transition), "transition": transition, "rates": rng.gamma(2.0, 1 / 0.3, 2)}


POISSON_PRIORS = {"transition": p.Dirichlet(STICKY), "rates": p.Gamma(2.0, 0.3)}
POISSON = Study(evb.HMM(e.Poisson(), 2, "stationary", priors=POISSON_PRIORS), _poisson, (20, 15))
POISSON_ORDERED = Study(
    evb.HMM(e.Poisson(), 2, "stationary", priors=POISSON_PRIORS, ordered="rates"),
    lambda rng: reordered(_poisson(rng), "rates"),
    (20, 15),
)


# --- normal, left to right: structural zeros, a fixed start, days without a value -----------------------------------

LEFT_RIGHT = np.array([[NAN, NAN, 0.0], [0.0, NAN, NAN], [0.0, 0.0, 1.0]])


def _left_right(rng: np.random.Generator) -> Params:
    a, b = rng.beta(5.0, 2.0, 2)
    return {
        "initial": np.array([1.0, 0.0, 0.0]),
        "transition": np.array([[a, 1.0 - a, 0.0], [0.0, b, 1.0 - b], [0.0, 0.0, 1.0]]),
        "means": rng.normal([0.0, 2.0, 0.0], 3.0),
        "sigmas": np.sqrt(3.0 / rng.gamma(4.0, size=3)),
    }


NORMAL = Study(
    evb.HMM(
        e.Normal(),
        3,
        priors={
            "transition": p.Dirichlet([[5.0, 2.0, 1.0], [1.0, 5.0, 2.0], [1.0, 1.0, 1.0]]),
            "means": p.Normal([0.0, 2.0, 0.0], 3.0),
            "sigmas": p.InverseGamma(4.0, 3.0),
        },
        fixed={"transition": LEFT_RIGHT, "initial": [1.0, 0.0, 0.0]},
    ),
    _left_right,
    (14, 9, 12),
    without(3, 4, 14, 22),
)


# --- bivariate normal with values missing, free start ---------------------------------------------------------------


def inverse_wishart(df: float, scale: float, rng: np.random.Generator) -> np.ndarray:
    """Two by two, scale matrix ``scale`` I: the inverse of a Wishart matrix by Bartlett's decomposition."""
    a = np.array([[np.sqrt(rng.chisquare(df)), 0.0], [rng.standard_normal(), np.sqrt(rng.chisquare(df - 1.0))]])
    return scale * np.linalg.inv(a @ a.T)


MEANS, KAPPA = np.array([[-1.0, 0.0], [2.0, 1.0]]), 0.3


def _plane(rng: np.random.Generator) -> Params:
    covariances = np.array([inverse_wishart(7.0, 4.0, rng) for _ in range(2)])
    noise = [np.linalg.cholesky(s / KAPPA) @ rng.standard_normal(2) for s in covariances]
    return {
        "initial": rng.dirichlet([3.0, 1.0]),
        "transition": np.array([rng.dirichlet(row) for row in STICKY]),
        "means": MEANS + noise,
        "covariances": covariances,
    }


PLANE = Study(
    evb.GaussianHMM(
        2,
        priors={
            "initial": p.Dirichlet([3.0, 1.0]),
            "transition": p.Dirichlet(STICKY),
            "emission": p.NormalInverseWishart(mean=MEANS, kappa=KAPPA, df=7.0, scale=4.0 * np.eye(2)),
        },
    ),
    _plane,
    (16, 14),
    without(5, 20, cells=((1, 0), (8, 1), (21, 0), (25, 1))),
    labelled=8,
)


# --- three streams of counts and categories -------------------------------------------------------------------------

FACES = np.array([[3.0, 2.0, 1.0], [1.0, 1.0, 4.0]])


def _streams(rng: np.random.Generator) -> Params:
    return {
        "initial": rng.dirichlet([1.0, 2.0]),
        "transition": np.array([rng.dirichlet([2.0, 1.0]), rng.dirichlet([1.0, 3.0])]),
        "count_rates": rng.gamma([2.0, 5.0], [1.0, 0.5]),
        "up_probs": rng.beta([2.0, 1.0], [1.0, 2.0]),
        "face_probs": np.array([rng.dirichlet(row) for row in FACES]),
    }


def _thinned(y: Any) -> Any:
    return {
        "count": without(0, 4)(y["count"]),
        "up": without(0, 2)(y["up"]),
        "face": without(0, 5)(y["face"]),
    }


STREAMS = Study(
    evb.HMM(
        e.Product(count=e.Poisson(), up=e.Bernoulli(), face=e.Categorical(3)),
        2,
        priors={
            "initial": p.Dirichlet([1.0, 2.0]),
            "transition": p.Dirichlet([[2.0, 1.0], [1.0, 3.0]]),
            "count_rates": p.Gamma([2.0, 5.0], [1.0, 2.0]),
            "up_probs": p.Beta([2.0, 1.0], [1.0, 2.0]),
            "face_probs": p.Dirichlet(FACES),
        },
    ),
    _streams,
    (4, 3),
    _thinned,
)


# --- exponential, stationary start with forbidden moves -------------------------------------------------------------

RING = np.array([[NAN, NAN, 0.0], [0.0, NAN, NAN], [NAN, 0.25, NAN]])


def _ring(rng: np.random.Generator) -> Params:
    a, b, c = rng.beta([3.0, 2.0, 2.0], [2.0, 2.0, 3.0])
    transition = np.array([[a, 1 - a, 0.0], [0.0, b, 1 - b], [0.75 * c, 0.25, 0.75 * (1 - c)]])
    return {
        "initial": stationary(transition),
        "transition": transition,
        "rates": rng.gamma([3.0, 3.0, 3.0], [2.0, 1.0, 0.5]),
    }


EXPONENTIAL = Study(
    evb.HMM(
        e.Exponential(),
        3,
        "stationary",
        priors={
            "transition": p.Dirichlet([[3.0, 2.0, 1.0], [1.0, 2.0, 2.0], [2.0, 1.0, 3.0]]),
            "rates": p.Gamma([3.0, 3.0, 3.0], [0.5, 1.0, 2.0]),
        },
        fixed={"transition": RING},
    ),
    _ring,
    (3, 1, 3),
    without(1),
)


# --- an order that truncates, by slice steps ------------------------------------------------------------------------


def _truncated(rng: np.random.Generator) -> Params:
    rates = np.array([2.0, 1.0])
    while rates[0] > rates[1]:
        rates = rng.gamma([2.0, 5.0], [1.0, 0.5])
    return {
        "initial": np.array([0.5, 0.5]),
        "transition": np.array([rng.dirichlet([2.0, 1.0]), rng.dirichlet([1.0, 3.0])]),
        "rates": rates,
    }


TRUNCATED = Study(
    evb.HMM(
        e.Poisson(),
        2,
        "uniform",
        priors={"transition": p.Dirichlet([[2.0, 1.0], [1.0, 3.0]]), "rates": p.Gamma([2.0, 5.0], [1.0, 2.0])},
        ordered="rates",
    ),
    _truncated,
    (4, 2),
)
