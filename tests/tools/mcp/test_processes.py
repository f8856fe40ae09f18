"""Configured processes: what is started, what it is given, and that none is left over."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import CapturingLogger

from errands_server.domain.errors import Reason
from errands_server.ports import CallFailed, CallOutcomeUnknown, CallResult, CallSucceeded
from errands_server.tools.mcp import sdk_streams
from errands_server.tools.mcp.endpoint import StdioServer, load_servers
from errands_server.tools.mcp.importer import McpSource
from errands_server.tools.mcp.session_pool import SessionLimits
from tests.tools.mcp.caller import Caller, caller

SCRIPT = str(Path(__file__).with_name("process.py"))
SOURCE = McpSource(server="desk")
TOKEN = "hunter2-hunter2"


def servers(**more: Any) -> Mapping[str, StdioServer]:
    return {"desk": StdioServer(command=sys.executable, args=("-S", SCRIPT), **more)}


def said(answer: CallResult) -> str:
    assert isinstance(answer, CallSucceeded), answer
    text: str = json.loads(answer.output)
    return text


async def pid(call: Caller, user: str = "ada") -> int:
    return int(said(await call("pid", user=user)))


def lives(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # the latter where it goes while it is looked at
        return False
    return state != "Z"


async def gone(process: int) -> None:
    """Wait until the process is."""
    async with asyncio.timeout(15):
        while lives(process):
            await asyncio.sleep(0.01)


async def test_a_process_is_started_when_it_is_needed_kept_and_gone_at_the_end() -> None:
    async with caller(SOURCE, servers=servers()) as call:
        first = await pid(call)

        assert await pid(call) == first
        assert lives(first)

    assert not lives(first)


async def test_a_process_that_does_not_heed_the_end_is_killed() -> None:
    async with caller(SOURCE, servers=servers(env={"LINGER": "1"})) as call:
        stubborn = await pid(call)

    assert not lives(stubborn)


async def test_what_a_process_writes_to_standard_error_is_logged_without_its_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    logged = CapturingLogger()  # whatever level other tests set
    monkeypatch.setattr(sdk_streams, "_log", logged)
    async with caller(SOURCE, servers=servers(env={"DESK_TOKEN": TOKEN})) as call:
        assert said(await call("grumble")) == "grumbled"

    told = [entry.kwargs["line"] for entry in logged.calls]
    assert told == ["no [secret]", "(a line too long)", "last"]


async def test_every_user_has_a_process_of_their_own() -> None:
    async with caller(SOURCE, servers=servers()) as call:
        assert await pid(call, "ada") != await pid(call, "grace")


async def test_a_crash_leaves_the_outcome_unknown_and_the_next_call_starts_it_again() -> None:
    async with caller(SOURCE, servers=servers()) as call:
        first = await pid(call)

        assert isinstance(await call("crash"), CallOutcomeUnknown)
        assert await pid(call) != first


async def test_a_process_that_died_unused_is_started_again_unseen() -> None:
    async with caller(SOURCE, servers=servers()) as call:
        first = await pid(call)
        os.kill(first, 9)
        while call.sessions.open:
            await asyncio.sleep(0.01)

        assert await pid(call) != first


async def test_an_unused_process_is_ended() -> None:
    async with caller(SOURCE, servers=servers(), limits=SessionLimits(idle=0.2)) as call:
        await gone(await pid(call))


async def test_there_are_never_more_processes_than_allowed_and_the_longest_unused_makes_room() -> None:
    async with caller(SOURCE, servers=servers(), limits=SessionLimits(processes=2)) as call:
        users = ("ada", "grace", "edsger", "barbara")
        seen = [await pid(call, user) for user in users]

        assert sum(map(lives, seen)) <= 2
        assert await pid(call, "barbara") == seen[-1]
        assert len(set(await asyncio.gather(*(pid(call, user) for user in users)))) == 4


async def test_a_call_that_finds_no_room_was_not_made() -> None:
    async with caller(SOURCE, servers=servers(), limits=SessionLimits(processes=1)) as call:
        busy = asyncio.create_task(call("stay", user="ada", timeout=20))
        while not call.sessions.busy:
            await asyncio.sleep(0.01)

        answer = await call("pid", user="grace", timeout=0.5)

        assert isinstance(answer, CallFailed)
        assert answer.transient
        busy.cancel()


async def test_a_process_gets_what_is_configured_and_none_of_the_services_secrets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ERRANDS_SECRET_KEY", TOKEN)
    configured = servers(env={"DESK_COLOUR": "blue"}, cwd=str(tmp_path))
    async with caller(SOURCE, servers=configured) as call:
        environment = json.loads(said(await call("environment")))
        folder = said(await call("folder"))

    usual = {"HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER", "LC_CTYPE"}
    assert set(environment) <= {"DESK_COLOUR", *usual}
    assert environment["DESK_COLOUR"] == "blue"
    assert folder == str(tmp_path)


async def test_a_configured_secret_is_scrubbed_from_what_the_process_says() -> None:
    async with caller(SOURCE, servers=servers(env={"DESK_TOKEN": TOKEN})) as call:
        answer = await call("fail")

    assert isinstance(answer, CallFailed)
    assert answer.message == "the token [secret] is refused"
    assert TOKEN not in repr(servers(env={"DESK_TOKEN": TOKEN}))


async def test_a_name_that_is_no_longer_configured_is_told() -> None:
    configured = dict(servers())
    async with caller(SOURCE, servers=configured) as call:
        del configured["desk"]
        answer = await call("pid")

    assert isinstance(answer, CallFailed)
    assert answer.reason is Reason.SERVICE_UNREACHABLE
    assert "'desk'" in answer.message


async def test_the_end_does_not_wait_for_a_call_that_is_under_way() -> None:
    async with caller(SOURCE, servers=servers()) as call:
        staying = asyncio.create_task(call("stay", timeout=60))
        while not call.sessions.busy:
            await asyncio.sleep(0.01)
        began = time.monotonic()

    assert time.monotonic() - began < 10
    assert isinstance(await staying, CallOutcomeUnknown | CallFailed)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "truncated"),
        ("[]", "Expected `object`"),
        ('{"a": {}}', "missing required field `command`"),
        ('{"a": {"command": "sh", "arg": []}}', "unknown field `arg`"),
        ('{"a": {"command": "sh", "args": [1]}}', "$[...].args[0]"),
        ('{"a": {"command": "no-such-program"}}', "there is no program 'no-such-program'"),
        ('{"a": {"command": "sh", "cwd": "/no/such/folder"}}', "/no/such/folder is not a folder"),
        ('{"a b": {"command": "sh"}}', "a name is letters"),
        ('{"a": {"command": "sh", "env": {"A": "b\\u0000"}}}', "null character"),
    ],
)
def test_a_wrong_configuration_says_what_to_change(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "servers.json"
    file.write_text(text)

    with pytest.raises(ValueError, match="--mcp-servers") as refusal:
        load_servers(file)

    assert why in str(refusal.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.json: No such file"):
        load_servers(tmp_path / "none.json")
