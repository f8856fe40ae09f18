"""Text made safe and fit to show on a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any


def clean(text: str) -> str:
    """Replace every character that is not printed as itself by its escape, but for line breaks.

    Text of services and models must not move the cursor, change colours or reorder what is read.
    """
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def one_line(text: str) -> str:
    """Clean `text` and join its words with single spaces."""
    return clean(" ".join(text.split()))


def shorten(text: str, width: int) -> str:
    """Put `text` on one line of at most `width` characters, cut with an ellipsis."""
    whole = one_line(text)
    return whole if len(whole) <= width else f"{whole[: width - 1]}…"


def format_json(value: Any) -> str:
    """Write a value as indented JSON, cleaned."""
    return clean(json.dumps(value, ensure_ascii=False, indent=2))


def format_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Align rows under their head, two spaces between columns. The last column is not cut."""
    table = [tuple(head), *(tuple(one_line(cell) for cell in row) for row in rows)]
    widths = [max(len(cell) for cell in column) for column in zip_longest(*table, fillvalue="")]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    )
