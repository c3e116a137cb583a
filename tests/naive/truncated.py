"""The truncated standard normal in 150 decimal digits, by its definition: Phi from series, moments by subtraction."""

from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, localcontext
from functools import cache

DIGITS = 150
CONTEXT = Context(prec=DIGITS, Emax=MAX_EMAX, Emin=MIN_EMIN)


def in_decimals(function):
    """Work out the function of floats in ``DIGITS`` digits; the values are Decimal."""

    def worked_out(*floats):
        with localcontext(CONTEXT):
            return function(*map(Decimal, floats))

    return worked_out


@cache
def pi():
    """Machin's formula (1706)."""

    def arctan_of_inverse(n):
        term = total = Decimal(1) / n
        k = 1
        while abs(term) > Decimal(10) ** -(DIGITS + 5):
            term /= -n * n
            k += 2
            total += term / k
        return total

    return 4 * (4 * arctan_of_inverse(5) - arctan_of_inverse(239))


def density(x):
    return (-x * x / 2).exp() / (2 * pi()).sqrt() if x.is_finite() else Decimal(0)


@cache
def upper(x):
    """P(Z > x) for x >= 0: power series of (Phi(x) - 1/2) / phi(x), or Laplace's continued fraction."""
    if not x.is_finite():
        return Decimal(0)
    if x < 6:
        term = total = x
        n = 1
        while term > total * Decimal(10) ** -(DIGITS + 5):
            n += 2
            term *= x * x / n
            total += term
        return Decimal("0.5") - density(x) * total
    fraction = x
    for k in range(int((2.4 * DIGITS) ** 2 / (8 * float(x) ** 2)) + 40, 0, -1):
        fraction = x + k / fraction
    return density(x) / fraction


def log_of_one_less(p):
    """log(1 - p), also for p that 1 - p would lose."""
    power = total = p
    n = 1
    while power > p * Decimal(10) ** -(DIGITS + 5):
        n += 1
        power *= p
        total += power / n
    return -total


def probability(a, b):
    """P(a < Z < b), as a difference of small numbers."""
    if a >= 0:
        return upper(a) - upper(b)
    if b <= 0:
        return upper(-b) - upper(-a)
    return 1 - upper(-a) - upper(b)


def edge(x):
    """x phi(x)."""
    return x * density(x) if x.is_finite() else Decimal(0)


@in_decimals
def interval(a, b):
    """Log probability, mean, variance given a < Z < b."""
    p = probability(a, b)
    mean = (density(a) - density(b)) / p
    return p.ln(), mean, 1 + (edge(a) - edge(b)) / p - mean * mean


@in_decimals
def one_sided(z):
    """log Phi(z), phi(z) / Phi(z), Var[Z | Z < z]."""
    p = upper(-z) if z < 0 else 1 - upper(z)
    hazard = density(z) / p
    return p.ln() if z < 0 else log_of_one_less(upper(z)), hazard, 1 - hazard * (z + hazard)


@in_decimals
def outside(a, b):
    """Log P(outside), log P(inside), E[Z | outside], E[Z^2 | outside]."""
    p = (upper(-a) if a < 0 else 1 - upper(a)) + (upper(b) if b > 0 else 1 - upper(-b))
    inside = probability(a, b)
    return p.ln(), inside.ln(), (density(b) - density(a)) / p, 1 + (edge(b) - edge(a)) / p
