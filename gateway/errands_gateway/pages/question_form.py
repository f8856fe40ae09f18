"""The form of a question: its fields as a page shows them, and what a browser sends of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from msgspec import Struct

from errands.question_fields import Field, parse_fields
from errands.v1 import approval_pb2 as pb

from ..http import validation
from ..http.problems import Violation, invalid
from ..v1 import values

_PREFIX: Final = "input."
_TYPES: Final = {"email": "email", "uri": "url", "date": "date"}
_BOUNDS: Final = {"minimum": "min", "maximum": "max", "minLength": "minlength", "maxLength": "maxlength"}

Sent: TypeAlias = Mapping[str, Sequence[str]]
"""By the name of a field what a browser sent for it."""


class ShownField(Struct, frozen=True, kw_only=True):
    """A field with what stands in it. `attributes` are HTML's, for an input."""

    field: Field
    id: str
    name: str
    texts: Sequence[str]
    attributes: Mapping[str, str]
    problem: str = ""


def split(pairs: Sequence[tuple[str, str]]) -> tuple[Sent, list[tuple[str, str]]]:
    """The fields of the question, and the page's own."""
    sent: dict[str, list[str]] = {}
    own: list[tuple[str, str]] = []
    for name, text in pairs:
        if name.startswith(_PREFIX):
            sent.setdefault(name.removeprefix(_PREFIX), []).append(text)
        else:
            own.append((name, text))
    return sent, own


def answered(approval: pb.Approval, sent: Sent) -> str:
    """JSON text of what was sent, as the fields of the approval's question have it; empty where it has none.

    Problem FIELD_INVALID.
    """
    asked = parse_fields(approval.question.schema_json) if approval.HasField("question") else []
    known = {field.name for field in asked}
    wrong = [Violation(_path(name), "is unknown") for name in sent if name not in known]
    answer: dict[str, Any] = {}
    for field in asked:
        try:
            value = field.parse(sent.get(field.name, ()))
        except ValueError as error:
            wrong.append(Violation(_path(field.name), str(error)))
        else:
            answer |= {} if value is None else {field.name: value}
    if wrong:
        raise invalid(wrong)
    return values.json_text(answer) if asked else ""


def shown(
    approval: pb.Approval, sent: Sent | None = None, errors: Sequence[Violation] = ()
) -> list[ShownField]:
    """The fields of the approval's question, filled in as they were `sent` or with their defaults."""
    if not approval.HasField("question"):
        return []
    wrong = {error.field: error.message for error in errors}
    return [
        ShownField(
            field=field,
            id=f"field-{at}",
            name=_PREFIX + field.name,
            texts=_default(field) if sent is None else sent.get(field.name, ()),
            attributes=_attributes(field),
            problem=wrong.get(_path(field.name), ""),
        )
        for at, field in enumerate(parse_fields(approval.question.schema_json))
    ]


def _path(name: str) -> str:
    return _PREFIX + validation.shown(name)


def _default(field: Field) -> Sequence[str]:
    if field.default is None:
        return ()
    given = field.default if isinstance(field.default, list) else [field.default]
    return [one if isinstance(one, str) else values.json_text(one) for one in given]


def _attributes(field: Field) -> Mapping[str, str]:
    if field.kind in ("integer", "number"):
        kind = {"type": "number", "step": "1" if field.kind == "integer" else "any"}
    else:
        kind = {"type": _TYPES.get(field.format, "text")}
    required = {"required": ""} if field.required else {}
    example = {"placeholder": "2026-01-31T12:00:00Z"} if field.format == "date-time" else {}
    bounds = {_BOUNDS[rule]: str(bound) for rule, bound in field.bounds.items() if rule in _BOUNDS}
    return {**kind, **required, **example, **bounds}
