"""The shop's door: with a token it lets in only who sends it, and its document says so."""

from __future__ import annotations

import hmac
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send


def described(document: dict[str, Any]) -> dict[str, Any]:
    """The document of a shop that asks for a token."""
    components = {
        **document["components"],
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
    }
    return {**document, "components": components, "security": [{"token": []}]}


def with_token(app: ASGIApp, token: str) -> ASGIApp:
    """Answer 401 to who sends another; the document and what tests ask for need none."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not _is_open(scope["path"]):
            sent = Request(scope).headers.get("authorization", "")
            if not hmac.compare_digest(sent.encode(), f"Bearer {token}".encode()):
                body = {"error": {"code": "unauthorized", "message": "send the shop's token"}}
                await JSONResponse(body, 401, {"WWW-Authenticate": "Bearer"})(scope, receive, send)
                return
        await app(scope, receive, send)

    return guarded


def _is_open(path: str) -> bool:
    return path == "/openapi.json" or path.startswith("/_")
