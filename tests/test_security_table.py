"""Every test that docs/security.md names is there, and every row names one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent
TABLE = (TESTS.parent / "docs/security.md").read_text()
NAMED = re.compile(r"`([a-z_/]+\.py)::(test_[a-z0-9_]+)`")


def rows() -> list[list[str]]:
    """The rows of all tables, without their heads."""
    lines = [line for line in TABLE.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if row[0] != "threat" and not set(row[0]) <= {"-"}]


def found_in(file: str) -> set[str]:
    """The tests a file has."""
    tree = ast.parse((TESTS / file).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_row_has_a_threat_what_stops_it_and_a_test() -> None:
    assert len(rows()) >= 35
    for row in rows():
        assert len(row) == 3, row
        assert NAMED.search(row[2]), row


def test_every_test_that_is_named_exists() -> None:
    named = NAMED.findall(TABLE)
    missing = [f"{file}::{name}" for file, name in named if name not in found_in(file)]

    assert len(named) == TABLE.count("::test_")
    assert missing == []
