"""The plan of the house: its rooms, the picture of them, and what `import em_vs_bayes` costs.

Who may import whom is held by import-linter, from the contracts in pyproject.toml.
"""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from em_vs_bayes.common import door

PACKAGE = Path(door.__file__).parents[1]
HOOK = PACKAGE.parent / "docs" / "hooks" / "house.py"
HEAVY = {
    "arviz",
    "arviz_base",
    "arviz_stats",
    "matplotlib",
    "nutpie",
    "pandas",
    "pymc",
    "pytensor",
    "sklearn",
    "scipy.optimize",
    "scipy.stats",
}


@pytest.fixture(scope="module")
def house():
    spec = importlib.util.spec_from_file_location("house", HOOK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_root_holds_the_rooms_and_nothing_else(house):
    entries = {path.name for path in PACKAGE.iterdir() if path.name not in ("py.typed", "__pycache__")}
    assert entries == {*house.storeys(), "__init__.py"}
    assert len(entries) <= 12


def test_the_picture_is_of_the_rooms_as_they_are(house):
    assert house.PICTURE.read_text(encoding="utf-8") == house.draw(), "run python docs/hooks/house.py"


def test_every_room_says_its_job(house):
    for room in house.storeys():
        assert len(house.job(room)) > 30, room


def test_the_door_is_drawn_as_it_opens(house):
    below, opened = house.DOOR
    assert below == "common"
    imports = [
        node for node in ast.walk(ast.parse(Path(door.__file__).read_text())) if isinstance(node, ast.ImportFrom)
    ]
    rooms = {node.module.split(".")[1] for node in imports if node.module.startswith("em_vs_bayes.")}
    assert rooms - {"model"} == set(opened)  # to the table of specs it is a step within the declared model


def test_importing_the_package_is_light():
    code = "import sys, em_vs_bayes; print(em_vs_bayes.__file__, *sys.modules)"
    file, *modules = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert Path(file) == PACKAGE / "__init__.py"
    loaded = {*modules, *(name.partition(".")[0] for name in modules)} & HEAVY
    assert not loaded, f"import em_vs_bayes loads {sorted(loaded)}; import them where they are used"


def test_datasets_come_as_arrays_without_pandas():
    code = "import sys; import em_vs_bayes.data.datasets as d; d.load('murray', as_frame=False); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pandas" not in run.stdout.split()
