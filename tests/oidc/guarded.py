"""An MCP server by the SDK that lets in who the provider knows, and says where to log in (RFC 9728)."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer
from mcp.types import ToolAnnotations
from pydantic import AnyHttpUrl
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.oidc.api import introspected
from tests.oidc.provider import Provider
from tests.tools.mcp.servers import served

READING, WRITING = "things:read", "things:write"


class Guarded:
    """Keeps things for whom the provider vouches. Reading takes one scope, writing another."""

    def __init__(self, found: Provider, origin: str, client: httpx2.AsyncClient) -> None:
        self.url = f"{origin}/mcp"
        self.kept: list[tuple[str, str]] = []  # who, what
        self.callers: list[str] = []  # of calls of tools that were let in
        self._issuer = found.issuer
        self._client = client
        settings = AuthSettings(
            issuer_url=AnyHttpUrl(found.issuer),
            resource_server_url=AnyHttpUrl(self.url),
            required_scopes=[READING],
            validate_token_resource=True,
        )
        self._server = MCPServer("things", log_level="CRITICAL", token_verifier=self, auth=settings)
        self._tools()

    def _tools(self) -> None:
        @self._server.tool(annotations=ToolAnnotations(read_only_hint=True))
        def list_things() -> list[str]:
            """List the caller's things."""
            caller = self._caller()
            return [what for who, what in self.kept if who == caller]

        @self._server.tool()
        def keep_thing(what: str) -> str:
            """Keep a thing for the caller."""
            self.kept.append((self._caller(), what))
            return "kept"

    def _caller(self) -> str:
        token = get_access_token()
        assert token is not None
        self.callers.append(token.subject or "")
        return self.callers[-1]

    async def verify_token(self, token: str) -> AccessToken | None:
        told = await introspected(self._client, self._issuer, token)
        if not told.get("active"):
            return None
        return AccessToken(
            token=token,
            client_id=told["client_id"],
            scopes=told.get("scope", "").split(),
            expires_at=told["exp"],
            resource=told.get("aud"),
            subject=told.get("sub"),
        )

    def app(self) -> ASGIApp:
        app = self._server.streamable_http_app()

        async def scoped(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                await self._scoped(app, Request(scope, receive), send)
            else:
                await app(scope, receive, send)

        return scoped

    async def _scoped(self, app: ASGIApp, request: Request, send: Send) -> None:
        """The SDK asks for the same scopes whatever is called; more for one tool is asked for here."""
        body = await request.body()
        message: Any = json.loads(body) if body else {}
        writes = isinstance(message, dict) and message.get("params", {}).get("name") == "keep_thing"
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        known = await self.verify_token(token) if writes and token else None
        if known is not None and WRITING not in known.scopes:
            challenge = f'Bearer error="insufficient_scope", scope="{READING} {WRITING}"'
            refusal = JSONResponse({}, 403, {"www-authenticate": challenge})
            await refusal(request.scope, request.receive, send)
            return
        given = False

        async def receive() -> Message:
            nonlocal given
            if given:
                return await request.receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await app(request.scope, receive, send)


@asynccontextmanager
async def guarded(found: Provider) -> AsyncGenerator[Guarded]:
    """The server on a free port."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        async with httpx2.AsyncClient() as client:
            server = Guarded(found, f"http://127.0.0.1:{bound.getsockname()[1]}", client)
            async with served(server.app(), bound):
                yield server
