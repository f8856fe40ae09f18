"""A small HTTP service in the test's own loop: it keeps what it is sent, and answers when told to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

_BODY = {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
_ANSWER = {"200": {"description": "What came of it."}}


def _operation(name: str, **more: Any) -> dict[str, Any]:
    return {"operationId": name, "summary": name, "responses": _ANSWER, **more}


_QUERY = [{"name": "q", "in": "query", "schema": {"type": "string"}}]
PATHS = {
    "/things": {
        "get": _operation("readThings", parameters=_QUERY),
        "post": _operation("writeThing", requestBody=_BODY),
    },
    "/held": {
        "get": _operation("readHeld", parameters=_QUERY),
        "post": _operation("writeHeld", requestBody=_BODY),
    },
    "/refused": {"post": _operation("writeRefused", requestBody=_BODY)},
    "/lost": {"post": _operation("writeLost", requestBody=_BODY)},
    "/locked": {"get": _operation("readLocked", security=[{"key": []}])},
}


SCHEMES = {
    "key": {"type": "http", "scheme": "bearer"},
    "code": {"type": "apiKey", "in": "header", "name": "x-code"},
}


class Target:
    """The service that runs of the tests call: what it received, in order. Held operations are answered
    once `open` is set.

    It is an authorization server, too, which gives `token` for any code.
    """

    def __init__(self) -> None:
        self.url = ""
        self.token = "desk-token"
        self.received: list[tuple[str, Any]] = []
        self.arrived = asyncio.Event()
        self.open = asyncio.Event()

    def document(self) -> str:
        """The service, described."""
        return json.dumps(
            {
                "openapi": "3.1.0",
                "info": {"title": "Desk", "version": "1"},
                "servers": [{"url": self.url}],
                "paths": PATHS,
                "components": {"securitySchemes": SCHEMES},
            }
        )

    def bodies(self) -> list[Any]:
        """The bodies of everything that was written."""
        return [body for target, body in self.received if target.startswith("POST")]

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, then close."""
        method, target, body = await _request(reader)
        path = urlsplit(target).path
        self.received.append((f"{method} {path}", body))
        self.arrived.set()
        if path == "/held":
            await self.open.wait()
        if path != "/lost":
            status = "422 Unprocessable" if path == "/refused" else "200 OK"
            document: Any = {"id": f"t{len(self.received)}", "body": body, "q": _query(target)}
            if path == "/token":  # as an authorization server (RFC 6749 §5.1)
                document = {"access_token": self.token, "token_type": "Bearer"}
            text = json.dumps(document).encode()
            head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n"
            writer.write(f"{head}Content-Length: {len(text)}\r\n\r\n".encode() + text)
        writer.close()


def _query(target: str) -> str:
    return parse_qs(urlsplit(target).query).get("q", [""])[0]


async def _request(reader: asyncio.StreamReader) -> tuple[str, str, Any]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.splitlines()
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    method, target, _ = first.split(" ")
    return method, target, _parsed(headers.get("content-type", ""), body)


def _parsed(media_type: str, body: bytes) -> Any:
    if media_type.startswith("application/x-www-form-urlencoded"):
        return parse_qs(body.decode())
    return json.loads(body) if body else None


@asynccontextmanager
async def opened() -> AsyncGenerator[Target, None]:
    """A target on a free port."""
    target = Target()
    server = await asyncio.start_server(target.answer, "127.0.0.1", 0)
    target.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield target
    finally:
        target.open.set()
        server.close()
