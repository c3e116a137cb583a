"""Compilation is announced once, to people who watch, and only that of our kernels."""

import numba
import pytest

from em_vs_bayes.common import compiling
from em_vs_bayes.common.compiling import MESSAGE, MODEL, announced


def compile_in(module):
    """Compile a new function as if it were defined in ``module``."""
    function = numba.njit(lambda x: x + 1.0)
    function.py_func.__module__ = module
    assert function(1.0) == 2.0


@pytest.mark.parametrize("shown", [True, False])
def test_said_once_and_only_to_those_who_watch(shown, capsys):
    with announced(shown):
        compile_in("em_vs_bayes.kernels.anything")
        compile_in("em_vs_bayes.kernels.anything")
    assert capsys.readouterr().err == (MESSAGE + "\n" if shown else "")


def test_other_people_s_kernels_are_not_announced(capsys):
    with announced(True):
        compile_in("somebody.else")
    assert capsys.readouterr().err == ""


def test_a_model_that_pytensor_compiles_for_long_is_announced_once(capsys, monkeypatch):
    monkeypatch.setattr(compiling, "PATIENCE", 0.0)
    with announced(True):
        for _ in range(3):
            compile_in("pytensor.link.anything")
    assert capsys.readouterr().err == MODEL + "\n"
    with announced(False):
        compile_in("pytensor.link.anything")
    assert capsys.readouterr().err == ""
