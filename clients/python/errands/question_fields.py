"""The fields of the form that an INPUT approval asks a person to fill in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

_BOOLEANS: Final = {"true": True, "yes": True, "y": True, "false": False, "no": False, "n": False}
# Python accepts more as a number, such as `1_000`, `nan` and digits of other scripts.
_NUMBER_CHARACTERS: Final = frozenset("0123456789+-.eE")


@dataclass(frozen=True)
class Choice:
    """One value of a field that offers several, and its title."""

    value: str
    title: str


@dataclass(frozen=True)
class Field:
    """One field of a form.

    name: its key in the answer.
    kind: string, number, integer, boolean, choice or choices.
    title: what it is called; its name where it has none.
    description: empty where there is none.
    required: whether the answer must have it.
    default: a value of its kind; None where there is none.
    format: of a string: email, uri, date, date-time, or empty.
    choices: what a choice or choices may be.
    bounds: minimum, maximum, minLength, maxLength, minItems and maxItems, where set.
    """

    name: str
    kind: str
    title: str
    description: str
    required: bool
    default: Any
    format: str
    choices: Sequence[Choice]
    bounds: Mapping[str, float]

    def parse(self, texts: Sequence[str]) -> Any:
        """Parse what was typed or chosen to a value of this kind; None where it is empty.

        ValueError: it does not fit; the message says what it must be.
        """
        given = [text for text in texts if text]
        if self.kind == "choices":
            return given or None
        if not given:
            return None
        [text] = given[:1]
        match self.kind:
            case "boolean":
                return _parse_boolean(text)
            case "integer" | "number":
                return _parse_number(text, whole=self.kind == "integer")
            case _:
                return text


def parse_fields(schema_json: str) -> list[Field]:
    """The fields of a form, in order, from `ApprovalQuestion.schema_json`."""
    schema = json.loads(schema_json)
    required = schema.get("required", [])
    fields = []
    for name, of in schema["properties"].items():
        several = of["type"] == "array"
        offered = of["items"]["anyOf"] if several else of.get("oneOf", [])
        fields.append(
            Field(
                name=name,
                kind="choices" if several else "choice" if offered else of["type"],
                title=of.get("title", name),
                description=of.get("description", ""),
                required=name in required,
                default=of.get("default"),
                format=of.get("format", ""),
                choices=[Choice(one["const"], one["title"]) for one in offered],
                bounds={rule: bound for rule, bound in of.items() if rule.startswith(("min", "max"))},
            )
        )
    return fields


def _parse_boolean(text: str) -> bool:
    if text.lower() not in _BOOLEANS:
        raise ValueError("must be yes or no")
    return _BOOLEANS[text.lower()]


def _parse_number(text: str, *, whole: bool) -> int | float:
    kind = "an integer" if whole else "a number"
    if not _NUMBER_CHARACTERS.issuperset(text) or len(text) > 300:
        raise ValueError(f"must be {kind}")
    try:
        found = int(text) if whole or text.lstrip("+-").isdigit() else float(text)
    except ValueError as error:
        raise ValueError(f"must be {kind}") from error
    if isinstance(found, float) and not isfinite(found):
        raise ValueError("must not be that large")
    return found
