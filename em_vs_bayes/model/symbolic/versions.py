"""Cache versions of compiled code: PyTensor does not notice an edited function, a hash of its source does."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from hashlib import sha256
from typing import Any


def source_version(*functions: Callable[..., Any]) -> int:
    """An integer that changes with the source of the functions."""
    source = "".join(inspect.getsource(function) for function in functions)
    return int(sha256(source.encode()).hexdigest()[:8], 16)
