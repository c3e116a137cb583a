"""What leaves the process in a pickle, and what is made anew where it arrives.

Tables hold addresses of compiled functions, which mean something in one process only: they stay behind, and so does
what was computed from the rest. Some of those who carry pickles (joblib) hand large arrays over as read-only maps of a
file, which compiled functions cannot take: arrays are made one's own.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from em_vs_bayes.kernels.addresses import UNKNOWN


def stored(instance: Any) -> dict[str, Any]:
    """The fields of a dataclass: what it caches is left out."""
    return {f.name: getattr(instance, f.name) for f in fields(instance)}


def without_addresses(table: Any) -> Any:
    """The same table of streams or of Gibbs steps, its addresses unknown."""
    return table._replace(code=np.full_like(table.code, UNKNOWN))


def owned(value: Any) -> Any:
    """An array (or a dict of such) in memory of its own, that kernels can write to; anything else as it is."""
    if isinstance(value, dict):
        return {name: owned(element) for name, element in value.items()}
    if not isinstance(value, np.ndarray) or (type(value) is np.ndarray and value.flags.writeable):
        return value
    return np.array(value, order="K", subok=False)


def owned_table(table: Any) -> Any:
    """A table of the kernels, every array its own."""
    return table._make(map(owned, table))
