"""The standard normal given an interval, or given all but one: log probability, mean, variance.

All of it rests on one function, branch-free so that it also runs in vector registers: for x >= 0 the mean excess
g(x) = E[Z - x | Z >= x] and the variance V(x) = Var[Z | Z >= x], with which

    hazard h = phi(x) / P(Z >= x) = x + g,    log P(Z >= x) = -x^2/2 - log sqrt(2 pi) - log h.

Nothing cancels in these, in the tail least of all; from the hazard, V = 1 - h (h - x) would lose x^4 eps. Each is a
polynomial in t = (x - 7/2) / (x + 7/2), which maps [0, inf] to [-1, 1] (for erfc so: Shepherd & Laframboise 1981).

An interval [a, b], |a| <= b after a reflection, is worked out in that one way of three that loses no digits:
Gauss-Legendre quadrature where the density changes little over it; 1 less two tails where it is wide and holds 0; one
tail less another else. Limits may be infinite. They may be equal: the mean is theirs, the log probability -inf. For
a > b, or NaN, all is NaN.
"""

import math

import numpy as np

from em_vs_bayes.kernels.jit import exact, inlined, inner
from em_vs_bayes.kernels.stream_block import BLOCK
from em_vs_bayes.kernels.vectormath import exp, log

LOG_ROOT_2PI = 0.5 * math.log(2.0 * math.pi)
INV_ROOT_2PI = 1.0 / math.sqrt(2.0 * math.pi)
UPPER_BITS = -(1 << 27)  # leaves a float64 its upper 26 bits: their square is exact
SQUARE_OVERFLOWS = 1e160
FAR = 40.0  # exp(-FAR^2 / 2) is 0
FLAT_WIDTH = 2.0  # quadrature where the interval is no wider,
FLAT_TILT = 3.0  # and the log density changes by no more from end to end
ORDER = 12  # so many points are within 1e-16 there
NODES, WEIGHTS = (0.5 * rule for rule in np.polynomial.legendre.leggauss(ORDER))  # on [-1/2, 1/2]


@inlined
def _excess(x):
    """``excess``, branch-free.

    u = (x + 7/2) g and v = (x + 7/2)^2 V interpolate in Chebyshev points of t: within 2e-16 and 5e-16, plus rounding.
    """
    r = 1.0 / (x + 3.5)
    t = 1.0 - 7.0 * r
    s = t * t
    u = -4.941209944842087e-09 * t - 7.654563405888828e-08  # by pairs: half Horner's chain
    u = u * s + (8.51963403886595e-08 * t + 9.04342919596393e-07)
    u = u * s + (-5.70211321485165e-07 * t - 5.779620688300302e-06)
    u = u * s + (2.0594444991367313e-06 * t + 2.7202984358610006e-05)
    u = u * s + (-3.641525882664499e-06 * t - 0.00010702353501128818)
    u = u * s + (-4.314936555662104e-06 * t + 0.00037616336388873246)
    u = u * s + (5.553655605916431e-05 * t - 0.0012315968852804435)
    u = u * s + (-0.00020437682312884 * t + 0.003867797940869814)
    u = u * s + (0.000272168041581683 * t - 0.011862642925453198)
    u = u * s + (0.0020298817476292973 * t + 0.035587516158286994)
    u = u * s + (-0.02218009878444404 * t - 0.10078958422176415)
    u = u * s + (0.15371368344106418 * t + 0.21069624634462333)
    u = u * s + (-1.0299783886096454 * t + 1.7597388540038985)
    v = -4.247619859083405e-08 * t + 3.404975191913092e-07
    v = v * s + (-1.6751197562501816e-07 * t - 3.831015867654981e-06)
    v = v * s + (4.9738565200140885e-06 * t + 2.421090869040807e-05)
    v = v * s + (-3.6066965634148214e-05 * t - 0.00011755224291060533)
    v = v * s + (0.00016286359165955494 * t + 0.00048562506145240946)
    v = v * s + (-0.0005614331279930891 * t - 0.0017625852176737856)
    v = v * s + (0.0016475088931157853 * t + 0.005709386552803697)
    v = v * s + (-0.004490640838954222 * t - 0.016733376605615503)
    v = v * s + (0.01232719616167053 * t + 0.04479404295129633)
    v = v * s + (-0.035956406192643835 * t - 0.10921331248745243)
    v = v * s + (0.11114021008765891 * t + 0.23490344173141292)
    v = v * s + (-0.3466056904937667 * t - 0.39304742720942615)
    v = v * s + (1.0180130706767414 * t + 0.1709476887107916)
    v = v * s + (-2.4813492699087645 * t + 2.7897172426135444)
    return u * r, v * r * r


@inlined
def _lower_tail(z):
    """``lower_tail``, branch-free."""
    x = abs(z)
    gap, tail_variance = _excess(x)
    h = x + gap
    upper_bits = np.int64(np.float64(x).view(np.int64) & UPPER_BITS).view(np.float64)
    square = upper_bits * upper_bits  # x^2 = square + rest, so that exp(-x^2 / 2) has no error from rounding x^2
    rest = (x - upper_bits) * (x + upper_bits) if x < SQUARE_OVERFLOWS else 0.0
    d = 0.5 * rest  # below 4e-5 where the density is not 0
    density = exp(-0.5 * square) * (INV_ROOT_2PI * (1.0 - d * (1.0 - d * (0.5 - d * (1.0 / 6.0)))))
    density = density if x < FAR else 0.0
    odds = density / (h - density)  # P(Z > x) / P(Z < x)
    right = z > 0.0
    y = 1.0 + odds if right else h
    log_y = log(y)
    log_p = -(log_y + (odds - (y - 1.0))) if right else -0.5 * square - (d + LOG_ROOT_2PI + log_y)
    hazard = density * y if right else h
    near = FAR if z > FAR else z
    variance = 1.0 - hazard * (near + hazard) if right else tail_variance
    return log_p, hazard, variance


@exact
def excess(x):
    """E[Z - x | Z >= x] and Var[Z | Z >= x] for x >= 0."""
    return _excess(x)


@exact
def lower_tail(z):
    """Log Phi(z), hazard phi(z) / Phi(z) and Var[Z | Z <= z]; E[Z | Z <= z] = -hazard.

    By symmetry these are also the ones of Z >= -z, whose mean is the hazard. The hazard is 0 where phi(z) < 4e-308.
    """
    return _lower_tail(z)


@exact
def lower_tail_lane(z, z0, log_p, p0, hazard, h0, variance, v0):
    """``lower_tail`` of the lane of z at z0, to the lanes at p0, h0, v0; no two of the four may overlap."""
    for q in range(BLOCK):
        log_p[p0 + q], hazard[h0 + q], variance[v0 + q] = _lower_tail(z[z0 + q])


@inner
def _flat(tilt, width):
    """Integrals of s^n exp(-tilt s - (width s)^2 / 2) over [-1/2, 1/2], n = 0, 1, 2."""
    s0 = s1 = s2 = 0.0
    for i in range(ORDER):
        s = NODES[i]
        f = WEIGHTS[i] * exp(-s * (tilt + 0.5 * width * width * s))
        s0 += f
        s1 += f * s
        s2 += f * s * s
    return s0, s1, s2


@exact
def _near(a, b):
    """``interval`` over which the density changes little."""
    width, middle = b - a, 0.5 * (a + b)
    s0, s1, s2 = _flat(width * middle, width)
    m = s1 / s0
    log_p = log(width * s0) - (0.5 * middle * middle + LOG_ROOT_2PI)
    # far out the middle may be rounded to a limit; around 0 it is what keeps a mean near 0 accurate
    mean = a + width * (0.5 + m) if a > 0.0 else middle + width * m
    return log_p, mean, width * width * (s2 / s0 - m * m)


@exact
def _wide(a, b):
    """``interval`` with -b <= a < 0 that is wider than ``FLAT_WIDTH``: 1 less two tails."""
    low, high = INV_ROOT_2PI * exp(-0.5 * a * a), INV_ROOT_2PI * exp(-0.5 * b * b)
    out = low / (excess(-a)[0] - a) + high / (excess(b)[0] + b)
    p = 1.0 - out
    mean = -low * math.expm1(-(0.5 * b - 0.5 * a) * (a + b)) / p
    return math.log1p(-out), mean, 1.0 - (high * b - low * a) / p - mean * mean


@exact
def _tail(a, b):
    """``interval`` with 0 <= a where the tail beyond b is small next to that beyond a.

    The latter is a mixture of the interval and the former; its mean and variance are solved for the interval's.
    """
    gap_a, variance_a = excess(a)
    gap_b, variance_b = excess(b)
    h, width = a + gap_a, b - a
    ratio = exp(-width * (0.5 * (a + b))) * (h / (b + gap_b))  # P(Z > b) / P(Z > a)
    p = 1.0 - ratio
    beyond = width + gap_b
    m = (gap_a - ratio * beyond) / p
    variance = (variance_a - ratio * variance_b) / p - ratio * (beyond - m) * (beyond - m)
    return math.log1p(-ratio) - (0.5 * a * a + LOG_ROOT_2PI + log(h)), a + m, variance


@exact
def interval(a, b):
    """Log P(a <= Z <= b), E[Z | a <= Z <= b] and Var[Z | a <= Z <= b]."""
    if not a <= b:
        return math.nan, math.nan, math.nan
    flip = a + b < 0.0
    if flip:
        a, b = -b, -a
    if b == math.inf:
        log_p, mean, variance = lower_tail(-a)
    elif b - a <= FLAT_WIDTH and (b - a) * (0.5 * (a + b)) <= FLAT_TILT:
        log_p, mean, variance = _near(a, b)
    elif a < 0.0:
        log_p, mean, variance = _wide(a, b)
    else:
        log_p, mean, variance = _tail(a, b)
    return log_p, -mean if flip else mean, variance


@exact
def outside(a, b):
    """Log P(Z < a or Z > b), log P(a <= Z <= b), and E[Z], E[Z^2] given that Z is outside [a, b].

    For the rows that truncation hides (Dempster, Laird & Rubin 1977, section 4). Nothing is outside (-inf, inf): the
    log probability is -inf, the moments are 0.
    """
    log_in, mean, variance = interval(a, b)
    if a == -math.inf and b == math.inf:
        return -math.inf, log_in, 0.0, 0.0
    if not log_in > -math.log(2.0):  # what is inside, taken from a whole whose moments are 0 and 1
        p = math.exp(log_in)
        moment = p * mean
        rest = 1.0 - p
        return math.log1p(-p), log_in, -moment / rest, (1.0 - p * variance - moment * mean) / rest
    near, far = min(-a, b), max(-a, b)  # 0 is inside; two tails
    gap_near, variance_near = excess(near)
    gap_far, variance_far = excess(far)
    h_near, h_far = near + gap_near, far + gap_far
    farther = 0.5 * (far - near) * (far + near)
    ratio = exp(-farther) * (h_near / h_far)  # P(Z > far) / P(Z > near)
    total = 1.0 + ratio
    mean = -h_near * math.expm1(-farther) / total
    second = variance_near + h_near * h_near
    if ratio > 0.0:
        second = (second + ratio * (variance_far + h_far * h_far)) / total
    log_out = math.log1p(ratio) - (0.5 * near * near + LOG_ROOT_2PI + log(h_near))
    return log_out, log_in, mean if b < -a else -mean, second
