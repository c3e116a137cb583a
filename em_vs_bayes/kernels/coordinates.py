"""Unconstrained coordinates: x in R^D to theta, the log-Jacobian, and the pull-back of a gradient.

Maps: logarithm, logit, interval, stick-breaking simplex and Cholesky factor with a logarithmic diagonal, as
in the Stan reference manual (chapter on constraint transforms). The Jacobian of a covariance is for its lower
triangle, that of a simplex for all its elements but the last.
"""

from math import exp, inf, log, log1p, sqrt

from em_vs_bayes.kernels.jit import inner, kernel
from em_vs_bayes.kernels.tables import (
    IDENTITY,
    INTERVAL,
    LOG,
    LOGIT,
    SIMPLEX,
    SPD,
)


@kernel
def constrain(coords, x, theta):
    """Write theta(x) at the free positions, and only there; return the log-Jacobian."""
    total = 0.0
    for u in range(coords.code.size):
        if coords.code[u] == SIMPLEX:
            total += _simplex(coords, u, x, theta)
        elif coords.code[u] == SPD:
            total += _spd(coords, u, x, theta)
        else:
            total += _elements(coords, u, x, theta)
    return total


@kernel
def unconstrain(coords, theta, x):
    """Write x such that theta(x) = theta.

    Returns
    -------
    bool
        False (and ``x`` is not to be used) if theta is on the edge of its support or outside: a zero
        probability, a singular covariance, elements out of order.
    """
    for u in range(coords.code.size):
        if coords.code[u] == SIMPLEX:
            _simplex_inverse(coords, u, theta, x)
        elif coords.code[u] == SPD:
            if not _spd_inverse(coords, u, theta, x):
                return False
        else:
            _elements_inverse(coords, u, theta, x)
    return all_finite(x)


@inner
def all_finite(a):
    """Whether no element is NaN or infinite."""
    for value in a:  # noqa: SIM110 (a generator would not compile to a loop)
        if not abs(value) < inf:
            return False
    return True


@kernel
def pull_back(coords, x, theta, g_theta, g_x):
    """Write to ``g_x`` the gradient of f(theta(x)) + log-Jacobian(x), ``g_theta`` being the gradient of f.

    Theta must be theta(x). A covariance has the symmetric gradient G with df = sum_ij G_ij dSigma_ij.
    """
    pull_back_scaled(coords, x, theta, g_theta, 1.0, g_x)


@inner
def pull_back_scaled(coords, x, theta, g_theta, jacobian, g_x):
    """`pull_back` with the log-Jacobian multiplied by ``jacobian``: 0 gives that of f(theta(x)) alone."""
    for u in range(coords.code.size):
        if coords.code[u] == SIMPLEX:
            _simplex_pull(coords, u, x, theta, g_theta, jacobian, g_x)
        elif coords.code[u] == SPD:
            _spd_pull(coords, u, x, g_theta, jacobian, g_x)
        else:
            _elements_pull(coords, u, x, theta, g_theta, jacobian, g_x)


# --- elements, one coordinate each --------------------------------------------------------------------------


@inner
def _logistic(t):
    if t >= 0.0:
        return 1.0 / (1.0 + exp(-t))
    e = exp(t)
    return e / (1.0 + e)


@inner
def _log_logistic(t):
    return -log1p(exp(-t)) if t >= 0.0 else t - log1p(exp(t))


@inner
def _elements(coords, u, x, theta):
    code, at, index, total, y = coords.code[u], coords.x[u], coords.first[u], 0.0, 0.0
    for j in range(coords.ntheta[u]):
        if coords.ordered[u] == 1 and j > 0:
            y += exp(x[at + j])
            total += x[at + j]
        else:
            y = x[at + j]
        if code == IDENTITY:
            value = y
        elif code == LOG:
            value = exp(y)
            total += y
        else:
            value = _logistic(y)
            total += _log_logistic(y) + _log_logistic(-y)
            if code == INTERVAL:
                width = coords.b[u] - coords.a[u]
                value = coords.a[u] + width * value
                total += log(width)
        theta[coords.where[index + j]] = value
    return total


@inner
def _elements_inverse(coords, u, theta, x):
    code, at, index, previous = coords.code[u], coords.x[u], coords.first[u], 0.0
    for j in range(coords.ntheta[u]):
        y = theta[coords.where[index + j]]
        if code == LOG:
            y = log(y)
        elif code == LOGIT:
            y = log(y) - log1p(-y)
        elif code == INTERVAL:
            y = log(y - coords.a[u]) - log(coords.b[u] - y)
        x[at + j] = log(y - previous) if coords.ordered[u] == 1 and j > 0 else y
        previous = y


@inner
def _elements_pull(coords, u, x, theta, g_theta, jacobian, g_x):
    code, at, index, later = coords.code[u], coords.x[u], coords.first[u], 0.0
    for j in range(coords.ntheta[u] - 1, -1, -1):
        i = coords.where[index + j]
        value, slope = theta[i], g_theta[i]
        if code == LOG:
            slope = slope * value + jacobian
        elif code in (LOGIT, INTERVAL):
            low = coords.a[u] if code == INTERVAL else 0.0
            width = coords.b[u] - low if code == INTERVAL else 1.0
            z = (value - low) / width
            slope = slope * width * z * (1 - z) + jacobian * (1 - 2 * z)
        if coords.ordered[u] == 1:  # y_j is x_0 plus the steps exp(x_1) ... exp(x_j): sum over what comes later
            later += slope
            slope = later if j == 0 else later * exp(x[at + j]) + jacobian
        g_x[at + j] = slope


# --- simplex ------------------------------------------------------------------------------------------------


@inner
def _simplex(coords, u, x, theta):
    """Stick-breaking: each element takes the share z_j = logistic(x_j - log(C - 1 - j)) of what remains."""
    C, at, index, total = coords.ntheta[u], coords.x[u], coords.first[u], 0.0
    rest, log_rest = coords.a[u], log(coords.a[u])
    for j in range(C - 1):
        t = x[at + j] - log(C - 1 - j)
        log_share, log_left = _log_logistic(t), _log_logistic(-t)
        total += log_rest + log_share + log_left
        theta[coords.where[index + j]] = rest * _logistic(t)
        rest *= _logistic(-t)
        log_rest += log_left
    theta[coords.where[index + C - 1]] = rest
    return total


@inner
def _simplex_inverse(coords, u, theta, x):
    C, at, index = coords.ntheta[u], coords.x[u], coords.first[u]
    rest = theta[coords.where[index + C - 1]]
    for j in range(C - 2, -1, -1):
        p = theta[coords.where[index + j]]
        x[at + j] = log(p) - log(rest) + log(C - 1 - j)
        rest += p


@inner
def _simplex_pull(coords, u, x, theta, g_theta, jacobian, g_x):
    """Backwards along the stick; ``tail`` is d/d log(what remains after j), with no division by it."""
    C, at, index = coords.ntheta[u], coords.x[u], coords.first[u]
    last = coords.where[index + C - 1]
    tail = g_theta[last] * theta[last]
    for j in range(C - 2, -1, -1):
        i = coords.where[index + j]
        z = _logistic(x[at + j] - log(C - 1 - j))
        own = g_theta[i] * theta[i]
        g_x[at + j] = own * (1 - z) - tail * z + jacobian * (1 - 2 * z)
        tail += own + jacobian


# --- covariance matrices ------------------------------------------------------------------------------------


@inner
def _side(size):
    return int(sqrt(size) + 0.5)


@inner
def _entry(x, at, i, j):
    """L_ij from the packed rows of the lower triangle, the diagonal logarithmic."""
    value = x[at + i * (i + 1) // 2 + j]
    return exp(value) if i == j else value


@inner
def _spd(coords, u, x, theta):
    at, index, d, total = coords.x[u], coords.first[u], _side(coords.ntheta[u]), 0.0
    for i in range(d):
        for j in range(i + 1):
            value = 0.0
            for k in range(j + 1):
                value += _entry(x, at, i, k) * _entry(x, at, j, k)
            theta[coords.where[index + i * d + j]] = value
            theta[coords.where[index + j * d + i]] = value
        total += log(2.0) + (d - i + 1) * x[at + i * (i + 1) // 2 + i]
    return total


@inner
def _spd_inverse(coords, u, theta, x):
    at, index, d = coords.x[u], coords.first[u], _side(coords.ntheta[u])
    for i in range(d):
        row = at + i * (i + 1) // 2
        for j in range(i + 1):
            other = at + j * (j + 1) // 2
            value = theta[coords.where[index + i * d + j]]
            for k in range(j):
                value -= x[row + k] * x[other + k]
            if i == j:
                if not 0.0 < value < inf:
                    return False
                x[row + i] = 0.5 * log(value)
            else:
                x[row + j] = value / exp(x[other + j])
    return True


@inner
def _spd_pull(coords, u, x, g_theta, jacobian, g_x):
    """dF = tr(G dSigma), dSigma = dL L' + L dL': dF/dL is the lower triangle of (G + G') L."""
    at, index, d = coords.x[u], coords.first[u], _side(coords.ntheta[u])
    for i in range(d):
        for j in range(i + 1):
            slope = 0.0
            for k in range(j, d):
                upper = g_theta[coords.where[index + i * d + k]]
                lower = g_theta[coords.where[index + k * d + i]]
                slope += (upper + lower) * _entry(x, at, k, j)
            if i == j:
                slope = slope * _entry(x, at, i, i) + jacobian * (d - i + 1)
            g_x[at + i * (i + 1) // 2 + j] = slope
