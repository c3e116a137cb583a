"""Slice sampling of one element of theta at a time, where a prior is not conjugate or parameters are ordered.

Neal (2003), "Slice sampling", Annals of Statistics 31: the interval is found by doubling (figure 4), sampled
with shrinkage (figure 5), under doubling's acceptance test (figure 6). Doubling reaches any scale in a number
of steps that grows with its logarithm, so the first width need only be a fair guess from the other parameters
and the counts; it never looks at the element's own value, as exactness demands. Rates and spreads are sliced
on the log scale, probabilities on the log-odds scale, with their Jacobians.
"""

from math import exp, inf, log, log1p, nan, sqrt

from em_vs_bayes.kernels.blocks import component_log_likelihood, in_sd, spread_count, variance
from em_vs_bayes.kernels.densities import BETA as BETA_DENSITY
from em_vs_bayes.kernels.densities import GAMMA as GAMMA_DENSITY
from em_vs_bayes.kernels.densities import INVERSE_GAMMA, INVERSE_GAMMA_ON_SQUARE, NORMAL, log_density
from em_vs_bayes.kernels.draws import HUGE, NEARLY_ONE, TINY
from em_vs_bayes.kernels.jit import inner, kernel
from em_vs_bayes.kernels.regression import coefficients_log_prior, coefficients_place
from em_vs_bayes.kernels.saddle import rate_log_likelihood
from em_vs_bayes.kernels.tables import (
    BETA,
    COEFFICIENTS,
    DIAG,
    ELEMENTWISE,
    FULL,
    GAMMA,
    GAUSS,
    IDENTITY,
    INDEPENDENT,
    JOINT,
    LOG,
    LOGIT,
    TIED,
)

MAX_DOUBLINGS = 100  # a factor of 1e30: past it, the target has no finite integral
LOG_TINY, LOG_HUGE = log(TINY), log(HUGE)


@kernel
def draw_element(blocks, prior, b, element, below, above, theta, stats, rng):
    """One slice sampling transition of one element, which leaves its conditional distribution invariant.

    The target is its density in the elementwise table, the conjugate prior of its block where that is in
    force, and the likelihood of its component given the statistics; nothing outside (theta[below],
    theta[above]). Where that is a truncated normal, one draw from the whole normal is tried first: what it gives
    inside the bounds has the target's distribution, and outside the slice step follows, which keeps it.

    Parameters
    ----------
    b : int
        Its block: GAMMA, BETA, COEFFICIENTS, or GAUSS (means of any covariance; spreads of all but
        FULL of two dimensions or more and TIED).
    element : int
        Row of the elementwise table (``prior.element``). Negative: ``~position`` in theta, with no density
        there.
    below, above : int
        Positions in theta of the ordered neighbours, -1 for none.

    Returns
    -------
    bool
        False, with theta as it was, if it starts where the target is zero, or the target has no finite
        integral.
    """
    at = prior.element[element] if element >= 0 else ~element
    if not prior.free[at]:
        return True
    low = theta[below] if below >= 0 else -inf
    high = theta[above] if above >= 0 else inf
    if element >= 0 and prior.density[element] == NORMAL and _is_free_mean(blocks, b, at):
        value = _normal_mean(blocks, prior, b, element, at, theta, stats, rng)
        if low < value < high:
            theta[at] = value
            return True
    k, scale, width = _place(blocks, b, at, theta, stats)
    target = (blocks, prior, b, k, element, at, scale, low, high, theta, stats)
    start = theta[at]
    x = _slice(_to_x(scale, start), width, target, rng)
    if x != x:
        theta[at] = start
        return False
    theta[at] = _to_theta(scale, x)[0]
    return True


@inner
def _is_free_mean(blocks, b, at):
    """A mean with no block prior of its own, and no other mean in its component's likelihood."""
    if blocks.code[b] != GAUSS or blocks.covariance[b] == FULL or blocks.covariance[b] == TIED:
        return False
    return blocks.mean_prior[b] == ELEMENTWISE and 0 <= at - blocks.theta[b] < blocks.rows[b] * blocks.size[b]


@inner
def _normal_mean(blocks, prior, b, element, at, theta, stats, rng):
    """A mean with a normal prior from its conditional, bounds apart."""
    i, d = at - blocks.theta[b], blocks.size[b]
    v = variance(blocks, b, i // d, i % d, theta)
    n, total = stats[blocks.stat[b] + i], stats[blocks.stat[b] + blocks.rows[b] * d + i]
    mean, sd = prior.abc[element][0] - prior.shift[at], prior.abc[element][1]
    spread = 1.0 / (n / v + 1.0 / (sd * sd))
    return spread * (total / v + mean / (sd * sd)) + sqrt(spread) * rng.standard_normal()


@inner
def _slice(x0, width, target, rng):
    """Neal's transition from x0; NaN where it cannot start or never ends."""
    height = _log_target(x0, target)
    if not abs(height) < inf:
        return nan
    height -= rng.standard_exponential()
    left = x0 - width * rng.random()
    right = left + width
    at_left, at_right = _log_target(left, target), _log_target(right, target)
    doublings = 0
    while at_left > height or at_right > height:
        doublings += 1
        if doublings > MAX_DOUBLINGS:
            return nan
        if rng.random() < 0.5:
            left -= right - left
            at_left = _log_target(left, target)
        else:
            right += right - left
            at_right = _log_target(right, target)
    low, high = left, right
    while True:
        x = low + (high - low) * rng.random()
        if _log_target(x, target) > height and _reachable(x, x0, left, right, width, height, target):
            return x
        if x == x0 or not low < high:
            return x0
        if x < x0:
            low = x
        else:
            high = x


@inner
def _reachable(x, x0, left, right, width, height, target):
    """Whether doubling from x could have found the same interval; else the step would not be reversible."""
    apart = False
    while right - left > 1.1 * width:
        middle = 0.5 * (left + right)
        apart = apart or (x0 < middle) != (x < middle)
        if x < middle:
            right = middle
        else:
            left = middle
        if apart and _log_target(left, target) <= height and _log_target(right, target) <= height:
            return False
    return True


@inner
def _log_target(x, target):
    """Log of the unnormalised conditional density at coordinate x; -inf outside the support. Writes theta."""
    blocks, prior, b, k, element, at, scale, low, high, theta, stats = target
    value, log_jacobian = _to_theta(scale, x)
    if not low < value < high:
        return -inf
    theta[at] = value
    total = log_jacobian + _block_log_prior(blocks, prior, b, k, at, theta)
    if element >= 0:
        abc = prior.abc[element]
        total += log_density(prior.density[element], abc[0], abc[1], abc[2], value + prior.shift[at])
    if not total > -inf:
        return -inf
    if blocks.code[b] == GAMMA:  # relative to its maximum, which keeps the digits of large counts
        at = blocks.stat[b] + 2 * k
        total += rate_log_likelihood(stats[at], stats[at + 1], value)
    else:
        total += component_log_likelihood(blocks, b, k, theta, stats)
    return total if total > -inf else -inf


@inner
def _block_log_prior(blocks, prior, b, k, at, theta):
    """The conjugate prior in force at theta[at]: its own density, and that of the means it scales."""
    code, hyper, h, d = blocks.code[b], prior.hyper, blocks.hyper[b], blocks.size[b]
    if code == COEFFICIENTS:
        return coefficients_log_prior(blocks, b, k, prior, theta)
    if code != GAUSS:
        if blocks.mean_prior[b] != JOINT:
            return 0.0
        density = GAMMA_DENSITY if code == GAMMA else BETA_DENSITY
        return log_density(density, hyper[h + 2 * k], hyper[h + 2 * k + 1], 0.0, theta[at])
    size = blocks.rows[b] * d
    i = at - blocks.theta[b]
    is_mean = 0 <= i < size
    matrix = blocks.covariance[b] == FULL or blocks.covariance[b] == TIED
    if is_mean and blocks.mean_prior[b] == INDEPENDENT:
        return log_density(NORMAL, hyper[h + i], 1.0 / sqrt(hyper[h + size + i]), 0.0, theta[at])
    if matrix and not is_mean and (d > 1 or blocks.covariance[b] == TIED):
        return nan  # a matrix, or shared by all components: no element of it stands alone
    total = 0.0
    if blocks.mean_prior[b] == JOINT:
        if matrix and d > 1:
            return nan  # such a mean vector is drawn whole
        unit = at - blocks.theta2[b]
        first, last = (k * d, k * d + d) if blocks.covariance[b] != DIAG else (unit, unit + 1)
        if is_mean:
            first, last = i, i + 1
        for m in range(first, last):
            at_spread = blocks.theta2[b] + (k if blocks.covariance[b] == FULL else 0)
            v = theta[at_spread] if matrix else variance(blocks, b, k, m % d, theta)
            mean = theta[blocks.theta[b] + m]
            total += log_density(NORMAL, hyper[h + m], sqrt(v / hyper[h + size + m]), 0.0, mean)
    if not is_mean and (blocks.spread_prior[b] == JOINT or blocks.spread_prior[b] == INDEPENDENT):
        if matrix:
            return nan  # inverse-Wishart: drawn whole
        density = INVERSE_GAMMA_ON_SQUARE if in_sd(blocks, b) else INVERSE_GAMMA
        units = size if blocks.covariance[b] == DIAG else blocks.rows[b]
        shape = h + 2 * size + at - blocks.theta2[b]
        total += log_density(density, hyper[shape], hyper[shape + units], 0.0, theta[at])
    return total


@inner
def _place(blocks, b, at, theta, stats):
    """Component, scale and first width of one element: about three standard deviations of its likelihood."""
    code, s, K, d = blocks.code[b], blocks.stat[b], blocks.rows[b], blocks.size[b]
    i = at - blocks.theta[b]
    if code == GAMMA:
        return i, LOG, 3.0 / sqrt(stats[s + 2 * i] + 1.0)
    if code == BETA:
        return i, LOGIT, 3.0 * sqrt(1.0 / (stats[s + 2 * i] + 1.0) + 1.0 / (stats[s + 2 * i + 1] + 1.0))
    if code == COEFFICIENTS:
        k, width = coefficients_place(blocks, b, at, theta, stats)
        return k, (IDENTITY if 0 <= i < K * d else LOG), width
    covariance = blocks.covariance[b]
    if not 0 <= i < K * d:
        unit = at - blocks.theta2[b]
        k = unit // d if covariance == DIAG else unit
        n = stats[s + unit] if covariance == DIAG else spread_count(blocks, b, k * d, stats) * d
        return k, LOG, 3.0 / sqrt(0.5 * n + 1.0)
    k, j = i // d, i % d
    if blocks.covariance[b] == FULL or blocks.covariance[b] == TIED:
        first = blocks.theta2[b] + (k * d * d if covariance == FULL else 0)
        return k, IDENTITY, 3.0 * sqrt(theta[first + j * d + j] / (stats[s + k] + 1.0))
    return k, IDENTITY, 3.0 * sqrt(variance(blocks, b, k, j, theta) / (stats[s + i] + 1.0))


@inner
def _to_x(scale, value):
    if scale == LOG:
        return log(value)
    if scale == LOGIT:
        return log(value) - log1p(-value)
    return value


@inner
def _to_theta(scale, x):
    """The value at x and the log-Jacobian; NaN where it rounds to the edge of its support."""
    if scale == LOG:
        return (exp(x) if LOG_TINY <= x <= LOG_HUGE else nan), x
    if scale == LOGIT:
        tail = exp(-abs(x))
        value = 1.0 / (1.0 + tail) if x > 0.0 else tail / (1.0 + tail)
        return (value if value <= NEARLY_ONE and x >= LOG_TINY else nan), -abs(x) - 2.0 * log1p(tail)
    return x, 0.0
