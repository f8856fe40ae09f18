"""Logs of earlier releases: today's code folds every prefix as they did, and would do the same next."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from errands_server.domain import events as e
from errands_server.domain.effects import wake_at
from errands_server.domain.errors import Reason
from errands_server.domain.events import Outcome, RunStatus
from errands_server.domain.fold import advance
from errands_server.domain.run import Run

from . import stored_names
from .golden import FOLDER, add, effects
from .golden_histories import HISTORIES

LOGS = sorted(FOLDER.glob("*.json"))


def test_every_history_has_its_log() -> None:
    assert {log.stem for log in LOGS} >= set(HISTORIES)


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.stem)
def test_a_stored_log_is_folded_as_it_was_and_leads_to_the_same(log: Path) -> None:
    run = Run()
    for entry in json.loads(log.read_text()):
        run = advance(run, e.decode(json.dumps(entry["event"])), entry["at"])

        assert run.status == entry["status"]
        assert effects(run, entry["at"]) == entry["next"]
        assert wake_at(run) == entry["wake_at"]
    assert run.ended


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.stem)
def test_a_stored_event_is_encoded_as_it_was(log: Path) -> None:
    for entry in json.loads(log.read_text()):
        assert json.loads(e.encode(e.decode(json.dumps(entry["event"])))) == entry["event"]


def test_the_logs_hold_every_type_field_and_value_that_can_be_stored() -> None:
    seen: set[tuple[str, str]] = set()
    for log in LOGS:
        for entry in json.loads(log.read_text()):
            seen.add((RunStatus.__name__, entry["status"]))
            seen |= set(stored_names.occurrences(e.decode(json.dumps(entry["event"]))))
    kinds = stored_names.current().values()
    wanted = {(owner, name) for names in kinds for owner, members in names.items() for name in members}

    missing = sorted(f"{owner}: {name}" for owner, name in wanted - seen if not is_never_stored(owner, name))
    assert not missing, "add histories that hold these to golden_histories.py:\n" + "\n".join(missing)


def is_never_stored(owner: str, name: str) -> bool:
    # Most reasons are those of requests, which leave no event.
    if owner == Reason.__name__:
        return True
    # Nothing ends so: a call in doubt is LOST until it is settled, or its run was cancelled.
    return (owner, name) == (Outcome.__name__, Outcome.UNKNOWN)


def test_the_logs_hold_events_of_every_type() -> None:
    seen = {entry["event"]["type"] for log in LOGS for entry in json.loads(log.read_text())}

    assert seen == {kind.__struct_config__.tag for kind in e.Event.__subclasses__()}


def test_no_name_that_may_be_stored_is_renamed_or_removed() -> None:
    kept, today = stored_names.kept(), stored_names.current()

    gone = [
        f"{owner}: {name}"
        for kind, names in kept.items()
        for owner, members in names.items()
        for name in members
        if name not in today[kind].get(owner, [])
    ]
    assert not gone, "logs may hold these, and today's code does not know them:\n" + "\n".join(gone)


def test_a_log_that_is_there_is_never_written_again(tmp_path: Path) -> None:
    (tmp_path / "success.json").write_text("as it was")

    add(tmp_path)

    assert (tmp_path / "success.json").read_text() == "as it was"
    assert {log.stem for log in tmp_path.glob("*.json")} == set(HISTORIES)
