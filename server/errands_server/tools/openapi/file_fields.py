"""Files as arguments: which members of a form or body are bytes, and how an argument holds them.

An argument is JSON, which has no bytes. A file is therefore a string, sent as UTF-8, or an
object with `text` or `base64`, and optionally `filename` and `contentType`.
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
_FILE_SCHEMA: Final[Mapping[str, Any]] = {
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
_NOTE: Final = "A file: its text, or an object with `base64` (or `text`), `filename` and `contentType`."


class File(Struct, frozen=True, kw_only=True):
    """A file as it is sent."""

    content: bytes
    name: str = ""  # "" where the argument names none
    content_type: str = ""  # "" where the argument names none


def file_schema(node: JsonNode) -> dict[str, Any]:
    """The schema of an argument where the document wants bytes."""
    description = node.text("description")
    return {"description": f"{description}\n\n{_NOTE}" if description else _NOTE, **_FILE_SCHEMA}


def is_file(schema: Any) -> bool:
    """Whether a schema by itself describes bytes, in the way of OpenAPI 3.0, of 3.1, or of Swagger."""
    if not isinstance(schema, dict):
        return False
    media_type = schema.get("contentMediaType")
    raw = isinstance(media_type, str) and "contentEncoding" not in schema and "json" not in media_type
    return schema.get("format") == "binary" or schema.get("type") == "file" or raw


def holds_file(node: JsonNode, depth: int = _DEPTH) -> bool:
    """Whether the schema describes a file, a list of files, or a choice of which one is a file."""
    schema = node.follow()
    if is_file(schema.value):
        return True
    if depth == 0 or not isinstance(schema.value, dict):
        return False
    return any(holds_file(item, depth - 1) for item in (*alternatives(schema), schema.at("items")) if item)


def alternatives(schema: JsonNode) -> list[JsonNode]:
    """The schemas that `allOf`, `anyOf` and `oneOf` of this one list."""
    lists = (schema.at(keyword) for keyword in _ALTERNATIVES)
    return [item for found in lists if isinstance(found.value, list) for item in found.items()]


def file_of(value: Any) -> File:
    """The file that an argument holds. ValueError: it holds none; the message says why."""
    if isinstance(value, str):
        return File(content=value.encode())
    content_type = value.get("contentType", "")
    if content_type and not _MEDIA_TYPE.fullmatch(content_type):
        raise ValueError(f"contentType {content_type[:80]!r} is not a media type")
    if "text" in value:
        content = value["text"].encode()
    else:
        try:
            content = base64.b64decode(value["base64"], validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("base64 holds something else") from None
    return File(content=content, name=value.get("filename", ""), content_type=content_type)
