"""Rows of the Berkeley function-calling leaderboard: questions, functions, and the calls that are right.

The data are read from the wheel of `bfcl-eval`, which lies in a cache outside of this repository and is
downloaded when it is not there.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from msgspec import Struct

Json: TypeAlias = dict[str, Any]

RELEASE: Final = "2026.3.23"
_CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "errands-bench"
_DATA: Final = "bfcl_eval/data/"
# The data name types as Python does.
_TYPES: Final = {"dict": "object", "float": "number", "tuple": "array", "String": "string"}
# What the leaderboard overlooks where it compares texts.
_OVERLOOKED: Final = re.compile(r"[ ,./\-_*^]")
_ABSENT: Final = ""  # stands among the possible values of what may be left out


class Row(Struct, frozen=True):
    """One question. `answer` holds the calls that are right: of each argument the values that are."""

    id: str
    question: str
    functions: tuple[Json, ...]
    answer: tuple[Json, ...]

    @property
    def document(self) -> Json:
        """The functions as an OpenAPI document with a POST operation for each."""
        return {
            "openapi": "3.1.0",
            "info": {"title": "functions", "version": "1"},
            "paths": {f"/{function['name']}": {"post": _operation(function)} for function in self.functions},
        }


def rows(category: str) -> tuple[Row, ...]:
    """Every row of a category, in the order of the data. Of a conversation the first turn counts."""
    with zipfile.ZipFile(_wheel()) as wheel:
        questions = list(_lines(wheel, f"BFCL_v4_{category}.json"))
        if "irrelevance" in category:
            return tuple(_row(question, ()) for question in questions)
        answers = {
            line["id"]: line["ground_truth"]
            for line in _lines(wheel, f"possible_answer/BFCL_v4_{category}.json")
        }
    return tuple(_row(question, answers[question["id"]]) for question in questions)


def _wheel() -> Path:
    found = next(_CACHE.glob(f"bfcl_eval-{RELEASE}-*.whl"), None)
    if found is None:
        download = ["pip", "download", "--no-deps", "--dest", str(_CACHE), f"bfcl-eval=={RELEASE}"]
        subprocess.run([sys.executable, "-m", *download], check=True, stdout=subprocess.DEVNULL)
        found = next(_CACHE.glob(f"bfcl_eval-{RELEASE}-*.whl"))
    return found


def _lines(wheel: zipfile.ZipFile, name: str) -> Iterator[Json]:
    with wheel.open(_DATA + name) as file:
        yield from map(json.loads, file)


def _row(question: Json, answer: tuple[Json, ...]) -> Row:
    said = "\n".join(turn["content"] for turn in question["question"][0] if turn["role"] == "user")
    return Row(question["id"], said, tuple(question["function"]), tuple(answer))


def _operation(function: Json) -> Json:
    # Its functions compute and look up; an operator says so of operations that are a POST.
    body = {"required": True, "content": {"application/json": {"schema": _schema(function["parameters"])}}}
    return {
        "operationId": function["name"],
        "description": function["description"],
        "x-errands-effect": "read",
        "requestBody": body,
        "responses": {"200": {"description": "Done"}},
    }


def _schema(schema: Json) -> Json:
    """A schema with types as JSON Schema names them."""
    made = dict(schema)
    if made.get("type") == "any":
        del made["type"]
    elif "type" in made:
        made["type"] = _TYPES.get(made["type"], made["type"])
    if isinstance(made.get("properties"), dict):
        made["properties"] = {name: _schema(inner) for name, inner in made["properties"].items()}
    if isinstance(made.get("items"), dict):
        made["items"] = _schema(made["items"])
    return made


def allowed(value: Any, possible: list[Any]) -> bool:
    """Whether a value is among the possible ones, as the leaderboard compares them."""
    return any(_same(value, one) for one in possible)


def _same(value: Any, possible: Any) -> bool:
    if isinstance(possible, Mapping):
        return isinstance(value, Mapping) and not differences(value, possible)
    if isinstance(possible, list):
        return isinstance(value, list) and len(value) == len(possible) and all(map(_same, value, possible))
    if isinstance(possible, str):
        return isinstance(value, str) and _plain(value) == _plain(possible)
    return isinstance(value, bool) is isinstance(possible, bool) and value == possible


def _plain(text: str) -> str:
    return _OVERLOOKED.sub("", text).lower().replace("'", '"')


def differences(
    given: Mapping[str, Any], possible: Mapping[str, Any]
) -> Iterator[tuple[str, str]] | list[tuple[str, str]]:
    """What is wrong with arguments: the name of each, with `missing`, `extra` or `wrong`."""
    return [
        *((name, "extra") for name in given if name not in possible),
        *((name, "missing") for name in possible if name not in given and _ABSENT not in possible[name]),
        *((name, "wrong") for name in given if name in possible and not allowed(given[name], possible[name])),
    ]
