"""An MCP server written out by hand: it answers as a test says, in any revision, also against the rules."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.tools.mcp.servers import listening

Answering: TypeAlias = Callable[[Request, Mapping[str, Any]], Response | Mapping[str, Any] | None]

TOOL: Mapping[str, Any] = {"name": "act", "description": "Acts.", "inputSchema": {"type": "object"}}
DONE: Mapping[str, Any] = {"content": [{"type": "text", "text": "done"}]}
MODERN = "2026-07-28"


class Plain:
    """What it is asked, and what it answers: `answer` decides first, None leaves it to the usual."""

    def __init__(self, revision: str, tools: list[Mapping[str, Any]]) -> None:
        self.revision = revision
        self.tools = tools
        self.asked: list[tuple[Request, Mapping[str, Any]]] = []
        self.answer: Answering = lambda request, message: None
        self.sessions = 0
        self.url = ""

    def calls(self) -> list[Mapping[str, Any]]:
        return [message for _, message in self.asked if message.get("method") == "tools/call"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await request.body()
        message = json.loads(body) if body else {}
        self.asked.append((request, message))
        await self._response(request, message)(scope, receive, send)

    def _response(self, request: Request, message: Mapping[str, Any]) -> Response:
        said = self.answer(request, message)
        if isinstance(said, Response):
            return said
        if "id" not in message:
            return Response(status_code=202 if message else 405)
        result = said if said is not None else self._usual(message["method"])
        if result is None:
            return JSONResponse({"error": "no such method"}, 404)
        headers = {}
        if message["method"] == "initialize":
            self.sessions += 1
            headers["mcp-session-id"] = f"s{self.sessions}"
        return JSONResponse({"jsonrpc": "2.0", "id": message["id"], "result": result}, headers=headers)

    def _usual(self, method: str) -> Mapping[str, Any] | None:
        modern = self.revision == MODERN
        told = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"} if modern else {}
        match method:
            case "server/discover" if modern:
                return {**told, "supportedVersions": [MODERN], "capabilities": {"tools": {}}}
            case "initialize" if not modern:
                info = {"name": "plain", "version": "1"}
                return {"protocolVersion": self.revision, "capabilities": {"tools": {}}, "serverInfo": info}
            case "tools/list":
                return {**told, "tools": self.tools}
            case "tools/call":
                return {**({"resultType": "complete"} if modern else {}), **DONE}
        return None


@asynccontextmanager
async def plain(
    revision: str = "2025-06-18", tools: list[Mapping[str, Any]] | None = None
) -> AsyncGenerator[Plain]:
    """A server on loopback."""
    found = Plain(revision, [TOOL] if tools is None else tools)
    app: ASGIApp = found
    async with listening(app) as origin:
        found.url = f"{origin}/mcp"
        yield found


def error(message: Mapping[str, Any], code: int, said: str, status: int = 200, **headers: str) -> Response:
    """A protocol error."""
    body = {"jsonrpc": "2.0", "id": message["id"], "error": {"code": code, "message": said}}
    return JSONResponse(body, status, {name.replace("_", "-"): value for name, value in headers.items()})


def required(message: Mapping[str, Any], *urls: str) -> Response:
    """The error by which a server refuses until these pages were opened (2025-11-25)."""
    pages = [{"mode": "url", "message": "Pay first", "url": url, "elicitationId": url} for url in urls]
    told = {"code": -32042, "message": "pages are required", "data": {"elicitations": pages}}
    return JSONResponse({"jsonrpc": "2.0", "id": message["id"], "error": told})
