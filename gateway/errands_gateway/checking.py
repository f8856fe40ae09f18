"""Checks JSON bodies against the components of the interface's own OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from .problems import Violation
from .schemas import COMPONENTS

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator, ValidationError

_MOST: Final = 100  # violations reported of one body
_TYPES: Final[Mapping[str, str]] = {
    "string": "a string",
    "object": "an object",
    "array": "an array",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "null": "null",
}


def violations(component: str, document: Mapping[str, Any]) -> list[Violation]:
    """Everything in which a body differs from its component; messages never quote values."""
    found: list[Violation] = []
    for error in _validator(component).iter_errors(document):
        found += _of(error)
        if len(found) >= _MOST:
            break
    return found


@cache
def _validator(component: str) -> Draft202012Validator:
    # Takes a tenth of a second to import, and streams and reads never need it.
    from jsonschema import Draft202012Validator

    schema = {"$ref": f"#/components/schemas/{component}", "components": {"schemas": COMPONENTS}}
    return Draft202012Validator(schema)


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
            for name in set(instance) - set(schema.get("properties", {})):
                yield Violation(_join(field, name), "is unknown")
        case "anyOf" | "oneOf":
            yield from _of_choice(error, field)
        case "type":
            kinds = [wanted] if isinstance(wanted, str) else wanted
            yield Violation(field, f"must be {' or '.join(_TYPES[kind] for kind in kinds)}")
        case "enum":
            yield Violation(field, f"must be one of {', '.join(map(str, wanted))}")
        case "const":
            yield Violation(field, f"must be {wanted}")
        case "minLength":
            yield Violation(field, "must not be empty")
        case "maxLength":
            yield Violation(field, f"must have at most {wanted} characters")
        case "minItems":
            yield Violation(field, f"must have at least {wanted} entries")
        case "maxItems":
            yield Violation(field, f"must have at most {wanted} entries")
        case _:
            yield Violation(field, f"does not fit: {error.validator} {wanted}")


def _of_choice(error: ValidationError, field: str) -> Iterator[Violation]:
    """What is wrong with the alternative that was most likely meant."""
    from jsonschema.exceptions import best_match

    best = best_match(error.context or ())
    if best is None:
        yield Violation(field, f"fits more than one of: {_titles(error)}")
    elif best.validator in {"type", "required", "const"} and len(best.absolute_path) == len(
        error.absolute_path
    ):
        yield Violation(field, f"must be {_titles(error)}")
    else:
        yield from _of(best)


def _titles(error: ValidationError) -> str:
    choices: Any = error.validator_value
    return " or ".join(
        schema.get("title") or _TYPES.get(schema.get("type", ""), "")
        for schema in (_resolved(choice) for choice in choices)
    )


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
