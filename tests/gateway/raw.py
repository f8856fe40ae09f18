"""Requests as bytes, for what no client would send."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from tests.service import PATIENCE, Service


class Answer(Struct):
    """An answer as it came over the wire; `closed`: the gateway closed the connection behind it."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    closed: bool = False

    def json(self) -> Any:
        return json.loads(self.body)


async def send(
    service: Service, method: str, path: str, *headers: str, body: bytes = b"", keyed: bool = True
) -> Answer:
    """One request on a connection of its own; headers are lines. `body` goes as it is."""
    host, _, port = service.app.http_address.rpartition(":")
    lines = [f"{method} {path} HTTP/1.1", "host: gateway", *headers]
    if keyed:
        lines.append(f"x-api-key: {service.key}")
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write("\r\n".join([*lines, "", ""]).encode("utf-8") + body)
            return await _answer(reader, method)
        finally:
            writer.close()


async def _answer(reader: asyncio.StreamReader, method: str) -> Answer:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.partition(": ") for line in lines if line)
    headers = {name.lower(): value for name, _, value in pairs}
    length = 0 if method == "HEAD" else int(headers.get("content-length", 0))
    body = await reader.readexactly(length)
    closed = headers.get("connection") == "close" and await reader.read() == b""
    return Answer(int(first.split()[1]), headers, body, closed)
