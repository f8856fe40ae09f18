"""Reads the request body that an operation takes: JSON, a form, text or bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Any, Final

from msgspec import Struct

from ..operation import CannotCall, Part
from .file_fields import alternatives, file_schema, holds_file, is_file
from .json_node import JsonNode
from .schema import ConvertedSchema, Direction, SchemaConverter, add_description

URLENCODED: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"

_ANYTHING: Final = ("*/*", "application/*")
_MEDIA_TYPE: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+/[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_XML: Final = re.compile(r"(application|text)/(.+\+)?xml")
_TEXT: Final = re.compile(r"text/.+|application/(.+\+)?(x-)?(yaml|ndjson|graphql|sql|javascript|jwt)")
_MAY_BE_JSON: Final = re.compile(r"text/plain|(application|text)/(x-)?yaml")
_COMPOSITE: Final = ("multipart/", "message/")
_OWN_HEADERS: Final = ("content-type", "content-disposition", "content-transfer-encoding")
_ANNOTATIONS: Final = frozenset({"type", "title", "description", "example", "nullable"})
_DEPTH: Final = 8  # of schemas that make up one form, which may be a circle


class _Rank(IntEnum):
    """Kinds of bodies. Where an operation takes several, the least is sent."""

    FILES = 0  # a multipart form with files
    JSON = 1  # application/json
    LIKE_JSON = 2  # another type that is written as JSON, or a range of types
    URLENCODED = 3
    MULTIPART = 4  # a multipart form without files
    TEXT = 5
    BYTES = 6


# The type that is sent where a document allows a range, such as `*/*` or `application/*+json`.
_RANGE_TYPES: Final[Mapping[_Rank | None, str]] = {
    _Rank.LIKE_JSON: "application/json",
    _Rank.TEXT: "text/plain",
    _Rank.BYTES: "application/octet-stream",
}


class RequestBody(Struct, frozen=True, kw_only=True):
    """The body that is sent, of those an operation takes."""

    content_type: str
    converted: ConvertedSchema
    required: bool
    direction: Direction
    parts: Mapping[str, Part] = {}  # members of a form that need more than their value


def is_json(media_type: str) -> bool:
    """Whether a value of this type is written as JSON. The type is lower case, without parameters."""
    return media_type in ("application/json", "text/json") or media_type.endswith("+json")


def may_be_json(media_type: str) -> bool:
    """Whether JSON text is valid as this type, such as YAML. The type is lower case, without parameters."""
    return bool(_MAY_BE_JSON.fullmatch(media_type))


def json_content(content: JsonNode) -> JsonNode | None:
    """The JSON alternative of a `content` object; None where it has none."""
    for documented, node in content.members():
        media_type = bare_type(documented)
        if is_json(media_type) or media_type in _ANYTHING:
            return node
    return None


def text_content(content: JsonNode) -> JsonNode | None:
    """The plain text alternative of a `content` object; None where it has none."""
    return next((node for name, node in content.members() if bare_type(name).startswith("text/")), None)


def read_body(operation: JsonNode, converter: SchemaConverter) -> RequestBody | None:
    """The body an operation takes; None: it takes none. CannotCall: it needs one that cannot be written."""
    node = operation.at("requestBody").follow()
    content = node.at("content")
    choices = [_Alternative(documented, media) for documented, media in content.members()]
    ranked = [(one.rank, index) for index, one in enumerate(choices) if one.rank is not None]
    if ranked:
        return _request_body(choices[min(ranked)[1]], node, converter)
    if choices and (node.flag("required") or operation.place.endswith((".post", ".put", ".patch"))):
        names = ", ".join(one.documented or "of no named type" for one in choices)
        raise CannotCall(f"its body is {names}; JSON, forms, text and bytes can be sent")
    return None


class _Alternative:
    """One media type that a body may have."""

    def __init__(self, documented: str, media: JsonNode) -> None:
        self.documented = documented
        self.media = media
        self.schema = media.at("schema").follow()
        self.media_type = bare_type(documented)
        self.rank = self._rank()

    def _rank(self) -> _Rank | None:
        """The kind of this body; None where it cannot be sent."""
        if self.media_type == MULTIPART:
            files = any(holds_file(member) for _, member in _form_members(self.schema))
            return _Rank.FILES if files else _Rank.MULTIPART
        if self.media_type == URLENCODED:
            return _Rank.URLENCODED
        if is_json(self.media_type):
            return _Rank.JSON if self.media_type == "application/json" else _Rank.LIKE_JSON
        if self.media_type in _ANYTHING:
            return _Rank.BYTES if is_file(self.schema.value) else _Rank.LIKE_JSON
        if _XML.fullmatch(self.media_type):  # it can be given as text, not as elements
            return _Rank.TEXT if _type(self.schema) == "string" else None
        if self.media_type.startswith(_COMPOSITE) or not _MEDIA_TYPE.fullmatch(self.media_type):
            return None
        text = _TEXT.fullmatch(self.media_type) or _is_encoded(self.schema)
        return _Rank.TEXT if text else _Rank.BYTES


def _request_body(body: _Alternative, node: JsonNode, converter: SchemaConverter) -> RequestBody:
    form = body.media_type in (MULTIPART, URLENCODED)
    if form:
        converted = _form_schema(body, converter)
    elif body.rank is _Rank.TEXT:
        kinds = ("string", "object", "array") if may_be_json(body.media_type) else ("string",)
        is_described = _type(body.schema) in kinds
        schema = body.media.at("schema")
        converted = (
            converter.convert(schema, Direction.SENT) if is_described else ConvertedSchema({"type": "string"})
        )
    elif body.rank is _Rank.BYTES:
        converted = ConvertedSchema(file_schema(body.schema))
    else:
        converted = converter.convert(body.media.at("schema"), Direction.SENT)
    return RequestBody(
        content_type=_content_type(body),
        converted=add_description(add_description(converted, node), body.media),
        required=node.flag("required"),
        direction=Direction.UPLOADED if form else Direction.SENT,
        parts=dict(_parts(body)) if form else {},
    )


def _content_type(body: _Alternative) -> str:
    if "*" in body.media_type:
        return "application/xml" if _XML.fullmatch(body.media_type) else _RANGE_TYPES[body.rank]
    # Parameters may choose a version of the service, so they stay.
    plain = body.documented.isascii() and body.documented.isprintable()
    return body.documented.strip() if plain and body.media_type != MULTIPART else body.media_type


def _form_schema(body: _Alternative, converter: SchemaConverter) -> ConvertedSchema:
    converted = converter.convert(body.media.at("schema"), Direction.UPLOADED)
    if body.media_type == MULTIPART:  # a plain string called `file` is a file
        for name, member in _form_members(body.schema):
            if _is_undeclared_file(name, member) and name in converted.schema.get("properties", {}):
                properties = {**converted.schema["properties"], name: file_schema(member.follow())}
                schema = {**converted.schema, "properties": properties}
                converted = ConvertedSchema(schema, converted.references, converted.size)
                break
    if converted.schema.keys() & {"type", "$ref", "allOf", "anyOf", "oneOf"}:
        return converted
    return ConvertedSchema({"type": "object", **converted.schema}, converted.references, converted.size)


def _is_undeclared_file(name: str, member: JsonNode) -> bool:
    """Whether a form's member is a file although its document calls it a string."""
    schema = member.follow().value
    return name == "file" and isinstance(schema, dict) and schema.keys() <= _ANNOTATIONS


def _parts(body: _Alternative) -> Iterator[tuple[str, Part]]:
    encodings = body.media.at("encoding")
    for name, member in _form_members(body.schema):
        file = holds_file(member) or _is_undeclared_file(name, member)
        part = _part(encodings.at(name), file=file and body.media_type == MULTIPART)
        if part != Part():
            yield name, part


def _part(encoding: JsonNode, *, file: bool) -> Part:
    style = encoding.text("style")
    if not style and (encoding.at("explode") or encoding.at("allowReserved")):
        style = "form"
    content_type = encoding.text("contentType").partition(",")[0].strip()  # the first of a choice
    usable = "*" not in content_type and _MEDIA_TYPE.fullmatch(bare_type(content_type))
    return Part(
        content_type=content_type if usable and content_type.isprintable() else "",
        style=style,
        explode=encoding.flag("explode") if encoding.at("explode") else style in ("", "form"),
        reserved=encoding.flag("allowReserved"),
        file=file,
        headers=dict(_headers(encoding)),
    )


def _headers(encoding: JsonNode) -> Iterator[tuple[str, str]]:
    """Headers of a part whose value the document gives. CannotCall: a required one has no such value."""
    for name, node in encoding.at("headers").members():
        header = node.follow()
        schema = header.at("schema").follow()
        value = next(filter(None, (_only_value(schema), schema.at("default").value)), None)
        if name.lower() in _OWN_HEADERS:
            continue
        if isinstance(value, str) and value.isascii() and value.isprintable():
            yield name, value
        elif header.flag("required"):
            raise CannotCall(f"a part of its form needs the header {name!r}")


def _only_value(schema: JsonNode) -> Any:
    """The only value a schema allows; None where there are others."""
    choice = schema.at("enum").value
    return choice[0] if isinstance(choice, list) and len(choice) == 1 else schema.at("const").value


def _form_members(schema: JsonNode, depth: int = _DEPTH) -> Iterator[tuple[str, JsonNode]]:
    """The properties of a form, also of the schemas it is composed of."""
    if depth == 0 or not isinstance(schema.value, dict):
        return
    for item in alternatives(schema):
        yield from _form_members(item.follow(), depth - 1)
    if isinstance(schema.at("properties").value, dict):
        yield from schema.at("properties").members()


def _is_encoded(schema: JsonNode) -> bool:
    """Whether the service wants base64 text rather than the bytes it encodes."""
    value = schema.value
    return isinstance(value, dict) and (value.get("format") == "byte" or "contentEncoding" in value)


def _type(schema: JsonNode) -> Any:
    return schema.value.get("type") if isinstance(schema.value, dict) else None


def bare_type(media_type: str) -> str:
    """A media type in lower case, without its parameters."""
    return media_type.partition(";")[0].strip().lower()
