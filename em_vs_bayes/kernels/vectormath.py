"""Branch-free ``exp`` and ``log`` on float64 that LLVM turns into vector code inside a loop.

Without Intel's SVML a call of ``math.exp`` keeps a numba loop scalar. These are polynomials and integer
arithmetic only, so a loop over them fills the vector registers. Range reduction as in Muller, *Elementary
Functions* (2016, ch. 11); the logarithm's final sum as in fdlibm's ``e_log.c``. Both are within 2 ulp of the exact
value. ``exp`` returns 0 where the result would be below 4e-308 (the subnormal range and its edge).
"""

import math

import numpy as np

from em_vs_bayes.kernels.jit import exact

ROUND = 1.5 * 2.0**52  # x + ROUND has round(x) in its lowest bits
ROUND_BITS = int(np.float64(ROUND).view(np.int64))
INV_LN2 = 1.0 / math.log(2.0)
LN2_HIGH = 6.93147180369123816490e-01  # ln 2 in two pieces: the first has trailing zeros, k * LN2_HIGH is exact
LN2_LOW = 1.90821492927058770002e-10
EXP_LOW = -708.0  # below: 0
EXP_HIGH = 709.782712893384  # above: infinity
ROOT_HALF_BITS = int(np.float64(math.sqrt(0.5)).view(np.int64))
SMALLEST_NORMAL = 2.0**-1022


@exact
def _split(x):
    """e^x = 2^k e^r with k = round(x / ln 2): e^r, and a float with k in its lowest bits.

    The polynomial interpolates (e^r - 1 - r) / r^2 in Chebyshev points.
    """
    shifted = x * INV_LN2 + ROUND
    k = shifted - ROUND
    r = (x - k * LN2_HIGH) - k * LN2_LOW
    s = r * r
    p = 2.510038549551032e-08 * r + 2.7620088445409746e-07  # by pairs: half Horner's chain
    p = p * s + (2.7557268459997064e-06 * r + 2.4801521295954376e-05)
    p = p * s + (0.00019841269863053618 * r + 0.0013888888917213717)
    p = p * s + (0.008333333333330062 * r + 0.04166666666662413)
    p = p * s + (0.16666666666666669 * r + 0.5)
    return 1.0 + (r + s * p), shifted


@exact
def _power(shifted, less):
    """2^(k - less) for the k in the lowest bits of ``shifted``."""
    exponent_field = (np.float64(shifted).view(np.int64) + (1023 - less)) << 52
    return np.int64(exponent_field).view(np.float64)


@exact
def exp(x):
    """e^x."""
    value, shifted = _split(x)
    value = value * _power(shifted, 1) * 2.0  # 2^1024 would not fit
    value = 0.0 if x < EXP_LOW else value
    return math.inf if x > EXP_HIGH else value


@exact
def decay(x):
    """e^x for x <= 0 or NaN, as `exp` has it (down to 1e-306 to the last bit), with less to do."""
    value, shifted = _split(x)
    return 0.0 if x < EXP_LOW else value * _power(shifted, 0)


@exact
def log(x):
    """log x = e ln 2 + log m with m in [sqrt(1/2), sqrt(2)), and log m = 2 artanh(s), s = (m - 1) / (m + 1)."""
    tiny = x < SMALLEST_NORMAL
    bits = np.float64(x * 2.0**54 if tiny else x).view(np.int64)
    exponent = (bits - ROOT_HALF_BITS) >> 52
    f = np.int64(bits - (exponent << 52)).view(np.float64) - 1.0
    e = np.int64(exponent + ROUND_BITS).view(np.float64) - ROUND - (54.0 if tiny else 0.0)
    s = f / (2.0 + f)
    u = s * s
    p = 0.14617807153417325
    p = p * u + 0.15331611722055008
    p = p * u + 0.1818289243253687
    p = p * u + 0.22222211089379496
    p = p * u + 0.28571428626253836
    p = p * u + 0.3999999999989889
    p = p * u + 0.666666666666667
    half_square = 0.5 * f * f
    value: float = e * LN2_HIGH - ((half_square - (s * (half_square + u * p) + e * LN2_LOW)) - f)
    value = -math.inf if x == 0.0 else value
    value = value if x < math.inf else x
    return value if x >= 0.0 else math.nan
