"""A service on loopback that shows callers everything they sent, in every form it can think of."""

from __future__ import annotations

import asyncio
import base64
import html
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

from msgspec import Struct

_QUERY = [{"name": "q", "in": "query", "schema": {"type": "string"}}]
_BODY = {"content": {"application/json": {"schema": {"type": "object"}}}}
# Name of the operation: its method, and the status it is answered with.
OPERATIONS: dict[str, tuple[str, int]] = {
    "echo": ("get", 200),
    "tell": ("get", 200),
    "post": ("post", 200),
    "large": ("post", 200),
    "unauthorized": ("get", 401),
    "forbidden": ("get", 403),
    "refuse": ("post", 422),
    "page": ("post", 422),
    "broken": ("post", 500),
    "moved": ("get", 302),
    "away": ("get", 302),
    "cut": ("post", 200),
    "hang": ("post", 200),
}
_MEDIA = {"page": "text/html", "refuse": "application/json"}


class Received(Struct):
    """One request as it came."""

    target: str
    headers: dict[str, str]
    body: bytes


class Mirror:
    """What was received, in order. `says` replaces what `tell` answers.

    `issued` answers what is posted to a path that is no operation: media type and body.
    """

    def __init__(self) -> None:
        self.url = ""
        self.away = "http://127.0.0.1:9/"
        self.says = ""
        self.issued: dict[str, tuple[str, str]] = {}
        self.received: list[Received] = []
        self.arrived = asyncio.Event()
        self.hung = asyncio.Event()

    def document(self, *names: str, secured: bool = False, schemes: dict[str, Any] | None = None) -> str:
        """These operations, described; all of them where none is named."""
        schemes = schemes or {"token": {"type": "http", "scheme": "bearer"}}
        return json.dumps(
            {
                "openapi": "3.1.0",
                "info": {"title": "Mirror", "version": "1"},
                "servers": [{"url": self.url}],
                "components": {"securitySchemes": schemes},
                "paths": {
                    f"/{name}": {OPERATIONS[name][0]: _described(name, schemes if secured else {})}
                    for name in names or OPERATIONS
                },
            }
        )

    @staticmethod
    def shown(line: str, headers: dict[str, str], body: bytes) -> dict[str, Any]:
        """A request, written down in many ways."""
        text = "\n".join((line, *(f"{name}: {value}" for name, value in headers.items()), body.decode()))
        data = text.encode()
        return {
            "line": line,
            "headers": headers,
            "text": text,
            "json in json": json.dumps(json.dumps({"text": text})),
            "quoted": quote(text, safe=""),
            "quoted a little": quote(text),
            "quoted twice": quote(quote(text, safe=""), safe=""),
            "form": quote_plus(text),
            "html": html.escape(text),
            "hex": data.hex(),
            "HEX": data.hex().upper(),
            "base64": [base64.b64encode(b"x" * shift + data).decode() for shift in range(3)],
            "base64url": [base64.urlsafe_b64encode(b"x" * shift + data).decode() for shift in range(3)],
            **{f"key {value}": name for name, value in headers.items()},
        }

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line, *rest = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = {name.lower(): value for name, value in (field.split(": ", 1) for field in rest)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        _, target, _ = line.split(" ")
        self.received.append(Received(target, headers, body))
        self.arrived.set()
        name = urlsplit(target).path.strip("/")
        if name == "hang":
            await self.hung.wait()
        if name != "cut":
            writer.write(self._reply(name, line, headers, body))
            await writer.drain()
        writer.close()

    def _reply(self, name: str, line: str, headers: dict[str, str], body: bytes) -> bytes:
        if name in self.issued:
            media, text = self.issued[name]
            head = f"HTTP/1.1 200 OK\r\nContent-Type: {media}\r\nConnection: close\r\n"
            return f"{head}Content-Length: {len(text)}\r\n\r\n{text}".encode()
        shown = self.shown(line, headers, body)
        media = _MEDIA.get(name, "application/json")
        text = (
            f"<h1>{shown['html']}</h1><p>{shown['text']}</p>" if media == "text/html" else json.dumps(shown)
        )
        if name == "refuse":
            text = json.dumps({"message": f"{shown['text']} {shown['base64'][1]}"})
        if name == "tell":
            text = json.dumps({"said": self.says})
        if name == "large":
            text = json.dumps({"much": shown["text"] + "x" * 100_000})
        status = OPERATIONS[name][1]
        reason = quote(shown["text"])[:200]
        head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: {media}\r\nConnection: close\r\n"
        if status == 302:
            there = "/echo" if name == "moved" else f"{self.away}?{shown['form'][:2_000]}"
            head += f"Location: {there}\r\n"
        data = text.encode()
        return f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data


def _described(name: str, schemes: dict[str, Any]) -> dict[str, Any]:
    method = OPERATIONS[name][0]
    return {
        "operationId": name,
        "summary": name,
        **({"parameters": _QUERY} if method == "get" else {"requestBody": _BODY}),
        **({"security": [{scheme: []} for scheme in schemes]} if schemes else {}),
        "responses": {"200": {"description": "What was sent."}},
    }


@asynccontextmanager
async def mirror() -> AsyncGenerator[Mirror, None]:
    """A mirror on a free port."""
    found = Mirror()
    server = await asyncio.start_server(found.answer, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield found
    finally:
        found.hung.set()
        server.close()
