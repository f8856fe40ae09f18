"""The golden logs: small runs as an earlier release stored them, and what was to be done next.

`python -m tests.domain.golden` adds the logs that are missing, and the names they are the first to
hold. It changes none that is there: a run that waits in somebody's database was promised the old.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from errands_server.domain import events as e
from errands_server.domain.effects import RunEffect, next_effects, wake_at
from errands_server.domain.events import Record
from errands_server.domain.fold import apply
from errands_server.domain.run import Run

from . import stored_names
from .golden_histories import HISTORIES

FOLDER: Final = Path(__file__).parent / "golden"


def entries(records: list[Record]) -> Iterator[dict[str, Any]]:
    """Each event with the status after it, and with what the fold of the prefix asks for."""
    run = Run()
    for record in records:
        run = apply(run, record)
        yield {
            "at": record.at,
            "status": record.status.value,
            "event": json.loads(e.encode(record.event)),
            "next": effects(run, record.at),
            "wake_at": wake_at(run),
        }


def effects(run: Run, now: int) -> list[dict[str, Any]]:
    """What may be done next, as JSON."""
    return [{"effect": type(effect).__name__, **_fields(effect)} for effect in next_effects(run, now)]


def _fields(effect: RunEffect) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(msgspec.json.encode(effect))
    return fields


def add(folder: Path) -> None:
    """Write the logs that are missing; one that is there is never written again."""
    for name, play in HISTORIES.items():
        file = folder / f"{name}.json"
        if not file.exists():
            history = play()
            file.write_text(json.dumps(list(entries(history.records)), indent=1) + "\n")
            print(f"{name}: {len(history.records)} events, {history.run.status}")


if __name__ == "__main__":
    add(FOLDER)
    stored_names.add()
