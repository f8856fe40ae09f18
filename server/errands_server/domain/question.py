"""A question that a service asks a person during a call, and the check of an answer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from jsonschema import Draft7Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from msgspec import Struct

from .errors import Violation


class Question(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A form with a sentence above it."""

    message: str
    schema: Mapping[str, Any]  # JSON Schema of a flat object, whose properties are the fields
    digest: str  # of `message` and `schema`: the same question has the same digest
    said: str = ""  # the service's answer to the attempt that ended without an answer to the question


class Input(Struct, frozen=True, kw_only=True):
    """A person's answer to a question."""

    asked: str  # digest of the question
    values: Mapping[str, Any]  # JSON, by field


def problems(question: Question, values: Mapping[str, Any], path: str) -> list[Violation]:
    """Return each violation of the question's schema by `values`; its field is `path`, a dot and the name."""
    validator = Draft7Validator(dict(question.schema), format_checker=_FORMATS)
    errors = sorted(validator.iter_errors(dict(values)), key=lambda error: [str(at) for at in error.path])
    return [found for error in errors for found in _violations(error, path)]


def _violations(error: ValidationError, path: str) -> list[Violation]:
    schema: Any = error.schema
    instance: Any = error.instance
    match error.validator:
        case "required":
            missing = [name for name in schema["required"] if name not in instance]
            # jsonschema raises one error for each name; the first one reports them all.
            first = error.message.startswith(repr(missing[0]))
            return [Violation(f"{path}.{name}", "must be given") for name in missing] if first else []
        case "additionalProperties":
            unknown = [name for name in instance if name not in schema["properties"]]
            return [Violation(f"{path}.{name[:100]}", "is no field of the question") for name in unknown]
    field = ".".join([path, *(str(at) for at in error.path)])
    return [Violation(field, _explain(error, schema))]


def _explain(error: ValidationError, schema: Any) -> str:
    value: Any = error.validator_value
    rule = str(error.validator)
    match rule:
        case "type":
            return f"must be {_KINDS[value]}"
        case "oneOf" | "anyOf":
            return f"must be one of {', '.join(one['const'] for one in schema[rule])}"[:500]
        case "format":
            return f"must be {_FORMATTED[value]}"
        case "minLength" | "maxLength":
            return f"must have at {_BOUND[rule]} {value} characters"
        case "minItems" | "maxItems":
            return f"must have at {_BOUND[rule]} {value} choices"
        case "minimum" | "maximum":
            return f"must be at {_BOUND[rule]} {value}"
        case "uniqueItems":
            return "must not name a choice twice"
    return f"does not fit {rule}"


_BOUND: Final = {
    **dict.fromkeys(("minLength", "minItems", "minimum"), "least"),
    **dict.fromkeys(("maxLength", "maxItems", "maximum"), "most"),
}
_KINDS: Final = {
    "object": "an object",
    "string": "a string",
    "number": "a number",
    "integer": "an integer",
    "boolean": "true or false",
    "array": "a list of choices",
}
_FORMATTED: Final = {
    "email": "an e-mail address",
    "uri": "a URI with its scheme",
    "date": "a date such as 2026-01-31",
    "date-time": "a moment such as 2026-01-31T12:00:00Z",
}
_FORMATS: Final = FormatChecker(formats=())


@_FORMATS.checks("email")
def _is_email(value: object) -> bool:
    local, at, host = value.rpartition("@") if isinstance(value, str) else ("", "", "")
    return not isinstance(value, str) or bool(local and at and host and " " not in value)


@_FORMATS.checks("uri", raises=ValueError)
def _is_uri(value: object) -> bool:
    return not isinstance(value, str) or bool(urlsplit(value).scheme and " " not in value)


@_FORMATS.checks("date", raises=ValueError)
def _is_date(value: object) -> bool:
    return not isinstance(value, str) or bool(len(value) == len("2026-01-31") and date.fromisoformat(value))


@_FORMATS.checks("date-time", raises=ValueError)
def _is_moment(value: object) -> bool:
    """RFC 3339: with its offset from UTC."""
    return not isinstance(value, str) or datetime.fromisoformat(value.upper()).tzinfo is not None
