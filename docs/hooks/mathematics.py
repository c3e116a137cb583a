r"""Mathematics as MathML, made when the pages are built: nothing runs, and nothing is fetched, where they are read.

A block is what numpydoc and Sphinx write, ``.. math:: \pi_k \ge 0``, continued on indented lines.
"""

from __future__ import annotations

import re
from typing import Any

from latex2mathml.converter import convert
from markdown import Extension, Markdown
from markdown.preprocessors import Preprocessor

OPENING = re.compile(r"^\.\. math::(.*)$")


class Blocks(Preprocessor):
    """Takes blocks of mathematics out of the text before anything else reads them."""

    def run(self, lines: list[str]) -> list[str]:
        out, rest = [], list(lines)
        while rest:
            line = rest.pop(0)
            opening = OPENING.match(line)
            if not opening:
                out.append(line)
                continue
            formula = [opening[1].strip()]
            while rest and (rest[0].startswith(" ") or (not rest[0].strip() and not any(formula))):
                formula.append(rest.pop(0).strip())
            out += ["", self.md.htmlStash.store(convert(" ".join(formula).strip(), display="block")), ""]
        return out


class Mathematics(Extension):
    """The extension of Python-Markdown."""

    def extendMarkdown(self, md: Markdown) -> None:
        md.preprocessors.register(Blocks(md), "mathematics", 22)  # fenced code is out of the way by then


def on_config(config: Any, **_: Any) -> Any:
    """MkDocs hook: pages and docstrings are read with the extension."""
    config.markdown_extensions.append(Mathematics())
    return config
