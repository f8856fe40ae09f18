"""Reads the tools a server listed into operations that can be called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from ...domain.tool import Effect, Repeat, Tool
from ..document import OUTPUT_BUDGET
from ..inputs import BUDGET
from ..naming import Names
from ..node import Document, DocumentError, Node
from ..operation import Omission, Operation
from ..schema import Direction, Schemas
from .target import Listing

SCHEME: Final = "oauth"  # the one security scheme an MCP server has
MAX_DESCRIPTION: Final = 20_000  # characters
MAX_SCHEMA: Final = 1 << 20  # bytes


class Place(Struct, frozen=True, kw_only=True):
    """What all tools of one server have in common."""

    home: str
    path: str = ""
    honours_keys: bool = False
    scopes: tuple[str, ...] | None = None  # what its users must grant; None where it asks for nothing


def read(listing: Listing, place: Place) -> tuple[tuple[Operation, ...], tuple[Omission, ...]]:
    """The tools that can be called, and those that cannot with the reason."""
    found: dict[str, Operation] = {}
    left_out: list[Omission] = []
    names = Names((said, "", said) for said in _names(listing))
    for tool in listing.tools:
        said = str(tool.get("name", ""))
        try:
            if said in found:
                raise DocumentError("", "another tool has the same name")
            found[said] = _operation(tool, names["", said], said, place)
        except DocumentError as error:
            left_out.append(Omission(f"tools.{said[:100]}", str(error)))
    return tuple(found.values()), tuple(left_out)


def _names(listing: Listing) -> Iterator[str]:
    return iter(dict.fromkeys(str(tool.get("name", "")) for tool in listing.tools))


def _operation(tool: Mapping[str, Any], name: str, said: str, place: Place) -> Operation:
    annotations = tool.get("annotations") or {}
    effect = effect_of(annotations)
    parameters = _schema(tool.get("inputSchema"), "inputSchema", Direction.SENT, BUDGET)
    output = tool.get("outputSchema")
    return Operation(
        tool=Tool(
            name=name,
            title=str(tool.get("title") or annotations.get("title") or said),
            description=str(tool.get("description") or "")[:MAX_DESCRIPTION],
            effect=effect,
            repeat=_repeat(effect, place),
            method="",
            path="",
            origin=place.home,
            parameters={"type": "object", **parameters},
            output=_schema(output, "outputSchema", Direction.RECEIVED, OUTPUT_BUDGET) if output else None,
            secured=place.scopes is not None,
        ),
        base_path=place.path,
        remote_name=said,
        security=() if place.scopes is None else ((SCHEME,),),
        scopes=() if place.scopes is None else (place.scopes,),
    )


def effect_of(annotations: Mapping[str, Any]) -> Effect:
    """A tool that is not said to only read writes, and so does one that is said to do both."""
    reads = annotations.get("readOnlyHint") is True and annotations.get("destructiveHint") is not True
    return Effect.READ if reads else Effect.WRITE


def _repeat(effect: Effect, place: Place) -> Repeat:
    # A server's own `idempotentHint` is no promise: whoever adds it may make one with honours_keys.
    if effect is Effect.READ:
        return Repeat.FREELY
    return Repeat.KEYED if place.honours_keys else Repeat.NEVER


def _schema(value: Any, place: str, direction: Direction, budget: int) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise DocumentError(place, "is no JSON Schema of an object")
    if len(msgspec.json.encode(value)) > MAX_SCHEMA:
        raise DocumentError(place, f"is longer than {MAX_SCHEMA >> 20} MiB")
    schemas = Schemas()
    try:
        converted = schemas.convert(Node(value, place, Document(value)), direction)
        found: Mapping[str, Any] = schemas.complete(converted, direction, budget=budget)
    except RecursionError:
        raise DocumentError(place, "is nested too deeply") from None
    return found
