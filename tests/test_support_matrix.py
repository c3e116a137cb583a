"""The tables of the documents ask the code: a row for everything there is, and refusals in the words of the errors."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import em_vs_bayes as evb
from em_vs_bayes.methods import METHODS
from em_vs_bayes.model.emissions import EMISSIONS
from em_vs_bayes.model.regressions import Regression
from em_vs_bayes.model.specs import SPECS

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def hook():
    spec = importlib.util.spec_from_file_location("support_matrix", DOCS / "hooks" / "support_matrix.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cells(table):
    """First column -> the others."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:1] == "|"]
    return {row[0]: row[1:] for row in rows[2:]}


def test_every_mark_of_the_page_has_a_table(hook):
    page = (DOCS / "support.md").read_text(encoding="utf-8")
    assert page.count("<!-- support:") == len(hook.TABLES)
    for name in hook.TABLES:
        assert f"<!-- support: {name} -->" in page


def test_refusals_are_those_of_the_code(hook):
    table = hook.features_by_method("HMM")
    found = cells(table)
    assert set(found) == set(hook.FEATURES)
    columns = list(METHODS)
    stationary = found['`initial="stationary"`']
    assert [m for m, cell in zip(columns, stationary, strict=True) if cell != "✓"] == ["vi"]
    spec = evb.HMM(evb.emissions.Normal(), 2, initial="stationary")
    with pytest.raises(ValueError, match="stationary") as refusal:
        spec.fit(np.arange(9.0), "vi", progressbar=False)
    assert str(refusal.value) in table
    fractions = found["case weights, fractions"]
    assert [m for m, cell in zip(columns, fractions, strict=True) if cell != "✓"] == ["gibbs"]
    assert all(cell == "✓" for cell in found["several sequences, `lengths=`"])


def test_every_emission_has_a_row(hook):
    assert set(cells(hook.after_the_fit())) == {f"`{name}`" for name in EMISSIONS}


def test_every_regression_has_a_row(hook):
    assert set(hook.REGRESSIONS) == {name for name, spec in SPECS.items() if issubclass(spec, Regression)}


def test_an_unknown_failure_is_not_a_refusal(hook):
    with pytest.raises(ZeroDivisionError):
        hook.Refusals().cell(lambda: 1 / 0)
