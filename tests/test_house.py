"""The house keeps its rules: no import circles, modules and functions of one story, plain names.

`python -m tests.bench.house` prints the measures beside these.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Final

import pytest

from tests.modules import Module, When, circles, graph, length, read

MODULE_LINES: Final = 400
FUNCTION_LINES: Final = 60

# Names in -ing that are the field's words for a thing, not for somebody doing it.
FIELD_WORDS: Final[Mapping[str, str]] = {
    "routing": "a web framework's table from paths to handlers",
    "rendering": "a template and its values made into a page",
    "paging": "lists in pages, with tokens",
    "streaming": "Server-Sent Events and what feeds them",
    "scoring": "information retrieval: how well a candidate fits",
    "slot_filling": "intent parsing: values for a tool's parameters",
    "encoding": "parameters and bodies as they go over the wire",
    "browser_binding": "OAuth: a flow bound to the browser that began it",
}
# Class names that two modules of the server have, because they mean the same in each.
SAME_CLASSES: Final[Mapping[str, str]] = {}


@pytest.fixture(scope="module")
def modules() -> list[Module]:
    return read()


def test_no_modules_import_each_other_in_a_circle(modules: list[Module]) -> None:
    assert circles(graph(modules, {When.LOADING, When.CALLED})) == []


def test_a_circle_is_found_where_there_is_one() -> None:
    edges = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set[str]()}

    assert circles(edges) == [["b", "c"]]


def test_modules_have_400_lines_at_most(modules: list[Module]) -> None:
    assert {one.name: one.lines for one in modules if one.lines > MODULE_LINES} == {}


def test_functions_have_60_lines_at_most(modules: list[Module]) -> None:
    lengths = {f"{one.name}.{f.name}": length(f) for one in modules for f in one.functions()}

    assert {name: lines for name, lines in lengths.items() if lines > FUNCTION_LINES} == {}


def test_modules_are_named_for_things(modules: list[Module]) -> None:
    assert gerunds(modules) == []


def test_a_class_name_of_the_server_means_one_thing(modules: list[Module]) -> None:
    assert {name: where for name, where in doubles(modules).items() if name not in SAME_CLASSES} == {}


def test_no_exception_from_these_rules_is_out_of_date(modules: list[Module]) -> None:
    parts = {part for one in modules for part in one.name.split(".")}

    assert FIELD_WORDS.keys() - parts == set()
    assert SAME_CLASSES.keys() - doubles(modules).keys() == set()


def gerunds(modules: list[Module]) -> list[str]:
    """Modules and packages in -ing that are not the field's words."""
    return [
        one.name
        for one in modules
        if (last := one.name.rpartition(".")[2]).endswith("ing") and last not in FIELD_WORDS
    ]


def doubles(modules: list[Module]) -> dict[str, list[str]]:
    """Class names that the server has more than once, and where."""
    found = defaultdict(list)
    for one in modules:
        if one.name.startswith("errands_server"):
            for defined in one.classes():
                found[defined.name].append(one.name)
    return {name: where for name, where in sorted(found.items()) if len(where) > 1}
