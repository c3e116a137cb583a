"""Mathematics of docstrings reaches the pages as MathML."""

import importlib.util
from pathlib import Path

from markdown import Markdown

HOOK = Path(__file__).parents[1] / "docs" / "hooks" / "mathematics.py"
spec = importlib.util.spec_from_file_location("mathematics_hook", HOOK)
hook = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hook)


def page(text):
    return Markdown(extensions=["pymdownx.superfences", hook.Mathematics()]).convert(text)


def test_a_block_with_its_continuation_is_one_formula():
    made = page("Before.\n\n.. math:: p(\\theta) = \\frac{a}{b}\n    e^{-b}\n\nAfter.")
    assert made.count("<math") == 1 and "<mfrac>" in made and "math::" not in made
    assert made.index("Before.") < made.index("<math") < made.index("After.")


def test_code_is_left_alone():
    assert ".. math:: x" in page("```text\n.. math:: x\n```")
