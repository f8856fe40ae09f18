"""What the documents name is there: files, names in them, other documents."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
DOCS: Final = ROOT / "docs"
MAP: Final = (DOCS / "architecture.md").read_text()
SERVER: Final = ROOT / "server/errands_server"
# Where the paths of a document may begin, besides the repository.
BASES: Final = (SERVER, ROOT / "gateway/errands_gateway", ROOT / "tests", SERVER / "planners/catalog")
PAGES: Final = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"])

FILE: Final = re.compile(r"`([A-Za-z0-9_./]+\.py)[`:]")
FOLDER: Final = re.compile(r"^\| `([a-z0-9_/]+/)` \|", re.MULTILINE)
NAMED: Final = re.compile(r"`([a-z0-9_/]+\.py)` `([A-Za-z_.]+)`")
LINK: Final = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def on_the_map(path: str) -> Path:
    """The file or folder that a path of the map means."""
    for start, base in (("gateway/", ROOT / "gateway/errands_gateway"), ("tests/", ROOT / "tests")):
        if path.startswith(start):
            return base / path.removeprefix(start)
    return SERVER / path


def has(file: Path, name: str) -> bool:
    """Whether a module has a function, class or constant of this name; `Class.method` is a class's."""
    nodes = ast.parse(file.read_text()).body
    *classes, last = name.split(".")
    for one in classes:
        nodes = [
            member
            for node in nodes
            if isinstance(node, ast.ClassDef) and node.name == one
            for member in node.body
        ]
    return any(last in _names(node) for node in nodes)


def _names(node: ast.stmt) -> set[str]:
    match node:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return {name}
        case ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
        case ast.Assign(targets=targets):
            return {target.id for target in targets if isinstance(target, ast.Name)}
    return set()


def sections(text: str, level: str) -> dict[str, list[str]]:
    """The lines of a document under each heading of a level."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith(f"{level} "):
            lines = found.setdefault(line.removeprefix(f"{level} "), [])
        lines.append(line)
    return found


def test_every_file_and_folder_on_the_map_exists() -> None:
    paths = {*re.findall(r"`([a-z0-9_/]+\.py)`", MAP), *FOLDER.findall(MAP)}

    assert len(paths) > 50
    assert sorted(path for path in paths if not on_the_map(path).exists()) == []


def test_every_name_on_the_map_is_in_its_file() -> None:
    named = NAMED.findall(MAP)

    assert len(named) > 50
    assert [f"{path} {name}" for path, name in named if not has(on_the_map(path), name)] == []


def test_a_name_that_is_not_there_is_missed() -> None:
    assert has(SERVER / "domain/run.py", "Run.ended")
    assert not has(SERVER / "domain/run.py", "Run.begun")
    assert not has(SERVER / "domain/run.py", "ended")


def test_the_five_trips_have_six_to_twelve_stops_each_with_a_file_and_a_name() -> None:
    trips = sections(MAP, "###")

    assert len(trips) == 5
    for name, lines in trips.items():
        stops = [line for line in lines if re.match(r"[0-9]+\. ", line)]
        assert 6 <= len(stops) <= 12, name
        assert [stop for stop in stops if not NAMED.search(stop)] == []


def test_every_question_of_the_map_is_answered_with_a_file() -> None:
    lines = sections(MAP, "##")["Where would I change …"]
    rows = [line.strip("|").split("|") for line in lines if line.startswith("| ") and "?" in line]

    assert len(rows) == 10
    assert [question for question, answer in rows if not FILE.search(answer)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_module_that_a_document_names_exists(page: Path) -> None:
    named = set(FILE.findall(page.read_text()))
    starts = (ROOT, *BASES)

    if page.name == "architecture.md":
        named = {path for path in named if not path.startswith("gateway/")}  # these have a test of their own
    assert sorted(path for path in named if not any((start / path).exists() for start in starts)) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    links = [link for link in LINK.findall(page.read_text()) if not link.startswith("/")]

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_each_document_is_listed_where_readers_begin() -> None:
    for folder in (DOCS, DOCS / "decisions"):
        index = (folder / "README.md").read_text()
        pages = [page.name for page in sorted(folder.glob("*.md")) if page.name != "README.md"]

        assert [page for page in pages if f"({page})" not in index] == []
