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
    def __init__(self, description: dict[str, object]) -> None:
        self._description = description
        self.document = ""
        self.called: list[dict[str, str]] = []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *rest = head.strip().split("\r\n")
        headers = dict(header.lower().split(": ", 1) for header in rest)
        if "/openapi.json" in line:
            body = json.dumps(self._description).encode()
        else:
            self.called.append(headers)
            body = b'{"things":[]}'
        fields = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close"
        writer.write(f"HTTP/1.1 200 OK\r\n{fields}\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def recording(*, secured: bool = False) -> AsyncGenerator[Recorder, None]:
    """A recorder that listens on loopback; `secured`, its description asks for a bearer token."""
    recorder = Recorder(_SECURED if secured else _DOCUMENT)
    server = await asyncio.start_server(recorder.answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        recorder.document = f"http://127.0.0.1:{port}/openapi.json"
        yield recorder
