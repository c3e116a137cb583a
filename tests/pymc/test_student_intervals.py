"""Symbolic log probabilities of intervals of a Student t against the kernels: value and gradient, in the tails too."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

from em_vs_bayes.kernels.student_interval import interval, log_constant
from em_vs_bayes.model.emissions.student_intervals import Intervals

from .conftest import PYTHON

FAR = np.array([-1e4, -40.0, -6.0, -1.0, -1e-3, 0.0, 0.3, 2.0, 8.0, 40.0, 1e4])
WIDTHS = (1e-9, 1e-3, 0.1, 0.6, 1.7, 5.0, 50.0, 3e3)


def check(df, function, ends, bounds):
    """Rows of intervals at (line, sigma) = (0, 1), one of each for every row."""
    line, sigma = pt.dvector(), pt.dvector()
    value = function(*ends, line, sigma)
    call = pytensor.function([line, sigma], [value, *pytensor.grad(value.sum(), [line, sigma])], mode=PYTHON)
    got = np.array(call(np.zeros(len(ends[0])), np.ones(len(ends[0]))))
    for column, (a, b) in zip(got.T, zip(*bounds, strict=True), strict=True):
        log_p, _, first, second = interval(a, b, df, log_constant(df))
        wanted = [log_p, first, second - 1.0]
        np.testing.assert_allclose(column, wanted, rtol=1e-10, atol=1e-13, err_msg=str((a, b)))


@pytest.mark.parametrize("df", [0.1, 1.0, 4.0, 60.0, 1e6])
def test_value_and_gradient_are_the_kernels(df):
    own, nothing = Intervals(df), np.full(len(FAR), np.inf)
    with np.errstate(over="ignore"):
        check(df, own.log_below, (FAR,), (-nothing, FAR))
        check(df, own.log_above, (FAR,), (FAR, nothing))
        low = np.repeat(FAR, len(WIDTHS))
        high = low + np.tile(WIDTHS, len(FAR))
        ends = (np.append(low, -high), np.append(high, -low))
        check(df, own.log_between, ends, ends)
