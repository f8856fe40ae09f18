"""Pages of lists: the parameters, the response, and the link to the next page."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from starlette.responses import Response

from ..http.response import json_response
from ..rest.dialect import STRING, Call, Parameter

PAGE_SIZE: Final = Parameter(
    name="pageSize",
    schema={"type": "integer", "minimum": 1, "maximum": 100, "default": 50},
    description="How many a page has at most.",
)
PAGE_TOKEN: Final = Parameter(
    name="pageToken", schema=STRING, description="The `nextPageToken` of the page before."
)


def page_fields(call: Call) -> dict[str, Any]:
    """Size and token, as the fields of every list request of the contract."""
    return {"page_size": call.query.get("pageSize", 50), "page_token": call.query.get("pageToken", "")}


def page_response(call: Call, name: str, items: list[Any], token: str) -> Response:
    """A page of `items` under `name`; `token` of the next page is in the body and in the Link header."""
    document = {name: items}
    if token:
        return json_response({**document, "nextPageToken": token}, headers=next_link(call, pageToken=token))
    return json_response(document)


def next_link(call: Call, **changed: str) -> dict[str, str]:
    """`Link: rel="next"` (RFC 8288): this request with some parameters changed."""
    kept = [
        (name, value)
        for name, value in call.request.query_params.multi_items()
        if name not in {*changed, "page", "pageToken"}
    ]
    query = urlencode([*kept, *changed.items()])
    return {"Link": f'<{call.base_url}{call.request.url.path}?{query}>; rel="next"'}
