"""Examples as pages: the prose of a percent-format program as prose, its code as code, nothing left out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
MARK = re.compile(r"^<!-- example: (\w+) -->$", re.MULTILINE)


def page(program: str) -> str:
    """Markdown of a program whose cells start with ``# %%`` or ``# %% [markdown]``."""
    _, *cells = re.split(r"^# %%", program, flags=re.MULTILINE)
    return "\n\n".join(_prose(cell) if cell.startswith(" [markdown]") else _code(cell) for cell in cells)


def _prose(cell: str) -> str:
    lines = cell.split("\n")[1:]
    return "\n".join(line.removeprefix("#").removeprefix(" ") for line in lines).strip()


def _code(cell: str) -> str:
    return f"```python\n{cell.strip()}\n```"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """MkDocs hook: each ``<!-- example: NAME -->`` becomes ``examples/NAME.py``."""
    return MARK.sub(lambda mark: page((EXAMPLES / f"{mark[1]}.py").read_text(encoding="utf-8")), markdown)
