"""Every example runs to its end in a process of its own, warnings being errors, and asserts its results."""

import importlib.util
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))


def loaded(name):
    spec = importlib.util.spec_from_file_location(f"hook_{name}", FOLDER.parent / "docs" / "hooks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


hook, running = loaded("examples"), loaded("running")


def test_there_are_examples():
    assert EXAMPLES


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs_and_asserts(path):
    assert "\nassert " in path.read_text(encoding="utf-8"), f"{path.name} shows results but asserts none"
    ran = running.outcome(path)
    assert ran["error"] is None, ran["error"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_pages_hold_the_whole_program(path):
    made = hook.on_page_markdown(f"<!-- example: {path.stem} -->\n")
    assert made.startswith("# ")
    code = [line for part in made.split("```python\n")[1:] for line in part.split("\n```")[0].splitlines()]
    program = path.read_text(encoding="utf-8").splitlines()
    statements = [line for line in program if line and not line.startswith("#")]
    assert [line for line in code if line and not line.startswith("#")] == statements
    for line in program:
        assert line.startswith("# %%") or line.removeprefix("#").strip() in made


def test_pages_show_what_is_printed_and_drawn():
    drawn = "# %%\nfrom matplotlib.figure import Figure\nprint(6 * 7)\nFigure()\n"
    first, second = running._run(f"# %% [markdown]\n# Prose.\n{drawn}# %%\nx = 1\n", "x.py")
    assert first["text"] == "42\n" and len(first["images"]) == 1
    assert second == {"text": "", "images": []}


def test_a_failing_example_is_an_error_with_its_traceback(tmp_path, monkeypatch):
    monkeypatch.setattr(running, "KEPT", tmp_path)
    program = tmp_path / "broken.py"
    program.write_text("# %%\nx = 1\n\n# %%\nassert x == 2\n", encoding="utf-8")
    error = running.outcome(program)["error"]
    assert "AssertionError" in error and "line 5" in error
    program.write_text("# %%\nimport warnings\nwarnings.warn('a warning')\n", encoding="utf-8")
    assert "a warning" in running.outcome(program)["error"]
