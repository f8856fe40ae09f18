"""A service of ours that asks the provider about every token it is given."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote_plus

import httpx2

from tests.oidc.provider import SECRET, Provider

_SECRET = quote_plus(SECRET)  # as RFC 6749 §2.3.1 has it
SCOPES = {"/things": "things:read", "/secrets": "things:write", "/anything": ""}


class Api:
    """What was called, with whose token, and what came of it."""

    def __init__(self, issuer: str, client: httpx2.AsyncClient) -> None:
        self.origin = ""
        self.issuer = issuer
        self.called: list[tuple[str, str, str]] = []  # path, status, subject
        self.audiences: set[str] = set()
        self.tokens: set[str] = set()
        self._client = client
        self.document: dict[str, Any] = {}

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *rest = head.strip().split("\r\n")
        path = line.split(" ")[1]
        headers = {name.lower(): value for name, value in (field.split(": ", 1) for field in rest)}
        status, challenge = await self._judged(path, headers.get("authorization", ""))
        body = b'{"things":[]}'
        named = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        named += f"WWW-Authenticate: {challenge}\r\n" if challenge else ""
        writer.write(f"{named}Connection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    async def _judged(self, path: str, authorization: str) -> tuple[int, str]:
        token = authorization.removeprefix("Bearer ")
        self.tokens.add(token)
        found = await introspected(self._client, self.issuer, token)
        status, challenge = 200, ""
        if not found.get("active"):
            status, challenge = 401, 'Bearer error="invalid_token"'
        elif SCOPES[path] not in ("", *found.get("scope", "").split()):
            status, challenge = 403, f'Bearer error="insufficient_scope", scope="{SCOPES[path]}"'
        self.called.append((path, str(status), found.get("sub", found.get("client_id", ""))))
        self.audiences.add(found.get("aud", ""))
        return status, challenge


async def introspected(client: httpx2.AsyncClient, issuer: str, token: str) -> dict[str, Any]:
    """What the provider says of a token (RFC 7662)."""
    data, auth = {"token": token}, ("api", _SECRET)
    found: dict[str, Any] = (await client.post(f"{issuer}/token/introspection", data=data, auth=auth)).json()
    return found


def described(origin: str, schemes: dict[str, Any], scopes: dict[str, str] | None = None) -> str:
    """The service, described; each operation needs its scope by the scheme `login`."""
    return json.dumps(
        {
            "openapi": "3.1.0",
            "info": {"title": "Things", "version": "1"},
            "servers": [{"url": origin}],
            "components": {"securitySchemes": schemes},
            "paths": {
                path: {
                    "get": {
                        "operationId": f"read{path[1:].title()}",
                        "summary": path,
                        "security": [{"login": [scope] if scope else []}],
                        "responses": {"200": {"description": "What there is."}},
                    }
                }
                for path, scope in (SCOPES if scopes is None else scopes).items()
            },
        }
    )


@asynccontextmanager
async def serving_api(found: Provider) -> AsyncGenerator[Api, None]:
    """The service on a free port."""
    async with httpx2.AsyncClient() as client:
        api = Api(found.issuer, client)
        async with await asyncio.start_server(api.answer, "127.0.0.1", 0) as server:
            api.origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield api
