"""Logs of earlier releases: today's code folds every prefix as they did, and would do the same next."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from errands_server.domain import events as e
from errands_server.domain.effects import wake_at
from errands_server.domain.fold import advance
from errands_server.domain.run import Run
from tests.domain.golden import FOLDER, effects

LOGS = sorted(FOLDER.glob("*.json"))


def test_there_are_logs() -> None:
    assert len(LOGS) >= 8


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


def test_the_logs_hold_events_of_every_type_but_the_rare() -> None:
    seen = {entry["event"]["type"] for log in LOGS for entry in json.loads(log.read_text())}
    rare = {"call.abandoned", "note"}

    assert seen == {kind.__struct_config__.tag for kind in e.Event.__subclasses__()} - rare
