"""Names as the data bring them, made fit for terminals and pages: control characters escaped, long lists cut."""

from __future__ import annotations

import re

# C0 but tab and newline, DEL, C1, marks that turn the direction of text, halves of surrogate pairs
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def name(text: str) -> str:
    """One line: nothing moves the cursor or changes a terminal's colours."""
    return page(text).replace("\n", "\\n").replace("\t", "\\t")


def page(text: str) -> str:
    """Lines and tabs stay; of other control characters stands what Python would write in a string."""
    return CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


def listed(words: list[str], most: int = 4) -> str:
    """The first few of a list, and how many more there are."""
    return ", ".join(words[:most]) + (f" and {len(words) - most} more" if len(words) > most else "")
