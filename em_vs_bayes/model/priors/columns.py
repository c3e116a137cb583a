"""The elementwise densities that compiled code knows: PyMC's arguments in, the columns of ``DENSITY`` out.

One function per distribution, with PyMC's argument names and defaults.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import log_ndtr

type Columns = tuple[Any, ...]  # up to three hyperparameters, as ``DENSITY`` describes them


def _flat() -> Columns:
    return ()


def _normal(mu: Any = 0.0, sigma: Any = None, tau: Any = None) -> Columns:
    return *_finite(mu=mu), _sd(sigma, tau, "tau")


def _half_normal(sigma: Any = None, tau: Any = None) -> Columns:
    return (_sd(sigma, tau, "tau"),)


def _truncated_normal(
    mu: Any = 0.0, sigma: Any = None, tau: Any = None, lower: Any = None, upper: Any = None
) -> Columns:
    """Above 0: `named.Prior` hands other limits to PyMC."""
    mu, sigma = _normal(mu, sigma, tau)
    return mu, sigma, log_ndtr(mu / sigma)


def _gamma(alpha: Any = None, beta: Any = None, mu: Any = None, sigma: Any = None) -> Columns:
    if _pairs(alpha=alpha, beta=beta, mu=mu, sigma=sigma):
        return _positive(alpha=alpha, beta=beta)
    mu, sigma = _positive(mu=mu, sigma=sigma)
    return mu**2 / sigma**2, mu / sigma**2


def _inverse_gamma(alpha: Any = None, beta: Any = None, mu: Any = None, sigma: Any = None) -> Columns:
    if alpha is not None and beta is None:
        beta = 1.0
    if _pairs(alpha=alpha, beta=beta, mu=mu, sigma=sigma):
        return _positive(alpha=alpha, beta=beta)
    mu, sigma = _positive(mu=mu, sigma=sigma)
    ratio = mu**2 / sigma**2
    return ratio + 2, mu * (ratio + 1)


def _beta(alpha: Any = None, beta: Any = None, mu: Any = None, sigma: Any = None, nu: Any = None) -> Columns:
    if sigma is not None and nu is not None:
        raise ValueError("sigma and nu: got both, wants one of them")
    if _pairs(alpha=alpha, beta=beta, mu=mu, **({"sigma": sigma} if nu is None else {"nu": nu})):
        return _positive(alpha=alpha, beta=beta)
    if nu is None:
        mu, sigma = _positive(mu=mu, sigma=sigma)
        nu = mu * (1 - mu) / sigma**2 - 1
    mu, other, nu = _positive(mu=mu, **{"1 - mu": 1 - mu}, **{"nu (or mu (1 - mu) / sigma^2 - 1)": nu})
    return mu * nu, other * nu


def _exponential(lam: Any = None, scale: Any = None) -> Columns:
    if lam is not None and scale is not None:
        raise ValueError("lam and scale: got both, wants one of them")
    if lam is not None:
        return _positive(lam=lam)
    return (1 / _positive(scale=1.0 if scale is None else scale)[0],)


def _student_t(nu: Any, mu: Any = 0.0, sigma: Any = None, lam: Any = None) -> Columns:
    return *_positive(nu=nu), *_finite(mu=mu), _sd(sigma, lam, "lam")


def _half_student_t(nu: Any, sigma: Any = None, lam: Any = None) -> Columns:
    return *_positive(nu=nu), _sd(sigma, lam, "lam")


def _cauchy(alpha: Any, beta: Any) -> Columns:
    return *_finite(alpha=alpha), *_positive(beta=beta)


def _half_cauchy(beta: Any) -> Columns:
    return _positive(beta=beta)


def _uniform(lower: Any = 0.0, upper: Any = 1.0) -> Columns:
    lower, upper = np.asarray(lower), np.asarray(upper)
    if not (np.isfinite(lower).all() and np.isfinite(upper).all() and (lower < upper).all()):
        raise ValueError(f"lower and upper: got {lower.tolist()} and {upper.tolist()}, wants finite, lower < upper")
    return lower, upper


def _laplace(mu: Any, b: Any) -> Columns:
    return *_finite(mu=mu), *_positive(b=b)


COLUMNS: dict[str, Callable[..., Columns]] = {
    "Flat": _flat,
    "HalfFlat": _flat,
    "Normal": _normal,
    "HalfNormal": _half_normal,
    "TruncatedNormal": _truncated_normal,
    "Gamma": _gamma,
    "InverseGamma": _inverse_gamma,
    "Beta": _beta,
    "Exponential": _exponential,
    "StudentT": _student_t,
    "HalfStudentT": _half_student_t,
    "Cauchy": _cauchy,
    "HalfCauchy": _half_cauchy,
    "LogNormal": _normal,
    "Uniform": _uniform,
    "Laplace": _laplace,
}
REAL = ("Flat", "Normal", "StudentT", "Cauchy", "Laplace")


def _finite(**values: Any) -> Columns:
    for name, value in values.items():
        if not np.isfinite(value).all():
            raise ValueError(f"{name}: got {np.asarray(value).tolist()}, wants finite numbers")
    return tuple(np.asarray(value, dtype=np.float64) for value in values.values())


def _positive(**values: Any) -> Columns:
    for name, value in values.items():
        if not (np.isfinite(value).all() and np.all(np.asarray(value) > 0)):
            raise ValueError(f"{name}: got {np.asarray(value).tolist()}, wants finite positive numbers")
    return tuple(np.asarray(value, dtype=np.float64) for value in values.values())


def _sd(sigma: Any, precision: Any, name: str) -> Any:
    if sigma is not None and precision is not None:
        raise ValueError(f"sigma and {name}: got both, wants one of them")
    if precision is not None:
        return 1 / np.sqrt(_positive(**{name: precision})[0])
    return _positive(sigma=1.0 if sigma is None else sigma)[0]


def _pairs(**four: Any) -> bool:
    """Whether the first pair of arguments is given; exactly one whole pair must be."""
    given = tuple(value is not None for value in four.values())
    if given not in ((True, True, False, False), (False, False, True, True)):
        names = list(four)
        got = ", ".join(name for name, there in zip(names, given, strict=True) if there) or "none of them"
        raise ValueError(
            f"{', '.join(names)}: got {got}, wants {names[0]} and {names[1]}, or {names[2]} and {names[3]}"
        )
    return given[0]
