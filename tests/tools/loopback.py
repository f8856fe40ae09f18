"""A service on loopback that keeps what it receives, and calls to it."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from errands_server.domain.tool import ToolRef
from errands_server.ports import CallRequest, CallResult
from errands_server.tools.openapi.document import Operation, read
from errands_server.tools.openapi.sender import Credential, OpenApiSender

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody; loading real roots takes longer than a test


class Received(Struct):
    """One request as it came over the wire."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


Behaviour = Callable[[Received, asyncio.StreamWriter], Awaitable[None]]


class Service:
    """A server on loopback: remembers what it received, counts its connections, does as told."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.received: list[Received] = []
        self.connections = 0
        self.arrived = asyncio.Event()
        self.origin = ""
        self._behaviour = behaviour

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while not writer.is_closing():
                request = await _request(reader)
                self.received.append(request)
                self.arrived.set()
                await self._behaviour(request, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def _request(reader: asyncio.StreamReader) -> Received:
    head, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, target, _ = head.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
    return Received(method, target, headers, await reader.readexactly(int(headers.get("content-length", 0))))


@asynccontextmanager
async def service(behaviour: Behaviour | bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[Service]:
    async def answer(_: Received, writer: asyncio.StreamWriter) -> None:
        assert isinstance(behaviour, bytes)
        writer.write(behaviour)

    found = Service(answer if isinstance(behaviour, bytes) else behaviour)
    async with await asyncio.start_server(found.handle, "127.0.0.1", 0, ssl=tls) as server:
        scheme = "https://localhost" if tls else "http://127.0.0.1"
        found.origin = f"{scheme}:{server.sockets[0].getsockname()[1]}"
        yield found


def http(status: int, body: bytes = b"", content_type: str = "application/json", **headers: str) -> bytes:
    named = {"Content-Type": content_type, "Content-Length": str(len(body))}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in named.items()), "", ""]
    return "\r\n".join(lines).encode() + body


def operation(origin: str, method: str = "post", path: str = "/x", **changes: Any) -> Operation:
    document = {
        "openapi": "3.1.0",
        "servers": [{"url": f"{origin}/v1"}],
        "paths": {path: {method: {"operationId": "it", "responses": {}, **changes}}},
    }
    (found,) = read(json.dumps(document)).operations
    return found


def taking(name: str, where: str, schema: dict[str, Any], **style: Any) -> dict[str, Any]:
    return {"name": name, "in": where, "required": where == "path", "schema": schema, **style}


def with_body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


async def call(
    sender: OpenApiSender,
    wanted: Operation,
    arguments: dict[str, Any] | None = None,
    *,
    credential: Credential | None = None,
    internal: bool = True,
    timeout: float = 5,
) -> CallResult:
    request = CallRequest(
        ref=ToolRef("i", 1, wanted.tool.name),
        arguments=arguments or {},
        idempotency_key="key-1",
        user_id="u",
    )
    return await sender.send(wanted, request, credential=credential, internal=internal, timeout=timeout)


async def answer_to(reply: bytes, method: str = "post", **options: Any) -> CallResult:
    async with service(reply) as found, OpenApiSender(tls=TLS, now=lambda: NOW) as sender:
        return await call(sender, operation(found.origin, method), **options)
