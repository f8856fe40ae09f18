"""Answers: JSON, and nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from ..v1 import values
from .operation import Call


def answer(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer. Runs change, so nobody keeps it."""
    return answered(values.encoded(document), status, headers)


def answered(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The same of JSON that is encoded already."""
    more = {"Cache-Control": "no-store", **(headers or {})}
    return Response(body, status, more, "application/json")


def nothing() -> Response:
    """Done, and there is nothing to say."""
    return Response(status_code=204)


def base(call: Call) -> str:
    """How callers reach this gateway, without a slash at the end."""
    if call.gateway.settings.public_url:
        return call.gateway.settings.public_url.rstrip("/")
    return str(call.request.base_url).rstrip("/")
