"""The M-step of one truncated regression: Newton's method in the parameters in which its log-likelihood is concave.

A normal law between limits is an exponential family in a = b / sigma^2 and nu = 1 / sigma^2 (Orme & Ruud 2002,
Economics Letters 75, 209-217). Where hardly any of the population is seen EM's imagined rows make it creep; this needs
the rows themselves, each with the probability that it is of the component. Lines are measured from one that all rows
were given (``middle``), in its residual standard deviations, so that moments keep their digits far out in a tail.

A prior adds -(g - m)' (kappa nu + own) (g - m) / 2 to the log density, g = a / nu being the line, a power of nu, and an
elementwise density of sigma. In (g, nu) -> (a, nu) its information is J' Lambda J, J = (I, -g) / nu: exact for kappa,
and positive in every case.
"""

import math

import numpy as np

from em_vs_bayes.kernels.densities import log_density_gradient
from em_vs_bayes.kernels.jit import inner, kernel
from em_vs_bayes.kernels.smallmatrix import cholesky, solve
from em_vs_bayes.kernels.truncated import interval

HALVINGS = 40
SETTLED = 1e-10  # nats by which a last step gains
LOG_ROOT_2PI = 0.5 * math.log(2.0 * math.pi)
TAIL, NARROW = 4.0, 0.5  # in standard deviations
NEGLIGIBLE = 40.0  # nats below the peak of a density, where it ends for our purpose
DIFFERENCE = 1e-4  # relative, of a second derivative of the density of sigma, which only sets the length of steps
RIDGE = 1e-12  # of a unit diagonal, where information is singular to rounding
NODES, WEIGHTS = np.polynomial.legendre.leggauss(64)


@inner
def _by_quadrature(a, b, out):
    """Distance of the mean from the nearer limit (the upper one if the flag says so) and central moments of z."""
    turned = a + b < 0.0
    near, far = (-b, -a) if turned else (a, b)
    peak = max(near, 0.0)
    above = math.sqrt(peak * peak + 2.0 * NEGLIGIBLE) - peak
    if peak > 1.0:
        above = 2.0 * NEGLIGIBLE / (above + 2.0 * peak)
    start = max(near, peak - math.sqrt(2.0 * NEGLIGIBLE)) - near
    half = 0.5 * (min(far, peak + above) - near - start)
    total = mean = 0.0
    for i in range(NODES.size):
        s = start + half * (1.0 + NODES[i])
        at = s - (peak - near)
        f = WEIGHTS[i] * math.exp(-at * (peak + 0.5 * at))
        total += f
        mean += f * s
    mean /= total
    second = third = fourth = 0.0
    for i in range(NODES.size):
        s = start + half * (1.0 + NODES[i])
        at = s - (peak - near)
        f = WEIGHTS[i] * math.exp(-at * (peak + 0.5 * at)) / total
        s -= mean
        second += f * s * s
        third += f * s * s * s
        fourth += f * s * s * s * s
    sign = -1.0 if turned else 1.0
    out[0], out[1], out[2], out[3] = sign * mean, second, sign * third, fourth
    return turned


@inner
def _by_parts(a, b, out):
    """Mean and central moments: E[d^k Z] = k E[d^(k-1)] + boundary terms, d = Z - mean."""
    log_p, mean, variance = interval(a, b)
    at_a = at_b = low = high = 0.0
    if a > -math.inf:
        at_a = mean if b == math.inf else math.exp(-0.5 * a * a - LOG_ROOT_2PI - log_p)
        low = a - mean
    if b < math.inf:
        at_b = -mean if a == -math.inf else math.exp(-0.5 * b * b - LOG_ROOT_2PI - log_p)
        high = b - mean
    third = low * low * at_a - high * high * at_b - mean * variance
    fourth = 3.0 * variance + low * low * low * at_a - high * high * high * at_b - mean * third
    out[0], out[1], out[2], out[3] = mean, variance, third, fourth


@inner
def _line(x, g, i):
    total = 0.0
    for j in range(g.size):
        total += x[j, i] * g[j]
    return total


@inner
def _prior(g, nu, m, kappa, own, power, code, a, b, c, unit, pull):
    """Log prior, up to a constant; ``pull`` = (kappa nu + own) (g - m), and g's own square in kappa / 2."""
    p = g.size
    total = square = 0.0
    for j in range(p):
        pull[j] = by_kappa = 0.0
        for i in range(p):
            by_kappa += kappa[j, i] * (g[i] - m[i])
            pull[j] += (kappa[j, i] * nu + own[j, i]) * (g[i] - m[i])
        total -= 0.5 * (g[j] - m[j]) * pull[j]
        square += 0.5 * (g[j] - m[j]) * by_kappa
    sigma = unit / math.sqrt(nu)
    return total + power * math.log(nu) + log_density_gradient(code, a, b, c, sigma)[0], square


@inner
def _tall(x, r, low, high, weights, g, nu, m, kappa, own, power, code, a, b, c, unit, pull):
    """The objective; minus infinity where it is not to be had."""
    if not 0.0 < nu < math.inf:
        return -math.inf
    total, root = _prior(g, nu, m, kappa, own, power, code, a, b, c, unit, pull)[0], math.sqrt(nu)
    for i in range(r.size):
        if weights[i] > 0.0:
            line = _line(x, g, i)
            e = root * (r[i] - line)
            inside = interval(root * (low[i] - line), root * (high[i] - line))[0]
            total += weights[i] * (math.log(root) - LOG_ROOT_2PI - 0.5 * e * e - inside)
    return total if abs(total) < math.inf else -math.inf


@inner
def _solve(information, score, size):
    """information^-1 score for the first ``size``, on a unit diagonal with a ridge where that is singular."""
    n = score.size
    scaled, scale, out = np.empty(size * size), np.empty(size), np.zeros(n)
    for j in range(size):
        scale[j] = math.sqrt(max(information[j, j], 1e-300))
    ridge = RIDGE
    while True:
        for j in range(size):
            for i in range(size):
                scaled[j * size + i] = information[j, i] / scale[j] / scale[i] + (ridge if i == j else 0.0)
        if cholesky(scaled, 0, size, scaled, 0):
            break
        ridge *= 100.0
        if not ridge < 1e3:
            return out
    for j in range(size):
        out[j] = score[j] / scale[j]
    solve(scaled, size, out)
    for j in range(size):
        out[j] /= scale[j]
    return out


@kernel
def ascend(x, r, low, high, weights, m, kappa, own, power, code, a, b, c, unit, spread, steps, g, nu):
    """Up to ``steps`` damped steps from the line ``g`` (p,), which is overwritten, and nu; returns nu.

    Parameters
    ----------
    x : (p, n) float64
    r, low, high : (n,) float64
        Responses and limits, less the middle line, in ``unit``.
    weights : (n,) float64
    m : (p,) float64; kappa, own : (p, p) float64; power : float
    code : int; a, b, c : float
        Density of sigma = unit / sqrt(nu).
    spread : bool
        Whether nu is free.
    """
    p, n = x.shape
    size = p + 1 if spread else p
    information, score, moments, q = np.empty((p + 1, p + 1)), np.empty(p + 1), np.empty(4), np.empty(p)
    at, pull = np.empty(p), np.empty(p)
    height = _tall(x, r, low, high, weights, g, nu, m, kappa, own, power, code, a, b, c, unit, pull)
    for _ in range(steps):
        if not height > -math.inf:
            return nu
        information[:], score[:] = 0.0, 0.0
        scale, root = 1.0 / math.sqrt(nu), math.sqrt(nu)
        for i in range(n):
            w = weights[i]
            if not w > 0.0:
                continue
            line = _line(x, g, i)
            l, u = root * (low[i] - line), root * (high[i] - line)
            if l > TAIL or u < -TAIL or u - l < NARROW:
                base = high[i] if _by_quadrature(l, u, moments) else low[i]
                error = base - r[i] + scale * moments[0]
            else:
                _by_parts(l, u, moments)
                error = line - r[i] + scale * moments[0]
            variance = moments[1] * scale * scale
            third, fourth = moments[2] * scale * scale * scale, moments[3] * scale * scale * scale * scale
            mean = r[i] + error
            with_square = third + 2.0 * mean * variance
            of_square = fourth - variance * variance + 4.0 * mean * third + 4.0 * mean * mean * variance
            for j in range(p):
                score[j] -= w * error * x[j, i]
                for k in range(j + 1):
                    information[j, k] += w * variance * x[j, i] * x[k, i]
                information[p, j] -= 0.5 * w * with_square * x[j, i]
            score[p] += 0.5 * w * (variance + error * (r[i] + mean))
            information[p, p] += 0.25 * w * of_square
        square = _prior(g, nu, m, kappa, own, power, code, a, b, c, unit, pull)[1]
        sigma = unit * scale
        far = DIFFERENCE * sigma
        slope = log_density_gradient(code, a, b, c, sigma)[1]
        above = log_density_gradient(code, a, b, c, sigma + far)[1]
        below = log_density_gradient(code, a, b, c, sigma - far)[1]
        by_nu = -0.5 * sigma / nu  # d sigma / d nu; d^2 is -1.5 / nu times it
        bend = (below - above) / (2.0 * far) * by_nu * by_nu + slope * by_nu * 1.5 / nu + power / nu / nu
        score[p] += power / nu + slope * by_nu - square
        information[p, p] += max(bend, 0.0)
        for j in range(p):
            q[j] = 0.0
            for k in range(p):
                q[j] += (kappa[j, k] * nu + own[j, k]) * g[k]
            score[j] -= pull[j] / nu
            score[p] += g[j] * pull[j] / nu
            for k in range(j + 1):
                information[j, k] += (kappa[j, k] * nu + own[j, k]) / nu / nu
        for j in range(p):
            information[p, j] -= q[j] / nu / nu
            information[p, p] += q[j] * g[j] / nu / nu
        for j in range(p + 1):
            for k in range(j):
                information[k, j] = information[j, k]
        step = _solve(information, score, size)
        if spread and not step[p] > -nu:  # beyond infinite sigma: half the way there, the coefficients for that
            for j in range(p):
                score[j] += 0.5 * nu * information[j, p]
            step = _solve(information, score, p)
            step[p] = -0.5 * nu
        share, gain = 1.0, 0.0
        for _ in range(HALVINGS):
            other = nu + share * step[p]
            for j in range(p):
                at[j] = (g[j] * nu + share * step[j]) / other
            there = _tall(x, r, low, high, weights, at, other, m, kappa, own, power, code, a, b, c, unit, pull)
            if there > height:
                gain = there - height
                for j in range(p):
                    g[j] = at[j]
                nu, height = other, there
                break
            share *= 0.5
        if not gain > SETTLED:
            return nu
    return nu
