"""A real HTTP service in the test's own loop that remembers the headers of every call."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

_DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Recorder", "version": "1"},
    "paths": {
        "/things": {
            "get": {
                "operationId": "listThings",
                "summary": "List the things",
                "responses": {"200": {"description": "The things."}},
            }
        }
    },
}


_SECURED = {
    **_DOCUMENT,
    "security": [{"token": []}],
    "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
}


class Recorder:
    def __init__(self, description: dict[str, object], challenge: str | None) -> None:
        self._description = description
        self._challenge = challenge
        self.document = ""
        self.called: list[dict[str, str]] = []
        self.arrived = asyncio.Event()
        self.answers = asyncio.Event()  # cleared, it answers nobody until it is set
        self.answers.set()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *rest = head.strip().split("\r\n")
        headers = dict(header.lower().split(": ", 1) for header in rest)
        if "/openapi.json" in line:
            body = json.dumps(self._description).encode()
        else:
            self.called.append(headers)
            self.arrived.set()
            await self.answers.wait()
            body = b'{"things":[]}'
        fields = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close"
        status = "200 OK"
        if self._challenge is not None and not ("/openapi.json" in line or "authorization" in headers):
            status = "401 Unauthorized"
            fields += f"\r\nWWW-Authenticate: {self._challenge}" if self._challenge else ""
        writer.write(f"HTTP/1.1 {status}\r\n{fields}\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def recording(
    *, secured: bool = False, challenge: str | None = None, **more: object
) -> AsyncGenerator[Recorder, None]:
    """A recorder that listens on loopback; `secured`, its description asks for a bearer token.

    With a `challenge`, it refuses who sends no token (the header it then sends; empty for none).
    Its description has `more` members besides.
    """
    recorder = Recorder({**(_SECURED if secured else _DOCUMENT), **more}, challenge)
    server = await asyncio.start_server(recorder.answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        recorder.document = f"http://127.0.0.1:{port}/openapi.json"
        yield recorder
