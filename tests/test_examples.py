"""Every example runs to its end in a process of its own, warnings being errors, and asserts its results."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))


def test_there_are_examples():
    assert EXAMPLES


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs_and_asserts(path, tmp_path):
    assert "\nassert " in path.read_text(encoding="utf-8"), f"{path.name} shows results but asserts none"
    run = subprocess.run(
        [sys.executable, "-W", "error", str(path)], cwd=tmp_path, capture_output=True, text=True, timeout=600
    )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_pages_hold_the_whole_program(path):
    spec = importlib.util.spec_from_file_location("examples_hook", FOLDER.parent / "docs" / "hooks" / "examples.py")
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    made = hook.on_page_markdown(f"<!-- example: {path.stem} -->\n")
    assert made.startswith("# ")
    code = [line for part in made.split("```python\n")[1:] for line in part.split("\n```")[0].splitlines()]
    program = path.read_text(encoding="utf-8").splitlines()
    statements = [line for line in program if line and not line.startswith("#")]
    assert [line for line in code if line and not line.startswith("#")] == statements
    for line in program:
        assert line.startswith("# %%") or line.removeprefix("#").strip() in made
