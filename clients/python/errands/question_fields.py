"""Questions of services: the fields of the form that an INPUT approval asks a person to fill in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

_TRUE: Final = {"true": True, "yes": True, "y": True, "false": False, "no": False, "n": False}
# What a browser and a command line know as a number, which is less than what Python does.
_PLAIN: Final = frozenset("0123456789+-.eE")


@dataclass(frozen=True)
class Choice:
    """One value of a field that has a list of them, and what it is called."""

    value: str
    title: str


@dataclass(frozen=True)
class Field:
    """One field. `kind` is string, number, integer, boolean, choice or choices."""

    name: str
    kind: str
    title: str
    description: str
    required: bool
    default: Any  # a value of its kind; None where there is none
    format: str  # of a string: email, uri, date, date-time, or empty
    choices: Sequence[Choice]
    bounds: Mapping[str, float]  # minimum, maximum, minLength, maxLength, minItems, maxItems

    def value(self, texts: Sequence[str]) -> Any:
        """What a person typed or chose, as the field's kind has it; None where that is nothing.

        ValueError with what it must be.
        """
        given = [text for text in texts if text]
        if self.kind == "choices":
            return given or None
        if not given:
            return None
        [text] = given[:1]
        match self.kind:
            case "boolean":
                return _boolean(text)
            case "integer" | "number":
                return _number(text, whole=self.kind == "integer")
            case _:
                return text


def fields(schema_json: str) -> list[Field]:
    """The fields of a form, in its order, from `ApprovalQuestion.schema_json`."""
    schema = json.loads(schema_json)
    required = schema.get("required", [])
    return [_field(name, of, required=name in required) for name, of in schema["properties"].items()]


def _field(name: str, of: Mapping[str, Any], *, required: bool) -> Field:
    several = of["type"] == "array"
    offered = of["items"]["anyOf"] if several else of.get("oneOf", [])
    return Field(
        name=name,
        kind="choices" if several else "choice" if offered else of["type"],
        title=of.get("title", name),
        description=of.get("description", ""),
        required=required,
        default=of.get("default"),
        format=of.get("format", ""),
        choices=[Choice(one["const"], one["title"]) for one in offered],
        bounds={rule: bound for rule, bound in of.items() if rule.startswith(("min", "max"))},
    )


def _boolean(text: str) -> bool:
    if text.lower() not in _TRUE:
        raise ValueError("must be yes or no")
    return _TRUE[text.lower()]


def _number(text: str, *, whole: bool) -> int | float:
    kind = "an integer" if whole else "a number"
    if not _PLAIN.issuperset(text) or len(text) > 300:
        raise ValueError(f"must be {kind}")
    try:
        found = int(text) if whole or text.lstrip("+-").isdigit() else float(text)
    except ValueError as error:
        raise ValueError(f"must be {kind}") from error
    if isinstance(found, float) and not isfinite(found):
        raise ValueError("must not be that large")
    return found
