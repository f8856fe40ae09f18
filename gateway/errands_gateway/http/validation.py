"""Validation of JSON bodies against the components of an OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from ..http.encoding import parse_time
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


class BodyValidator:
    """Validates bodies against components, by their name."""

    def __init__(self, components: Mapping[str, Any]) -> None:
        self._components = components
        self._validators: dict[str, Draft202012Validator] = {}

    def violations(self, component: str, document: Mapping[str, Any]) -> list[Violation]:
        """What is wrong with a body, at most 100 violations; messages never quote values."""
        if component not in self._validators:
            self._validators[component] = _validator(component, self._components)
        errors = self._validators[component].iter_errors(document)
        found = (violation for error in errors for violation in _violations(error, self._components))
        return list(islice(found, _MOST))


def shorten(name: str) -> str:
    """A member's name, cut for a message: callers can send one of any length."""
    return name if len(name) <= _LONGEST else name[:_LONGEST] + "…"


def _validator(component: str, components: Mapping[str, Any]) -> Draft202012Validator:
    # Takes a tenth of a second to import, and streams and reads never need it.
    from jsonschema import Draft202012Validator, FormatChecker

    formats = FormatChecker(formats=())
    formats.checks("date-time", raises=ValueError)(_is_time)
    schema = {"$ref": f"#/components/schemas/{component}", "components": {"schemas": components}}
    return Draft202012Validator(schema, format_checker=formats)


def _is_time(instance: object) -> bool:
    return not isinstance(instance, str) or bool(parse_time(instance))


def _violations(error: ValidationError, components: Mapping[str, Any]) -> Iterator[Violation]:
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
                    yield Violation(_join(field, shorten(name)), f"is unknown{_hint(name, known)}")
        case "anyOf" | "oneOf":
            yield from _of_choice(error, field, components)
        case "type":
            kinds = [wanted] if isinstance(wanted, str) else wanted
            yield Violation(field, f"must be {' or '.join(_TYPES[kind] for kind in kinds)}")
        case _:
            yield Violation(field, _message(str(error.validator), wanted, schema))


def _message(rule: str, wanted: Any, schema: Mapping[str, Any]) -> str:
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
    """The known name that an unknown one is close to: most of them are misspelt."""
    plain = {member.lower(): member for member in known}
    close = get_close_matches(name[:_LONGEST].replace("_", "").lower(), plain, n=1, cutoff=0.8)
    return f"; did you mean {plain[close[0]]}?" if close else ""


def _of_choice(error: ValidationError, field: str, components: Mapping[str, Any]) -> Iterator[Violation]:
    """Violations of the one alternative that the instance is like; if there is none, of the choice."""
    wanted: Any = error.validator_value
    choices = [_resolve(choice, components) for choice in wanted]
    alike = [index for index, choice in enumerate(choices) if _is_like(choice, error.instance)]
    if len(alike) != 1:
        yield Violation(field, f"must be {' or '.join(_title(choice) for choice in choices)}")
        return
    for inner in error.context or ():
        if inner.relative_schema_path[0] == alike[0]:
            yield from _violations(inner, components)


def _is_like(choice: Mapping[str, Any], instance: Any) -> bool:
    """Whether both have one type, a member in common, and equal constant members."""
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


def _resolve(schema: Mapping[str, Any], components: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    found: Mapping[str, Any] = components[reference.rpartition("/")[2]] if reference else schema
    return found


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
