"""Symbolic log probabilities of intervals against 150 decimal digits: value, and gradient by the moments given them.

d log P / d line = E[y* - line | interval] / sigma^2 and d log P / d sigma = (E[(y* - line)^2 | interval] / sigma^2 - 1)
/ sigma, wherever the line lies.
"""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from naive import censored, truncated

from em_vs_bayes.model.emissions import CensoredRegression, TruncatedRegression, normal_intervals

from .conftest import PYTHON

FAR = (-1e3, -40.0, -6.0, -1.0, -1e-3, 0.0, 0.3, 2.0, 8.0, 40.0, 1e3)
WIDTHS = (1e-12, 1e-6, 1e-3, 0.1, 0.6, 1.0, 1.7, 5.0, 50.0, 3e3, 1e12)


def compiled(function, n_ends):
    """Ends -> value, gradient in the line and in sigma, at (0, 1)."""
    ends, line, sigma = [pt.dscalar() for _ in range(n_ends)], pt.dscalar(), pt.dscalar()
    value = function(*ends, line, sigma)
    out = [value, *pytensor.grad(value, [line, sigma])]
    call = pytensor.function([*ends, line, sigma], out, mode=PYTHON)
    return lambda *given: np.array([float(part) for part in call(*given, 0.0, 1.0)])


@pytest.fixture(scope="module")
def between():
    return compiled(normal_intervals.log_between, 2)


@pytest.mark.parametrize("z", FAR)
@pytest.mark.parametrize(("name", "sign"), [("log_below", 1.0), ("log_above", -1.0)])
def test_one_end(name, sign, z):
    value, line, sigma = compiled(getattr(normal_intervals, name), 1)(z)
    log_p, hazard, _ = map(float, truncated.one_sided(sign * z))
    assert value == pytest.approx(log_p, rel=1e-13)
    assert line == pytest.approx(-sign * hazard, rel=1e-12, abs=1e-300)
    assert sigma == pytest.approx(-sign * z * hazard, rel=1e-12, abs=1e-300)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("low", FAR)
def test_two_ends(between, low, width):
    for a, b in ((low, low + width), (low - width, low)):  # the second has its near end on the other side
        if b - a < 0.5 * width:  # lost in rounding: no interval is left
            continue
        value, line, sigma = between(a, b)
        log_p, mean, variance = map(float, truncated.interval(a, b))
        assert value == pytest.approx(log_p, rel=1e-12, abs=1e-15)
        assert line == pytest.approx(mean, rel=1e-11, abs=1e-15)
        square = variance + mean**2 - 1.0
        assert sigma == pytest.approx(square, rel=1e-11, abs=2e-14 * (1.0 + abs(mean)))


def test_the_line_at_the_middle_has_no_slope(between):
    for half in (1e-9, 0.3, 1.0, 30.0):
        value, line, _ = between(-half, half)
        assert np.isfinite(value)
        assert line == 0.0


# the narrow interval has ends that no line here rounds
LOW = np.array([0.0, -np.inf, 0.5, 1.0, 1.0, -3.0, np.nan])
HIGH = np.array([0.0, 0.5, np.inf, 1.0 + 2.0**-20, 4.0, 3.0, np.nan])


@pytest.mark.parametrize("line", [-1e3, -40.0, 0.0, 40.0, 1e3])
def test_emissions_far_from_their_data(line):
    """Every kind of row, beside the oracle's logarithms; missing rows are left out. Gradients stay finite."""
    coefficients, sigmas = pt.dmatrix(), pt.dvector()
    params = {"coefficients": coefficients, "sigmas": sigmas, "exog": np.ones((7, 1))}
    inside = np.array([0.1, 0.5, 1.5, 2.0, 3.9, 1.0, np.nan])
    densities = [
        (CensoredRegression(), np.column_stack([LOW, HIGH])),
        (TruncatedRegression(lower=0.0), inside),
        (TruncatedRegression(upper=4.0), inside),
        (TruncatedRegression(lower=0.0, upper=4.0), inside),
    ]
    for emission, y in densities:
        terms = emission.symbolic_log_density(y, params, 1)
        out = [terms, *pytensor.grad(terms.sum(), [coefficients, sigmas])]
        values, *slopes = pytensor.function([coefficients, sigmas], out, mode=PYTHON)([[line]], [1.0])
        ones = np.ones((6, 1))
        if isinstance(emission, CensoredRegression):
            want = censored.censored_terms(y[:6], ones, [line], 1.0)
        else:
            ends = {end: v for end in ("lower", "upper") if (v := getattr(emission, end)) is not None}
            want = censored.truncated_terms(y[:6], ones, [line], 1.0, **ends)
        np.testing.assert_allclose(values[:6, 0], want, rtol=1e-12, atol=1e-9)
        assert values[6, 0] == 0.0
        assert all(np.isfinite(slope).all() for slope in slopes)
