"""What REST calls the fields of the contract: camelCase, with a few words of its own."""

from __future__ import annotations

import re
from typing import Final

# Fields whose REST name is not the camelCase of the proto name.
_OTHER: Final = {
    "request_id": "Idempotency-Key",
    "plan_wait_ms": "Prefer",
    "after_sequence": "after",
    "skip": "page",
    "openapi_url": "openapi.url",
    "openapi_document": "openapi.document",
}
_CREDENTIAL: Final = re.compile(r"^credential(\.(bearer|api_key|basic))?(?=\.|$)")
_WORD: Final = re.compile(r"_([a-z0-9])")


def rest(field: str) -> str:
    """The path of a field in a REST request, from its path in the gRPC request."""
    if field in _OTHER:
        return _OTHER[field]
    path = _CREDENTIAL.sub("auth", field)
    return ".".join(_camel(part) for part in path.split("."))


def _camel(part: str) -> str:
    name, bracket, index = part.partition("[")
    return _WORD.sub(lambda found: found[1].upper(), name.removesuffix("_json")) + bracket + index
