"""Calls to a server by the official SDK, in the newest revision of the protocol and the one before."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator

import pytest

from errands_server.credentials.aws.sigv4 import AwsSigner
from errands_server.credentials.credential import Credential
from errands_server.domain.errors import Reason
from errands_server.domain.tool import Repeat
from errands_server.ports import CallFailed, CallOutcomeUnknown, CallResult, CallSucceeded
from errands_server.tools.mcp import sender
from errands_server.tools.mcp.importer import McpSource, McpTerms
from tests.tools.mcp.caller import TRACE, Caller, caller
from tests.tools.mcp.servers import Target
from tests.tools.mcp.servers import target as opened

SECRET = "hunter2-hunter2"


@pytest.fixture(params=["2026-07-28", "2025-11-25"])
async def target(request: pytest.FixtureRequest) -> AsyncGenerator[Target]:
    async with opened(modern=request.param == "2026-07-28") as found:
        yield found


@pytest.fixture
async def call(target: Target) -> AsyncGenerator[Caller]:
    async with caller(McpSource(url=target.url)) as found:
        yield found


def posted(target: Target) -> list[dict[str, str]]:
    """Requests but those by which the session of the import ends."""
    return [seen for seen in target.seen if seen[":method"] == "POST"]


def output(answer: CallResult) -> object:
    assert isinstance(answer, CallSucceeded), answer
    return json.loads(answer.output)


async def test_a_structured_result_is_the_output(call: Caller) -> None:
    assert output(await call("add_note", text="milk")) == {"id": 0, "text": "milk"}


async def test_a_lone_text_is_the_output_as_it_is(call: Caller) -> None:
    assert output(await call("greet", name="Ada")) == "Hello, Ada!"


async def test_several_blocks_of_content_are_all_kept(call: Caller) -> None:
    blocks = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]

    assert output(await call("two")) == {"content": blocks}


async def test_a_tool_that_fails_is_a_refusal_in_its_own_words(call: Caller) -> None:
    answer = await call("fail", why="no paper")

    assert isinstance(answer, CallFailed)
    assert (answer.reason, answer.transient) == (Reason.SERVICE_REFUSED, False)
    assert "cannot do that: no paper" in answer.message


async def test_arguments_that_do_not_fit_are_not_sent(target: Target, call: Caller) -> None:
    before = len(target.seen)

    answer = await call("add_note", text=3)

    assert isinstance(answer, CallFailed)
    assert answer.reason is Reason.ARGUMENTS_INVALID
    assert len(target.seen) == before


async def test_cancelling_a_call_tells_the_server_and_the_session_goes_on(
    target: Target, call: Caller
) -> None:
    waiting = asyncio.create_task(call("wait"))
    await target.started.wait()

    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    await asyncio.wait_for(target.cancelled.wait(), 5)
    assert output(await call("greet", name="Ada")) == "Hello, Ada!"


async def test_a_server_that_is_silent_for_too_long_leaves_the_outcome_unknown(
    target: Target, call: Caller
) -> None:
    await call("greet", name="Ada")  # so that the session is open, and silence is all there is to wait for
    answer = await call("wait", timeout=1)

    assert isinstance(answer, CallOutcomeUnknown)
    await asyncio.wait_for(target.cancelled.wait(), 5)


async def test_progress_keeps_a_call_alive_but_not_for_ever(
    call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert output(await call("work", steps=4, timeout=0.5)) == {"result": "worked"}

    monkeypatch.setattr(sender, "MAX_SECONDS", 1.0)

    assert isinstance(await call("work", steps=100, timeout=0.5), CallOutcomeUnknown)


async def test_two_users_never_share_a_session(target: Target, call: Caller) -> None:
    target.seen.clear()
    await asyncio.gather(*(call("greet", user=user, name="x") for user in ("ada", "grace") for _ in range(3)))

    opening = [seen for seen in posted(target) if seen.get("mcp-method") == "server/discover"]
    assert len(opening) == 2
    ids = {seen["mcp-session-id"] for seen in posted(target) if "mcp-session-id" in seen}
    assert len(ids) in (0, 2)  # the newest revision has no ids


async def test_a_credential_goes_with_every_request_of_its_session_and_into_no_other(
    target: Target, call: Caller
) -> None:
    target.seen.clear()
    await call("greet", name="x", credential=Credential(headers={"Authorization": f"Bearer {SECRET}"}))

    assert {seen.get("authorization") for seen in posted(target)} == {f"Bearer {SECRET}"}

    target.seen.clear()
    await call("greet", name="x")

    assert {seen.get("authorization") for seen in posted(target)} == {None}


async def test_what_a_server_says_is_without_the_secrets_of_the_call(call: Caller) -> None:
    credential = Credential(headers={"Authorization": f"Bearer {SECRET}"})
    said = await call("greet", name=SECRET, credential=credential)
    failed = await call("fail", why=SECRET, credential=credential)

    assert output(said) == "Hello, [secret]!"
    assert isinstance(failed, CallFailed)
    assert SECRET not in failed.message


async def test_the_trace_goes_with_the_call_and_a_key_only_where_it_is_honoured(target: Target) -> None:
    for honours, repeat in ((False, Repeat.NEVER), (True, Repeat.KEYED)):
        terms = McpTerms(internal=True, honours_keys=honours)
        async with caller(McpSource(url=target.url), terms=terms) as call:
            await call("add_note", text="milk")

            assert call.operations["add_note"].tool.repeat is repeat
            assert target.metas[-1]["traceparent"] == TRACE
            assert target.metas[-1].get(sender.IDEMPOTENCY_KEY) == ("key-1" if honours else None)


async def test_a_changed_catalog_is_heard_of_and_listed(target: Target) -> None:
    heard: asyncio.Queue[set[str]] = asyncio.Queue()

    async def on_listing(_: object, __: object, listing: object) -> None:
        heard.put_nowait({tool["name"] for tool in listing.tools})  # type: ignore[attr-defined]

    async with caller(McpSource(url=target.url), on_tools_changed=on_listing) as call:
        await call("grow")

        assert "extra_tool" in await asyncio.wait_for(heard.get(), 5)


async def test_no_call_goes_out_with_a_signature_that_cannot_be_made(call: Caller, target: Target) -> None:
    signer = AwsSigner(
        access_key_id="AKIA", secret_access_key=SECRET, session_token="t", service="sqs", region="eu-west-1"
    )
    before = len(target.seen)
    answer = await call("greet", name="Ada", credential=Credential(signer=signer))

    assert isinstance(answer, CallFailed)
    assert answer.reason is Reason.CREDENTIALS_INVALID
    assert len(target.seen) == before


async def test_secrets_that_are_only_known_make_no_session_of_their_own_and_do_not_come_back(
    call: Caller,
) -> None:
    first = await call("greet", name="Ada")
    second = await call("greet", name=SECRET, credential=Credential(known=frozenset({SECRET})))

    assert isinstance(first, CallSucceeded)
    assert isinstance(second, CallSucceeded)
    assert SECRET not in second.output.decode()
    assert call.sessions.open == 1
