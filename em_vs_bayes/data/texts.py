"""What a column of text may really hold: numbers and dates that were not read as such."""

from __future__ import annotations

import re
from collections.abc import Iterable

AROUND = "%$€£¥()'\"\u00a0 "
COMMA = re.compile(r"[+-]?\d+,\d+")
GROUPED = re.compile(r"[+-]?\d{1,3}(?:([,.'’ \u00a0\u202f_])\d{3})(?:\1\d{3})*(?:[.,]\d+)?")
DATE = re.compile(r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})(?:[ T]\d{1,2}:\d{2}.*)?")


def really(values: Iterable[str]) -> str | None:
    """What most of the distinct values are, with an example and an exception; None where they are words."""
    kinds: dict[str, list[str]] = {}
    for value in dict.fromkeys(values):
        kinds.setdefault(_kind(value.strip()), []).append(value)
    of_words = kinds.pop("", [])
    found = sum(map(len, kinds.values()))
    if found == 0 or found < len(of_words):
        return None
    kind, own = max(kinds.items(), key=lambda pair: len(pair[1]))
    others = of_words or next((v for k, v in kinds.items() if k != kind), [])
    return f"{kind} ({own[0][:40]!r}{f', but also {others[0][:40]!r}' if others else ''})"


def _kind(text: str) -> str:
    text = text.replace("\u2212", "-").strip("\u00a0\u202f ")
    if not any(sign.isdigit() for sign in text):
        return ""
    if DATE.fullmatch(text):
        return "dates as text"
    if is_number(text):
        return "numbers as text"
    bare = text.strip(AROUND)
    if bare != text and is_number(bare):
        return "numbers with signs around them"
    if GROUPED.fullmatch(bare) and not bare.startswith("0"):
        return "numbers whose thousands are grouped"
    return "numbers with decimal commas" if COMMA.fullmatch(bare) else ""


def is_number(text: str) -> bool:
    """Whether Python reads it as one."""
    try:
        float(text)
    except ValueError:
        return False
    return True
