"""Elementwise prior densities: one code, three parameters, a value; the log density and its derivative.

Normalised and supported exactly as in ``scipy.stats``: minus infinity outside the support, plus infinity
where the density is unbounded (a Gamma with shape below one, at zero).
"""

from math import inf, isinf, lgamma, log, log1p, pi

from em_vs_bayes.kernels.jit import inner, kernel
from em_vs_bayes.kernels.saddle import SERIES, deviance, stirling_error
from em_vs_bayes.kernels.tables import DENSITY

LOG_2PI = log(2 * pi)

FLAT = DENSITY["Flat"]
NORMAL = DENSITY["Normal"]
HALF_NORMAL = DENSITY["HalfNormal"]
GAMMA = DENSITY["Gamma"]
INVERSE_GAMMA = DENSITY["InverseGamma"]
BETA = DENSITY["Beta"]
EXPONENTIAL = DENSITY["Exponential"]
STUDENT_T = DENSITY["StudentT"]
HALF_STUDENT_T = DENSITY["HalfStudentT"]
CAUCHY = DENSITY["Cauchy"]
HALF_CAUCHY = DENSITY["HalfCauchy"]
LOG_NORMAL = DENSITY["LogNormal"]
UNIFORM = DENSITY["Uniform"]
LAPLACE = DENSITY["Laplace"]
INVERSE_GAMMA_ON_SQUARE = DENSITY["InverseGammaOnSquare"]
TRUNCATED_NORMAL = DENSITY["TruncatedNormal"]


@inner
def _power(exponent, x):
    """``exponent * log(x)`` and its derivative, 0 where the exponent is 0 (also at x = 0)."""
    if exponent == 0.0:
        return 0.0, 0.0
    if x == 0.0:
        return (-inf if exponent > 0.0 else inf), 0.0
    return exponent * log(x), exponent / x


@inner
def _normal(mu, sigma, x):
    z = (x - mu) / sigma
    return -0.5 * (LOG_2PI + z * z) - log(sigma), -z / sigma


@inner
def _student(df, mu, sigma, x):
    z = (x - mu) / sigma
    constant = lgamma(0.5 * (df + 1)) - lgamma(0.5 * df) - 0.5 * log(df * pi) - log(sigma)
    return constant - 0.5 * (df + 1) * log1p(z * z / df), -(df + 1) * z / (df + z * z) / sigma


@inner
def _gamma(shape, rate, x):
    power, slope = _power(shape - 1, x)
    if shape - 1 >= SERIES:  # its terms would cancel
        constant = log(rate) - stirling_error(shape - 1) - 0.5 * (LOG_2PI + log(shape - 1))
        return constant - deviance(shape - 1, rate * x), slope - rate
    return shape * log(rate) - lgamma(shape) + power - rate * x, slope - rate


@inner
def _inverse_gamma(shape, rate, x):
    return shape * log(rate) - lgamma(shape) - (shape + 1) * log(x) - rate / x, (rate / x - shape - 1) / x


@inner
def _beta(a, b, x):
    left, left_slope = _power(a - 1, x)
    right, right_slope = _power(b - 1, 1 - x)
    return lgamma(a + b) - lgamma(a) - lgamma(b) + left + right, left_slope - right_slope


@inner
def _dispatch(code, a, b, c, x):
    positive = x > 0.0
    if code == FLAT:
        return 0.0, 0.0
    if code == NORMAL:
        return _normal(a, b, x)
    if code == STUDENT_T:
        return _student(a, b, c, x)
    if code == CAUCHY:
        return _student(1.0, a, b, x)
    if code == LAPLACE:
        return -log(2 * b) - abs(x - a) / b, (0.0 if x == a else (-1.0 if x > a else 1.0) / b)
    if code == UNIFORM:
        return (-log(b - a) if a <= x <= b else -inf), 0.0
    if code == BETA:
        return _beta(a, b, x) if 0.0 <= x <= 1.0 else (-inf, 0.0)
    if code == INVERSE_GAMMA:
        return _inverse_gamma(a, b, x) if positive else (-inf, 0.0)
    if code == INVERSE_GAMMA_ON_SQUARE:
        if not positive:
            return -inf, 0.0
        logp, slope = _inverse_gamma(a, b, x * x)
        return logp + log(2 * x), 2 * x * slope + 1 / x
    if code == LOG_NORMAL:
        if not positive:
            return -inf, 0.0
        logp, slope = _normal(a, b, log(x))
        return logp - log(x), (slope - 1) / x
    if not x >= 0.0:  # the rest live on [0, inf)
        return -inf, 0.0
    if code == GAMMA:
        return _gamma(a, b, x)
    if code == EXPONENTIAL:
        return log(a) - a * x, -a
    if code == HALF_NORMAL:
        logp, slope = _normal(0.0, a, x)
        return logp + log(2.0), slope
    if code == TRUNCATED_NORMAL:
        logp, slope = _normal(a, b, x)
        return logp - c, slope
    if code == HALF_STUDENT_T:
        logp, slope = _student(a, 0.0, b, x)
        return logp + log(2.0), slope
    if code == HALF_CAUCHY:
        logp, slope = _student(1.0, 0.0, a, x)
        return logp + log(2.0), slope
    raise ValueError("density code: want one of tables.DENSITY")


@kernel
def log_density_gradient(code, a, b, c, value):
    """The log density at ``value`` and its derivative; the derivative is 0 where the log density is infinite.

    Parameters
    ----------
    code : int
        One of ``tables.DENSITY``.
    a, b, c : float
        Parameters, as the comments of ``tables.DENSITY`` say.
    value : float
        Where; NaN counts as outside the support.

    Raises
    ------
    ValueError
        The code is not in the table.
    """
    if value != value:
        return -inf, 0.0
    logp, slope = _dispatch(code, a, b, c, value)
    if isinf(logp):
        return logp, 0.0
    return logp, slope


@kernel
def log_density(code, a, b, c, value):
    """The log density at ``value``; see `log_density_gradient`."""
    return log_density_gradient(code, a, b, c, value)[0]
