"""Reads the text of a document, JSON or YAML, into plain JSON values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any, Final

import msgspec

from .json_node import MAX_VALUES, DocumentError

MAX_TEXT: Final = 32 * 1024 * 1024  # characters
MAX_DEPTH: Final = 100  # of nested lists and objects; everything after this may recurse

_BYTE: Final = re.compile(r" \(byte ([0-9]{1,9})\)")


def parse(text: str) -> Any:
    """Plain JSON values, at most MAX_DEPTH deep. DocumentError: this is neither JSON nor YAML."""
    if len(text) > MAX_TEXT:
        raise DocumentError("", f"the document is longer than {MAX_TEXT // 1024 // 1024} MiB")
    text = text.removeprefix("\ufeff")
    if text.lstrip().startswith("<"):
        raise DocumentError("", "this is a page of HTML or XML; an OpenAPI document is JSON or YAML")
    value = _json(text) if text.lstrip().startswith(("{", "[")) else _yaml(text)
    _check_size(value)
    return value


def _yaml(text: str) -> Any:
    from .yaml_text import read  # with PyYAML, which takes a while to load

    return read(text)


def _json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except RecursionError:
        raise DocumentError("", "the document is nested too deeply") from None
    except ValueError as error:
        raise DocumentError("", f"the document is not valid JSON: {_with_line(str(error), text)}") from None


def _with_line(problem: str, text: str) -> str:
    """A JSON parser's words with a line and column in place of a byte, for people."""
    found = _BYTE.search(problem)
    if not found:
        return problem
    before = text.encode()[: int(found[1])].decode(errors="ignore")
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return f"{problem[: found.start()].removeprefix('JSON is malformed: ')} at line {line}, column {column}"


def _check_size(value: Any) -> None:
    for depth, left in enumerate(_left(value, MAX_VALUES)):
        if left < 0:
            raise DocumentError("", f"the document holds more than {MAX_VALUES:,} values")
        if depth > MAX_DEPTH:
            raise DocumentError("", "the document is nested too deeply")


def levels_within(value: Any, most: int) -> int:
    """How many levels below a value hold at most so many values together; MAX_DEPTH if all do."""
    return next((depth for depth, left in enumerate(_left(value, most)) if left < 0), MAX_DEPTH)


def _left(value: Any, most: int) -> Iterator[int]:
    """What is left of `most` values after each level of nesting, less than 0 at last if they are too few."""
    level, left = [value], most
    while level and left >= 0:
        # Aliases let a short text stand for a vast one, so no level is written out beyond the limit.
        level = list(islice(chain.from_iterable(map(_children, level)), left + 1))
        left -= len(level)
        yield left


def _children(node: Any) -> Iterable[Any]:
    if isinstance(node, dict):
        return node.values()
    return node if isinstance(node, list) else ()
