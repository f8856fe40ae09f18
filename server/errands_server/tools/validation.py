"""Checks the arguments of a call against its tool's schema, compiled once per tool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from jsonschema.protocols import Validator
from jsonschema.validators import extend

from ..domain.tool import Tool, ToolRef
from ..lru import LruCache

_MAX_MESSAGE: Final = 300  # characters of what is wrong with a value, which may repeat the value

# A pattern of an untrusted document could block the whole process (ReDoS); the service checks it anyway.
_Checker: Final = extend(Draft202012Validator, {"pattern": lambda *_: ()})  # type: ignore[no-untyped-call] # jsonschema types its results only


class ArgumentChecker:
    """Checks arguments. It keeps the compiled schemas of the `kept` tools used last."""

    def __init__(self, *, kept: int = 1024) -> None:
        self._compiled: LruCache[ToolRef, Validator] = LruCache(kept)

    def problem(self, ref: ToolRef, tool: Tool, arguments: Mapping[str, Any]) -> str:
        """The worst problem of the arguments, with its path; "" where they fit the schema."""
        try:
            error = best_match(self._validator(ref, tool).iter_errors(arguments))
        except (RecursionError, ArithmeticError):  # a schema that refers to itself, or absurd numbers
            return "arguments: they cannot be checked against the schema of this tool"
        return "" if error is None else _format_error(error)

    def _validator(self, ref: ToolRef, tool: Tool) -> Validator:
        compiled = self._compiled.find(ref)
        return self._compiled.keep(ref, _Checker(tool.parameters)) if compiled is None else compiled


def _format_error(error: ValidationError) -> str:
    path = "arguments"
    for part in error.absolute_path:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    message = error.message if len(error.message) <= _MAX_MESSAGE else error.message[:_MAX_MESSAGE] + "…"
    return f"{path}: {message}"
