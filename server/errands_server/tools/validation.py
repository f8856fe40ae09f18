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

_LONGEST: Final = 300  # characters of what is wrong with a value, which may repeat the value

# A pattern comes from a stranger's document and could hold up the whole process (ReDoS);
# the service checks it anyway.
_Checker: Final = extend(Draft202012Validator, {"pattern": lambda *_: ()})  # type: ignore[no-untyped-call] # jsonschema types its results only


class ArgumentChecker:
    """Keeps the compiled schemas of the tools used last."""

    def __init__(self, *, kept: int = 1024) -> None:
        self._compiled: LruCache[ToolRef, Validator] = LruCache(kept)

    def problem(self, ref: ToolRef, tool: Tool, arguments: Mapping[str, Any]) -> str:
        """What is wrong with the arguments, naming the path of the worst; "" if nothing is."""
        try:
            error = best_match(self._validator(ref, tool).iter_errors(arguments))
        except (RecursionError, ArithmeticError):  # a schema that refers to itself, or absurd numbers
            return "arguments: they cannot be checked against the schema of this tool"
        return "" if error is None else _sentence(error)

    def _validator(self, ref: ToolRef, tool: Tool) -> Validator:
        compiled = self._compiled.find(ref)
        return self._compiled.keep(ref, _Checker(tool.parameters)) if compiled is None else compiled


def _sentence(error: ValidationError) -> str:
    path = "arguments"
    for part in error.absolute_path:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    message = error.message if len(error.message) <= _LONGEST else error.message[:_LONGEST] + "…"
    return f"{path}: {message}"
