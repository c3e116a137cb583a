"""Cache versions of compiled code: neither PyTensor nor numba notices an edited callee, a hash of sources does."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numba

from em_vs_bayes.kernels.jit import FAST, INTERPRETED
from em_vs_bayes.kernels.shelf import SOURCES, stamp


def source_version(*functions: Callable[..., Any]) -> int:
    """An integer that changes with the source of the functions."""
    source = "".join(inspect.getsource(function) for function in functions)
    return int(sha256(source.encode()).hexdigest()[:8], 16)


def file_version(file: str) -> int:
    """An integer that changes with a file of this folder and with every kernel."""
    return int(sha256(SOURCES.encode() + Path(file).read_bytes()).hexdigest()[:8], 16)


def compiled(function: Callable[..., Any]) -> Any:
    """A kernel outside the kernels' folder: it calls them, and its cache is stale when they or its own file change."""
    njit: Any = numba.njit
    dispatcher = njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)(function)
    if not INTERPRETED:
        stamp(dispatcher._cache._cache_file, str(file_version(inspect.getfile(function))))
    return dispatcher
