"""Servers that ask a person in the middle of a call, in every way the protocol has for it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from errands_server.credentials.credential import Credential
from errands_server.domain.question import Input
from errands_server.ports import AuthorizationRequired, CallFailed, CallResult, CallSucceeded, InputRequired
from errands_server.tools.mcp import exchange
from errands_server.tools.mcp.endpoint import StdioServer
from tests.tools.mcp import asking_process
from tests.tools.mcp.caller import Caller, McpSource, caller
from tests.tools.mcp.plain import MODERN, Plain, error, plain
from tests.tools.mcp.servers import Target, target
from tests.tools.mcp.test_pages import FORM, PAGE, input_required, page
from tests.tools.mcp.test_refusing import SECRET, to_calls

ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "Which colour?": {"colour": "red"},
    "How often?": {"number": 3},
    "Which branch?": {"branch": "main"},
}


@asynccontextmanager
async def asking(modern: bool) -> AsyncGenerator[tuple[Target, Caller]]:
    async with target(modern=modern) as found, caller(McpSource(url=found.url)) as call:
        yield found, call


@asynccontextmanager
async def requiring(*answers: Mapping[str, Any] | None) -> AsyncGenerator[tuple[Plain, Caller]]:
    """A server that answers calls like this, one after the other; None is its usual answer."""
    async with plain(MODERN) as server, caller(McpSource(url=server.url)) as call:
        left = list(answers)
        server.answer = to_calls(lambda *_: left.pop(0))
        yield server, call


async def answered(call: Caller, tool: str, **arguments: Any) -> tuple[CallResult, list[str]]:
    """What a call comes to whose questions a person answers, and what was asked."""
    asked: list[str] = []
    inputs: tuple[Input, ...] = ()
    resume = ""
    while isinstance(answer := await call(tool, inputs=inputs, resume=resume, **arguments), InputRequired):
        question = answer.question
        asked.append(question.message)
        inputs = (*inputs, Input(asked=question.digest, values=ANSWERS[question.message]))
        resume = answer.resume
    return answer, asked


def sent(server: Plain) -> list[Any]:
    """By call: the state that went back, and the answers."""
    return [
        (call["params"].get("requestState"), call["params"].get("inputResponses")) for call in server.calls()
    ]


def accepted(message: str) -> Mapping[str, Any]:
    return {"action": "accept", "content": ANSWERS[message]}


async def test_a_question_in_the_middle_of_a_call_is_put_off_and_told_with_what_the_tool_said() -> None:
    async with asking(modern=False) as (found, call):
        answer = await call("ask")

    assert isinstance(answer, InputRequired)
    assert answer.question.message == "Which colour?"
    assert answer.question.schema["properties"] == {"colour": {"type": "string", "title": "Colour"}}
    assert answer.question.schema["required"] == ["colour"]
    assert "no colour: cancel" in answer.message
    assert found.notes == []


@pytest.mark.parametrize("modern", [True, False])
async def test_a_call_is_made_again_with_the_answer_and_has_its_effect_once(modern: bool) -> None:
    async with asking(modern=modern) as (found, call):
        answer, asked = await answered(call, "paint", what="door")

    assert answer == CallSucceeded(output=b'{"result":"door is red"}')
    assert asked == ["Which colour?"]
    assert found.notes == ["door red"]


@pytest.mark.parametrize("modern", [True, False])
async def test_of_several_questions_one_is_asked_after_the_other(modern: bool) -> None:
    async with asking(modern=modern) as (found, call):
        answer, asked = await answered(call, "repeat")

    assert answer == CallSucceeded(output=b'{"result":"3 times red"}')
    assert asked == ["Which colour?", "How often?"]
    assert found.notes == ["3 red"]


async def test_a_question_that_is_asked_again_is_a_new_question() -> None:
    async with asking(modern=False) as (_, call):
        first = await call("guess")
        assert isinstance(first, InputRequired)
        wrong, right = (Input(asked=first.question.digest, values={"number": n}) for n in (1, 7))
        again = await call("guess", inputs=(wrong,))
        done = await call("guess", inputs=(wrong, right))

    assert isinstance(again, InputRequired)
    assert again.question.digest == first.question.digest
    assert done == CallSucceeded(output=b'{"result":"guessed"}')


async def test_a_server_goes_on_where_it_stopped_with_the_state_it_gave() -> None:
    async with requiring(input_required(a=FORM), None) as (server, call):
        answer, _ = await answered(call, "act")

        assert answer == CallSucceeded(output=b'"done"')
        assert sent(server) == [(None, None), ("halfway", {"a": accepted("Which branch?")})]


async def test_where_more_is_missing_a_call_begins_anew_with_all_that_is_known() -> None:
    other = {**FORM, "params": {**FORM["params"], "message": "Which colour?"}}
    both = input_required(a=FORM, b=other)
    async with requiring(both, both, None) as (server, call):
        _, asked = await answered(call, "act")

        assert asked == ["Which branch?", "Which colour?"]
        assert sent(server) == [
            (None, None),
            (None, None),
            ("halfway", {"a": accepted("Which branch?"), "b": accepted("Which colour?")}),
        ]


async def test_a_server_that_no_longer_knows_its_state_is_called_anew_and_told_what_is_known() -> None:
    def forgetful(_: Request, message: Mapping[str, Any]) -> Response | Mapping[str, Any] | None:
        params = message["params"]
        if params.get("requestState") == "halfway" and len(server.calls()) == 2:
            return error(message, -32602, "Invalid or expired requestState")
        return None if params.get("inputResponses") else input_required(a=FORM)

    async with plain(MODERN) as server, caller(McpSource(url=server.url)) as call:
        server.answer = to_calls(forgetful)
        answer, asked = await answered(call, "act")

        assert answer == CallSucceeded(output=b'"done"')
        assert asked == ["Which branch?"]
        assert [state for state, _ in sent(server)] == [None, "halfway", None, "halfway"]


async def test_a_page_beside_a_form_comes_first_and_then_the_form() -> None:
    both = input_required(a=page(), b=FORM)
    async with requiring(both, both, None) as (server, call):
        first = await call("act")
        then = await call("act", pages=(PAGE,))
        assert isinstance(first, AuthorizationRequired)
        assert isinstance(then, InputRequired)
        given = Input(asked=then.question.digest, values=ANSWERS["Which branch?"])
        done = await call("act", pages=(PAGE,), inputs=(given,), resume=then.resume)

        assert first.url == PAGE
        assert done == CallSucceeded(output=b'"done"')
        assert sent(server)[-1] == ("halfway", {"a": {"action": "accept"}, "b": accepted("Which branch?")})


async def test_a_long_state_is_not_kept_and_the_call_begins_anew() -> None:
    long = {**input_required(a=FORM), "requestState": "x" * 20_000}
    async with requiring(long) as (_, call):
        answer = await call("act")

    assert isinstance(answer, InputRequired)
    assert answer.resume == ""


@pytest.mark.parametrize(
    ("message", "field", "why"),
    [
        ("Who?", {"type": "object"}, "is of type object"),
        ("Who?", {"type": "string", "format": "password"}, "asks for a secret"),
        (f"Is it {SECRET}?", {"type": "string"}, "holds a secret"),
        ("Which?", {"type": "string", "enum": [SECRET]}, "holds a secret"),
    ],
)
async def test_a_form_that_nobody_may_see_fails_the_call_and_says_why(
    message: str, field: Any, why: str
) -> None:
    params = {"message": message, "requestedSchema": {"type": "object", "properties": {"a": field}}}
    form = {"method": "elicitation/create", "params": {"mode": "form", **params}}
    async with requiring(input_required(a=form)) as (_, call):
        answer = await call("act", credential=Credential(headers={"Authorization": f"Bearer {SECRET}"}))

    assert isinstance(answer, CallFailed)
    assert why in answer.message
    assert SECRET not in answer.message


async def test_a_state_that_holds_a_secret_is_not_kept() -> None:
    stating = {**input_required(a=FORM), "requestState": f"for {SECRET}"}
    async with requiring(stating) as (_, call):
        answer = await call("act", credential=Credential(headers={"Authorization": f"Bearer {SECRET}"}))

    assert isinstance(answer, InputRequired)
    assert answer.resume == ""


async def test_what_a_tool_said_without_an_answer_holds_no_secret() -> None:
    async with asking(modern=False) as (_, call):
        answer = await call("ask", credential=Credential(headers={"X-Key": "executing"}))

    assert isinstance(answer, InputRequired)
    assert "executing" not in answer.message  # of "Error executing tool ask: no colour: cancel"
    assert "cancel" in answer.message


ASKING = str(Path(asking_process.__file__))
ALONE = "it asked while other calls were under way, so it must be made alone; "


@asynccontextmanager
async def process() -> AsyncGenerator[Caller]:
    """Its questions come without the call they are of."""
    servers = {"desk": StdioServer(command=sys.executable, args=("-S", ASKING))}
    async with caller(McpSource(server="desk"), servers=servers) as call:
        yield call


async def test_a_question_of_a_process_waits_until_it_can_be_of_one_call_only() -> None:
    async with process() as call:
        held, asking = await asyncio.gather(call("hold"), answered(call, "ask"))

    assert held == CallSucceeded(output=b'"held"')
    assert asking == (CallSucceeded(output=b'"painted red"'), ["Which colour?"])


@pytest.mark.parametrize(("refusing", "said"), [("failed", ""), ("error", "the server refused: ")])
async def test_where_several_calls_ask_at_once_each_is_made_again_by_itself(refusing: str, said: str) -> None:
    async with process() as call:
        first, second = await asyncio.gather(*(call("together", refusing=refusing) for _ in range(2)))
        again = await asyncio.gather(answered(call, "together"), answered(call, "together"))

    for answer in (first, second):
        assert isinstance(answer, CallFailed)
        assert answer.transient
        assert answer.message == f"{ALONE}{said}no colour: cancel"
    assert again == [(CallSucceeded(output=b'"painted red"'), ["Which colour?"])] * 2


async def test_where_several_calls_ask_at_once_none_that_succeeds_all_the_same_is_made_again() -> None:
    async with process() as call:
        answers = await asyncio.gather(*(call("together", refusing="politely") for _ in range(2)))

    assert answers == [CallSucceeded(output=b'"no colour: cancel"')] * 2


async def test_a_question_does_not_wait_for_ever_for_another_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "MAX_WAIT", 0.1)
    async with process() as call:
        staying = asyncio.create_task(call("stay", timeout=5))
        answer = await call("ask", timeout=4)
        staying.cancel()
        await asyncio.wait({staying})

    assert isinstance(answer, CallFailed)
    assert answer.transient
    assert answer.message == f"{ALONE}no colour: cancel"
