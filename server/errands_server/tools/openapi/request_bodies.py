"""Reads what an operation takes as its request body: JSON, a form, text or bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Any, Final

from msgspec import Struct

from ..operation import CannotCall, Part
from .file_fields import alternatives, file_schema, holds_file, is_file
from .json_node import JsonNode
from .schema import Converted, Direction, Schemas, described

URLENCODED: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"

_ANYTHING: Final = ("*/*", "application/*")
_MEDIA_TYPE: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+/[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_XML: Final = re.compile(r"(application|text)/(.+\+)?xml")
_TEXT: Final = re.compile(r"text/.+|application/(.+\+)?(x-)?(yaml|ndjson|graphql|sql|javascript|jwt)")
_MAY_BE_JSON: Final = re.compile(r"text/plain|(application|text)/(x-)?yaml")
_COMPOSITE: Final = ("multipart/", "message/")
_OURS: Final = ("content-type", "content-disposition", "content-transfer-encoding")
_SAYS_LITTLE: Final = frozenset({"type", "title", "description", "example", "nullable"})
_DEPTH: Final = 8  # of schemas that make up one form, which may be a circle


class _Rank(IntEnum):
    """What is sent where there is a choice, best first."""

    FILES = 0
    JSON = 1
    LIKE_JSON = 2
    URLENCODED = 3
    MULTIPART = 4
    TEXT = 5
    BYTES = 6


# What is sent where a document allows a range, such as `*/*` or `application/*+json`.
_PLAINEST: Final[Mapping[_Rank | None, str]] = {
    _Rank.LIKE_JSON: "application/json",
    _Rank.TEXT: "text/plain",
    _Rank.BYTES: "application/octet-stream",
}


class Body(Struct, frozen=True, kw_only=True):
    """The one kind of body that is sent, of those an operation takes."""

    content_type: str
    converted: Converted
    required: bool
    direction: Direction
    parts: Mapping[str, Part] = {}


def is_json(media_type: str) -> bool:
    """Whether a value of this type is written as JSON. The type has no parameters and lower case."""
    return media_type in ("application/json", "text/json") or media_type.endswith("+json")


def may_be_json(media_type: str) -> bool:
    """Whether JSON text is a text of this type too, as it is YAML. Lower case, no parameters."""
    return bool(_MAY_BE_JSON.fullmatch(media_type))


def json_content(content: JsonNode) -> JsonNode | None:
    """The JSON alternative of a `content` object."""
    for documented, node in content.members():
        media_type = _bare(documented)
        if is_json(media_type) or media_type in _ANYTHING:
            return node
    return None


def text_content(content: JsonNode) -> JsonNode | None:
    """The plain text alternative of a `content` object."""
    return next((node for name, node in content.members() if _bare(name).startswith("text/")), None)


def read_body(operation: JsonNode, schemas: Schemas) -> Body | None:
    """The body an operation takes. CannotCall: it needs one we cannot write."""
    node = operation.at("requestBody").followed()
    content = node.at("content")
    kinds = [_Kind(documented, media) for documented, media in content.members()]
    ranked = [(kind.rank, index) for index, kind in enumerate(kinds) if kind.rank is not None]
    if ranked:
        return _body(kinds[min(ranked)[1]], node, schemas)
    if kinds and (node.flag("required") or operation.place.endswith((".post", ".put", ".patch"))):
        names = ", ".join(kind.documented or "of no named type" for kind in kinds)
        raise CannotCall(f"its body is {names}; JSON, forms, text and bytes can be sent")
    return None


class _Kind:
    """One alternative of a body."""

    def __init__(self, documented: str, media: JsonNode) -> None:
        self.documented = documented
        self.media = media
        self.schema = media.at("schema").followed()
        self.media_type = _bare(documented)
        self.rank = self._rank()

    def _rank(self) -> _Rank | None:
        """None cannot be sent."""
        if self.media_type == MULTIPART:
            files = any(holds_file(member) for _, member in _members(self.schema))
            return _Rank.FILES if files else _Rank.MULTIPART
        if self.media_type == URLENCODED:
            return _Rank.URLENCODED
        if is_json(self.media_type):
            return _Rank.JSON if self.media_type == "application/json" else _Rank.LIKE_JSON
        if self.media_type in _ANYTHING:
            return _Rank.BYTES if is_file(self.schema.value) else _Rank.LIKE_JSON
        return self._raw_rank()

    def _raw_rank(self) -> _Rank | None:
        if _XML.fullmatch(self.media_type):  # its text can be given, its elements cannot
            return _Rank.TEXT if _type(self.schema) == "string" else None
        if self.media_type.startswith(_COMPOSITE) or not _MEDIA_TYPE.fullmatch(self.media_type):
            return None
        text = _TEXT.fullmatch(self.media_type) or _is_encoded(self.schema)
        return _Rank.TEXT if text else _Rank.BYTES


def _body(kind: _Kind, node: JsonNode, schemas: Schemas) -> Body:
    form = kind.media_type in (MULTIPART, URLENCODED)
    if form:
        converted = _form(kind, schemas)
    elif kind.rank is _Rank.TEXT:
        converted = _text(kind, schemas)
    elif kind.rank is _Rank.BYTES:
        converted = Converted(file_schema(kind.schema))
    else:
        converted = schemas.convert(kind.media.at("schema"), Direction.SENT)
    return Body(
        content_type=_sent_as(kind),
        converted=described(described(converted, node), kind.media),
        required=node.flag("required"),
        direction=Direction.UPLOADED if form else Direction.SENT,
        parts=dict(_parts(kind)) if form else {},
    )


def _sent_as(kind: _Kind) -> str:
    if "*" in kind.media_type:
        return "application/xml" if _XML.fullmatch(kind.media_type) else _PLAINEST[kind.rank]
    # Parameters may choose a version of the service, so they stay.
    plain = kind.documented.isascii() and kind.documented.isprintable()
    return kind.documented.strip() if plain and kind.media_type != MULTIPART else kind.media_type


def _form(kind: _Kind, schemas: Schemas) -> Converted:
    converted = schemas.convert(kind.media.at("schema"), Direction.UPLOADED)
    if kind.media_type == MULTIPART:
        converted = _with_file(converted, kind.schema)
    if converted.schema.keys() & {"type", "$ref", "allOf", "anyOf", "oneOf"}:
        return converted
    return Converted({"type": "object", **converted.schema}, converted.references, converted.size)


def _with_file(converted: Converted, schema: JsonNode) -> Converted:
    """A form's schema where a plain text called `file` is taken for one."""
    for name, member in _members(schema):
        if _is_unsaid_file(name, member) and name in converted.schema.get("properties", {}):
            properties = {**converted.schema["properties"], name: file_schema(member.followed())}
            return Converted(
                {**converted.schema, "properties": properties}, converted.references, converted.size
            )
    return converted


def _is_unsaid_file(name: str, member: JsonNode) -> bool:
    """Whether a form's member is a file that its document calls a string and no more."""
    schema = member.followed().value
    return name == "file" and isinstance(schema, dict) and schema.keys() <= _SAYS_LITTLE


def _text(kind: _Kind, schemas: Schemas) -> Converted:
    kinds = ("string", "object", "array") if may_be_json(kind.media_type) else ("string",)
    if _type(kind.schema) in kinds:
        return schemas.convert(kind.media.at("schema"), Direction.SENT)
    return Converted({"type": "string"})


def _parts(kind: _Kind) -> Iterator[tuple[str, Part]]:
    encodings = kind.media.at("encoding")
    for name, member in _members(kind.schema):
        file = holds_file(member) or _is_unsaid_file(name, member)
        part = _part(encodings.at(name), file=file and kind.media_type == MULTIPART)
        if part != Part():
            yield name, part


def _part(encoding: JsonNode, *, file: bool) -> Part:
    style = encoding.text("style")
    if not style and (encoding.at("explode") or encoding.at("allowReserved")):
        style = "form"
    content_type = encoding.text("contentType").partition(",")[0].strip()  # the first of a choice
    usable = "*" not in content_type and _MEDIA_TYPE.fullmatch(_bare(content_type))
    return Part(
        content_type=content_type if usable and content_type.isprintable() else "",
        style=style,
        explode=encoding.flag("explode") if encoding.at("explode") else style in ("", "form"),
        reserved=encoding.flag("allowReserved"),
        file=file,
        headers=dict(_headers(encoding)),
    )


def _headers(encoding: JsonNode) -> Iterator[tuple[str, str]]:
    """Headers of a part whose value the document gives. CannotCall: one that it does not."""
    for name, node in encoding.at("headers").members():
        header = node.followed()
        schema = header.at("schema").followed()
        value = next(filter(None, (_only(schema), schema.at("default").value)), None)
        if name.lower() in _OURS:
            continue
        if isinstance(value, str) and value.isascii() and value.isprintable():
            yield name, value
        elif header.flag("required"):
            raise CannotCall(f"a part of its form needs the header {name!r}")


def _only(schema: JsonNode) -> Any:
    """The only value a schema allows, if there is one."""
    choice = schema.at("enum").value
    return choice[0] if isinstance(choice, list) and len(choice) == 1 else schema.at("const").value


def _members(schema: JsonNode, depth: int = _DEPTH) -> Iterator[tuple[str, JsonNode]]:
    """The properties of a form, also where several schemas make it up."""
    if depth == 0 or not isinstance(schema.value, dict):
        return
    for item in alternatives(schema):
        yield from _members(item.followed(), depth - 1)
    if isinstance(schema.at("properties").value, dict):
        yield from schema.at("properties").members()


def _is_encoded(schema: JsonNode) -> bool:
    """Whether the service wants base64 itself rather than what it stands for."""
    value = schema.value
    return isinstance(value, dict) and (value.get("format") == "byte" or "contentEncoding" in value)


def _type(schema: JsonNode) -> Any:
    return schema.value.get("type") if isinstance(schema.value, dict) else None


def _bare(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()
