"""Files of fits: written whole or not at all, of any columns; damaged and foreign ones are refused by their name."""

import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

import em_vs_bayes as evb
from em_vs_bayes.common import archive, atomic

QUIET = {"progressbar": False, "seed": 1}
RNG = np.random.default_rng(2)
N = 40
X = RNG.normal(size=N)
DAYS = pd.date_range("2020", periods=N)
LINE = pd.DataFrame({"y": np.maximum(X + RNG.normal(size=N), 0.0), "x": X})
COLUMNS = {
    "cut": pd.cut(X, 3),
    "cut at whole numbers": pd.cut(np.arange(N), [-1, 20, 60]),
    "days": DAYS,
    "seconds": DAYS.astype("M8[s]"),
    "zone": pd.date_range("2020", periods=N, tz="Europe/Berlin"),
    "months": pd.period_range("2020-01", periods=N, freq="M"),
    "hours": pd.to_timedelta(np.arange(N), unit="h"),
    "whole, missing": pd.array([1, None] * (N // 2), dtype="Int64"),
    "yes, no, missing": pd.array([True, None] * (N // 2), dtype="boolean"),
    "ordered": pd.Categorical(["lo", "hi"] * (N // 2), categories=["lo", "mid", "hi"], ordered=True),
    "words": ["a", None] * (N // 2),
    "string": pd.array(["a", None] * (N // 2), dtype="string"),
    "arrow": pd.array([1.5, None] * (N // 2), dtype="double[pyarrow]"),
    "arrow, days": pd.array([date(2020, 1, 1)] * N, dtype="date32[day][pyarrow]"),
    "anything": pd.Series([1, "a", None, 2.5, Decimal("1.2"), date(2020, 1, 1), pd.Interval(0, 1), True] * 5),
    "small": np.arange(N, dtype="i1"),
}


@pytest.fixture(scope="module")
def fit():
    return evb.Tobit("y ~ x").fit(LINE, init={"coefficients": [0.0, 1.0], "sigma": 1.0}, **QUIET)


@pytest.fixture
def path(fit, tmp_path):
    fit.save(tmp_path / "fit")
    return tmp_path / "fit"


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_columns_that_the_formula_does_not_use_come_back_as_they_were(tmp_path):
    frame = LINE.assign(**COLUMNS)
    frame.index = DAYS
    evb.Tobit("y ~ x").fit(frame, **QUIET).save(tmp_path / "fit")
    back = evb.load(tmp_path / "fit").program
    pd.testing.assert_frame_equal(back.y, frame.reset_index(drop=True), check_freq=False)
    assert list(map(str, back.y.dtypes)) == list(map(str, frame.dtypes))
    pd.testing.assert_index_equal(back.index, frame.index)


USED = {
    "cut": pd.cut(X, 3),
    "months": pd.Categorical(DAYS.to_period("M")),
    "ordered": pd.Categorical(["lo", "hi"] * (N // 2), categories=["hi", "lo"], ordered=True),
    "yes and no": pd.array([True, False] * (N // 2), dtype="boolean"),
    "arrow": pd.array(["a", "b"] * (N // 2), dtype="string[pyarrow]"),
}


@pytest.mark.parametrize("name", USED)
def test_columns_that_it_uses(name, tmp_path):
    frame = LINE.assign(g=USED[name])
    fit = evb.Tobit("y ~ x + C(g)").fit(frame, **QUIET)
    fit.save(tmp_path / "fit")
    back = evb.load(tmp_path / "fit")
    assert list(back.summary().index) == list(fit.summary().index)
    np.testing.assert_array_equal(back.predict(), fit.predict())
    np.testing.assert_array_equal(back.predict(frame.iloc[:7]), fit.predict(frame.iloc[:7]))


def test_seed_and_start_are_kept(fit, path):
    back = evb.load(path)
    for own in (fit, back, fit.resume(progressbar=False)):
        assert own.attrs["seed"] == 1
        assert own.attrs["init"] == {"coefficients": [0.0, 1.0], "sigma": 1.0}
        assert own.idata["posterior"].attrs["seed"] == 1
        assert json.loads(own.idata["posterior"].attrs["init"]) == own.attrs["init"]
    again = evb.Tobit("y ~ x").fit(LINE, progressbar=False, seed=np.random.default_rng(1), init=fit)
    assert again.attrs["seed"] == "a Generator" and again.attrs["init"].keys() == {"coefficients", "sigma"}


# --- whole or not at all ----------------------------------------------------------------------------------------------


def test_what_cannot_be_saved_leaves_the_former_file(fit, path, monkeypatch):
    before = path.read_bytes()
    strange = evb.Tobit("y ~ x").fit(LINE.assign(z=[[1]] * N), **QUIET)
    with pytest.raises(TypeError, match=r"y\['z'\] holds values of type list, which cannot be saved"):
        strange.save(path)
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("No space left on device")))
    with pytest.raises(OSError, match="No space"):
        fit.save(path)
    with pytest.raises(OSError, match="No space"):
        atomic.write_text(path, "a page")
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="nothing like it")
@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGINT])
def test_a_process_that_ends_leaves_the_former_file(kind, tmp_path):
    place = tmp_path / "page"
    place.write_text("former")
    writing = f"""
import sys, time
from em_vs_bayes.common.atomic import written
with written({str(place)!r}) as file:
    file.write(b"half"); file.flush(); print("half", flush=True); time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", writing], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdout.readline() == b"half\n"
        time.sleep(0.05)
        child.send_signal(kind)
        child.wait()
    assert place.read_text() == "former"
    if kind is signal.SIGINT or hasattr(os, "O_TMPFILE"):
        assert list(tmp_path.iterdir()) == [place]


def test_where_files_go(tmp_path):
    (tmp_path / "file").write_text("former")
    (tmp_path / "file").chmod(0o640)
    (tmp_path / "link").symlink_to("file")
    atomic.write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_text() == "new"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640
    atomic.write_text(os.devnull, "nothing")
    assert not os.path.isfile(os.devnull)


@pytest.mark.parametrize(
    ("place", "error", "words"),
    [
        (None, TypeError, "path must be a string or a pathlib.Path; got None"),
        (3, TypeError, "got 3"),
        (".", ValueError, "path='.' is a folder"),
        ("no/such/fit", FileNotFoundError, "path='no/such/fit': there is no folder"),
    ],
)
def test_places_where_no_file_can_be(place, error, words, fit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for verb in (fit.save, evb.load, evb.compare([fit]).report):
        with pytest.raises(error, match=words):
            verb(place)


# --- damaged and foreign ----------------------------------------------------------------------------------------------


def refused(path, words):
    with pytest.raises(ValueError, match=rf"path='.*{path.name}' cannot be loaded: .*{words}"):
        evb.load(path)


def test_every_byte_counts(path):
    content = path.read_bytes()
    ends = [*range(12), *range(len(content) - 110, len(content))]
    for at in {*ends, *RNG.integers(0, len(content), 60).tolist()}:
        path.write_bytes(content[:at] + bytes([content[at] ^ (1 << RNG.integers(8))]) + content[at + 1 :])
        refused(path, "")
        if at % 7 == 0:
            path.write_bytes(content[:at])
            refused(path, "")
    path.write_bytes(content + b"x")
    refused(path, "damaged")
    path.write_bytes(content)
    assert evb.load(path).converged


def test_files_of_others(path, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"path=.*absent"):
        evb.load(tmp_path / "absent")
    for name, content in (
        ("empty", b""),
        ("text", b"no fit"),
        ("half", b"PK"),
        ("half a zip", path.read_bytes()[:999]),
    ):
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name, "not a saved fit|damaged")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as other:
        other.writestr("a.txt", "b")
    refused(tmp_path / "other.zip", r"fit\.json is missing")
    with zipfile.ZipFile(tmp_path / "old", "w") as old:
        old.writestr("fit.json", json.dumps({"format": 1}))
    refused(tmp_path / "old", "format 1, .* this version reads 2")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda meta, arrays: meta.update(format=99), "format 99"),
        (lambda meta, arrays: meta.update(spec=evb.Tobit("y ~ 1").to_dict()), "the spec and the fit do not match"),
        (lambda meta, arrays: meta.update(status="EXCELLENT"), "status 'EXCELLENT' is unknown"),
        (lambda meta, arrays: meta.update(method="magic"), "method='magic' is unknown"),
        (lambda meta, arrays: meta.update(options={"chains": 3}), "chains=3 is not an option of method='em'"),
        (lambda meta, arrays: meta.update(notes="fine"), "notes is not what a saved fit has"),
        (lambda meta, arrays: meta.pop("y"), "y"),
        (lambda meta, arrays: arrays.update(theta=arrays["theta"] * np.nan), "not finite"),
        (lambda meta, arrays: arrays.update(theta=arrays["theta"].astype("f4")), "not finite numbers"),
        (lambda meta, arrays: arrays.update(theta=arrays["theta"] * [1, 1, 1, -1]), "sigma|support"),
        (lambda meta, arrays: arrays.update(draws=np.zeros((2, 3))), "draws has shape"),
        (lambda meta, arrays: arrays.update({"history/objective": np.zeros((2, 3))}), "history"),
    ],
)
def test_what_is_no_fit_of_its_spec(change, words, path):
    meta, arrays = archive.read(path)
    change(meta, arrays)
    archive.write(path, {k: v for k, v in meta.items() if k != "members"}, arrays)
    refused(path, words)


def sealed(path, members, compression=zipfile.ZIP_STORED):
    """A file with a checksum of ours and content of a stranger's."""
    with zipfile.ZipFile(path, "w", compression) as made:
        made.comment = bytes(archive.SEAL)
        for name, content in members.items():
            made.writestr(name, content)
    with path.open("r+b") as file:
        end = file.seek(-archive.SEAL, io.SEEK_END)
        digest = archive._digest(file, end)
        file.seek(end)
        file.write(archive.MARK + digest)


def array_of(descr, shape, content=b""):
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + content


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (array_of("<f8", (10**12,)), "shape .* is not that of its 0 bytes"),
        (array_of("<f8", (-1,)), "shape"),
        (array_of("|O", (1,), b"x" * 8), "not plain numbers"),
        (array_of([("a", "<f8")], (1,), b"x" * 8), "not plain numbers"),
        (b"\x93NUMPY\x01\x00\x05\x00{[(((", "no array of numbers"),
        (b"what?", "no header"),
    ],
)
def test_arrays_of_a_stranger(content, words, tmp_path):
    meta = json.dumps({"format": archive.FORMAT, "members": ["theta"]})
    sealed(tmp_path / "fit", {"fit.json": meta, "theta.npy": content})
    refused(tmp_path / "fit", words)


def test_nothing_is_unpacked_that_is_larger_than_its_file(tmp_path):
    meta = json.dumps({"format": archive.FORMAT, "members": ["theta"]})
    bomb = {"fit.json": meta, "theta.npy": array_of("<f8", (10**6,), bytes(8 * 10**6))}
    sealed(tmp_path / "fit", bomb, zipfile.ZIP_DEFLATED)
    assert (tmp_path / "fit").stat().st_size < 10**5
    refused(tmp_path / "fit", "compressed")
    for strange in ("[1, 2]", "{", "[" * 10**5, json.dumps({"format": archive.FORMAT, "members": {"theta": 1}})):
        sealed(tmp_path / "fit", {"fit.json": strange})
        refused(tmp_path / "fit", "")
