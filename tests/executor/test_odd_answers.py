"""Whatever a service answers is an outcome: a write is sent once, and the engine never fails for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from errands.v1 import event_pb2, integration_pb2
from errands_server.app import Overrides
from errands_server.domain.plan import Plan
from errands_server.ports import Brief
from tests.contract.plans import step
from tests.scripted import ScriptedPlanner
from tests.service import serving

DEEP = "[" * 600 + '"\\n"' + "]" * 600
ENTITY = f"<html><title>&#{'9' * 5_000};</title></html>"
ANSWERS = {
    "a charset that encodes names": ("200 OK", "application/json; charset=idna", b'{"a": 1}'),
    "a charset that always fails": ("200 OK", "application/json; charset=undefined", b'{"a": 1}'),
    "a charset that is no text": ("200 OK", "text/plain; charset=base64", b"aGk="),
    "a charset that is unknown": ("200 OK", "text/plain; charset=klingon", b"hi"),
    "lists 600 deep": ("200 OK", "application/json", DEEP.encode()),
    "an entity of 5,000 digits": ("500 Oops", "text/html", ENTITY.encode()),
    "an entity of 5,000 digits in a refusal": ("422 No", "text/html", ENTITY.encode()),
    "half a surrogate pair": ("200 OK", "application/json", b'{"name": "\\ud83d"}'),
    "a zero": ("400 No", "application/json", b'{"message": "a\\u0000b"}'),
    "a half date to retry after": ("503 Busy\r\nRetry-After: Mon, 99", "text/plain", b""),
}


class Odd:
    """A service that answers every write as told, and counts them."""

    def __init__(self, status: str, media_type: str, body: bytes) -> None:
        self._answer = (
            f"HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nConnection: close\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body
        self.writes = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.writes += 1
        writer.write(self._answer)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def odd(*answer: Any) -> AsyncGenerator[tuple[Odd, str], None]:
    service = Odd(*answer)
    server = await asyncio.start_server(service.answer, "127.0.0.1", 0)
    try:
        yield service, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def described(url: str) -> str:
    write = {"operationId": "write", "responses": {"200": {"description": "Done"}}}
    return json.dumps(
        {
            "openapi": "3.1.0",
            "info": {"title": "odd", "version": "1"},
            "servers": [{"url": url}],
            "paths": {"/write": {"post": write}},
        }
    )


def plan(brief: Brief) -> Plan:
    return Plan(description="write", steps=(step(brief, 1, "write"),))


@pytest.mark.parametrize("name", ANSWERS)
async def test_an_odd_answer_is_an_outcome(name: str, tmp_path: Path) -> None:
    async with (
        odd(*ANSWERS[name]) as (service, url),
        serving(tmp_path / "data", Overrides(planner=ScriptedPlanner(plan))) as server,
    ):
        request = integration_pb2.CreateIntegrationRequest(
            name="odd", openapi_document=described(url), internal=True
        )
        await server.integrations.CreateIntegration(request)
        run_id = (await server.create("write")).run_id
        asked = await server.next(run_id, "approval_required")
        run = await server.get(run_id)

    if "503" in ANSWERS[name][0]:
        assert service.writes >= 1  # it said that nothing was done
    else:
        assert service.writes == 1
    assert asked is not None or run.status in {
        event_pb2.RUN_STATUS_SUCCESS,
        event_pb2.RUN_STATUS_NO_SUCCESS,
        event_pb2.RUN_STATUS_FAILED,
    }
    assert run.error.reason != "ENGINE_FAILED"
