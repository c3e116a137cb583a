"""Parts that count no references: they make no arrays, and what is made for them is given back."""

import numba
import numpy as np
import pytest
from kernels.test_chain import Case, log, log_space
from numba.core.errors import NumbaError
from numba.core.runtime import _nrt_python, rtsys

from em_vs_bayes.kernels import fours
from em_vs_bayes.kernels.jit import kernel, lean

pytestmark = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")


@lean
def _makes(n):
    return np.empty(n).size


@kernel
def calls_what_makes(n):
    """Cannot be compiled."""
    return _makes(n)


@kernel
def by_fours(matrix, rows, columns, spread):
    """Reads a matrix (4, 4) by rows, writes it by columns, and its first row by lanes."""
    zero, four = np.uint64(0), np.uint64(4)
    a, b, c, d = fours.load(rows, zero), fours.load(rows, four), fours.load(rows, 2 * four), fours.load(rows, 3 * four)
    w, x, y, z = fours.turned(a, b, c, d)
    fours.store(columns, zero, w)
    fours.store(columns, four, x)
    fours.store(columns, 2 * four, y)
    fours.store(columns, 3 * four, z)
    w, x, y, z = fours.lanes(a)
    fours.store(spread, zero, w)
    fours.store(spread, four, x)
    fours.store(spread, 2 * four, y)
    fours.store(spread, 3 * four, z)


def test_a_lean_part_that_makes_an_array_is_refused():
    with pytest.raises(NumbaError):
        calls_what_makes(3)


def test_columns_and_lanes_of_fours():
    matrix, columns, spread = np.arange(16.0), np.empty(16), np.empty(16)
    by_fours(matrix, matrix, columns, spread)
    np.testing.assert_array_equal(columns.reshape(4, 4), matrix.reshape(4, 4).T)
    np.testing.assert_array_equal(spread, np.repeat(matrix[:4], 4))
    interpreted = fours.turned(*matrix.reshape(4, 4)), fours.lanes(matrix[:4])
    np.testing.assert_array_equal(interpreted, [columns.reshape(4, 4), spread.reshape(4, 4)])


@pytest.mark.parametrize("zeros", [None, "left-to-right"])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_e_steps_give_back_all_memory_that_they_took(zeros, missing, rng):
    case = Case("full3", [150, 1, 40], 3, rng, zeros=zeros, missing=missing)
    apart = log_space(log([0.5, 0.5]), log([[1.0, 0.0], [0.5, 0.5]]), [[0.0, -900.0], [-900.0, 0.0], [0.0, 0.0]])
    _nrt_python.memsys_enable_stats()

    def calls():
        for one in (case, apart):  # the second in logarithms
            one.expect()
            one.smoothed()
            one.draw(rng)
            one.viterbi()

    calls()
    before = rtsys.get_allocation_stats()
    calls()
    after = rtsys.get_allocation_stats()
    assert after.mi_alloc - before.mi_alloc == after.mi_free - before.mi_free > 0
