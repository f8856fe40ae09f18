"""Words: what people read, made safe to show on a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any


def clean(text: str) -> str:
    """`text` without the power to move the cursor, change colours or reorder what is read.

    What runs show comes from services and models, so every character that is not printed as
    itself becomes an escape. Line breaks stay.
    """
    return "".join(c if c.isprintable() or c == "\n" else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def line(text: str) -> str:
    """The same on one line."""
    return clean(" ".join(text.split()))


def shortened(text: str, width: int) -> str:
    """One line of at most `width` characters; an ellipsis says where it was cut."""
    whole = line(text)
    return whole if len(whole) <= width else f"{whole[: width - 1]}…"


def pretty(value: Any) -> str:
    """JSON a person can read. Nothing in it can act on a terminal."""
    return clean(json.dumps(value, ensure_ascii=False, indent=2))


def columns(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table without lines; the last column is as long as it is."""
    table = [tuple(head), *(tuple(line(cell) for cell in row) for row in rows)]
    widths = [max(len(cell) for cell in column) for column in zip_longest(*table, fillvalue="")]
    return "\n".join(_row(row, widths) for row in table)


def _row(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
