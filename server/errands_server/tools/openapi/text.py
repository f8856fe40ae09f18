"""Parses the text of a document, JSON or YAML, into JSON values of bounded size and depth."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any, Final

import msgspec

from .json_node import MAX_VALUES, DocumentError

MAX_TEXT: Final = 32 * 1024 * 1024  # characters
MAX_DEPTH: Final = 100  # of nested lists and objects, so that later code may recurse

_BYTE: Final = re.compile(r" \(byte ([0-9]{1,9})\)")


def parse(text: str) -> Any:
    """JSON values, at most MAX_DEPTH deep. DocumentError: the text is neither JSON nor YAML, or too large."""
    if len(text) > MAX_TEXT:
        raise DocumentError("", f"the document is longer than {MAX_TEXT // 1024 // 1024} MiB")
    text = text.removeprefix("\ufeff")
    if text.lstrip().startswith("<"):
        raise DocumentError("", "this is a page of HTML or XML; an OpenAPI document is JSON or YAML")
    if text.lstrip().startswith(("{", "[")):
        value = _parse_json(text)
    else:
        from .yaml_text import parse_yaml  # with PyYAML, which takes a while to load

        value = parse_yaml(text)
    for depth, left in enumerate(_remaining(value, MAX_VALUES)):
        if left < 0:
            raise DocumentError("", f"the document holds more than {MAX_VALUES:,} values")
        if depth > MAX_DEPTH:
            raise DocumentError("", "the document is nested too deeply")
    return value


def _parse_json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except RecursionError:
        raise DocumentError("", "the document is nested too deeply") from None
    except ValueError as error:
        raise DocumentError("", f"the document is not valid JSON: {_locate(str(error), text)}") from None


def _locate(problem: str, text: str) -> str:
    """A JSON parser's message with a line and column in place of a byte."""
    found = _BYTE.search(problem)
    if not found:
        return problem
    before = text.encode()[: int(found[1])].decode(errors="ignore")
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return f"{problem[: found.start()].removeprefix('JSON is malformed: ')} at line {line}, column {column}"


def levels_within(value: Any, most: int) -> int:
    """How many levels below a value hold at most `most` values together; MAX_DEPTH if all do."""
    return next((depth for depth, left in enumerate(_remaining(value, most)) if left < 0), MAX_DEPTH)


def _remaining(value: Any, most: int) -> Iterator[int]:
    """After each level of nesting, `most` less the values so far; negative at the end if they exceed it."""
    level, left = [value], most
    while level and left >= 0:
        # YAML aliases let a short text hold a vast document, so no level is built beyond the limit.
        level = list(islice(chain.from_iterable(map(_children, level)), left + 1))
        left -= len(level)
        yield left


def _children(node: Any) -> Iterable[Any]:
    if isinstance(node, dict):
        return node.values()
    return node if isinstance(node, list) else ()
