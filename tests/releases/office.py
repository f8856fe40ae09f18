"""The services that the runs of a folder call: seven host names, one HTTP server on loopback.

Integrations keep the origin of their service, and the hash of every call covers it. So the origins
of a folder are names under `.test` (RFC 6761) with one port, and whoever opens the office says where
these names stand: on a loopback address of its own, so that several tests run at the same time.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import Struct

PORT: Final = 18083
LARGE: Final = 65_536  # characters of what `readAll` answers with, more than an event holds
_TRIES: Final = 20
_BODY: Final = {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}

Operations = Mapping[str, tuple[str, str]]
"""Method and path, by name."""

NOTES: Final[Operations] = {
    "readAll": ("get", "/all"),
    "writeNote": ("post", "/notes"),
    "refuseNote": ("post", "/refused"),
    "delayNote": ("post", "/delayed"),
    "loseNote": ("post", "/lost"),
    "holdNote": ("post", "/held"),
}
LEDGER: Final[Operations] = {"holdEntry": ("post", "/held")}
VAULT: Final[Operations] = {"readSecret": ("get", "/secret")}
CALENDAR: Final[Operations] = {"readCalendar": ("get", "/calendar")}
MAIL: Final[Operations] = {"sendMail": ("post", "/mail")}
ARCHIVE: Final[Operations] = {"readArchive": ("get", "/archive")}


def origin(name: str) -> str:
    """Where the service of this name stands."""
    return f"http://{name}.test:{PORT}"


def description(name: str, operations: Operations, scheme: Mapping[str, Any] | None = None) -> str:
    """The OpenAPI document of a service; with a `scheme`, all its operations need that."""
    return json.dumps(
        {
            "openapi": "3.1.0",
            "info": {"title": name, "version": "1"},
            "servers": [{"url": origin(name)}],
            "components": {"securitySchemes": {"login": scheme} if scheme else {}},
            "security": [{"login": []}] if scheme else [],
            "paths": {
                path: {
                    method: {
                        "operationId": operation,
                        "summary": operation,
                        "responses": {"200": {"description": "What came of it."}},
                        **({"requestBody": _BODY} if method == "post" else {}),
                    }
                }
                for operation, (method, path) in operations.items()
            },
        }
    )


BEARER: Final = {"type": "http", "scheme": "bearer"}
OAUTH: Final = {
    "type": "oauth2",
    "flows": {
        "authorizationCode": {
            "authorizationUrl": f"{origin('calendar')}/authorize",
            "tokenUrl": f"{origin('calendar')}/token",
            "scopes": {},
        }
    },
}
PAGE: Final = "https://pay.example/basket"
_COLOUR: Final = {
    "mode": "form",
    "message": "Which colour?",
    "requestedSchema": {
        "type": "object",
        "properties": {"colour": {"type": "string", "title": "Colour"}},
        "required": ["colour"],
    },
}
_ASKED: Final = {
    "paint": _COLOUR,
    "buy": {"mode": "url", "message": "Pay first", "url": PAGE},
}


class Request(Struct, frozen=True):
    """One request as it came."""

    host: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: str

    @property
    def document(self) -> Any:
        return json.loads(self.body)


class Office:
    """Keeps what it is sent. While it is `ill`, it loses answers, holds them back, and is unavailable."""

    def __init__(self, *, ill: bool = False) -> None:
        self.ill = ill
        self.requests: list[Request] = []
        self._came = asyncio.Condition()
        self._well = asyncio.Event()

    def sent_to(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == path]

    async def wait_for(self, path: str, count: int = 1) -> None:
        """Wait until this path was asked for so often."""
        async with self._came:
            await self._came.wait_for(lambda: len(self.sent_to(path)) >= count)

    def close(self) -> None:
        """Let go of what is held back."""
        self._well.set()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, then close."""
        request = await _read(reader)
        self.requests.append(request)
        async with self._came:
            self._came.notify_all()
        if self.ill and request.path == "/held":
            await self._well.wait()
        if not (self.ill and request.path == "/lost"):
            status, document = self._answer(request)
            body = json.dumps(document).encode() if document is not None else b""
            head = f"HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\nConnection: close\r\n"
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        writer.close()

    def _answer(self, request: Request) -> tuple[int, Any]:
        match request.path:
            case "/all":
                return 200, {"first": "milk", "rest": "x" * LARGE}
            case "/refused":
                return 422, {"message": "there is no paper"}
            case "/delayed" if len(self.sent_to("/delayed")) == 1:
                return 503, {"message": "not now"}
            case "/token":
                kind = "new" if "grant_type=refresh_token" in request.body else "first"
                return 200, {
                    "access_token": f"{kind}-calendar-token",
                    "refresh_token": f"{kind}-calendar-refresh",
                    "token_type": "Bearer",
                    "expires_in": 3_600,
                }
            case "/mcp":
                return _answer_rpc(request.document) if request.method == "POST" else (405, None)
        return 200, {"done": request.path}


def _answer_rpc(message: Mapping[str, Any]) -> tuple[int, Any]:
    """An MCP server of revision 2026-07-28: what its tools ask for comes before what they do."""
    if "id" not in message:
        return 202, None
    result: Mapping[str, Any]
    told = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
    match message["method"]:
        case "server/discover":
            result = {**told, "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}}
        case "tools/list":
            schema = {"type": "object"}
            tools = [{"name": name, "description": name, "inputSchema": schema} for name in _ASKED]
            result = {**told, "tools": tools}
        case "tools/call" if message["params"].get("inputResponses"):
            result = {"resultType": "complete", "content": [{"type": "text", "text": "done"}]}
        case "tools/call":
            asked = {"method": "elicitation/create", "params": _ASKED[message["params"]["name"]]}
            result = {
                "resultType": "input_required",
                "inputRequests": {"a": asked},
                "requestState": "halfway",
            }
        case _:
            return 404, {"error": "no such method"}
    return 200, {"jsonrpc": "2.0", "id": message["id"], "result": result}


async def _read(reader: asyncio.StreamReader) -> Request:
    line, *rest = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    headers = {name.lower(): value for name, value in (field.split(": ", 1) for field in rest)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    method, target, _ = line.split(" ")
    host = headers["host"].partition(".test")[0]
    return Request(host, method, urlsplit(target).path, headers, body.decode())


@asynccontextmanager
async def open_office(*, ill: bool = False) -> AsyncGenerator[Office]:
    """An office to which the names under `.test` lead in this loop. OSError: its port is taken everywhere."""
    office = Office(ill=ill)
    bound = _bound()
    server = await asyncio.start_server(office.answer, sock=bound)
    restore = _lead_names_to(bound.getsockname()[0])
    try:
        yield office
    finally:
        restore()
        office.close()
        server.close()


def _bound() -> socket.socket:
    """A socket on a loopback address where the port is free; 127.0.0.1 is the last that is tried."""
    addresses = [f"127.83.{random.randrange(256)}.{random.randrange(1, 255)}" for _ in range(_TRIES)]
    for address in (*addresses, "127.0.0.1"):
        bound = socket.socket()
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((address, PORT))
        except OSError:
            bound.close()
        else:
            return bound
    raise OSError(f"no loopback address has a free port {PORT}")


def _lead_names_to(address: str) -> Callable[[], None]:
    """Have the running loop resolve every name under `.test` to this address. What is returned undoes it."""
    loop: Any = asyncio.get_running_loop()
    usual = loop.getaddrinfo

    async def getaddrinfo(host: Any, port: Any, **options: Any) -> Any:
        return await usual(address if str(host).endswith(".test") else host, port, **options)

    loop.getaddrinfo = getaddrinfo

    def restore() -> None:
        del loop.getaddrinfo

    return restore
