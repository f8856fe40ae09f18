"""Runs from the command line, against a real server and a real shop."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from typing import Any

import httpx2
import pytest

from errands.cli.exit_codes import Exit
from tests.cli.command_line import Errands
from tests.cli.servers import Server
from tests.demo import shops

FIND = "Find the customer ada@example.com"
ORDER = 'Find the customer ada@example.com, find the product "blue mug", and order 3 of them for her'


@pytest.fixture(autouse=True)
def _integration(shop_id: str) -> None:
    """Every test here has the shop."""


def detached(errands: Errands, *arguments: str) -> str:
    return errands("run", *arguments, "--detach").stdout.strip()


def watched_until(errands: Errands, run_id: str, event_type: str) -> dict[str, Any]:
    """Watch a run until an event of this type comes, and stop watching."""
    with errands.started("watch", run_id, "--json") as process:
        assert process.stdout is not None
        events = (json.loads(line) for line in process.stdout if line.startswith("{"))
        found: dict[str, Any] = next(event for event in events if event["type"] == event_type)
    return found


def test_a_run_that_succeeds_ends_with_0_and_shows_its_result(errands: Errands) -> None:
    done = errands("run", FIND, "--integration", "shop", "--user", "ada")

    assert "s1 done" in done.stdout
    assert "ada@example.com" in done.stdout
    assert done.stdout.rstrip().endswith("SUCCESS")


def test_with_json_every_line_is_one_event_in_order_and_the_last_is_the_end(errands: Errands) -> None:
    events = errands.events("run", FIND, "--user", "ada")

    sequences = [event["sequence"] for event in events]
    assert sequences == sorted(set(sequences))
    assert (events[-1]["type"], events[-1]["status"]) == ("status", "SUCCESS")
    assert [event["result"] for event in events if event["type"] == "result"]


def test_tool_calls_are_shown_only_when_asked_for(errands: Errands) -> None:
    run_id = detached(errands, FIND, "--user", "ada")
    plain = {event["type"] for event in errands.events("watch", run_id)}
    full = {event["type"] for event in errands.events("watch", run_id, "--tool-calls")}

    assert full - plain == {"tool.call", "tool.result"}


def test_an_intent_nothing_fits_ends_with_4(errands: Errands) -> None:
    errands("run", "Launch a rocket to the moon", code=Exit.NO_SUCCESS)


def test_a_result_fits_the_schema_given_as_a_file(errands: Errands, tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text(
        '{"type": "object", "required": ["email"], "properties": {"email": {"type": "string"}}}'
    )
    run_id = detached(errands, FIND, "--schema", str(schema))
    errands("watch", run_id)

    assert errands.json("get", run_id)["result"] == {"email": "ada@example.com"}


def test_validating_shows_the_plan_and_starts_nothing(errands: Errands) -> None:
    before = errands.json("ls")
    done = errands("run", FIND, "--validate")

    assert done.stdout.startswith("plan: ")
    assert errands.json("ls") == before


def test_the_same_request_id_is_the_same_run(errands: Errands) -> None:
    first = detached(errands, FIND, "--request-id", "req-1", "--user", "ada")
    second = detached(errands, FIND, "--request-id", "req-1", "--user", "ada")

    assert first == second


def test_ls_filters_by_user_status_and_integration_newest_first(errands: Errands) -> None:
    runs = [detached(errands, FIND, "--user", "filtered") for _ in range(3)]
    for run_id in runs:
        errands("watch", run_id)

    def listed(*filters: str) -> list[str]:
        return [run["runId"] for run in errands.json("ls", "--user", "filtered", *filters)]

    assert listed("--integration", "shop", "--status", "success") == runs[::-1]
    assert listed("--limit", "2") == runs[:0:-1]
    assert listed("--status", "FAILED") == []


def test_a_run_without_a_terminal_prints_how_to_decide_and_goes_on_when_somebody_did(
    errands: Errands, shop: httpx2.Client
) -> None:
    with errands.started("run", ORDER, "--approval", "on-start") as process:
        assert process.stdout is not None
        line = next(text for text in process.stdout if text.startswith("decide with: errands approve"))
        errands("approve", line.split()[4], "--reason", "why not")
        rest = process.stdout.read()

    assert "why not" in rest
    assert rest.rstrip().endswith("SUCCESS")
    assert process.wait() == Exit.SUCCESS


def test_what_was_decided_long_ago_is_shown_and_not_asked_again(errands: Errands) -> None:
    run_id = detached(errands, FIND, "--approval", "on-start")
    errands("approve", watched_until(errands, run_id, "approval.required")["approvalId"])
    errands("watch", run_id)
    replayed = errands("watch", run_id).stdout

    assert "(PLAN): Carry out this plan?" in replayed
    assert "decide with:" not in replayed


def test_a_denied_plan_ends_the_run_with_6(errands: Errands) -> None:
    run_id = detached(errands, ORDER, "--approval", "on-start")
    asked = watched_until(errands, run_id, "approval.required")
    assert errands.json("deny", asked["approvalId"])["decision"] == "deny"

    errands("watch", run_id, code=Exit.CANCELED)


def test_deciding_again_the_same_way_is_fine_and_the_opposite_is_refused(errands: Errands) -> None:
    run_id = detached(errands, ORDER, "--approval", "on-start")
    approval_id = watched_until(errands, run_id, "approval.required")["approvalId"]
    errands("deny", approval_id)
    errands("deny", approval_id)

    assert "(ALREADY_DECIDED)" in errands("approve", approval_id, code=Exit.REFUSED).stderr


def test_what_waits_is_listed_with_exactly_what_it_would_do(errands: Errands) -> None:
    run_id = detached(errands, FIND, "--approval", "on-tool-call", "--user", "ada")
    watched_until(errands, run_id, "approval.required")
    [asked] = errands.json("approvals", "--run", run_id)
    shown = errands("approvals", "--run", run_id).stdout

    assert asked["calls"][0]["arguments"] == {"email": "ada@example.com"}
    assert "searchCustomers" in shown
    assert '"email": "ada@example.com"' in shown
    assert f"errands approve {asked['approvalId']}" in shown
    errands("cancel", run_id)
    assert errands.json("approvals", "--run", run_id) == []
    assert [a["status"] for a in errands.json("approvals", "--run", run_id, "--all")] == ["closed"]


def test_a_cancelled_run_ends_its_watcher_with_6(errands: Errands) -> None:
    run_id = detached(errands, FIND, "--approval", "on-start")
    watched_until(errands, run_id, "approval.required")
    assert errands.json("cancel", run_id)["status"] == "CANCELED"

    errands("watch", run_id, code=Exit.CANCELED)
    assert "(RUN_FINISHED)" in errands("cancel", run_id, code=Exit.REFUSED).stderr


def test_interrupting_leaves_the_run_going_and_says_how_to_come_back(errands: Errands) -> None:
    with errands.started("run", FIND, "--approval", "on-start") as process:
        assert process.stdout is not None
        next(text for text in process.stdout if text.startswith("decide with:"))
        process.send_signal(signal.SIGINT)
        last = process.stdout.read().splitlines()[-1]

    assert process.wait() == Exit.INTERRUPTED
    said = re.fullmatch(
        r"the run goes on; see it: errands watch (\S+) --after \d+  stop it: errands cancel \1", last
    )
    assert said, last
    run_id = said[1]
    assert errands.json("get", run_id)["status"] == "PAUSED"
    errands("cancel", run_id)


def test_watching_from_a_cursor_shows_only_what_comes_behind_it(errands: Errands) -> None:
    run_id = detached(errands, FIND)
    every = errands.events("watch", run_id)
    cursor = every[1]["sequence"]

    assert errands.events("watch", run_id, "--after", str(cursor)) == every[2:]
    assert errands.events("watch", run_id, "--after", str(every[-1]["sequence"])) == []


def test_a_watcher_outlives_its_server_and_misses_and_repeats_nothing(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    errands = server.errands
    try:
        with shops.open_shop(tmp_path / "shop.db") as shop:
            document = str(shop.base_url.join("/openapi.json"))
            errands("integrations", "add", "shop", "--openapi", document, "--internal")
            run_id = detached(errands, ORDER, "--approval", "on-start")
            asked = watched_until(errands, run_id, "approval.required")
            with errands.started("watch", run_id, "--json") as watcher:
                assert watcher.stdout is not None
                seen = [json.loads(line) for line in _until(watcher.stdout, "approval.required")]
                server.kill()
                # It may have said how to decide before.
                assert any("the server went away" in line for line in watcher.stdout)
                server.start()
                errands("approve", asked["approvalId"])
                seen += [json.loads(line) for line in watcher.stdout if line.startswith("{")]
            assert watcher.wait() == Exit.SUCCESS
            assert seen == errands.events("watch", run_id)
    finally:
        server.kill()


def _until(lines: Any, event_type: str) -> list[str]:
    found = []
    for line in lines:
        if line.startswith("{"):
            found.append(line)
            if json.loads(line)["type"] == event_type:
                return found
    raise AssertionError(f"no {event_type} among {found}")


@pytest.mark.parametrize(
    "arguments",
    [["get", "0198c0de-0000-7000-8000-000000000000"], ["watch", "nonsense"], ["cancel", "nonsense"]],
)
def test_a_run_there_is_not_ends_with_7(errands: Errands, arguments: list[str]) -> None:
    assert "(RUN_NOT_FOUND)" in errands(*arguments, code=Exit.NOT_FOUND).stderr


def test_a_cursor_beyond_the_head_is_refused(errands: Errands) -> None:
    run_id = detached(errands, FIND, "--approval", "on-start")

    assert "(CURSOR_AHEAD)" in errands("watch", run_id, "--after", "999", code=Exit.REFUSED).stderr
    errands("cancel", run_id)


def test_every_wrong_field_gets_a_line_of_its_own(errands: Errands) -> None:
    done = errands("run", "", "--user", "", code=Exit.REFUSED)

    first, *violations = done.stderr.splitlines()
    assert first == "errands: 2 fields are wrong (FIELD_INVALID)"
    assert {line.split(":")[0].strip() for line in violations} == {"intent", "user_id"}


def test_the_only_wrong_field_is_said_once(errands: Errands) -> None:
    [line] = errands("run", "", code=Exit.REFUSED).stderr.splitlines()

    assert line.startswith("errands: intent: ")
    assert line.endswith("(FIELD_INVALID)")
