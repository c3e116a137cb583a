"""Where compiled kernels are kept: first in the folder that is filled at installation, then where numba keeps them.

Numba's own place is beside the sources, or NUMBA_CACHE_DIR, or the user's cache. Kernels serve every model, so all of
them can be compiled once, when the package is installed (`em_vs_bayes.warm`), as those of a package in C would be.
Nobody's first fit then waits for them. What is there counts for one version of numba, of Python and of the kernels, and
for one kind of processor; where it does not fit, numba compiles at first use.
"""

from hashlib import sha256
from pathlib import Path
from typing import Any

from numba.core.caching import IndexDataCacheFile

INSTALLED = Path(__file__).parent / "compiled"

# Numba recompiles a cached function when its own file changes, but not when a function that it calls does, and would
# then run old code. Here any change in this folder makes every kernel stale.
SOURCES = sha256(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))).hexdigest()


def stamp(file: Any, sources: str) -> None:
    """Let numba's index of a function be valid for these sources only.

    They are part of the version too, which numba compares before it reads on: what is stale may name classes that are
    no more.
    """
    file._source_stamp, file._version = sources, f"{file._version} {sources}"


class Shelf:
    """What is compiled of one function: numba's index of it, and before that the one in the installation.

    Parameters
    ----------
    own : IndexDataCacheFile
        Numba's.
    base : str
        The first part of the files' names: the function, its line and the version of Python.
    """

    filling = False  # whether what is compiled goes into the installation

    def __init__(self, own: Any, base: str) -> None:
        self.own, self.installed = own, IndexDataCacheFile(str(INSTALLED), base, SOURCES)
        stamp(self.own, SOURCES)
        stamp(self.installed, SOURCES)

    def load(self, key: Any) -> Any:
        """What was compiled for the types and the processor in ``key``, or None."""
        found = self.installed.load(key)
        return self.own.load(key) if found is None and not Shelf.filling else found

    def save(self, key: Any, compiled: Any) -> None:
        """Keep it."""
        (self.installed if Shelf.filling else self.own).save(key, compiled)

    def flush(self) -> None:
        """Forget what numba keeps itself."""
        self.own.flush()


def shelved(dispatcher: Any) -> Any:
    """The same function of numba's, with a `Shelf` for its cache."""
    cache = dispatcher._cache
    cache._cache_file = Shelf(cache._cache_file, cache._impl.filename_base)
    return dispatcher


def fill() -> None:
    """From here on keep what is compiled in the installation, which must be writeable."""
    INSTALLED.mkdir(exist_ok=True)
    Shelf.filling = True
