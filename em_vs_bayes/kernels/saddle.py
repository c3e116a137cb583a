"""Densities of counts and rates whose terms cancel where numbers are large, in forms without that cancellation.

Loader (2000), "Fast and accurate computation of binomial probabilities": y log m - m - log y! is the sum of three terms
none of which is large where the density is not small,

    -deviance(y, m) - stirling_error(y) - log(2 pi y) / 2

with deviance(y, m) = y log(y / m) + m - y. `em_vs_bayes.common.saddlepoint` has the same for NumPy.
"""

from math import inf, lgamma, log, pi

from em_vs_bayes.kernels.jit import inner

HALF_LOG_2PI = 0.5 * log(2 * pi)
SERIES = 15.0  # from here on Stirling's series has all digits
NEAR = 0.1  # |x - m| / (x + m) below which the deviance is a series
LEAST, MOST = 1e-300, 1e300


@inner
def deviance(x, mean):
    """x log(x / mean) + mean - x, with all digits where x is near the mean; neither is negative."""
    if x == 0.0:
        return mean
    if mean == 0.0:
        return inf
    apart = x - mean
    v = 0.5 * apart / (0.5 * x + 0.5 * mean)
    if abs(v) < NEAR:
        s = v * v
        rest = 1.0 / 9.0 + s * (1.0 / 11.0 + s * (1.0 / 13.0 + s * (1.0 / 15.0)))
        series = 1.0 / 3.0 + s * (0.2 + s * (1.0 / 7.0 + s * rest))  # (artanh(v) - v) / v^3
        return apart * v * (1.0 + v * (1.0 + v) * series)  # nothing here cancels, in whatever order it is summed
    ratio = x / mean
    return x * (log(ratio) if LEAST < ratio < MOST else log(x) - log(mean)) - apart


@inner
def stirling_error(x):
    """log Gamma(x + 1) - (x + 1/2) log x + x - log(2 pi) / 2, x positive."""
    if x < SERIES:
        return lgamma(x + 1.0) - (x + 0.5) * log(x) + x - HALF_LOG_2PI
    s = 1.0 / (x * x)
    return (1 / 12 - s * (1 / 360 - s * (1 / 1260 - s * (1 / 1680 - s / 1188)))) / x


@inner
def rate_log_likelihood(count, exposure, rate):
    """count log(rate) - exposure rate, less its maximum where it has one; neither is negative, the rate positive."""
    if count > 0.0 and exposure > 0.0:
        return -deviance(count, exposure * rate)
    return count * log(rate) - exposure * rate
