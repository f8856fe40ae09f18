"""The names a stored event is made of: types, fields, and the values of enums.

`stored_names.json` holds those that logs may hold by now. A name there can never go again; the
command of `golden.py` adds new ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import NODEFAULT, Struct
from msgspec.inspect import EnumType, Field, StructType, Type, type_info

from errands_server.domain.events import AnyEvent

FILE: Final = Path(__file__).parent / "stored_names.json"

Names = dict[str, list[str]]


def structs() -> list[type[Struct]]:
    """Every struct an event is or holds, at any depth."""
    return _classes(StructType)


def enums() -> list[type[Enum]]:
    """Every enum of which an event holds a value, at any depth."""
    return _classes(EnumType)


def _classes(kind: type[StructType] | type[EnumType]) -> list[Any]:
    nodes = _nodes(type_info(AnyEvent))
    return list(dict.fromkeys(node.cls for node in nodes if isinstance(node, kind)))


def _nodes(node: Type | Field) -> Iterator[Type | Field]:
    """A type and all it is made of; no stored type holds itself."""
    yield node
    for attribute in node.__struct_fields__:
        value = getattr(node, attribute)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, Type | Field):
                yield from _nodes(part)


def name(of: type[Struct]) -> str:
    """An event's type as it is stored; for other structs, of which no name is stored, the class's."""
    return str(of.__struct_config__.tag or of.__name__)


def current() -> dict[str, Names]:
    """The names of today's code."""
    return {
        "fields": {name(one): sorted(one.__struct_encode_fields__) for one in structs()},
        "values": {one.__name__: sorted(value.value for value in one) for one in enums()},
    }


def kept() -> dict[str, Names]:
    """The names in the file."""
    names: dict[str, Names] = json.loads(FILE.read_text())
    return names


def add() -> None:
    """Add what is new to the file; nothing is removed from it."""
    names = kept() if FILE.exists() else {"fields": {}, "values": {}}
    for kind, today in current().items():
        for owner, members in today.items():
            names[kind][owner] = sorted({*names[kind].get(owner, []), *members})
    FILE.write_text(json.dumps(names, indent=1, sort_keys=True) + "\n")


def occurrences(value: Any) -> Iterator[tuple[str, str]]:
    """Each field that differs from its default, and each enum value, in a decoded event at any depth."""
    if isinstance(value, Enum):
        yield type(value).__name__, value.value
    elif isinstance(value, tuple):
        for item in value:
            yield from occurrences(item)
    elif isinstance(value, Struct):
        for field in msgspec.structs.fields(value):
            member = getattr(value, field.name)
            # A required field has no default; it counts where it is not empty.
            filled = bool(member) if field.default is NODEFAULT else member != field.default
            if filled:
                yield name(type(value)), field.encode_name
            yield from occurrences(member)
