"""The file of a saved fit: a zip of JSON and plain arrays, with a checksum of the whole at its very end.

The checksum stands where zip has its comment, so that any tool opens the file. It is compared before anything else is
read: a damaged byte is noticed wherever it is. Members are not compressed, so that nothing that is unpacked can be
larger than the file, and arrays hold numbers alone: nothing that is read runs.
"""

from __future__ import annotations

import ast
import io
import json
import zipfile
from collections.abc import Mapping
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from em_vs_bayes.common.atomic import written

FORMAT = 2
MARK = b"em_vs_bayes sha256 "
SEAL = len(MARK) + 64
KINDS = "biufc"  # of dtypes: what has no objects in it
CONTENT = "fit.json"
LARGEST_HEADER = 1000


def write(path: str | Path, meta: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
    """Write JSON and arrays to one file, whole or not at all."""
    content = json.dumps({"format": FORMAT, "members": list(arrays), **meta})
    with written(path) as file:
        seekable = io.BytesIO() if not file.seekable() else file
        with zipfile.ZipFile(seekable, "w", zipfile.ZIP_STORED) as archive:
            archive.comment = bytes(SEAL)
            archive.writestr(_entry(CONTENT), content)
            for name, value in arrays.items():
                buffer = io.BytesIO()
                np.save(buffer, np.ascontiguousarray(value), allow_pickle=False)
                archive.writestr(_entry(f"{name}.npy"), buffer.getbuffer())
        seekable.seek(-SEAL, io.SEEK_END)
        end = seekable.tell()
        digest = _digest(seekable, end)
        seekable.seek(end)
        seekable.write(MARK + digest)
        if isinstance(seekable, io.BytesIO) and seekable is not file:
            file.write(seekable.getvalue())


def read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What `write` wrote.

    Raises
    ------
    ValueError
        Where the file is another's, damaged, of another version, or holds what `write` does not write. The message
        says which, without the path.
    """
    with path.open("rb") as file:
        _require_whole(file)
        try:
            with zipfile.ZipFile(file) as archive:
                return _members(archive, path.stat().st_size)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, RecursionError) as error:
            raise ValueError(f"it is not a saved fit: {error}") from None


def _entry(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name)  # without the time of day: the same fit is the same file


def _digest(file: BinaryIO, end: int) -> bytes:
    """Of the first ``end`` bytes, in hexadecimal."""
    file.seek(0)
    total = sha256()
    while end > 0:
        piece = file.read(min(end, 1 << 20))
        if not piece:
            break
        total.update(piece)
        end -= len(piece)
    return total.hexdigest().encode()


def _require_whole(file: BinaryIO) -> None:
    size = file.seek(0, io.SEEK_END)
    file.seek(max(size - SEAL, 0))
    seal = file.read()
    if seal[:-64] == MARK:
        if _digest(file, size - SEAL) == seal[-64:]:
            return
        raise ValueError("the file is damaged: its content does not have the checksum at its end.")
    file.seek(0)
    if file.read(2) != b"PK":
        raise ValueError("it is not a saved fit (a zip of JSON and arrays).")
    raise ValueError(_unsealed(file))


def _unsealed(file: BinaryIO) -> str:
    """Why a zip has no checksum of ours at its end."""
    try:
        with zipfile.ZipFile(file) as archive:
            if CONTENT not in archive.namelist():
                return f"it is a zip but not a saved fit: {CONTENT} is missing."
            if archive.getinfo(CONTENT).file_size < 1 << 24 and json.loads(archive.read(CONTENT))["format"] == 1:
                return f"it has format 1, which had no checksum; this version reads {FORMAT}. Fit and save it again."
    except Exception:  # whatever is wrong with it
        return "the file is damaged: it does not end as a saved fit does."
    return "the file is damaged, or was changed: its checksum is missing."


def _members(archive: zipfile.ZipFile, size: int) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    infos = {info.filename: info for info in archive.infolist()}
    if CONTENT not in infos:
        raise ValueError(f"it is a zip but not a saved fit: {CONTENT} is missing.")
    if any(info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1 for info in infos.values()):
        raise ValueError("it holds compressed or encrypted members, which no saved fit has.")
    if sum(info.file_size for info in infos.values()) > size:
        raise ValueError("its members claim to be larger than the file.")
    try:
        meta = json.loads(archive.read(CONTENT))
    except ValueError as error:
        raise ValueError(f"{CONTENT} is not JSON: {error}.") from None
    if not isinstance(meta, dict):
        raise ValueError(f"{CONTENT} is not what a saved fit has.")
    if meta.get("format") != FORMAT:
        raise ValueError(f"it has format {meta.get('format')!r}; this version reads {FORMAT}.")
    names = meta.get("members")
    if not isinstance(names, list) or [CONTENT, *(f"{name}.npy" for name in names)] != archive.namelist():
        raise ValueError("its members are not those that it lists.")
    return meta, {name: _array(archive.read(f"{name}.npy"), name) for name in names}


def _array(content: bytes, name: str) -> np.ndarray:
    """A ``.npy`` of numbers, of exactly the size that its header says."""
    magic, begin = b"\x93NUMPY\x01\x00", 10
    length = int.from_bytes(content[8:10], "little")
    try:
        if content[:8] != magic or length > LARGEST_HEADER:
            raise ValueError("no header")
        header = ast.literal_eval(content[begin : begin + length].decode("latin1"))
        dtype, shape, order = np.dtype(header["descr"]), header["shape"], header["fortran_order"]
        if dtype.kind not in KINDS or order is not False or not isinstance(shape, tuple):
            raise ValueError(f"{dtype} is not plain numbers (allow_pickle=False)")
        if (
            any(type(n) is not int or n < 0 for n in shape)
            or prod(shape) * dtype.itemsize != len(content) - 10 - length
        ):
            raise ValueError(f"shape {shape} is not that of its {len(content) - 10 - length} bytes")
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError, UnicodeError) as error:
        raise ValueError(f"{name}.npy is no array of numbers: {error}.") from None
    return np.frombuffer(content, dtype, offset=begin + length).reshape(shape).copy()
