"""The product's modules as their source has them: names, lengths, functions, classes and imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Final, TypeAlias

_ROOT: Final = Path(__file__).parent.parent
PACKAGES: Final[Mapping[str, Path]] = {
    "errands_server": _ROOT / "server/errands_server",
    "errands_gateway": _ROOT / "gateway/errands_gateway",
    "errands": _ROOT / "clients/python/errands",
}
# Code generated from proto/, and migrations: a migration is never changed, so its name and length stay.
_NOT_OURS: Final = ("errands.v1", "errands_server.store.migrations.versions")

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
Graph: TypeAlias = Mapping[str, Set[str]]


class When(Enum):
    """When an import is carried out."""

    LOADING = "as the module is loaded"
    CALLED = "as a function is called"
    TYPES = "for type checkers only"


@dataclass(frozen=True)
class Module:
    """A module: its dotted name, and its file."""

    name: str
    path: Path

    @cached_property
    def text(self) -> str:
        return self.path.read_text()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())

    @property
    def package(self) -> str:
        """What relative imports start from."""
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]

    def functions(self) -> Iterator[Function]:
        """Every function and method, nested ones too."""
        return (node for node in ast.walk(self.tree) if isinstance(node, Function))

    def classes(self) -> Iterator[ast.ClassDef]:
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.ClassDef))

    def imports(self) -> Iterator[tuple[str, When]]:
        """Absolute names that it imports; of `from a import b`, `a.b`."""
        yield from _imports(self.tree, self.package, When.LOADING)


def read(packages: Mapping[str, Path] = PACKAGES) -> list[Module]:
    """The modules of these packages that people write."""
    found = [
        Module(".".join([package, *_parts(path.relative_to(root))]), path)
        for package, root in packages.items()
        for path in sorted(root.rglob("*.py"))
    ]
    return [one for one in found if not one.name.startswith(_NOT_OURS)]


def _parts(path: Path) -> Sequence[str]:
    return path.parent.parts if path.name == "__init__.py" else path.with_suffix("").parts


def length(function: Function) -> int:
    """Lines from its first decorator to its end."""
    first = min([function.lineno, *(one.lineno for one in function.decorator_list)])
    return (function.end_lineno or first) - first + 1


def _imports(node: ast.AST, package: str, when: When) -> Iterator[tuple[str, When]]:
    match node:
        case ast.Import(names=names):
            yield from ((one.name, when) for one in names)
        case ast.ImportFrom(module=module, names=names, level=level):
            start = package.split(".")[: len(package.split(".")) - level + 1] if level else []
            where = ".".join([*start, *([module] if module else [])])
            yield from ((f"{where}.{one.name}", when) for one in names)
        case ast.If(test=ast.Name(id="TYPE_CHECKING"), body=body, orelse=orelse):
            for one in body:
                yield from _imports(one, package, When.TYPES)
            for one in orelse:
                yield from _imports(one, package, when)
        case _:
            inner = When.CALLED if isinstance(node, Function) and when is When.LOADING else when
            for one in ast.iter_child_nodes(node):
                yield from _imports(one, package, inner)


def graph(modules: Sequence[Module], whens: Set[When]) -> dict[str, set[str]]:
    """Which of these modules import which others, at any of these times."""
    names = {module.name for module in modules}
    edges: dict[str, set[str]] = {module.name: set() for module in modules}
    for module in modules:
        for imported, when in module.imports():
            target = imported if imported in names else imported.rpartition(".")[0]
            if when in whens and target in names and target != module.name:
                edges[module.name].add(target)
    return edges


def circles(edges: Graph) -> list[list[str]]:
    """Groups of modules each of which leads back to itself (Tarjan's strongly connected components)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for target in sorted(edges[name]):
            if target not in index:
                visit(target)
                low[name] = min(low[name], low[target])
            elif target in stack:
                low[name] = min(low[name], index[target])
        if low[name] == index[name]:
            at = stack.index(name)
            group, stack[at:] = stack[at:], []
            if len(group) > 1:
                found.append(sorted(group))

    for name in edges:
        if name not in index:
            visit(name)
    return found
