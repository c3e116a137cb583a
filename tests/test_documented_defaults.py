"""What the pages of the API say of parameters is what the code has: their names, and their defaults."""

import re
from pathlib import Path

import griffe
import pytest

ROOT = Path(__file__).parents[1]
PAGES = [*(ROOT / "docs" / "api").glob("*.md"), ROOT / "docs" / "pymc-hmm.md"]


@pytest.fixture(scope="module")
def package():
    return griffe.load("em_vs_bayes", search_paths=[ROOT], docstring_parser="numpy", resolve_aliases=True)


def documented(package):
    """Every function and class on a page, with the methods of classes."""
    for page in PAGES:
        for path in re.findall(r"^::: em_vs_bayes\.([\w.]+)", page.read_text("utf-8"), re.MULTILINE):
            found = package[path]
            found = found.final_target if found.is_alias else found
            if not found.is_module:
                yield found
            for member in found.members.values():
                outside = member.is_alias and not member.target_path.startswith("em_vs_bayes")
                if not outside and (member.is_function or member.is_class):
                    yield member.final_target if member.is_alias else member


def parameters(entry):
    sections = entry.docstring.parsed if entry.docstring else ()
    return [each for section in sections if section.kind.value == "parameters" for each in section.value]


def test_defaults_are_those_of_the_code(package):
    wrong, seen = [], 0
    for entry in documented(package):
        real = {p.name: p.default for p in entry.parameters if not p.kind.value.startswith("variadic")}
        starred = {p.name for p in entry.parameters} - real.keys()
        for said in parameters(entry):
            seen += 1
            name = said.name.lstrip("*")
            if name not in real:
                if name not in starred:
                    wrong.append(f"{entry.path}: no parameter {said.name}")
            elif str(said.default).replace('"', "'") != str(real[name]).replace('"', "'"):
                wrong.append(f"{entry.path}: {said.name} is {real[name]} and not {said.default}")
    assert not wrong
    assert seen > 150


def test_no_parameter_is_left_out_of_a_docstring_that_lists_them(package):
    silent = []
    for entry in documented(package):
        said = {each.name.lstrip("*") for each in parameters(entry)}
        real = {p.name.lstrip("*") for p in entry.parameters} - {"self", "cls"}
        if said:
            silent += [f"{entry.path}: {name}" for name in sorted(real - said)]
    assert not silent
