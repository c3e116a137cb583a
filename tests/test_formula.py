"""Formulas are parsed, bounded, and never evaluated freely."""

from __future__ import annotations

import json
import time

import numpy as np
import pandas as pd
import pytest

import em_vs_bayes as evb
from em_vs_bayes.model.emissions.formula import COLUMNS, check_formula

RNG = np.random.default_rng(0)
N = 60
FRAME = pd.DataFrame(
    {
        "y": np.maximum(RNG.normal(size=N), 0.0),
        "x": RNG.normal(size=N),
        "a": RNG.normal(size=N),
        "b": RNG.normal(size=N),
        "g": list("abc") * (N // 3),
        "dotted.name": np.arange(N) % 7,
        "my col": np.arange(N) % 5,
    }
)
PYTHON = (
    *("(" * 2000 + "x" + ")" * 2000, "I(x << 10**9)", "I(x @ x)"),
    *("I(x.__class__)", "{x.values}", "I(x[0])", "I((lambda: 1)())", "I([i for i in x])", "I((z := 3))", "I(f'{x}')"),
    *("__import__('os')", "exec('1')", "np.load('x')", "np.zeros(10**9)", "C(x, **g)", "I(*x)", "I(x if a else b)"),
    *("I({1: x})", "I(x and a)", "I(1 << 10**9)", "I(1j * x)", "I(...)", "eval('x')", "I(np.log)"),
)
ENDLESS = (
    *("I(9**9**9)", "I(9**9)", "I(-9**9)", "I(x**1e9)", "I(x**99)", "(x + a + b + y)**12", "x**1000000000", "x**0.5"),
    *("poly(x, 10**9)", "poly(x, 1000000000)", "bs(x, df=100000000)", "I('a' * 10**9)", "I([0] * 10**9)"),
    *("((((((x + a)**9 + b)**9 + x)**9)**9)**9)", "I(" + "-" * 9000 + "x)", "I(" + "x+" * 9000 + "x)"),
    *("x+" * 30_000 + "x", "g*" * 15 + "g"),
)  # fmt: skip


def interval(formula):
    return evb.CensoredRegression(formula.replace("y", "censored(a, b)", 1))


@pytest.mark.parametrize("right", [*PYTHON, *ENDLESS], ids=lambda right: right[:30])
def test_what_is_not_let_through(right):
    began = time.perf_counter()
    for build in (evb.Tobit, evb.emissions.LinearRegression, interval):
        with pytest.raises(ValueError, match="formula") as caught:
            build(f"y ~ {right}")
        assert len(str(caught.value)) < 320
    assert time.perf_counter() - began < 5  # a bomb would take for ever


def test_a_file_cannot_bring_one_in():
    text = json.loads(evb.Tobit("y ~ x").to_json())
    for right in ("I(9**9**9)", "__import__('os').getcwd()"):
        with pytest.raises(ValueError, match=r"formula=.y ~ "):
            evb.Tobit.from_json(json.dumps(text | {"formula": f"y ~ {right}"}))


@pytest.mark.parametrize(
    ("right", "columns"),
    [
        ("x", 2),
        ("x - 1", 1),
        ("0 + C(g)", 3),
        ("(x + a + b)**2", 7),
        ("x^1", 2),
        ("a/b", 3),
        ("a*b", 4),
        ("bs(x, df=4)", 5),
        ("poly(x, 2) + I(x**3)", 4),
        ("C(g, Treatment('b')) + a:b", 4),
        ("C(g, contr.treatment('b'))", 3),
        ("np.log1p(np.abs(x)) + np.where(x > 0, 1, 0)", 3),
        ("center(x) + scale(a) + `my col` + dotted.name", 5),
        ("I((a > 0) & (b < 1)) + I(g == 'a')", 3),
        ("I(1000 / (x + 273.2)) + {x + 1}", 3),
        ("I(2**x)", 2),
        ("I(`my col` + 1) + C(`dotted.name`)", 8),
        ("1", 1),
    ],
)
def test_what_is_let_through(right, columns):
    fit = evb.Tobit(f"y ~ {right}").at(FRAME, {"coefficients": np.zeros(columns), "sigma": 1.0})
    assert np.isfinite(fit.log_likelihood)


def test_a_design_has_columns_enough_for_a_machine():
    wide = pd.DataFrame({"y": np.zeros(COLUMNS + 1), "who": [f"person {i}" for i in range(COLUMNS + 1)]})
    for right in ("who", "C(who)", "who:who"):
        with pytest.raises(ValueError, match=r"makes about 10,00\d columns for 10,001 row"):
            evb.Tobit(f"y ~ {right}").fit(wide, progressbar=False)


def test_text_is_not_multiplied():
    with pytest.raises(TypeError, match=r"does arithmetic with y\['g'\]"):
        evb.Tobit("y ~ I(g * 1000000000)").fit(FRAME, progressbar=False)


@pytest.mark.parametrize(
    ("formula", "match"),
    [
        ("y ~ 0", "has nothing on the right"),
        ("y ~ x - x - 1", "has nothing on the right"),
        ("y", "wants one response"),
        ("", "wants one response"),
        ("y ~ x | a", "wants one response"),
        ("y ~ x ~ a", "does not parse"),
        ("y ~ \ud800", "does not parse"),
        ("y ~ \x00", "does not parse"),
    ],
)
def test_what_is_no_formula(formula, match):
    with pytest.raises(ValueError, match=match) as caught:
        check_formula(formula)
    assert str(caught.value).isprintable()
