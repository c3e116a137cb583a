"""Running an example: what each of its cells prints and draws, once for the pages and for the tests.

``python docs/hooks/running.py examples/NAME.py OUT.json`` runs one, warnings being errors. What came of it is kept in
``.cache/examples`` under a hash of the program and of everything that it could depend on in this repository, so that
the tests, which assert that it ran, need not run what the pages have just shown.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
KEPT = ROOT / ".cache" / "examples"
SECONDS = 600
CELL = re.compile(r"^# %%", re.MULTILINE)


def cells(program: str) -> list[tuple[str, str]]:
    """("markdown" or "code", text) of each cell that starts with ``# %%`` or ``# %% [markdown]``."""
    _, *parts = CELL.split(program)
    return [
        ("markdown", part.removeprefix(" [markdown]")) if part.startswith(" [markdown]") else ("code", part)
        for part in parts
    ]


def outcome(path: Path) -> dict[str, Any]:
    """``error`` (None where all went well) and ``outputs``, one ``{"text", "images"}`` for each cell of code."""
    kept = KEPT / f"{path.stem}-{sha256((_surroundings() + path.read_text('utf-8')).encode()).hexdigest()[:16]}.json"
    if not kept.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        for stale in KEPT.glob(f"{path.stem}-*.json"):
            stale.unlink()
        made = kept.with_suffix(f".{os.getpid()}")
        command = [sys.executable, "-W", "error", __file__, str(path), str(made)]
        run = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False, cwd=KEPT)
        if run.returncode:
            return {"error": run.stdout + run.stderr, "outputs": []}
        made.replace(kept)
    return json.loads(kept.read_text("utf-8"))


def all_outcomes() -> dict[str, dict[str, Any]]:
    """Those of all examples, as many at a time as there are processors."""
    paths = sorted(EXAMPLES.glob("*.py"))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip((path.stem for path in paths), pool.map(outcome, paths), strict=True))


@cache
def _surroundings() -> str:
    """A hash of the package and of this file."""
    files = (path for path in (ROOT / "em_vs_bayes").rglob("*") if path.suffix in (".py", ".csv", ".toml", ".j2"))
    return sha256(b"".join(path.read_bytes() for path in (*sorted(files), Path(__file__)))).hexdigest()


def _run(program: str, name: str) -> list[dict[str, Any]]:
    """Execute cell after cell in one namespace."""
    space: dict[str, Any] = {"__name__": "__main__", "__file__": name}
    done, line = [], program.split("# %%", 1)[0].count("\n")
    for kind, text in cells(program):
        if kind == "code":
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                value = _execute("\n" * (line + 1) + text.split("\n", 1)[1], space, name)  # lines as in the file
            done.append({"text": printed.getvalue(), "images": _images(value)})
        line += text.count("\n")
    return done


def _execute(source: str, space: dict[str, Any], name: str) -> Any:
    """Run a cell; the value of its last line, where that is an expression."""
    tree = ast.parse(source, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, name, "exec"), space)
    return eval(compile(ast.Expression(last.value), name, "eval"), space) if isinstance(last, ast.Expr) else None


def _images(value: Any) -> list[str]:
    """A figure as PNG, base64; nothing for other values."""
    from matplotlib.figure import Figure

    if not isinstance(value, Figure):
        return []
    png = io.BytesIO()
    value.savefig(png, format="png", dpi=110, bbox_inches="tight")
    return [base64.b64encode(png.getvalue()).decode()]


if __name__ == "__main__":
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    outputs = _run(source.read_text("utf-8"), str(source))
    target.write_text(json.dumps({"error": None, "outputs": outputs}), "utf-8")
