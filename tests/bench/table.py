"""Rows of the table: what each measures, in turns with the others, and how it is shown."""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Callable, Sequence

from msgspec import Struct

ECHO = "E (echo, 64 in flight)"


class Form(Struct, frozen=True):
    """How a value is shown, and the row it is shown against."""

    value: str
    ratio: str = ""
    against: str = ""
    scale: float = 1.0


RATE = Form("{:,.0f} /s", "{:.2f} E", ECHO)
SECONDS = Form("{:.2f} ms", "{:.2f} x", "echo, 1 in flight", 1e3)
BYTES = Form("{:.1f} KB", scale=1e-3)


class Row(Struct, frozen=True):
    name: str
    measure: Callable[[], float]
    form: Form = RATE
    goal: str = ""
    stretch: str = ""
    # The processor time of the server in each measurement, and what it was for.
    cost: Callable[[], float] | None = None


def chosen(rows: Sequence[Row], words: Sequence[str]) -> list[Row]:
    """The rows whose names hold one of these words, those they are shown against, and always E."""
    names = {row.name for row in rows if any(word.casefold() in row.name.casefold() for word in words)}
    names |= {row.form.against for row in rows if row.name in names} | {ECHO}
    return [row for row in rows if row.name in names]


def measured(rows: Sequence[Row], rounds: int) -> dict[str, list[float]]:
    """Every row once in each round, so that a busy moment is not one row's alone."""
    found: dict[str, list[float]] = {row.name: [] for row in rows}
    for number in range(rounds):
        for row in rows:
            found[row.name].append(row.measure())
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    return found


def show(rows: Sequence[Row], found: dict[str, list[float]]) -> None:
    """Medians; a ratio is the median of each round's own. As Markdown, for docs/performance.md."""
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}\n")
    print("| what | measured | ratio | goal | stretch | server CPU |")
    print("|---|--:|--:|--:|--:|--:|")
    for row in rows:
        form, values = row.form, found[row.name]
        value = form.value.format(statistics.median(values) * form.scale)
        ratio = ""
        if form.against:
            pairs = zip(values, found[form.against], strict=True)
            ratio = form.ratio.format(statistics.median(one / other for one, other in pairs))
        cost = f"{row.cost() * 1e6:,.0f} µs" if row.cost else ""
        print(f"| {row.name} | {value} | {ratio} | {row.goal} | {row.stretch} | {cost} |")
