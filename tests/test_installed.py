"""Kernels are compiled when the package is installed: a wheel carries them, and then no fit compiles anything."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numba
import pytest

from em_vs_bayes.kernels.shelf import INSTALLED, SOURCES, Files, Shelf

ROOT = Path(__file__).parent.parent
FITS = """
import numpy as np
from numba.core import event

class Compiled(event.Listener):
    names = []
    def on_start(self, event):
        self.names.append(event.data["dispatcher"].py_func.__qualname__)
    def on_end(self, event):
        pass

event.register("numba:compile", Compiled())
import em_vs_bayes as evb
from em_vs_bayes.kernels.shelf import INSTALLED

y = np.repeat([0.0, 5.0, 0.5, 4.5], 10) + np.random.default_rng(0).normal(size=40)
for spec in (evb.GaussianMixture(2), evb.GaussianHMM(2)):
    for method, options in (("em", {}), ("vi", {}), ("gibbs", {"draws": 10, "tune": 10, "chains": 1})):
        spec.fit(y[:, None], method, progressbar=False, seed=1, **options)
for method in ("em", "laplace"):
    evb.Tobit().fit(np.maximum(y, 0.0), method, exog=np.arange(40.0)[:, None], progressbar=False, seed=1)
print(INSTALLED)
print(*Compiled.names)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel of this package, built as ``pip install`` builds it but with what is installed here."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(folder),
        ".",
    ]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")
def test_fits_from_a_wheel_compile_nothing(wheel, tmp_path):
    assert "none-any" not in wheel.name, "it holds machine code, and may not be installed elsewhere"
    with zipfile.ZipFile(wheel) as files:
        files.extractall(tmp_path / "site")
    place = {"PYTHONPATH": str(tmp_path / "site"), "NUMBA_CACHE_DIR": str(tmp_path / "nothing")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FITS],
        cwd=tmp_path,
        env=os.environ | place,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    where, compiled = done.stdout.split("\n")[-3:-1]
    assert Path(where) == tmp_path / "site/em_vs_bayes/kernels/compiled"
    assert compiled == ""
    assert "compiling" not in done.stderr


def test_numba_s_own_cache_comes_after_the_installation_and_takes_what_is_new(tmp_path):
    own = Files(tmp_path, "no_such_function-1.py3")
    own.save("here", "own")
    shelf = Shelf(own, "no_such_function-1.py3")
    assert shelf.load("here") == "own" and shelf.load("elsewhere") is None
    shelf.save("new", "compiled")
    assert own.load("new") == "compiled" and own.load("here") == "own"
    assert not list(INSTALLED.glob("no_such_function*"))
    shelf.flush()
    assert shelf.load("here") is None


def test_the_installation_is_filled_with_what_numba_has_elsewhere_too(monkeypatch, tmp_path):
    own = Files(tmp_path, "no_such_function-1.py3")
    own.save("here", "own")
    shelf = Shelf(own, "no_such_function-1.py3")
    monkeypatch.setattr(Shelf, "filling", True)
    assert shelf.load("here") is None  # so that it is compiled, and saved there


@pytest.mark.parametrize("suffix", ["nbi", "1.nbc"])
def test_what_is_damaged_is_as_good_as_absent(suffix, tmp_path):
    files = Files(tmp_path, "f")
    path = tmp_path / f"f.{suffix}"
    for change in (
        lambda content: b"",
        lambda content: content[:100],
        lambda content: content + b"x",
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: content.replace(SOURCES.encode(), bytes(len(SOURCES))),
    ):
        files.save("key", "compiled")
        assert files.load("key") == "compiled"
        path.write_bytes(change(path.read_bytes()))
        assert files.load("key") is None
    files.save("key", "anew")
    assert files.load("key") == "anew" and len(list(tmp_path.iterdir())) == 2


NOWHERE = """
from numba.core import caching

for kind in (caching.UserProvidedCacheLocator, caching.InTreeCacheLocator, caching.UserWideCacheLocator):
    kind.ensure_cache_path = lambda self: (_ for _ in ()).throw(PermissionError("read-only"))
import em_vs_bayes
from em_vs_bayes.kernels.jit import kernel

@kernel
def own(x):
    return x + 1.0

print(own.entry._cache._cache_file.own, own(1.0))
"""


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")
def test_where_nothing_can_be_kept_kernels_still_run(tmp_path):
    (tmp_path / "script.py").write_text(NOWHERE)
    command = [sys.executable, "-W", "ignore", str(tmp_path / "script.py")]
    place = {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(command, env=os.environ | place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "None 2.0\n"
