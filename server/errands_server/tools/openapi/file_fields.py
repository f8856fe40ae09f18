"""Files as arguments: which members of a form or body are bytes, and how they are given.

An argument is JSON, which has no bytes. A file is therefore a string, sent as UTF-8, or an
object with `text` or `base64`, and a `filename` and `contentType` where these matter.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from .json_node import JsonNode

_MEDIA_TYPE: Final = re.compile(r"[\w.+-]+/[\w.+-]+( *; *[\w.-]+=([\w.+-]+|\"[ \w.+-]*\"))*", re.ASCII)
_DEPTH: Final = 8  # of alternatives inside alternatives, which may be a circle
_ALTERNATIVES: Final = ("allOf", "anyOf", "oneOf")
_GIVEN: Final[Mapping[str, Any]] = {
    "anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "properties": {
                "text": {"type": "string"},
                "base64": {"type": "string", "contentEncoding": "base64"},
                "filename": {"type": "string"},
                "contentType": {"type": "string"},
            },
            "additionalProperties": False,
            "oneOf": [{"required": ["text"]}, {"required": ["base64"]}],
        },
    ]
}
_SAID: Final = "A file: its text, or an object with `base64` (or `text`), `filename` and `contentType`."


class File(Struct, frozen=True, kw_only=True):
    """What is sent of a file. Empty texts say nothing."""

    content: bytes
    name: str = ""
    content_type: str = ""


def file_schema(node: JsonNode) -> dict[str, Any]:
    """What an argument may be where the document wants bytes."""
    described = node.text("description")
    return {"description": f"{described}\n\n{_SAID}" if described else _SAID, **_GIVEN}


def is_file(schema: Any) -> bool:
    """Whether a schema, taken by itself, stands for bytes: OpenAPI 3.0's way, 3.1's, or Swagger's."""
    if not isinstance(schema, dict):
        return False
    media_type = schema.get("contentMediaType")
    raw = isinstance(media_type, str) and "contentEncoding" not in schema and "json" not in media_type
    return schema.get("format") == "binary" or schema.get("type") == "file" or raw


def holds_file(node: JsonNode, depth: int = _DEPTH) -> bool:
    """Whether the schema is that of a file, of several, or of one among other things."""
    schema = node.followed()
    if is_file(schema.value):
        return True
    if depth == 0 or not isinstance(schema.value, dict):
        return False
    return any(holds_file(item, depth - 1) for item in (*alternatives(schema), schema.at("items")) if item)


def alternatives(schema: JsonNode) -> list[JsonNode]:
    """The schemas that this one is made of, or a choice between."""
    lists = (schema.at(keyword) for keyword in _ALTERNATIVES)
    return [item for found in lists if isinstance(found.value, list) for item in found.items()]


def file_of(value: Any) -> File:
    """The file an argument stands for. ValueError: says what is wrong with it."""
    if isinstance(value, str):
        return File(content=value.encode())
    content_type = value.get("contentType", "")
    if content_type and not _MEDIA_TYPE.fullmatch(content_type):
        raise ValueError(f"contentType {content_type[:80]!r} is not a media type")
    return File(content=_content(value), name=value.get("filename", ""), content_type=content_type)


def _content(value: Mapping[str, str]) -> bytes:
    if "text" in value:
        return value["text"].encode()
    try:
        return base64.b64decode(value["base64"], validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("base64 holds something else") from None
