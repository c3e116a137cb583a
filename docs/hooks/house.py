"""Draws the map of the package from the contracts that import-linter holds and the first line of each folder.

``python docs/hooks/house.py`` writes ``docs/images/house.svg``; a test compares the file with what would be drawn.
"""

from __future__ import annotations

import ast
import textwrap
import tomllib
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "docs" / "images" / "house.svg"
WIDTH, STOREY, GAP, LEFT = 860, 54, 16, 40
NAME, JOB = 130, 92  # pixels for the name of a room, characters in a line of its job
DOOR = ("common", ("fit", "report", "pymc"))  # what `common/door.py` opens, from where


def storeys() -> list[str]:
    """The rooms from top to bottom."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = next(c for c in told["tool"]["importlinter"]["contracts"] if c["type"] == "layers")
    return list(layers["layers"])


def job(room: str) -> str:
    """The first paragraph of a room's docstring."""
    source = (ROOT / "em_vs_bayes" / room / "__init__.py").read_text(encoding="utf-8")
    return " ".join((ast.get_docstring(ast.parse(source)) or "").split("\n\n")[0].split())


def draw() -> str:
    """The picture."""
    rooms, (below, opened) = storeys(), DOOR
    top = {room: 8 + i * (STOREY + GAP) for i, room in enumerate(rooms)}
    middle = {room: y + STOREY / 2 for room, y in top.items()}
    height = 8 + len(rooms) * (STOREY + GAP)
    right, parts = WIDTH - 70, []
    for room, y in top.items():
        lines = textwrap.wrap(job(room).replace("``", ""), JOB)
        first = y + STOREY / 2 + 4 - 8 * (len(lines) - 1)
        parts.append(f'<rect x="{LEFT}" y="{y}" width="{right - LEFT}" height="{STOREY}" rx="6" class="room"/>')
        parts.append(f'<text x="{LEFT + 14}" y="{y + STOREY / 2 + 5}" class="name">{room}/</text>')
        parts += [
            f'<text x="{LEFT + NAME}" y="{first + 16 * i}" class="job">{escape(line)}</text>'
            for i, line in enumerate(lines)
        ]
    for upper in rooms[:-1]:
        y = top[upper] + STOREY
        parts.append(f'<line x1="{LEFT + 60}" y1="{y}" x2="{LEFT + 60}" y2="{y + GAP - 2}" class="down"/>')
    for i, room in enumerate(opened):
        x = right + 16 + 14 * i
        parts.append(
            f'<path d="M {right} {middle[below]} H {x} V {middle[room]} H {right + 2}" class="up"/>',
        )
    style = (
        ".room{fill:#f4f6f8;stroke:#8a97a5}.name{font:bold 15px sans-serif;fill:#1d2733}"
        ".job{font:12.5px sans-serif;fill:#3b4754}.down{stroke:#1d2733;stroke-width:1.5;marker-end:url(#tip)}"
        ".up{fill:none;stroke:#b3541e;stroke-width:1.5;stroke-dasharray:5 4;marker-end:url(#tip2)}"
    )
    tips = "".join(
        f'<marker id="{name}" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0 10 5 0 10z" fill="{colour}"/></marker>'
        for name, colour in (("tip", "#1d2733"), ("tip2", "#b3541e"))
    )
    title = "Rooms of em_vs_bayes: each imports those below it; the dashed lines are the one door upwards."
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">\n<title>{title}</title>\n'
        f"<defs>{tips}</defs><style>{style}</style>\n" + "\n".join(parts) + "\n</svg>\n"
    )


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
