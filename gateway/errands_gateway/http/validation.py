"""Checks JSON bodies against the components of the interface's own OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from ..v1 import values
from ..v1.schemas import COMPONENTS
from .problems import Violation

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator, ValidationError

_MOST: Final = 100  # violations reported of one body
_LONGEST: Final = 100  # characters of a member's name that are shown
_TYPES: Final[Mapping[str, str]] = {
    "string": "a string",
    "object": "an object",
    "array": "an array",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "null": "null",
}
_PYTHON: Final[Mapping[str, type]] = {"string": str, "object": dict, "array": list}


def violations(component: str, document: Mapping[str, Any]) -> list[Violation]:
    """Everything in which a body differs from its component; messages never quote values."""
    errors = _validator(component).iter_errors(document)
    found = (violation for error in errors for violation in _of(error))
    return list(islice(found, _MOST))


def shown(name: str) -> str:
    """A member's name as a message may hold it: callers can send any."""
    return name if len(name) <= _LONGEST else name[:_LONGEST] + "…"


@cache
def _validator(component: str) -> Draft202012Validator:
    # Takes a tenth of a second to import, and streams and reads never need it.
    from jsonschema import Draft202012Validator, FormatChecker

    formats = FormatChecker(formats=())
    formats.checks("date-time", raises=ValueError)(_is_moment)
    schema = {"$ref": f"#/components/schemas/{component}", "components": {"schemas": COMPONENTS}}
    return Draft202012Validator(schema, format_checker=formats)


def _is_moment(instance: object) -> bool:
    return not isinstance(instance, str) or bool(values.parsed_moment(instance))


def _of(error: ValidationError) -> Iterator[Violation]:
    field = _path(error)
    # Errors found by a validator have all of these; those made by hand may not.
    schema: Any = error.schema
    wanted: Any = error.validator_value
    instance: Any = error.instance
    match error.validator:
        case "required":
            yield from (Violation(_join(field, name), "is required") for name in _missing(error))
        case "additionalProperties":
            known = schema.get("properties", {})
            for name in instance:
                if name not in known:
                    yield Violation(_join(field, shown(name)), f"is unknown{_hint(name, known)}")
        case "anyOf" | "oneOf":
            yield from _of_choice(error, field)
        case "type":
            kinds = [wanted] if isinstance(wanted, str) else wanted
            yield Violation(field, f"must be {' or '.join(_TYPES[kind] for kind in kinds)}")
        case _:
            yield Violation(field, _said(str(error.validator), wanted, schema))


def _said(rule: str, wanted: Any, schema: Mapping[str, Any]) -> str:
    match rule:
        case "pattern":
            return f"must be {schema['title']}"
        case "enum":
            return f"must be one of {', '.join(map(str, wanted))}"
        case "const":
            return f"must be {wanted}"
        case "minLength" | "minItems" if wanted == 1:
            return "must not be empty"
        case "maxLength":
            return f"must have at most {wanted} characters"
        case "maxItems":
            return f"must have at most {wanted} entries"
        case "format":
            return "must be a moment of RFC 3339, such as 2027-01-31T12:00:00Z"
        case _:
            return f"does not fit: {rule} {wanted}"


def _hint(name: str, known: Mapping[str, Any]) -> str:
    """What was meant, where that is clear: most unknown names are known ones, misspelt."""
    plain = {member.lower(): member for member in known}
    close = get_close_matches(name[:_LONGEST].replace("_", "").lower(), plain, n=1, cutoff=0.8)
    return f"; did you mean {plain[close[0]]}?" if close else ""


def _of_choice(error: ValidationError, field: str) -> Iterator[Violation]:
    """What is wrong with the alternative that was meant; where none was, what there is to choose."""
    wanted: Any = error.validator_value
    choices = [_resolved(choice) for choice in wanted]
    meant = _meant(choices, error.instance)
    if meant is None:
        yield Violation(field, f"must be {' or '.join(_title(choice) for choice in choices)}")
        return
    for inner in error.context or ():
        if inner.relative_schema_path[0] == meant:
            yield from _of(inner)


def _meant(choices: Sequence[Mapping[str, Any]], instance: Any) -> int | None:
    """The one alternative that is like the instance."""
    alike = [index for index, choice in enumerate(choices) if _alike(choice, instance)]
    return alike[0] if len(alike) == 1 else None


def _alike(choice: Mapping[str, Any], instance: Any) -> bool:
    """Of one type, with a member in common, and with the members that tell alternatives apart."""
    kind = _PYTHON.get(choice.get("type", ""))
    members = choice.get("properties")
    if kind is not dict or members is None:
        return kind is type(instance)
    if not isinstance(instance, dict):
        return False
    tags = {name: schema["const"] for name, schema in members.items() if "const" in schema}
    return all(instance.get(name) == tag for name, tag in tags.items()) and not members.keys().isdisjoint(
        instance
    )


def _title(choice: Mapping[str, Any]) -> str:
    return str(choice.get("title") or _TYPES.get(choice.get("type", ""), ""))


def _resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    return COMPONENTS[reference.rpartition("/")[2]] if reference else schema


def _missing(error: ValidationError) -> list[str]:
    # jsonschema reports each missing name by itself; its message is the only place that says which.
    required: Any = error.validator_value
    return [name for name in required if error.message.startswith(repr(name))]


def _path(error: ValidationError) -> str:
    path = ""
    for part in error.absolute_path:
        path = f"{path}[{part}]" if isinstance(part, int) else _join(path, part)
    return path or "body"


def _join(path: str, name: str) -> str:
    return name if path in {"", "body"} else f"{path}.{name}"
