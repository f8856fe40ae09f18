"""MCP servers that show callers everything they were given: one on loopback, one a process."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from tests.mirror import Mirror
from tests.tools.mcp.plain import MODERN, Plain, error, plain, required

# Named like operations of the mirror, so that the same words of an intent call them, too.
TOOLS = (
    "echo",
    "tell",
    "post",
    "large",
    "unauthorized",
    "forbidden",
    "refuse",
    "page",
    "broken",
    "moved",
    "cut",
)


def listed(text: str) -> list[Mapping[str, Any]]:
    """The tools, described with a text."""
    schema = {"type": "object", "properties": {"body": {"type": "object", "description": text}}}
    return [{"name": name, "title": text, "description": text, "inputSchema": schema} for name in TOOLS]


def told(name: str, shown: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a call comes to that a server answers with a result."""
    text = {"type": "text", "text": shown["text"]}
    match name:
        case "echo":
            return {"content": [text], "structuredContent": dict(shown)}
        case "large":
            return {"content": [{**text, "text": shown["text"] + "x" * 300_000}]}
        case "refuse":
            return {"content": [{**text, "text": f"{shown['text']} {shown['base64'][1]}"}], "isError": True}
        case "post":
            link = {"type": "resource_link", "uri": f"file:///{shown['quoted']}", "name": shown["text"]}
            inside = {"type": "resource", "resource": {"uri": "file:///x", "text": shown["html"]}}
            return {"content": [link, inside], "_meta": {"x": shown["text"]}}
        case _:
            return {"content": [{**text, "text": part} for part in map(json.dumps, shown.values())]}


def seen(server: Plain, request: Request, message: Mapping[str, Any]) -> Response | Mapping[str, Any] | None:
    """Every answer of the server holds what came with its request."""
    shown = Mirror.shown(f"POST {request.url.path}", dict(request.headers), json.dumps(message).encode())
    if message.get("method") == "tools/list":
        server.tools = listed(shown["text"])
    if message.get("method") != "tools/call":
        return None
    name = message["params"]["name"]
    match name:
        case "unauthorized" | "forbidden":
            challenge = f'Bearer error="invalid_token", error_description="{shown["quoted"]}"'
            status = 401 if name == "unauthorized" else 403
            return Response(shown["text"], status, {"www-authenticate": challenge})
        case "broken":
            return error(message, -32000, shown["text"])
        case "moved":
            return Response(status_code=307, headers={"location": f"/elsewhere?{shown['form'][:2_000]}"})
        case "cut":
            return Response(shown["text"], headers={"content-type": "application/json"})
        case "page" if server.revision == MODERN:
            return {"resultType": "input_required", **_asking(shown)}
        case "page":
            return required(message, f"https://pay.example/?{shown['quoted'][:1_500]}")
    return {**({"resultType": "complete"} if server.revision == MODERN else {}), **told(name, shown)}


def _asking(shown: Mapping[str, Any]) -> Mapping[str, Any]:
    schema = {"type": "object", "properties": {"colour": {"type": "string", "title": shown["text"]}}}
    asked = {"mode": "form", "message": shown["text"], "requestedSchema": schema}
    return {
        "inputRequests": {"a": {"method": "elicitation/create", "params": asked}},
        "requestState": shown["base64"][0],
    }


@asynccontextmanager
async def remote(revision: str) -> AsyncGenerator[Plain]:
    """The server on loopback."""
    async with plain(revision, listed("")) as server:
        server.answer = lambda request, message: seen(server, request, message)
        yield server


def main() -> None:
    """The process: it knows what its environment holds, and says it."""
    shown = Mirror.shown("process", dict(os.environ), b"")
    print(shown["text"], file=sys.stderr, flush=True)
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message:
            print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **_said(message, shown)}), flush=True)


def _said(message: Mapping[str, Any], shown: Mapping[str, Any]) -> Mapping[str, Any]:
    match message["method"]:
        case "initialize":
            info = {"name": shown["text"], "version": "1"}
            capabilities: Mapping[str, Any] = {"tools": {}}
            told_first = {"protocolVersion": "2025-06-18", "capabilities": capabilities, "serverInfo": info}
            return {"result": {**told_first, "instructions": shown["text"]}}
        case "tools/list":
            return {"result": {"tools": listed(shown["text"])}}
        case "tools/call" if message["params"]["name"] == "broken":
            return {"error": {"code": -32000, "message": shown["text"], "data": dict(shown)}}
        case "tools/call" if message["params"]["name"] == "cut":
            os._exit(3)
        case "tools/call":
            return {"result": told(message["params"]["name"], shown)}
        case _:
            return {"error": {"code": -32601, "message": quote(shown["text"])}}


if __name__ == "__main__":
    main()
