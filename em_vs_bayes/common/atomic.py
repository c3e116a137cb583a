"""Files are written whole or not at all: beside their place, and moved there when all is on the disk.

A full disk, an error, Ctrl-C or the end of the process leaves the former file as it was, and nothing next to it: where
the system has files without a name (Linux), the new one gets its name only when it is complete.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

from em_vs_bayes.common.arguments import brief


def destination(path: object) -> Path:
    """Where a file is to be, links followed. TypeError, ValueError and FileNotFoundError in words where it cannot."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"path must be a string or a pathlib.Path; got {brief(path)}.")
    try:
        place = Path(os.fsdecode(path)).expanduser().resolve()
        folder, is_folder = place.parent.is_dir(), place.is_dir()
    except (OSError, ValueError, RuntimeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ValueError(f"path={brief(str(path))} is no name of a file: {why}.") from None
    if is_folder:
        raise ValueError(f"path={str(path)!r} is a folder; give the name of a file in it.")
    if not folder:
        raise FileNotFoundError(f"path={str(path)!r}: there is no folder {str(place.parent)!r}.")
    return place


@contextmanager
def written(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A binary file to write to, which takes its place at the end of the block; nothing happens where that raises."""
    place = destination(path)
    if place.exists() and not place.is_file():  # a pipe or a device: nothing to keep, nothing to replace
        with place.open("wb") as file:
            yield file
        return
    if place.exists() and not os.access(place, os.W_OK):
        raise PermissionError(f"path={str(path)!r} may not be written to.")
    beside = place.with_name(f".{place.name[:100]}.{token_hex(4)}.part")
    try:
        handle, named = _open(beside)
        with os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            if place.exists():
                os.chmod(handle, stat.S_IMODE(place.stat().st_mode))
            os.fsync(handle)
            if not named:
                os.link(f"/proc/self/fd/{handle}", beside, src_dir_fd=handle)  # any, so that the link is followed
        os.replace(beside, place)
    except BaseException:
        with suppress(FileNotFoundError):
            beside.unlink()
        raise


def _open(beside: Path) -> tuple[int, bool]:
    """A new file in the folder, and whether it has its name already."""
    unnamed = getattr(os, "O_TMPFILE", None)
    if unnamed is not None and Path("/proc/self/fd").is_dir():
        with suppress(OSError):  # not on every file system
            return os.open(beside.parent, unnamed | os.O_RDWR, 0o666), False
    return os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666), True


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text file whole."""
    with written(path) as file:
        file.write(text.encode("utf-8"))
