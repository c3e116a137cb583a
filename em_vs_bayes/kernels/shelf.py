"""Where compiled kernels are kept: first in the folder that is filled at installation, then where numba keeps them.

Numba's own place is beside the sources, or NUMBA_CACHE_DIR, or the user's cache. Kernels serve every model, so all of
them can be compiled once, when the package is installed (`em_vs_bayes.program.warm`), as those of a package in C would
be. Nobody's first fit then waits for them. What is there counts for one version of numba, of Python and of the kernels,
and for one kind of processor; where it does not fit, numba compiles at first use.

Files begin with a checksum of the rest: machine code that was damaged (an installation cut short, a bad disk) would end
the process. It is compiled anew. So it is where nothing can be kept: a read-only installation, no home to write to.
"""

import os
import pickle
from hashlib import sha256
from pathlib import Path
from typing import Any, final

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, InTreeCacheLocator
from numba.core.serialize import dumps

INSTALLED = Path(__file__).parent / "compiled"

# Numba recompiles a cached function when its own file changes, but not when a function that it calls does, and would
# then run old code. Here any change in this folder makes every kernel stale.
SOURCES = sha256(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))).hexdigest()
VERSION = f"{numba.__version__} {SOURCES}\n".encode()
DIGEST = 32


@final
class Files:
    """What is compiled of one function for several types and processors: an index, and a file for each.

    Parameters
    ----------
    folder : Path
    base : str
        The first part of the files' names: the function, its line and the version of Python.
    """

    def __init__(self, folder: Path, base: str) -> None:
        self.folder, self.base = folder, base

    def load(self, key: Any) -> Any:
        """What was compiled for the types and the processor in ``key``; None where it is not there whole."""
        name = self._index().get(key)
        content = None if name is None else self._read(name)
        if content is None:
            return None
        found, compiled = pickle.loads(content)
        return compiled if found == key else None  # another process may have taken the same name at the same time

    def save(self, key: Any, compiled: Any) -> None:
        """Keep it. OSError where that cannot be."""
        index = self._index()
        taken = set(index.values())
        number = next(n for n in range(1, len(taken) + 2) if f"{self.base}.{n}.nbc" not in taken)
        name = index.setdefault(key, f"{self.base}.{number}.nbc")
        self._write(name, dumps((key, compiled)))
        self._write(f"{self.base}.nbi", dumps(index))

    def flush(self) -> None:
        """Forget it."""
        self._write(f"{self.base}.nbi", dumps({}))

    def _index(self) -> dict[Any, str]:
        content = self._read(f"{self.base}.nbi")
        return {} if content is None else pickle.loads(content)

    def _read(self, name: str) -> bytes | None:
        """A file's content, if it is whole and of this version: what is stale may name classes that are no more."""
        try:
            whole = (self.folder / name).read_bytes()
        except OSError:
            return None
        content = whole[DIGEST:]
        if sha256(content).digest() != whole[:DIGEST] or not content.startswith(VERSION):
            return None
        return content[len(VERSION) :]

    def _write(self, name: str, content: bytes) -> None:
        beside = self.folder / f"{name}.{os.getpid()}.tmp"
        try:
            beside.write_bytes(sha256(VERSION + content).digest() + VERSION + content)
            os.replace(beside, self.folder / name)
        except OSError:
            beside.unlink(missing_ok=True)
            raise


@final
class Shelf:
    """What is compiled of one function: in the installation, and after that in numba's own place.

    Parameters
    ----------
    own : Files or None
        Numba's; None where it has no place.
    base : str
    """

    filling = False  # whether what is compiled goes into the installation

    def __init__(self, own: Any, base: str) -> None:
        self.own, self.installed = own, Files(INSTALLED, base)

    def load(self, key: Any) -> Any:
        """What was compiled for the types and the processor in ``key``, or None."""
        found = self.installed.load(key)
        return self.own.load(key) if found is None and self.own is not None and not Shelf.filling else found

    def save(self, key: Any, compiled: Any) -> None:
        """Keep it, where it can be kept."""
        if Shelf.filling:
            self.installed.save(key, compiled)
        elif self.own is not None:
            try:
                self.own.save(key, compiled)
            except OSError:  # a full disk, or a folder that is read-only by now: it serves this process
                return

    def flush(self) -> None:
        """Forget what numba keeps itself."""
        if self.own is not None:
            self.own.flush()


@final
class Nowhere(InTreeCacheLocator):
    """The place of last resort: none. Numba's own search ends in an error there."""

    def ensure_cache_path(self) -> None:
        """Nothing is kept."""


class KernelCacheImpl(CompileResultCacheImpl):
    """Numba's, with a last resort."""

    _locator_classes = [*CompileResultCacheImpl._locator_classes, Nowhere]  # noqa: RUF012  # numba's way


@final
class KernelCache(FunctionCache):
    """Likewise."""

    _impl_class = KernelCacheImpl


def shelved(dispatcher: Any) -> Any:
    """The same function of numba's, with a `Shelf` for its cache."""
    cache: Any = KernelCache(dispatcher.py_func)
    base = cache._impl.filename_base
    own = None if isinstance(cache._impl.locator, Nowhere) else Files(Path(cache.cache_path), base)
    cache._cache_file = Shelf(own, base)
    dispatcher._cache = cache
    return dispatcher


def fill() -> None:
    """From here on keep what is compiled in the installation, which must be writeable."""
    INSTALLED.mkdir(exist_ok=True)
    Shelf.filling = True
