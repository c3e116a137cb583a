"""Censored and truncated regressions with proper priors, draws from the priors, and data simulated by definition.

Shared by the joint-distribution test (Geweke 2004) and simulation-based calibration (Talts et al. 2018).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import em_vs_bayes as evb
from em_vs_bayes import emissions as e
from em_vs_bayes import priors as p

INF, NAN = np.inf, np.nan
Params = dict[str, Any]


@dataclass(frozen=True)
class Study:
    """A model of one design, draws from its priors, and responses.

    Parameters
    ----------
    draw : callable (rng) -> params
    ends : callable (latent response (n,)) -> interval (n, 2)
        What is seen of the latent response; None for truncation to ``limits``.
    lengths : tuple of int, optional
        Of sequences.
    missing : tuple of int
        Rows whose response never comes.
    labelled : int
        Rows whose component is revealed, the first ones.
    df : float, optional
        Of Student t errors.
    """

    spec: Any
    draw: Callable[[np.random.Generator], Params]
    n: int
    ends: Callable[[np.ndarray], np.ndarray] | None = None
    limits: tuple[float, float] = (-INF, INF)
    lengths: tuple[int, ...] | None = None
    missing: tuple[int, ...] = ()
    labelled: int = 0
    df: float | None = None

    @property
    def design(self) -> np.ndarray:
        return np.column_stack([np.ones(self.n), np.cos(2.5 * np.arange(self.n))])

    @property
    def arguments(self) -> dict[str, Any]:
        return {"exog": self.design} | ({} if self.lengths is None else {"lengths": self.lengths})

    def components(self, params: Params, rng: np.random.Generator) -> np.ndarray:
        if self.lengths is not None:
            z = []
            for length in self.lengths:
                for t in range(length):
                    z.append(rng.choice(2, p=params["initial"] if t == 0 else params["transition"][z[-1]]))
            return np.array(z)
        return rng.choice(2, size=self.n, p=params["weights"]) if "weights" in params else np.zeros(self.n, int)

    def known(self, params: Params, z: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Interval of each row (n, 2), or response and limits (n, 3); a truncated sample by waiting for its rows."""
        b = np.atleast_2d(params["coefficients"])[z]
        sigma = np.atleast_1d(params["sigmas"] if "sigmas" in params else params["sigma"])[z]
        lines = (self.design * b).sum(axis=1)
        y = rng.normal(lines, sigma) if self.df is None else lines + sigma * rng.standard_t(self.df, size=self.n)
        if self.ends is not None:
            out = self.ends(y)
        else:
            low, high = self.limits
            while (out := (y < low) | (y > high)).any():
                y[out] = rng.normal(lines, sigma)[out]
            out = np.column_stack([y, np.tile(self.limits, (self.n, 1))])
        out[list(self.missing)] = NAN
        return out

    def response(self, known: np.ndarray) -> np.ndarray:
        """As the spec reads it."""
        if self.ends is None:
            return known[:, 0]
        return known if self.ends is cells else np.where(np.isinf(known[:, 0]), known[:, 1], known[:, 0])


def cut(y: np.ndarray) -> np.ndarray:
    """Known only as at or beyond 0 and 2."""
    return np.column_stack([np.where(y <= 0, -INF, np.minimum(y, 2.0)), np.where(y >= 2, INF, np.maximum(y, 0.0))])


def cut_below(y: np.ndarray) -> np.ndarray:
    return np.column_stack([np.where(y <= 0, -INF, y), np.maximum(y, 0.0)])


def cells(y: np.ndarray) -> np.ndarray:
    """By turns itself, its side of one half, and its cell of a grid."""
    kind, down = np.arange(len(y)) % 3, y < 0.5
    low = np.choose(kind, [y, np.where(down, -INF, 0.5), np.floor(y)])
    return np.column_stack([low, np.choose(kind, [y, np.where(down, 0.5, INF), np.floor(y) + 1.0])])


MEAN, KAPPA, SHAPE, RATE = np.array([0.5, 0.8]), np.array([[2.0, 0.3], [0.3, 1.5]]), 4.0, 3.0
APART_BY = np.array([2.0, -1.5])
ROOT = np.linalg.cholesky(np.linalg.inv(KAPPA))


def _joint(rng: np.random.Generator) -> Params:
    sigma = np.sqrt(RATE / rng.gamma(SHAPE))
    return {"coefficients": MEAN + sigma * ROOT @ rng.normal(size=2), "sigma": sigma}


def _apart(rng: np.random.Generator) -> Params:
    return {"coefficients": rng.normal([0.5, 0.5], [1.0, 0.7]), "sigma": np.sqrt(3.0 / rng.gamma(4.0))}


def _near(rng: np.random.Generator) -> Params:
    """P(inside) of more than a tenth, nearly always."""
    return {"coefficients": rng.normal(0.5, [0.4, 0.4]), "sigma": np.sqrt(8.0 / rng.gamma(10.0))}


def _pairs(rng: np.random.Generator) -> Params:
    both = [_joint(rng) for _ in range(2)]
    both[1]["coefficients"] = both[1]["coefficients"] + APART_BY
    return {"coefficients": np.array([q["coefficients"] for q in both]), "sigmas": np.array([q["sigma"] for q in both])}


def _mixture(rng: np.random.Generator) -> Params:
    return {"weights": rng.dirichlet([3.0, 3.0])} | _pairs(rng)


def _chain(rng: np.random.Generator) -> Params:
    rows = np.array([rng.dirichlet([4.0, 1.5]), rng.dirichlet([1.5, 4.0])])
    return {"initial": rng.dirichlet([2.0, 2.0]), "transition": rows} | _pairs(rng)


JOINT = {"regression": p.NormalInverseGamma(MEAN, KAPPA, SHAPE, RATE)}
APART = {"coefficients": p.Normal([0.5, 0.5], [1.0, 0.7]), "sigma": p.InverseGamma(4.0, 3.0)}
NEAR = {"coefficients": p.Normal(0.5, 0.4), "sigma": p.InverseGamma(10.0, 8.0)}
BOTH = p.NormalInverseGamma([MEAN, MEAN + APART_BY], KAPPA, SHAPE, RATE)
MIXED = {"weights": p.Dirichlet(3.0), "emission": BOTH}
CHAIN = {
    "initial": p.Dirichlet(2.0),
    "transition": p.Dirichlet(np.array([[4.0, 1.5], [1.5, 4.0]])),
    "emission": BOTH,
}
BELOW = e.CensoredRegression(lower=0.0)

TOBIT = Study(evb.Tobit(upper=2.0, priors=JOINT), _joint, 6, cut)
TOBIT_APART = Study(evb.Tobit(upper=2.0, priors=APART), _apart, 6, cut)
CELLS = Study(evb.CensoredRegression(priors=JOINT), _joint, 6, cells)
TRUNCATED = Study(evb.TruncatedRegression(lower=-1.0, upper=2.5, priors=NEAR), _near, 6, limits=(-1.0, 2.5))
ONE_SIDE = Study(evb.TruncatedRegression(lower=-0.5, priors=NEAR), _near, 6, limits=(-0.5, INF))
MIXTURE = Study(evb.Mixture(BELOW, 2, priors=MIXED), _mixture, 7, cut_below)
ROBUST = Study(evb.Tobit(upper=2.0, priors=JOINT, df=3.0), _joint, 6, cut, df=3.0)
ROBUST_CELLS = Study(evb.CensoredRegression(priors=APART, df=1.5), _apart, 6, cells, df=1.5)
ROBUST_MIXTURE = Study(
    evb.Mixture(e.CensoredRegression(lower=0.0, df=4.0), 2, priors=MIXED), _mixture, 7, cut_below, df=4.0
)
HMM = Study(evb.HMM(BELOW, 2, priors=CHAIN), _chain, 8, cut_below, lengths=(5, 3), missing=(2, 6))
