"""Matches regular expressions from callers in time linear in the text.

Python's own `re` backtracks: `^(a+)+$` against forty letters stops the process, and every run in it,
for hours. RE2 never backtracks, and refuses patterns that need it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

import re2
from jsonschema.exceptions import ValidationError

MAX_MEMORY: Final = 1 << 20  # bytes of one compiled pattern
# ECMA 262, the syntax of JSON Schema, writes \u00e9 where RE2 writes \x{00e9}.
_ESCAPED: Final = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|.)", re.DOTALL)


class Unmatchable(ValueError):
    """A pattern is invalid, or cannot be matched in bounded time."""


def matches(pattern: str, text: str) -> bool:
    """Whether the pattern occurs anywhere in the text. Unmatchable: see there."""
    return _compile(pattern).search(text) is not None


def check(pattern: str) -> None:
    """Raise Unmatchable, with the reason, unless the pattern can be used."""
    _compile(pattern)


@lru_cache(maxsize=512)
def _compile(pattern: str) -> Any:
    options = re2.Options()
    options.max_mem = MAX_MEMORY
    options.log_errors = False
    try:
        return re2.compile(_ESCAPED.sub(_as_re2, pattern), options=options)
    except (re2.error, UnicodeEncodeError) as error:
        why = error.args[0]
        why = why.decode(errors="replace") if isinstance(why, bytes) else str(error)
        raise Unmatchable(why) from None


def _as_re2(escape: re.Match[str]) -> str:
    return f"\\x{{{escape[1]}}}" if escape[1] else escape[0]


def _pattern(validator: Any, pattern: str, instance: Any, _: Any) -> Iterator[ValidationError]:
    if validator.is_type(instance, "string") and not matches(pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _pattern_properties(validator: Any, patterns: Any, instance: Any, _: Any) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "object"):
        return
    for pattern, schema in patterns.items():
        for name, value in instance.items():
            if matches(pattern, name):
                yield from validator.descend(value, schema, path=name, schema_path=pattern)


def _additional(validator: Any, allowed: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "object"):
        return
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name, value in instance.items():
        if name in known or any(matches(pattern, name) for pattern in patterns):
            continue
        if validator.is_type(allowed, "object"):
            yield from validator.descend(value, allowed, path=name)
        elif not allowed:
            yield ValidationError(f"Additional properties are not allowed ({name!r} was unexpected)")


# The keywords that jsonschema matches with `re`. `unevaluatedProperties` does so, too, and cannot be
# replaced: `output_schema` refuses a schema that has it together with `patternProperties`.
KEYWORDS: Final[Mapping[str, Any]] = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional,
}
