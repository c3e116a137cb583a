"""What only kernels call becomes machine code inside its callers alone; what Python calls is both."""

import numba
import pytest

from em_vs_bayes.kernels.jit import inner, kernel, machine_code

pytestmark = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")


@inner
def _double(x):
    return 2.0 * x


@inner
def _double_and_one(x):
    return _double(x) + 1.0


@kernel
def outer(x):
    """Twice x, and one, ten times."""
    return 10.0 * _double_and_one(x)


@numba.njit
def beyond(x):
    return outer(x) - 1.0


def has_machine_code(compiled):
    return compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name) != 0


def test_parts_reach_their_callers_through_others():
    assert outer(3.0) == 70.0 and beyond(3.0) == 69.0


def test_parts_have_no_machine_code_and_what_python_calls_does():
    beyond(3.0)
    outer(3.0)
    for part in (_double, _double_and_one, outer):
        assert not any(has_machine_code(compiled) for compiled in part.part.overloads.values())
        assert part.part.overloads
    assert all(has_machine_code(compiled) for compiled in machine_code(outer).overloads.values())


def test_a_part_called_from_python_says_what_it_is():
    with pytest.raises(TypeError, match="_double_and_one is part of other kernels"):
        _double_and_one(3.0)


def test_a_kernel_keeps_its_name_and_its_documentation():
    assert outer.__name__ == "outer" and outer.__doc__ == "Twice x, and one, ten times."
