"""The small data sets that examples, documentation and tests use, each with its source.

The numbers lie in ``data/NAME.csv``; what they are and where they come from, in ``data/SOURCES.toml``.
"""

import difflib
import functools
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from em_vs_bayes.common.arguments import brief, yes_or_no

if TYPE_CHECKING:  # pandas takes half a second to import; only a caller who wants a frame pays for it
    import pandas as pd

_FOLDER = Path(__file__).parent / "sets"


@overload
def load(name: str, *, as_frame: Literal[True] = True) -> "pd.DataFrame": ...
@overload
def load(name: str, *, as_frame: Literal[False]) -> np.ndarray: ...
def load(name: str, *, as_frame: bool = True) -> "pd.DataFrame | np.ndarray":
    """Read one of the data sets that come with the package.

    Parameters
    ----------
    name : str
        One of the names that `available` lists, such as ``"faithful"``.
    as_frame : bool
        True: a pandas frame with named columns. False: the same numbers as a float array (rows, columns).

    Returns
    -------
    pandas.DataFrame or numpy.ndarray
        A fresh copy; NaN where a value is missing. A frame's ``attrs`` hold its name, description and source.

    Raises
    ------
    ValueError
        If there is no data set of that name; the message lists the names that come close, or all of them.
    """
    facts = _facts(name)
    yes_or_no("as_frame", as_frame)
    with (_FOLDER / f"{name}.csv").open(encoding="utf-8") as file:
        if not as_frame:
            return np.genfromtxt(file, delimiter=",", skip_header=1, ndmin=2)
        import pandas as pd

        frame = pd.read_csv(file)
    frame.attrs = {"name": name, "description": facts["description"], "source": facts["source"]}
    return frame


def available() -> "pd.DataFrame":
    """List the data sets.

    Returns
    -------
    pandas.DataFrame
        One row each: ``name``, ``rows``, ``columns`` (their names, with commas), ``source``, ``description``.
    """
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "name": name,
                "rows": facts["rows"],
                "columns": ", ".join(facts["columns"]),
                "source": facts["source"],
                "description": facts["description"],
            }
            for name, facts in _sources().items()
        ]
    )


@functools.cache
def _sources() -> dict[str, dict[str, Any]]:
    return tomllib.loads((_FOLDER / "SOURCES.toml").read_text(encoding="utf-8"))


def _facts(name: str) -> dict[str, Any]:
    known = _sources()
    if isinstance(name, str) and name in known:
        return known[name]
    close = difflib.get_close_matches(str(name)[:40].lower() if isinstance(name, str) else "", known)
    hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"there are {', '.join(known)}."
    raise ValueError(f"name={brief(name, 40)} is not a data set that comes with em_vs_bayes: {hint}")
