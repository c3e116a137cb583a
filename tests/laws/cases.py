"""The models that the laws are checked on. A new family joins with one line here.

Each case is a spec, data that fit it, and parameters at which evidence and gradients are checked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from naive import densities, hmm
from scipy import stats

import em_vs_bayes as evb
from em_vs_bayes import emissions as e
from em_vs_bayes import priors as p


@dataclass(frozen=True)
class Case:
    """One model with its data.

    ``lengths`` makes the lengths of sequences from the number of rows, ``labels`` the known states; what `arguments`
    returns goes wherever the data go. ``design`` makes a regression's design matrix by hand.
    """

    name: str
    spec: Any
    make: Callable[[np.random.Generator, int], Any]
    conjugate: bool = True
    lengths: Callable[[int], list[int]] | None = None
    labels: Callable[[int], np.ndarray] | None = None
    design: Callable[[Any], np.ndarray] | None = None

    def data(self, n: int = 60, seed: int = 1) -> Any:
        return self.make(np.random.default_rng(seed), n)

    def arguments(self, n: int = 60, seed: int = 1) -> dict[str, Any]:
        """What goes into a fit besides y."""
        made = {"lengths": self.lengths and self.lengths(n), "labels": None if self.labels is None else self.labels(n)}
        if self.spec.model_emission.takes_exog:
            made["exog"] = self.design(self.data(n, seed))
        return {name: value for name, value in made.items() if value is not None}

    def program(self, n: int = 60, seed: int = 1, **arguments: Any) -> Any:
        from em_vs_bayes.program.compile import compile as compile_program

        return compile_program(self.spec, self.data(n, seed), **self.arguments(n, seed), **arguments)

    def fit(self, method: str, **options: Any) -> Any:
        return self.spec.fit(self.data(), method, **self.arguments(), progressbar=False, **options)

    def naive(self, params: Any, n: int = 5, seed: int = 3) -> tuple[float, np.ndarray]:
        """Log evidence and posterior probabilities (n, K) by enumeration."""
        y, emission = self.data(n, seed), self.spec.model_emission
        own = y["y"].to_numpy() if isinstance(y, pd.DataFrame) else y
        given = self.arguments(n, seed) | {"exog": None if self.design is None else self.design(y)}
        if not self.spec.latent.sequential:
            evidence = densities.mixture_evidence(emission, own, params, **given)
            return evidence, densities.responsibilities(emission, own, params, **given)
        answers = hmm.answers(emission, own, params, **given)
        return sum(a.evidence for a in answers), np.vstack([a.smoothed for a in answers])

    def cuts(self) -> list[int]:
        """Rows at which the data may be parted: anywhere, or between sequences."""
        return [0, *np.cumsum(self.lengths(60))] if self.lengths else [0, 1, 24, 60]

    def points(self, program: Any, count: int = 3, seed: int = 7) -> list[np.ndarray]:
        """Random interior parameters."""
        rng = np.random.default_rng(seed)
        base = program.with_fixed(program.neutral())
        for name, where, shape in program.tables.theta.items():
            if name in program.order.names:
                base[where] += np.arange(shape[0])
        x = program.unconstrain(base) if program.ndim else np.empty(0)
        return [program.constrain(x + 0.5 * rng.standard_normal(program.ndim), base) for _ in range(count)]


def plane(rng: np.random.Generator, n: int) -> np.ndarray:
    z = rng.random(n) < 0.4
    return np.where(z[:, None], rng.normal([0, 0], [1.0, 0.5], (n, 2)), rng.normal([4, 3], [1.0, 2.0], (n, 2)))


def holes(rng: np.random.Generator, n: int) -> np.ndarray:
    y = plane(rng, n)
    gone = rng.random((n, 2)) < 0.2
    gone[gone.all(axis=1)] = False
    return np.where(gone, np.nan, y)


def line(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.where(rng.random(n) < 0.5, rng.normal(0, 1, n), rng.normal(4, 2, n))


def tails(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.where(rng.random(n) < 0.5, rng.standard_t(3, n), 6 + 2 * rng.standard_t(3, n))


def tails_with_holes(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    u = tails(rng, n)
    u[[0, n // 2]] = np.nan
    return {"u": u, "v": counts(rng, n)}


def tails_and_gaps(rng: np.random.Generator, n: int) -> np.ndarray:
    y = tails(rng, n)
    y[[1, n // 2]] = np.nan
    return y


def counts(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.where(rng.random(n) < 0.5, rng.poisson(1, n), rng.poisson(8, n)).astype(float)


def waits(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.where(rng.random(n) < 0.5, rng.exponential(1, n), rng.exponential(9, n))


def two_waits(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    return {"u": waits(rng, n), "v": waits(rng, n)}


def coins(rng: np.random.Generator, n: int) -> np.ndarray:
    return (rng.random(n) < 0.4).astype(float)


def sides(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.integers(0, 3, n).astype(float)


def streams(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    z = rng.random(n) < 0.5
    u = np.where(z, rng.normal(0, 1, n), rng.normal(5, 1, n))
    u[0] = np.nan
    return {"u": u, "v": np.where(z, rng.poisson(2, n), rng.poisson(9, n)).astype(float), "w": sides(rng, n)}


def ramp(y: Any) -> np.ndarray:
    """An intercept and a predictor that runs back and forth."""
    n = len(next(iter(y.values()))) if isinstance(y, dict) else len(y)
    return np.column_stack([np.ones(n), np.cos(2.5 * np.arange(n))])


def lines(rng: np.random.Generator, n: int) -> np.ndarray:
    x = ramp(np.empty(n))[:, 1]
    return np.where(rng.random(n) < 0.5, rng.normal(1 + 2 * x, 0.5), rng.normal(3 - 2 * x, 1.0))


def lines_and_counts(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    u = lines(rng, n)
    u[[0, n // 2]] = np.nan
    return {"u": u, "v": counts(rng, n)}


def groups(rng: np.random.Generator, n: int) -> pd.DataFrame:
    return pd.DataFrame({"y": lines(rng, n), "x": ramp(np.empty(n))[:, 1], "g": np.resize(["b", "a", "b"], n)})


def by_hand(frame: pd.DataFrame) -> np.ndarray:
    """y ~ x + C(g), treatment coding: the first level in the alphabet is the reference."""
    return np.column_stack([np.ones(len(frame)), [float(g == "b") for g in frame["g"]], frame["x"]])


def regression(**options: Any) -> Any:
    return evb.Mixture(e.LinearRegression(), 2, **options)


def cut(rng: np.random.Generator, n: int) -> np.ndarray:
    """A line of which a good third lies below zero and some above four."""
    return np.clip(rng.normal(1 + 2 * ramp(np.empty(n))[:, 1], 1.5), 0.0, 4.0)


def cut_below(rng: np.random.Generator, n: int) -> np.ndarray:
    """Two lines cut off at zero."""
    return np.maximum(lines(rng, n), 0.0)


def cut_with_gaps(rng: np.random.Generator, n: int) -> np.ndarray:
    y = cut_below(rng, n)
    y[[1, n // 2]] = np.nan
    return y


def kept(rng: np.random.Generator, n: int) -> np.ndarray:
    """What lies between zero and four."""
    x = ramp(np.empty(n))[:, 1]
    return stats.truncnorm.rvs(-(1 + x) / 1.5, (4 - 1 - x) / 1.5, 1 + x, 1.5, random_state=rng)


def cut_line(rng: np.random.Generator, n: int) -> np.ndarray:
    """Two normals cut off at zero, where much of the first lies, and at six."""
    return np.clip(line(rng, n), 0.0, 6.0)


def cut_line_with_gaps(rng: np.random.Generator, n: int) -> np.ndarray:
    y = cut_line(rng, n)
    y[[1, n // 2]] = np.nan
    return y


def ends(rng: np.random.Generator, n: int) -> np.ndarray:
    """Exact responses, and responses known from below, from above, and between two numbers."""
    y = lines(rng, n)
    low, high = y - rng.exponential(1.0, n), y + rng.exponential(1.0, n)
    known = rng.integers(0, 4, n)
    return np.column_stack([np.choose(known, [y, low, -np.inf, low]), np.choose(known, [y, np.inf, high, high])])


def ends_with_gaps(rng: np.random.Generator, n: int) -> np.ndarray:
    """Some rows are missing, in both ways of saying so."""
    y = ends(rng, n)
    y[1], y[n // 2] = np.nan, [-np.inf, np.inf]
    return y


def normal_and_cut(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    return {"u": line(rng, n), "v": cut_with_gaps(rng, n)}


matrix_nig = p.NormalInverseGamma([1.0, 0.0], [[0.3, -0.1], [-0.1, 0.2]], 3.0, [1.0, 2.0])
apart = {"coefficients": p.Normal([2.0, 0.0], [3.0, 2.0]), "sigmas": p.InverseGamma(3.0, 2.0)}
odd = {"coefficients": evb.Prior("StudentT", nu=4.0, mu=1.0, sigma=3.0), "sigmas": evb.Prior("HalfNormal", sigma=2.0)}
held = {"coefficients": [[np.nan, 2.0], [np.nan, np.nan]], "sigmas": [np.nan, 0.9]}
independent = {"means": p.Normal(0.0, 5.0), "covariances": p.InverseWishart(5.0, 2.0 * np.eye(2))}
by_name = {"means": p.Normal(0.0, 5.0), "sigmas": evb.Prior("HalfNormal", sigma=2.0), "weights": p.Dirichlet(5.0)}

own_priors = {"means": p.Normal(0.0, 5.0), "sigmas": p.InverseGamma(3.0, 2.0)}
own_fixed = {"means": [0.0, np.nan], "sigmas": [np.nan, 2.0]}


def gone(rng: np.random.Generator, n: int) -> np.ndarray:
    y = holes(rng, n)
    y[n // 2] = np.nan
    return y


def several(n: int) -> list[int]:
    """A short sequence first, one of a single row second."""
    return [n // 5, 1, n // 2, n - n // 5 - 1 - n // 2]


def some(n: int) -> np.ndarray:
    return np.where(np.arange(n) % 4 == 0, np.arange(n) // 4 % 2, -1)


single_nig = p.NormalInverseGamma([1.0, 0.5], [[0.3, -0.1], [-0.1, 0.2]], 3.0, 2.0)
single_apart = {"coefficients": p.Normal([1.0, 0.0], [3.0, 2.0]), "sigma": p.InverseGamma(3.0, 2.0)}
single_odd = {
    "coefficients": evb.Prior("StudentT", nu=4.0, mu=1.0, sigma=3.0),
    "sigma": evb.Prior("HalfNormal", sigma=2),
}
single_held = {"coefficients": [np.nan, 2.0]}
cut_normal = e.CensoredNormal(lower=0.0, upper=6.0)
own_nig = p.NormalInverseGamma([[0.0], [4.0]], 0.5, [[3.0], [4.0]], 2.0)
by_component = {
    "means": evb.Prior("Normal", mu=[0.0, 4.0], sigma=2.0),
    "sigmas": evb.Prior("HalfNormal", sigma=[2.0, 3.0]),
}
tobits = e.CensoredRegression(lower=0.0)
robust = e.CensoredRegression(df=3.0)
product = e.Product(u=e.Normal(), v=e.Poisson(), w=e.Categorical(3))
chain = {"initial": p.Dirichlet(2.0), "transition": p.Dirichlet(2.0)}
sticky = {"initial": p.Dirichlet(2.0), "transition": p.Dirichlet(1.5 + 10.0 * np.eye(2))}
cut_off = evb.Prior("TruncatedNormal", mu=[0.0, 3.0], sigma=1.0, lower=0.0)
by_name_chain = chain | {"means": p.Normal(0.0, 5.0), "sigmas": evb.Prior("HalfNormal", sigma=2.0)}
free = np.nan
ahead = {"initial": [1.0, 0.0, 0.0], "transition": [[free, free, 0.0], [0.0, free, free], [0.0, 0.0, 1.0]]}
cycle = {"transition": [[free, free, 0.0], [0.0, free, free], [free, 0.0, free]]}

CASES = [
    Case("full", evb.GaussianMixture(2), plane),
    Case("full, three", evb.GaussianMixture(3), plane),
    Case("one component", evb.GaussianMixture(1), plane),
    Case("tied", evb.GaussianMixture(2, covariance="tied"), plane),
    Case("diag", evb.GaussianMixture(2, covariance="diag"), plane),
    Case("spherical", evb.GaussianMixture(2, covariance="spherical"), plane),
    Case("missing, full", evb.GaussianMixture(2), holes),
    Case("missing, diag", evb.GaussianMixture(2, covariance="diag"), holes),
    Case("independent priors", evb.GaussianMixture(2, priors=independent), plane),
    Case("independent priors, tied", evb.GaussianMixture(2, covariance="tied", priors=independent), plane),
    Case(
        "independent priors, diag",
        evb.GaussianMixture(
            2, covariance="diag", priors={"means": p.Normal(0, 5), "covariances": p.InverseGamma(3, 2)}
        ),
        plane,
    ),
    Case("fixed means", evb.GaussianMixture(2, fixed={"means": [[0.0, np.nan], [np.nan, np.nan]]}), plane),
    Case(
        "fixed covariance",
        evb.GaussianMixture(2, fixed={"covariances": [np.eye(2), np.full((2, 2), np.nan)]}),
        plane,
    ),
    Case("fixed weights", evb.GaussianMixture(3, fixed={"weights": [0.2, np.nan, np.nan]}), plane),
    Case("normal", evb.Mixture(e.Normal(), 2), line),
    Case("normal, fixed", evb.Mixture(e.Normal(), 2, fixed={"means": [0.0, np.nan], "sigmas": [np.nan, 2.0]}), line),
    Case("normal, named priors", evb.Mixture(e.Normal(), 2, priors=by_name), line, conjugate=False),
    Case("normal, ordered", evb.Mixture(e.Normal(), 2, priors=by_name, ordered="means"), line, conjugate=False),
    Case("student", evb.Mixture(e.StudentT(3.0), 2), tails),
    Case("student, cauchy", evb.Mixture(e.StudentT(1.0), 2), tails),
    Case("student, one component", evb.Mixture(e.StudentT(), 1), tails),
    Case("student, independent priors", evb.Mixture(e.StudentT(3.0), 2, priors=own_priors), tails),
    Case("student, fixed", evb.Mixture(e.StudentT(3.0), 2, fixed=own_fixed), tails),
    Case("student, independent and fixed", evb.Mixture(e.StudentT(3.0), 2, priors=own_priors, fixed=own_fixed), tails),
    Case("student, named priors", evb.Mixture(e.StudentT(3.0), 2, priors=by_name), tails, conjugate=False),
    Case("student, ordered", evb.Mixture(e.StudentT(3.0), 2, priors=by_name, ordered="means"), tails, conjugate=False),
    Case("student, missing", evb.Mixture(e.Product(u=e.StudentT(3.0), v=e.Poisson()), 2), tails_with_holes),
    Case("poisson", evb.Mixture(e.Poisson(), 2), counts),
    Case(
        "poisson, named",
        evb.Mixture(e.Poisson(), 2, priors={"rates": evb.Prior("LogNormal", mu=1.0, sigma=1.0)}),
        counts,
        conjugate=False,
    ),
    Case("exponential", evb.Mixture(e.Exponential(), 2), waits),
    Case("bernoulli", evb.Mixture(e.Bernoulli(), 2, priors={"probs": p.Beta(2.0, 3.0)}), coins),
    Case("categorical", evb.Mixture(e.Categorical(3), 2, priors={"probs": p.Dirichlet(1.5)}), sides),
    Case("regression", regression(), lines, design=ramp),
    Case("regression, joint prior", regression(priors={"emission": matrix_nig}), lines, design=ramp),
    Case("regression, independent priors", regression(priors=apart), lines, design=ramp),
    Case("regression, fixed", regression(fixed=held), lines, design=ramp),
    Case("regression, independent and fixed", regression(priors=apart, fixed=held), lines, design=ramp),
    Case("regression, named priors", regression(priors=odd), lines, conjugate=False, design=ramp),
    Case("regression, ordered sigmas", regression(ordered="sigmas"), lines, conjugate=False, design=ramp),
    Case("regression, formula", evb.Mixture(e.LinearRegression("y ~ C(g) + x"), 2), groups, design=by_hand),
    Case(
        "regression, missing responses",
        evb.Mixture(e.Product(u=e.LinearRegression(), v=e.Poisson()), 2),
        lines_and_counts,
        design=ramp,
    ),
    Case("product", evb.Mixture(e.Product(u=e.Normal(), v=e.Poisson(), w=e.Categorical(3)), 2), streams),
    Case("tobit", evb.Tobit(), cut, design=ramp),
    Case("tobit, both limits", evb.Tobit(upper=4.0), cut, design=ramp),
    Case("tobit, above", evb.Tobit(lower=None, upper=4.0), cut, design=ramp),
    Case("tobit, joint prior", evb.Tobit(priors={"regression": single_nig}), cut, design=ramp),
    Case("tobit, independent priors", evb.Tobit(priors=single_apart), cut, design=ramp),
    Case("tobit, named priors", evb.Tobit(priors=single_odd), cut, conjugate=False, design=ramp),
    Case("tobit, fixed", evb.Tobit(fixed=single_held), cut, design=ramp),
    Case("censored", evb.CensoredRegression(), ends, design=ramp),
    Case("truncated", evb.TruncatedRegression(lower=0.0), kept, design=ramp),
    Case("truncated, both limits", evb.TruncatedRegression(lower=0.0, upper=4.0), kept, design=ramp),
    Case("truncated, independent", evb.TruncatedRegression(upper=4.0, priors=single_apart), kept, design=ramp),
    Case("regression, t errors", evb.Mixture(e.LinearRegression(df=4.0), 2), lines, design=ramp),
    Case("tobit, t errors", evb.Tobit(df=4.0), cut, design=ramp),
    Case("tobit, t errors, independent priors", evb.Tobit(df=4.0, priors=single_apart), cut, design=ramp),
    Case("censored, t errors", evb.CensoredRegression(df=3.0), ends, design=ramp),
    Case("hmm intervals, t errors", evb.HMM(robust, 2, priors=chain), ends_with_gaps, lengths=several, design=ramp),
    Case("mixture of tobits", evb.Mixture(tobits, 2), cut_below, design=ramp),
    Case("mixture of intervals", evb.Mixture(e.CensoredRegression(), 2), ends, design=ramp),
    Case("mixture, truncated", evb.Mixture(e.TruncatedRegression(lower=0.0), 2, priors=apart), kept, design=ramp),
    Case("product with a tobit", evb.Mixture(e.Product(u=e.Normal(), v=tobits), 2), normal_and_cut, design=ramp),
    Case("censored normal", evb.Mixture(cut_normal, 2), cut_line),
    Case("censored normal, joint prior", evb.Mixture(cut_normal, 2, priors={"emission": own_nig}), cut_line),
    Case("censored normal, independent", evb.Mixture(cut_normal, 2, priors=own_priors, fixed=own_fixed), cut_line),
    Case("censored normal, named", evb.Mixture(cut_normal, 2, priors=by_component), cut_line, conjugate=False),
    Case(
        "censored normal, ordered",
        evb.Mixture(cut_normal, 2, priors=by_name, ordered="means"),
        cut_line,
        conjugate=False,
    ),
    Case("normal intervals", evb.Mixture(e.CensoredNormal(), 2), ends),
    # One sequence, or sequences of different lengths; priors that keep the mode off the edge of the simplex.
    Case("hmm full", evb.GaussianHMM(2, priors=chain), plane, lengths=several),
    Case("hmm full, one state", evb.GaussianHMM(1), plane, lengths=several),
    Case("hmm diag", evb.GaussianHMM(2, "diag", priors=chain), plane, lengths=several),
    Case("hmm missing rows", evb.GaussianHMM(2, priors=chain), gone, lengths=several),
    Case("hmm missing rows, diag", evb.GaussianHMM(2, "diag", priors=chain), gone, lengths=several),
    Case("hmm one sequence", evb.HMM(e.Normal(), 2, priors=chain), line, lengths=lambda n: [n]),
    Case("hmm student", evb.HMM(e.StudentT(3.0), 2, priors=chain), tails_and_gaps, lengths=several),
    Case("hmm student labels", evb.HMM(e.StudentT(3.0), 2, priors=chain), tails, lengths=several, labels=some),
    Case("hmm censored normal", evb.HMM(cut_normal, 2, priors=chain), cut_line_with_gaps, lengths=several),
    Case("hmm tobit", evb.HMM(tobits, 2, priors=chain), cut_with_gaps, lengths=several, design=ramp),
    Case(
        "hmm intervals", evb.HMM(e.CensoredRegression(), 2, priors=chain), ends_with_gaps, lengths=several, design=ramp
    ),
    Case("hmm poisson", evb.HMM(e.Poisson(), 2, priors=chain), counts, lengths=several),
    Case(
        "hmm categorical",
        evb.HMM(e.Categorical(3), 2, priors=chain | {"probs": p.Dirichlet(1.5)}),
        sides,
        lengths=several,
    ),
    Case("hmm product", evb.HMM(product, 2, priors=chain), streams, lengths=several),
    Case("hmm sticky", evb.HMM(e.Normal(), 2, priors=sticky), line, lengths=several),
    Case("hmm left to right", evb.HMM(e.Normal(), 3, priors=chain, fixed=ahead), line, lengths=several),
    Case("hmm fixed start", evb.HMM(e.Normal(), 2, fixed={"initial": [1.0, 0.0]}), line, lengths=several),
    Case("hmm uniform start", evb.HMM(e.Normal(), 2, "uniform"), line, lengths=several),
    Case("hmm stationary start", evb.HMM(e.Normal(), 2, "stationary"), line, conjugate=False, lengths=several),
    Case("hmm cycle", evb.HMM(e.Normal(), 3, "stationary", fixed=cycle), line, conjugate=False, lengths=several),
    Case("hmm ordered", evb.HMM(e.Normal(), 2, priors=chain, ordered="means"), line, lengths=several),
    Case("hmm named priors", evb.HMM(e.Normal(), 2, priors=by_name_chain), line, conjugate=False, lengths=several),
    Case(
        "hmm of products, ordered",
        evb.HMM(
            e.Product(u=e.Exponential(), v=e.Exponential()),
            2,
            "uniform",
            ordered=["u_rates", "v_rates"],
            priors={"u_rates": cut_off, "v_rates": cut_off},
        ),
        two_waits,
        conjugate=False,
        lengths=several,
    ),
    Case("hmm labels", evb.HMM(e.Normal(), 2, priors=chain), line, lengths=several, labels=some),
]
CONJUGATE = [case for case in CASES if case.conjugate]
