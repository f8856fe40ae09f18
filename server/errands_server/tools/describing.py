"""Adds to a schema what the parameter, body or media type that uses it says about itself."""

from __future__ import annotations

from typing import Any

from .node import Node
from .schema import Converted


def described(converted: Converted, node: Node) -> Converted:
    """The schema with the description, deprecation and examples of what uses it."""
    schema = dict(converted.schema)
    if description := node.text("description"):
        schema["description"] = description
    if node.flag("deprecated"):
        schema["deprecated"] = True
    if examples := _examples(node):
        schema["examples"] = examples
    return Converted(schema, converted.references, converted.size)


def _examples(node: Node) -> list[Any]:
    if node.at("example"):
        return [node.at("example").value]
    named = node.at("examples")
    if not isinstance(named.value, dict):  # a list is wrong here, and common
        return []
    values = (example.followed().at("value") for _, example in named.members())
    return [value.value for value in values if value]
