"""Servers that send the user to a page: in every way the revisions of the protocol have for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from starlette.requests import Request

from errands_server.credentials.credential import Credential
from errands_server.domain.errors import Reason
from errands_server.ports import AuthorizationRequired, CallFailed, CallResult, CallSucceeded
from tests.tools.mcp.caller import McpSource, caller
from tests.tools.mcp.plain import MODERN, plain, required
from tests.tools.mcp.servers import target
from tests.tools.mcp.test_refusing import SECRET, to_calls

PAGE = "https://pay.example/1?for=a%20mug"
FORM = {
    "method": "elicitation/create",
    "params": {
        "mode": "form",
        "message": "Which branch?",
        "requestedSchema": {"type": "object", "properties": {"branch": {"type": "string"}}},
    },
}


def page(url: str = PAGE) -> Mapping[str, Any]:
    return {"method": "elicitation/create", "params": {"mode": "url", "message": "Pay first", "url": url}}


def input_required(**requests: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"resultType": "input_required", "inputRequests": requests, "requestState": "halfway"}


async def sent_to(*urls: str, **options: Any) -> CallResult:
    """What becomes of a call that is refused until these pages were opened."""
    async with plain("2025-11-25") as server, caller(McpSource(url=server.url)) as call:
        server.answer = to_calls(lambda _, message: required(message, *urls))
        return await call("act", **options)


async def test_a_call_that_is_refused_until_a_page_was_opened_waits_for_the_user() -> None:
    assert await sent_to(PAGE) == AuthorizationRequired(
        message=f"the tool wants the user to open {PAGE}: Pay first", url=PAGE
    )


async def test_of_several_pages_those_that_are_not_done_come_first() -> None:
    one, two = "https://pay.example/1", "https://pay.example/2"
    answers = [await sent_to(one, two, pages=done) for done in [(), (one,), (one, two)]]

    assert [answer.url for answer in answers if isinstance(answer, AuthorizationRequired)] == [one, two, one]


async def test_a_page_that_is_asked_for_in_the_middle_of_a_call_is_agreed_to_once_it_is_done() -> None:
    async with target(modern=False) as found, caller(McpSource(url=found.url)) as call:
        first = await call("visit", url=PAGE)
        other = await call("visit", url=PAGE, pages=("https://pay.example/2",))
        done = await call("visit", url=PAGE, pages=(PAGE,))

    assert [getattr(answer, "url", None) for answer in (first, other)] == [PAGE, PAGE]
    assert done == CallSucceeded(output=b'{"result":"sold"}')


async def test_a_page_among_required_input_is_agreed_to_once_it_is_done_with_what_the_server_said() -> None:
    async with plain(MODERN) as server, caller(McpSource(url=server.url)) as call:

        def answering(_: Request, message: Mapping[str, Any]) -> Mapping[str, Any] | None:
            agreed = message["params"].get("inputResponses") == {"a": {"action": "accept"}}
            return None if agreed else input_required(a=page())

        server.answer = to_calls(answering)
        first = await call("act")
        done = await call("act", pages=(PAGE,))

        assert isinstance(first, AuthorizationRequired)
        assert first.url == PAGE
        assert done == CallSucceeded(output=b'"done"')
        states = [message["params"].get("requestState") for message in server.calls()]
        assert states == [None, None, "halfway"]


async def test_behind_a_page_a_server_goes_on_where_it_stopped() -> None:
    async with plain(MODERN) as server, caller(McpSource(url=server.url)) as call:

        def answering(_: Request, message: Mapping[str, Any]) -> Mapping[str, Any] | None:
            return None if message["params"].get("requestState") else input_required(a=page())

        server.answer = to_calls(answering)
        first = await call("act")
        assert isinstance(first, AuthorizationRequired)
        done = await call("act", pages=(PAGE,), resume=first.resume)

        assert done == CallSucceeded(output=b'"done"')
        assert [call["params"].get("requestState") for call in server.calls()] == [None, "halfway"]


async def test_a_page_that_is_asked_for_again_after_it_was_agreed_to_is_for_the_user_again() -> None:
    async with plain(MODERN) as server, caller(McpSource(url=server.url)) as call:
        server.answer = to_calls(lambda *_: input_required(a=page()))
        answer = await call("act", pages=(PAGE,))

        assert isinstance(answer, AuthorizationRequired)
        assert len(server.calls()) == 2


@pytest.mark.parametrize(
    "url",
    [
        "http://pay.example/",
        "javascript:alert(1)",
        "data:text/html,x",
        "https://pay.example@evil.example/",
        "https://pay.example\\@evil.example/",
        "https://p\u0430y.example/",
        'https://pay.example/"onclick=',
        "https://pay.example/\u202egpj.exe",
        "https:///nowhere",
        "https://pay.example/" + "a" * 2048,
        "",
    ],
)
async def test_an_address_that_deceives_or_is_not_https_is_shown_to_nobody(url: str) -> None:
    answer = await sent_to(url)

    assert isinstance(answer, CallFailed)
    assert answer.reason is Reason.SERVICE_REFUSED
    assert "a page that nobody is shown" in answer.message


async def test_an_internal_server_may_use_its_own_origin_and_no_other_without_https() -> None:
    async with plain("2025-11-25") as server, caller(McpSource(url=server.url)) as call:
        own = server.url.replace("/mcp", "/pay")
        answers = []
        for url in (own, own.replace("127.0.0.1", "localhost"), "http://127.0.0.1:1/"):
            server.answer = to_calls(lambda _, message, url=url: required(message, url))
            answers.append(await call("act"))

    assert [type(answer) for answer in answers] == [AuthorizationRequired, CallFailed, CallFailed]


async def test_an_address_that_holds_a_secret_is_shown_to_nobody() -> None:
    credential = Credential(headers={"Authorization": f"Bearer {SECRET}"})
    answer = await sent_to(f"https://pay.example/{SECRET}", credential=credential)

    assert isinstance(answer, CallFailed)
    assert SECRET not in answer.message


async def test_an_error_that_names_no_page_is_a_refusal() -> None:
    answer = await sent_to()

    assert isinstance(answer, CallFailed)
    assert "pages are required" in answer.message
