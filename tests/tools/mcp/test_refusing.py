"""What becomes of a call whose server refuses, breaks off, or does not keep to the rules."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse

from errands_server.credentials.credential import Credential
from errands_server.domain.errors import Invalid, Reason
from errands_server.ports import (
    AuthorizationRequired,
    CallFailed,
    CallOutcomeUnknown,
    CallResult,
    CallSucceeded,
)
from errands_server.tools.mcp.http_transport import MAX_ANSWER
from errands_server.tools.mcp.importer import McpSource, McpTerms
from errands_server.tools.mcp.session_pool import OPENING
from tests.tools.loopback import service
from tests.tools.mcp.caller import Caller, caller
from tests.tools.mcp.plain import DONE, MODERN, TOOL, Answering, error, plain

SECRET = "hunter2-hunter2"
READING = {**TOOL, "name": "look", "annotations": {"readOnlyHint": True}}


def to_calls(answering: Answering) -> Answering:
    """Answers calls of tools only."""

    def answer(request: Request, message: Mapping[str, Any]) -> Response | Mapping[str, Any] | None:
        return answering(request, message) if message.get("method") == "tools/call" else None

    return answer


async def answered(answering: Answering, *, revision: str = "2025-06-18", **options: Any) -> CallResult:
    """What becomes of a call that is answered like this."""
    async with (
        plain(revision, [TOOL, READING]) as server,
        caller(McpSource(url=server.url)) as call,
    ):
        server.answer = to_calls(answering)
        return await call(options.pop("tool", "act"), **options)


@pytest.mark.parametrize("revision", ["2025-03-26", "2025-06-18", "2025-11-25", MODERN])
async def test_every_revision_with_this_transport_is_spoken(revision: str) -> None:
    async with plain(revision) as server, caller(McpSource(url=server.url)) as call:
        answer = await call("act")

        assert answer == CallSucceeded(output=b'"done"')
        versions = {request.headers.get("mcp-protocol-version") for request, _ in server.asked[-1:]}
        assert versions == {revision}


async def test_a_revision_nobody_knows_is_refused_by_name() -> None:
    async with plain("1999-01-01") as server:
        with pytest.raises(Invalid, match="1999-01-01"):
            async with caller(McpSource(url=server.url)):
                pass


async def test_a_protocol_error_is_a_refusal() -> None:
    answer = await answered(lambda _, message: error(message, -32602, "no such tool"))

    assert answer == CallFailed(reason=Reason.SERVICE_REFUSED, message="the server refused: no such tool")


async def test_401_without_a_credential_asks_the_user_for_the_scopes_that_are_named() -> None:
    challenge = 'Bearer resource_metadata="https://x/y", scope="notes:read notes:write"'
    answer = await answered(lambda *_: Response(status_code=401, headers={"www-authenticate": challenge}))

    assert isinstance(answer, AuthorizationRequired)
    assert answer.scopes == ("notes:read", "notes:write")


async def test_401_with_a_credential_lets_the_keyring_try_another() -> None:
    credential = Credential(headers={"Authorization": f"Bearer {SECRET}"})
    answer = await answered(lambda *_: Response(status_code=401), credential=credential)

    assert isinstance(answer, CallFailed)
    assert (answer.status, answer.transient) == (401, False)


async def test_too_narrow_a_scope_is_for_the_keyring_or_the_user_to_widen() -> None:
    challenge = 'Bearer error="insufficient_scope", scope="notes:write"'

    def narrow(*_: object) -> Response:
        return Response(status_code=403, headers={"www-authenticate": challenge})

    held = await answered(narrow, credential=Credential(headers={"Authorization": f"Bearer {SECRET}"}))
    none = await answered(narrow)

    assert isinstance(held, CallFailed)
    assert (held.status, held.challenge) == (403, challenge)
    assert isinstance(none, AuthorizationRequired)
    assert none.scopes == ("notes:write",)


async def test_too_many_requests_waits_as_long_as_the_server_says() -> None:
    answer = await answered(lambda *_: Response(status_code=429, headers={"retry-after": "7"}))

    assert isinstance(answer, CallFailed)
    assert (answer.reason, answer.transient, answer.retry_after) == (Reason.SERVICE_RATE_LIMITED, True, 7)


@pytest.mark.parametrize("status", [502, 504])
async def test_a_gateway_that_lost_its_server_leaves_the_outcome_unknown(status: int) -> None:
    assert isinstance(await answered(lambda *_: Response(status_code=status)), CallOutcomeUnknown)


async def test_a_session_the_server_forgot_is_opened_anew_and_the_call_is_made_once() -> None:
    async with plain("2025-06-18") as server, caller(McpSource(url=server.url)) as call:
        await call("act")
        forgotten = server.sessions

        def forgetting(request: Request, _: Mapping[str, Any]) -> Response | None:
            gone = request.headers.get("mcp-session-id") == f"s{forgotten}"
            return Response(status_code=404) if gone else None

        server.answer = forgetting
        answer = await call("act")

        assert answer == CallSucceeded(output=b'"done"')
        assert server.sessions == forgotten + 1


async def test_a_server_that_knows_no_session_is_not_asked_for_ever() -> None:
    async with plain("2025-06-18") as server, caller(McpSource(url=server.url)) as call:
        server.answer = to_calls(lambda *_: Response(status_code=404))
        answer = await call("act")

        assert isinstance(answer, CallFailed)
        assert answer.status == 404
        assert len(server.calls()) == 1


async def test_a_cut_connection_behind_the_request_leaves_the_outcome_unknown() -> None:
    async def cut() -> AsyncIterator[bytes]:
        yield b'{"jsonrpc"'
        raise ConnectionResetError

    answer = await answered(lambda *_: StreamingResponse(cut(), media_type="application/json"))

    assert isinstance(answer, CallOutcomeUnknown)


async def test_a_stream_that_ends_without_an_answer_leaves_the_outcome_unknown() -> None:
    answer = await answered(lambda *_: Response(": nothing\n\n", media_type="text/event-stream"))

    assert isinstance(answer, CallOutcomeUnknown)


async def test_one_broken_call_does_not_break_another_of_the_same_session() -> None:
    going = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        await going.wait()
        yield json.dumps({"jsonrpc": "2.0", "id": slow_id[0], "result": DONE}).encode()

    slow_id: list[Any] = []
    async with plain("2025-06-18", [TOOL, READING]) as server, caller(McpSource(url=server.url)) as call:

        def answering(_: Request, message: Mapping[str, Any]) -> Response:
            if message["params"]["name"] == "look":
                slow_id.append(message["id"])
                return StreamingResponse(slowly(), media_type="application/json")
            return Response(b"{", media_type="application/json", headers={"content-length": "999"})

        server.answer = to_calls(answering)
        other = asyncio.create_task(call("look"))
        while not slow_id:
            await asyncio.sleep(0.01)

        assert isinstance(await call("act"), CallOutcomeUnknown)
        going.set()
        assert await other == CallSucceeded(output=b'"done"')


async def test_a_server_that_is_not_there_is_certain_not_to_have_been_asked() -> None:
    async with plain() as server, caller(McpSource(url=server.url)) as call:
        _at(call, "http://127.0.0.1:1")
        answer = await call("act")

    assert isinstance(answer, CallFailed)
    assert (answer.reason, answer.transient) == (Reason.SERVICE_UNREACHABLE, True)


def _at(call: Caller, origin: str) -> None:
    old = call.operations["act"]
    call.operations["act"] = replace(old, base_path="/mcp", tool=replace(old.tool, origin=origin))


@pytest.mark.parametrize("target", ["http://127.0.0.1:9/elsewhere", "/elsewhere"])
async def test_a_redirect_is_not_followed_and_the_message_says_where_it_leads(target: str) -> None:
    def leading(request: Request, _: Mapping[str, Any]) -> Response | None:
        return None if request.url.path == "/elsewhere" else RedirectResponse(target, 307)

    answer = await answered(leading)

    assert isinstance(answer, CallFailed)
    assert answer.status == 307
    assert target in answer.message


async def test_loopback_is_closed_to_an_integration_that_is_not_internal() -> None:
    async with plain() as server:
        with pytest.raises(Invalid) as refusal:
            async with caller(McpSource(url=server.url), terms=McpTerms(internal=False)):
                pass
        async with caller(McpSource(url=server.url)) as call:
            answer = await call("act", internal=False)

    assert refusal.value.reason is Reason.ADDRESS_FORBIDDEN
    assert isinstance(answer, CallFailed)
    assert answer.reason is Reason.ADDRESS_FORBIDDEN


async def test_an_endless_answer_is_cut_off_and_a_write_counts_as_done() -> None:
    def endless(*_: object) -> Response:
        return Response(b" " * (MAX_ANSWER + 1), media_type="application/json")

    wrote = await answered(endless)
    looked = await answered(endless, tool="look")

    assert isinstance(wrote, CallSucceeded)
    assert json.loads(wrote.output)["truncated"] is True
    assert isinstance(looked, CallFailed)
    assert looked.reason is Reason.OUTPUT_TOO_LARGE


async def test_a_compressed_answer_is_not_unpacked() -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    headers = {"content-encoding": "gzip"}

    answer = await answered(lambda *_: Response(bomb, media_type="application/json", headers=headers))

    assert isinstance(answer, CallOutcomeUnknown)
    assert "compressed" in answer.message


@pytest.mark.parametrize(
    "reply",
    [
        PlainTextResponse("<html>log in</html>", media_type="text/html"),
        JSONResponse({"jsonrpc": "2.0", "id": 99_999, "nonsense": True}),
        Response(status_code=202),
    ],
)
async def test_an_answer_that_is_none_leaves_the_outcome_unknown(reply: Response) -> None:
    assert isinstance(await answered(lambda *_: reply, timeout=1), CallOutcomeUnknown)


async def test_a_malformed_result_leaves_the_outcome_unknown() -> None:
    answer = await answered(lambda *_: {"content": "not a list"})

    assert isinstance(answer, CallOutcomeUnknown)


async def test_input_that_nobody_can_give_is_told_and_the_call_goes_no_further() -> None:
    sampling = {"method": "sampling/createMessage", "params": {"messages": [], "maxTokens": 9}}
    required = {"resultType": "input_required", "inputRequests": {"a": sampling}, "requestState": "s"}
    async with plain(MODERN) as server, caller(McpSource(url=server.url)) as call:
        server.answer = to_calls(lambda *_: required)
        answer = await call("act")

        assert isinstance(answer, CallFailed)
        assert "sampling/createMessage" in answer.message
        assert len(server.calls()) == 1


async def test_a_server_that_wants_to_be_asked_again_is_asked_with_what_it_said() -> None:
    async with plain(MODERN) as server, caller(McpSource(url=server.url)) as call:

        def answering(_: Request, message: Mapping[str, Any]) -> Mapping[str, Any] | None:
            if message["params"].get("requestState") == "halfway":
                return None
            return {"resultType": "input_required", "requestState": "halfway"}

        server.answer = to_calls(answering)

        assert await call("act") == CallSucceeded(output=b'"done"')
        assert len(server.calls()) == 2


async def test_a_server_that_lets_nobody_in_does_not_hold_up_a_call_for_ever() -> None:
    async def silent(*_: object) -> None:
        return

    async with plain() as server, caller(McpSource(url=server.url)) as call, service(silent) as hole:
        _at(call, hole.origin)
        answer = await call("act", timeout=0.5)

    assert OPENING > 0.5
    assert isinstance(answer, CallFailed)
    assert answer.transient


async def test_images_and_sounds_are_not_kept_only_their_size() -> None:
    image = {"type": "image", "mimeType": "image/png", "data": "AAAA" * 100}
    answer = await answered(lambda *_: {"content": [image]})

    assert isinstance(answer, CallSucceeded)
    block = {"type": "image", "mimeType": "image/png", "bytes": 300}
    assert json.loads(answer.output) == {"content": [block]}
