"""Parameters: the inputs and outputs of a tool, flattened to single values with a path each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cached_property
from itertools import islice
from typing import Any, Final

from msgspec import Struct

from ...domain.plan import Path
from .dates import date_pattern
from .tokens import GENERIC, content, stemmed, stems

Schema = Mapping[str, Any]

_PARTICIPLE: Final = re.compile(r"[a-z]{2,}[^\We]ed|[a-z]+sent")

_SEARCH: Final = stemmed("q query search term terms keyword keywords text")
_DEPTH: Final = 6  # levels; deeper values are left out
_WIDTH: Final = 200  # values per tool


class Type(StrEnum):
    """The type of a value, formats included."""

    TEXT = "text"
    ID = "id"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    TIME = "date-time"
    EMAIL = "email"
    UUID = "uuid"
    URL = "uri"
    OBJECT = "object"


class ToolParameter(Struct, frozen=True, kw_only=True, dict=True):
    """One value in a document. `owners` are the stems of what it belongs to, nearest first."""

    path: Path
    name: str
    words: frozenset[str]
    description: str  # or its title
    owners: tuple[frozenset[str], ...]
    type: Type
    schema: Schema
    required: bool  # wherever its parents are given
    optional_parents: tuple[Path, ...] = ()
    array: bool = False
    forms: Mapping[str, str] = {}  # the prefix for each kind of thing; kinds are stems

    @cached_property
    def about(self) -> frozenset[str]:
        """The words of its description."""
        return frozenset(content(self.description))

    @cached_property
    def particular(self) -> frozenset[str]:
        """Its words without generic ones (`id`, `name`); all of them if nothing is left."""
        return self.words - GENERIC or self.words

    @cached_property
    def searches(self) -> bool:
        """Whether this is a search term, by its name."""
        return self.type is Type.TEXT and self.words <= _SEARCH

    @cached_property
    def states(self) -> tuple[str, ...]:
        """The participles among its documented values: `closed`, but not `open`."""
        listed = self.schema.get("enum")
        texts = [option for option in listed if isinstance(option, str)] if isinstance(listed, list) else []
        return tuple(text for text in texts if _PARTICIPLE.fullmatch(text.lower()))

    @cached_property
    def identifies(self) -> bool:
        """Whether this is the identifier of something, by its name."""
        return "id" in self.words or "uuid" in self.words or self.type is Type.UUID


IDS: Final = frozenset({"id", "ids", "uuid", "number", "ref"})
_FORMATS: Final = {
    "date": Type.DATE,
    "date-time": Type.TIME,
    "email": Type.EMAIL,
    "idn-email": Type.EMAIL,
    "uuid": Type.UUID,
    "uri": Type.URL,
    "url": Type.URL,
}
_URLS: Final = frozenset({"url", "uri"})
_DATES: Final = frozenset({"date"})
_PLAIN: Final = {"integer": Type.INTEGER, "number": Type.NUMBER, "boolean": Type.BOOLEAN}
# Objects without known properties, and lists of lists: only context can give these.
_WHOLE: Final = frozenset({"object", "array"})


def input_parameters(parameters: Schema) -> tuple[ToolParameter, ...]:
    """The values an arguments object holds, in documented order; `readOnly` ones are left out.

    The element of an array of objects has index 0. Recursion stops after a few levels.
    """
    found = _Walk(parameters, "readOnly").properties(resolve(parameters, parameters), _Place())
    return tuple(islice(found, _WIDTH))


def output_parameters(output: Schema) -> tuple[ToolParameter, ...]:
    """The values an output holds; of a list, those of its first element."""
    found = _Walk(output, "writeOnly").value("", resolve(output, output), _Place(), required=True)
    return tuple(islice(found, _WIDTH))


def resolve(schema: Any, root: Schema) -> Schema:
    """`schema` with local references, `allOf` and the first real choice of a union followed."""
    for _ in range(_DEPTH):
        if not isinstance(schema, Mapping):
            return {}
        if isinstance(reference := schema.get("$ref"), str):
            schema = {**_lookup(reference, root), **{k: v for k, v in schema.items() if k != "$ref"}}
        elif choices := schema.get("oneOf") or schema.get("anyOf"):
            rest = {k: v for k, v in schema.items() if k not in ("oneOf", "anyOf")}
            schema = {**_choice(choices), **rest}
        elif schema.get("allOf"):
            schema = _merge(schema, root)
        else:
            return schema
    return schema if isinstance(schema, Mapping) else {}


def _lookup(reference: str, root: Schema) -> Schema:
    found: Any = root
    for part in reference.removeprefix("#").strip("/").split("/"):
        found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) and found is not root else {}


def _choice(choices: Any) -> Schema:
    real = (
        (c for c in choices if isinstance(c, Mapping) and c.get("type") != "null")
        if isinstance(choices, list)
        else ()
    )
    return next(iter(real), {})


def _merge(schema: Schema, root: Schema) -> Schema:
    parts = schema["allOf"] if isinstance(schema["allOf"], list) else []
    whole: dict[str, Any] = {}
    for part in [{k: v for k, v in schema.items() if k != "allOf"}, *parts]:
        part = (
            _lookup(part["$ref"], root)
            if isinstance(part, Mapping) and isinstance(part.get("$ref"), str)
            else part
        )
        if not isinstance(part, Mapping):
            continue
        properties = {**_properties(whole), **_properties(part)}
        required = [*_required(whole), *_required(part)]
        whole = {**whole, **part, "properties": properties, "required": required}
    return whole


def _properties(schema: Schema) -> Schema:
    found = schema.get("properties")
    return found if isinstance(found, Mapping) else {}


def _required(schema: Schema) -> list[str]:
    found = schema.get("required")
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def json_type(schema: Schema) -> str:
    """The JSON type of a resolved schema, guessed from its keywords where it names none."""
    declared = schema.get("type")
    if isinstance(declared, list):
        declared = next((name for name in declared if name != "null"), None)
    if isinstance(declared, str):
        return declared
    return "object" if "properties" in schema else "array" if "items" in schema else "string"


class _Place(Struct, frozen=True):
    """A position of a walk: the path, what it belongs to (nearest first), optional parents."""

    path: Path = ()
    owners: tuple[frozenset[str], ...] = ()
    optional: tuple[Path, ...] = ()


class _Walk(Struct, frozen=True):
    """One walk over one document's schema, leaving out what bears the keyword `hidden`."""

    root: Schema
    hidden: str

    def properties(self, schema: Schema, place: _Place) -> Iterator[ToolParameter]:
        required = set(_required(schema))
        for name, raw in _properties(schema).items():
            inner = resolve(raw, self.root)
            if len(place.path) < _DEPTH and not inner.get(self.hidden):
                at = _Place((*place.path, name), place.owners, place.optional)
                yield from self.value(name, inner, at, required=name in required)

    def value(self, name: str, schema: Schema, place: _Place, *, required: bool) -> Iterator[ToolParameter]:
        item = resolve(schema.get("items"), self.root) if json_type(schema) == "array" else None
        inside = schema if item is None else item
        if not _properties(inside):
            yield _parameter(name, schema, item, place, required)
            return
        path = place.path if item is None else (*place.path, 0)
        optional = place.optional if required else (*place.optional, place.path)
        yield from self.properties(inside, _Place(path, _owners(name, place), optional))


def _owners(name: str, place: _Place) -> tuple[frozenset[str], ...]:
    # `body` is our key for a request's body, not a name of the service.
    own = frozenset() if place.path == ("body",) else frozenset(stems(name))
    return (own, *place.owners) if own else place.owners


def _parameter(
    name: str, schema: Schema, item: Schema | None, place: _Place, required: bool
) -> ToolParameter:
    words = frozenset(stems(name))
    return ToolParameter(
        path=place.path,
        name=name,
        words=words,
        description=str(schema.get("description") or schema.get("title") or ""),
        owners=place.owners,
        type=_type(schema if item is None else item, words),
        schema=schema if item is None else item,
        required=required,
        optional_parents=place.optional,
        array=item is not None,
    )


def _type(schema: Schema, words: frozenset[str]) -> Type:
    plain = json_type(schema)
    if plain in _WHOLE:
        return Type.OBJECT
    if plain in _PLAIN:
        return _PLAIN[plain]
    if schema.get("format") in _FORMATS:
        return _FORMATS[str(schema["format"])]
    if "email" in words:
        return Type.EMAIL
    if words & _URLS:
        return Type.URL
    dated, timed = date_pattern(str(schema.get("description") or ""))
    if timed:
        return Type.TIME
    if words & _DATES or dated:
        return Type.DATE
    return Type.ID if words & IDS else Type.TEXT
