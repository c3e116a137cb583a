"""Symbolic log probabilities of intervals against 150 decimal digits: value, and gradient by the moments given them.

d log P / d line = E[y* - line | interval] / sigma^2 and d log P / d sigma = (E[(y* - line)^2 | interval] / sigma^2 - 1)
/ sigma, wherever the line lies.
"""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from naive import truncated

from em_vs_bayes.emissions import normal_intervals

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
