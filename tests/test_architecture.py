"""The arrows between the folders: who may import whom, and what `import em_vs_bayes` costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from em_vs_bayes import datasets

PACKAGE = Path(datasets.__file__).parent
ROOT = PACKAGE.parent
KERNELS = sorted((PACKAGE / "kernels").rglob("*.py"))
METHODS = sorted((PACKAGE / "methods").rglob("*.py"))
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


def imported(path: Path) -> set[str]:
    """Every module that a file names in an import, at any depth, as an absolute dotted name.

    ``from package import name`` counts as both ``package`` and ``package.name``: the name may be a module.
    """
    parts = path.relative_to(ROOT).with_suffix("").parts
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = parts[: len(parts) - node.level] if node.level else ()
            module = ".".join((*above, *filter(None, [node.module])))
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return names


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def test_imported_sees_every_form(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    file = tmp_path / "pkg" / "sub" / "module.py"
    file.parent.mkdir(parents=True)
    file.write_text("import a.b as c\nfrom d import e\nfrom . import f\nfrom ..g import h\ndef late():\n    import i\n")
    assert imported(file) == {"a.b", "d", "d.e", "pkg.sub", "pkg.sub.f", "pkg.g", "pkg.g.h", "i"}


def test_there_are_kernels_and_methods():
    assert KERNELS
    assert METHODS


@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.name)
def test_kernels_stand_alone(path):
    allowed = ("numba", "numpy", "math", "typing", "em_vs_bayes.kernels")
    if path.name == "jit.py":
        allowed += ("collections.abc",)
    if path.name == "shelf.py":  # it hashes the kernels' sources to keep their cache honest
        allowed += ("hashlib", "os", "pathlib", "pickle")
    if path.name == "addresses.py":  # it runs before kernels do
        allowed += ("collections.abc", "functools")
    if path.name in ("prefetch.py", "fours.py"):  # numba has no word for it
        allowed += ("llvmlite", "operator")
    # `from em_vs_bayes import kernels` would name the package itself; kernels say em_vs_bayes.kernels
    strangers = {name for name in imported(path) if not within(name, *allowed)}
    assert not strangers, f"{path.name} imports {sorted(strangers)}; kernels import only {', '.join(allowed)}"


@pytest.mark.parametrize("path", METHODS, ids=lambda path: path.name)
def test_methods_know_neither_families_nor_kernels(path):
    forbidden = tuple(f"em_vs_bayes.{folder}" for folder in ("kernels", "emissions", "priors"))
    found = {name for name in imported(path) if within(name, *forbidden)}
    assert not found, f"{path.name} imports {sorted(found)}; a method sees only the compiled program"


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
