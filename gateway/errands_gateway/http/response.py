"""Responses without a page: JSON, or no content."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from .encoding import encode_json


def json_response(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON value. Caches do not keep it, because runs change."""
    return encoded_response(encode_json(document), status, headers)


def encoded_response(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The same of JSON that is encoded already."""
    more = {"Cache-Control": "no-store", **(headers or {})}
    return Response(body, status, more, "application/json")


def no_content() -> Response:
    """204."""
    return Response(status_code=204)
