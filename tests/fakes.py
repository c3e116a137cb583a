"""A hand-made `Fit`: a mixture of two normals at given draws, so that what a comparison says is known."""

from dataclasses import dataclass, field
from enum import Enum
from statistics import NormalDist
from types import SimpleNamespace
from typing import Any

import arviz_base as az
import numpy as np
import pandas as pd

NAMES = ("weights", "means", "sigmas")


class FakeStatus(Enum):
    CONVERGED = "converged: the objective no longer changes"
    SAMPLED = "sampled: all draws were made"
    MAX_ITER = "out of iterations: raise max_iter"

    def __str__(self):
        return self.value


@dataclass(frozen=True)
class FakeSpec:
    size: int = 2
    model_emission: None = None
    leading: str = "component"
    fixed: dict[str, Any] = field(default_factory=dict)

    def parameter_dims(self):
        return dict.fromkeys(NAMES, ("component",))


@dataclass(frozen=True, eq=False)
class FakeFit:
    """What `compare` reads of a Fit, from draws (chain, draw, K) or a point (K,) of each parameter."""

    y: np.ndarray
    method: str
    draws: dict[str, np.ndarray]
    errors: dict[str, np.ndarray] | None = None
    permutation: np.ndarray | None = None
    status: FakeStatus = FakeStatus.SAMPLED
    spec: Any = field(default_factory=FakeSpec)
    converged: bool = True
    notes: tuple[str, ...] = ()
    weights: np.ndarray = field(default_factory=lambda: np.empty(0))
    n_iter: int = 7
    log_likelihood_kind: str = "row"
    sample_stats: dict[str, np.ndarray] = field(default_factory=dict)
    attrs: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def program(self):
        data = SimpleNamespace(weights=self.weights, starts=np.empty(0), labels=np.empty(0))
        return SimpleNamespace(y=self.y, n=len(self.y), data=data, exogs={})

    @property
    def ended(self):
        return self.status

    @property
    def params(self):
        return {n: x.reshape(-1, x.shape[-1]).mean(0) for n, x in self.draws.items()}

    @property
    def log_likelihood(self):
        return float(self.score_samples(self.y).sum())

    @property
    def history(self):
        climb = self.log_likelihood - 3.0 ** -np.arange(12)
        climb[-1] = self.log_likelihood
        return {"objective": climb}

    @property
    def seconds(self):
        return {"compile": 0.01, "run": 0.5, "total": 0.51}

    @property
    def idata(self):
        full = {n: x if x.ndim == 3 else x[None, None] for n, x in self.draws.items()}
        pointwise = log_density(self.y, full)
        stats = {"log_likelihood_total": pointwise.sum(-1)}
        if self.permutation is not None:
            stats["permutation"] = self.permutation
        groups = {
            "posterior": full,
            "log_likelihood": {"y": pointwise},
            "observed_data": {"y": self.y},
            "sample_stats": stats,
        }
        dims = {n: ["component"] for n in NAMES} | {"y": ["obs"], "permutation": ["component"]}
        return az.from_dict(groups, dims=dims)

    aic, bic, icl, elbo = 1.0, 2.0, 3.0, 4.0

    def std_errors(self, kind):
        assert kind == "observed"
        if self.errors is None:
            raise ValueError("The observed information is not positive definite.")
        return self.errors

    def confint(self, level, kind):
        flat, sd = (np.concatenate([np.ravel(v) for v in d.values()]) for d in (self.params, self.std_errors(kind)))
        far = NormalDist().inv_cdf(0.5 + level / 2) * sd
        return pd.DataFrame({"lower": flat - far, "upper": flat + far})

    def score_samples(self, y):
        point = {n: x[None, None] for n, x in self.params.items()}
        return log_density(np.asarray(y).ravel(), point)[0, 0]

    def predict_proba(self, y=None):
        p = self.params
        y = np.asarray(self.y if y is None else y).reshape(-1, 1)
        joint = p["weights"] * normal(y, p["means"], p["sigmas"])
        return joint / joint.sum(1, keepdims=True)


def normal(y, mean, sigma):
    return np.exp(-0.5 * ((y - mean) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))


def log_density(y, draws):
    """(chain, draw, n)."""
    w, m, s = (draws[n][:, :, None, :] for n in NAMES)
    return np.log((w * normal(y[:, None], m, s)).sum(-1))


def data(seed=0, n=200):
    rng = np.random.default_rng(seed)
    return np.where(rng.random(n) < 0.7, rng.normal(6.0, 1.0, n), rng.normal(0.0, 1.0, n))


def parted(y):
    """The maximum likelihood of components so far apart that 3.0 parts them."""
    halves = [y[y < 3.0], y[y >= 3.0]]
    return {
        "weights": np.array([len(h) / len(y) for h in halves]),
        "means": np.array([h.mean() for h in halves]),
        "sigmas": np.array([h.std() for h in halves]),
    }


TRUTH = parted(data())
SD = {"weights": 0.03, "means": 0.1, "sigmas": 0.07}


def around(centre=TRUTH, *, chains=4, draws=300, scale=1.0, seed=0):
    """Independent normal draws about a centre; weights sum to one."""
    rng = np.random.default_rng(seed)
    out = {n: centre[n] + scale * SD[n] * rng.normal(size=(chains, draws, 2)) for n in NAMES}
    first = np.clip(out["weights"][..., :1], 0.02, 0.98)
    out["weights"] = np.concatenate([first, 1 - first], axis=-1)
    return out


def em(y, centre=TRUTH, **more):
    usual = {"errors": {n: np.full(2, SD[n]) for n in NAMES}, "status": FakeStatus.CONVERGED}
    return FakeFit(y, "em", dict(centre), **(usual | more))


def swapped(draws):
    return {n: x[..., ::-1] for n, x in draws.items()}
