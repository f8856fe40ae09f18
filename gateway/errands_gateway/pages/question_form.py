"""The form of an approval's question: the fields that a page has, and the answer that a browser sends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from msgspec import Struct

from errands.question_fields import Field, parse_fields
from errands.v1 import approval_pb2 as pb

from ..http.encoding import json_text
from ..http.problems import Violation, invalid
from ..http.validation import shorten

_PREFIX: Final = "input."
_TYPES: Final = {"email": "email", "uri": "url", "date": "date"}
_BOUNDS: Final = {"minimum": "min", "maximum": "max", "minLength": "minlength", "maxLength": "maxlength"}

SentFields: TypeAlias = Mapping[str, Sequence[str]]
"""The texts that a browser sent for each field, by its name."""


class FormField(Struct, frozen=True, kw_only=True):
    """A field of the form, for the template."""

    field: Field
    id: str
    name: str
    texts: Sequence[str]  # its content: what was sent, or the default
    attributes: Mapping[str, str]  # of the HTML input
    problem: str = ""  # what is wrong with the content


def split_fields(pairs: Sequence[tuple[str, str]]) -> tuple[SentFields, list[tuple[str, str]]]:
    """The fields of the question, and the other fields of the form."""
    sent: dict[str, list[str]] = {}
    own: list[tuple[str, str]] = []
    for name, text in pairs:
        if name.startswith(_PREFIX):
            sent.setdefault(name.removeprefix(_PREFIX), []).append(text)
        else:
            own.append((name, text))
    return sent, own


def read_answer(approval: pb.Approval, sent: SentFields) -> str:
    """JSON text of the answer to an approval's question; empty if it has no question.

    Problem FIELD_INVALID: a field is unknown, or does not fit its schema.
    """
    questions = parse_fields(approval.question.schema_json) if approval.HasField("question") else []
    known = {field.name for field in questions}
    wrong = [Violation(_path(name), "is unknown") for name in sent if name not in known]
    answer: dict[str, Any] = {}
    for field in questions:
        try:
            value = field.parse(sent.get(field.name, ()))
        except ValueError as error:
            wrong.append(Violation(_path(field.name), str(error)))
        else:
            answer |= {} if value is None else {field.name: value}
    if wrong:
        raise invalid(wrong)
    return json_text(answer) if questions else ""


def form_fields(
    approval: pb.Approval, sent: SentFields | None = None, errors: Sequence[Violation] = ()
) -> list[FormField]:
    """The fields of an approval's question, filled with what was sent or with their defaults."""
    if not approval.HasField("question"):
        return []
    wrong = {error.field: error.message for error in errors}
    return [
        FormField(
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
    return _PREFIX + shorten(name)


def _default(field: Field) -> Sequence[str]:
    if field.default is None:
        return ()
    given = field.default if isinstance(field.default, list) else [field.default]
    return [one if isinstance(one, str) else json_text(one) for one in given]


def _attributes(field: Field) -> Mapping[str, str]:
    if field.kind in ("integer", "number"):
        kind = {"type": "number", "step": "1" if field.kind == "integer" else "any"}
    else:
        kind = {"type": _TYPES.get(field.format, "text")}
    required = {"required": ""} if field.required else {}
    example = {"placeholder": "2026-01-31T12:00:00Z"} if field.format == "date-time" else {}
    bounds = {_BOUNDS[rule]: str(bound) for rule, bound in field.bounds.items() if rule in _BOUNDS}
    return {**kind, **required, **example, **bounds}
