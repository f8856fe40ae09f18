"""Answers: JSON, pages with their links, and nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from . import values
from .operation import Call


def answer(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer. Runs change, so nobody keeps it."""
    more = {"Cache-Control": "no-store", **(headers or {})}
    return Response(values.encoded(document), status, more, "application/json")


def nothing() -> Response:
    """Done, and there is nothing to say."""
    return Response(status_code=204)


def page(call: Call, name: str, items: list[Any], token: str) -> Response:
    """A page of `items`; the token of the next one is in the body and in the Link header."""
    document = {name: items}
    if token:
        return answer({**document, "nextPageToken": token}, headers=next_link(call, pageToken=token))
    return answer(document)


def next_link(call: Call, **changed: str) -> dict[str, str]:
    """`Link: rel="next"` (RFC 8288): this request with some parameters changed."""
    kept = [
        (name, value)
        for name, value in call.request.query_params.multi_items()
        if name not in {*changed, "page", "pageToken"}
    ]
    query = urlencode([*kept, *changed.items()])
    return {"Link": f'<{base(call)}{call.request.url.path}?{query}>; rel="next"'}


def base(call: Call) -> str:
    """How callers reach this gateway, without a slash at the end."""
    if call.gateway.settings.public_url:
        return call.gateway.settings.public_url.rstrip("/")
    return str(call.request.base_url).rstrip("/")
