"""Examples as pages: the prose of a percent-format program as prose, its code as code with what it prints and draws."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # MkDocs loads hooks by path, as the tests do

from running import EXAMPLES, all_outcomes, cells, outcome

MARK = re.compile(r"^<!-- example: (\w+) -->$", re.MULTILINE)


def page(name: str) -> str:
    """Markdown of ``examples/NAME.py`` with the outputs of its cells; RuntimeError where it fails."""
    path = EXAMPLES / f"{name}.py"
    ran = outcome(path)
    if ran["error"] is not None:
        raise RuntimeError(f"{path.name} fails:\n{ran['error']}")
    outputs = iter(ran["outputs"])
    return "\n\n".join(
        _prose(text) if kind == "markdown" else _code(text, **next(outputs))
        for kind, text in cells(path.read_text(encoding="utf-8"))
    )


def _prose(text: str) -> str:
    return "\n".join(line.removeprefix("#").removeprefix(" ") for line in text.split("\n")[1:]).strip()


def _code(source: str, text: str, images: list[str]) -> str:
    parts = [f"```python\n{source.strip()}\n```"]
    if text.strip():
        parts.append(f"``` {{ .text .output }}\n{text.rstrip()}\n```")
    parts += [f'<img class="output" alt="What the code above draws" src="data:image/png;base64,{i}">' for i in images]
    return "\n\n".join(parts)


def on_pre_build(**_: Any) -> None:
    """MkDocs hook: run what has not been run since it changed."""
    all_outcomes()


def on_page_markdown(markdown: str, **_: Any) -> str:
    """MkDocs hook: each ``<!-- example: NAME -->`` becomes ``examples/NAME.py``, with its outputs."""
    return MARK.sub(lambda mark: page(mark[1]), markdown)
