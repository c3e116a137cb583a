"""The pages for people who know other programs: their code runs, and what their tables name exists."""

import ast
import inspect
import re
from pathlib import Path

import pytest

import em_vs_bayes as evb
from em_vs_bayes.fit.results import Fit
from em_vs_bayes.model.spec import Spec

PAGES = sorted((Path(__file__).parents[1] / "docs" / "coming-from").glob("*[!x].md"))
OBJECTS = {"fit": Fit, "spec": Spec, "evb": evb}


def ours(page):
    """The code in the last column of the tables."""
    rows = [line for line in page.read_text("utf-8").splitlines() if line.startswith("| ")][1:]
    return [code for row in rows for code in re.findall(r"`([^`]+)`", row.rsplit(" | ", 1)[1])]


def attributes(code):
    """(object, attribute, keywords) of every access to one of ours."""
    try:
        tree = ast.parse(code)
    except SyntaxError:  # a fragment: a column's name, a keyword alone
        return
    keywords = {id(n.func): [k.arg for k in n.keywords] for n in ast.walk(tree) if isinstance(n, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in OBJECTS:
            yield OBJECTS[node.value.id], node.attr, keywords.get(id(node), [])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_the_table_names_exists(page):
    named = [access for code in ours(page) for access in attributes(code)]
    assert len(named) > 8
    for owner, name, keywords in named:
        found = getattr(owner, name)
        if keywords and owner is not Spec:
            assert set(keywords) <= set(inspect.signature(found).parameters), (name, keywords)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_code_of_the_page_runs(page):
    (code,) = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    assert "\nassert " in code
    exec(compile(code, page.name, "exec"), {})
