"""Measures how finely the code is cut: `python -m tests.bench.house [--beside DIR]…`.

A function is referenced once if its name occurs exactly twice as a word in the source of its unit: where
it is defined, and where it is used. Names with two underscores around them are left out, and so is code
that is generated. A unit is a package with all its subpackages if it has at most 450 functions; a larger
one is divided into its own modules and its subpackages. Units below 60 functions are not shown: in a
small one every name is rare. Sums are weighted by functions. The last column counts each name once,
however many functions have it.

Beside ours stand starlette, and procrastinate where it can be imported; more, or those that are installed
elsewhere, with --beside: `pip install --target DIR procrastinate`, then `--beside DIR/procrastinate`.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.modules import PACKAGES, Module, When, circles, graph, length, read
from tests.test_house import FUNCTION_LINES, MODULE_LINES, SAME_CLASSES, doubles, gerunds

BESIDE: Final = ("starlette", "procrastinate")
_LEAST, _MOST = 60, 450  # functions of a unit
_WORD: Final = re.compile(r"\w+")


class Unit(NamedTuple):
    """A package, with its subpackages or without: its functions and their names, all and referenced once."""

    name: str
    functions: int
    once: int
    names: int
    names_once: int


def units(package: str, modules: Sequence[Module]) -> Iterator[Unit]:
    """The units that a package is divided into."""
    whole = _unit(package, modules)
    if whole.functions <= _MOST:
        yield whole
        return
    inner = sorted({name for one in modules if (name := _subpackage(package, one)) is not None})
    yield _unit(f"{package} (direct)", [one for one in modules if _subpackage(package, one) is None])
    for name in inner:
        yield from units(name, [one for one in modules if _subpackage(package, one) == name])


def _subpackage(package: str, module: Module) -> str | None:
    """The package directly below `package` that a module is in; None for a module of its own."""
    if module.package == package:
        return None
    return ".".join(module.package.split(".")[: package.count(".") + 2])


def _unit(name: str, modules: Sequence[Module]) -> Unit:
    words = Counter(word for one in modules for word in _WORD.findall(one.text))
    names = [f.name for one in modules for f in one.functions() if not f.name.startswith("__")]
    once = [name for name in names if words[name] == 2]
    return Unit(name, len(names), len(once), len(set(names)), len(set(once)))


def table(title: str, found: Sequence[Unit]) -> Iterator[str]:
    """One row a unit, and their sum."""
    shown = [unit for unit in found if unit.functions >= _LEAST]
    yield f"\n| {title} | functions | referenced once | of names |\n|---|--:|--:|--:|"
    for name, functions, once, names, names_once in [
        *shown,
        ("**all of these**", *(sum(numbers) for numbers in list(zip(*shown, strict=True))[1:])),
    ]:
        yield f"| {name} | {functions} | {once / functions:.0%} | {names_once / names:.0%} |"


def rules(modules: Sequence[Module]) -> Iterator[str]:
    """What tests/test_house.py holds, and what it tolerates."""
    yield "\nClass names that the server has twice:"
    yield from (
        f"  {name}: {', '.join(where)}{' (meant)' if name in SAME_CLASSES else ''}"
        for name, where in doubles(list(modules)).items()
    )
    yield f"\nModules over {MODULE_LINES} lines:"
    yield from (f"  {one.name}: {one.lines}" for one in modules if one.lines > MODULE_LINES)
    yield f"\nFunctions over {FUNCTION_LINES} lines:"
    for one in modules:
        long = ((f.name, length(f)) for f in one.functions())
        yield from (f"  {one.name}.{name}: {lines}" for name, lines in long if lines > FUNCTION_LINES)
    yield "\nModules in -ing that are not the field's words:"
    yield from (f"  {name}" for name in gerunds(list(modules)))
    for title, whens in (
        ("at loading", {When.LOADING}),
        ("with imports inside functions", {When.LOADING, When.CALLED}),
        ("with imports for type checkers", set(When)),
    ):
        found = circles(graph(modules, whens))
        yield f"\nImport circles {title}: {len(found)}"
        yield from (f"  {' → '.join(circle)}" for circle in found)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.house",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--beside", action="append", type=Path, default=[], metavar="DIR")
    roots: list[Path] = parser.parse_args().beside
    for name in BESIDE:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations:
            roots.append(Path(spec.submodule_search_locations[0]))
    modules = read()
    ours = [
        unit
        for package in PACKAGES
        for unit in units(package, [one for one in modules if one.name.split(".")[0] == package])
    ]
    print("\n".join(table("ours", ours)))
    others = [unit for root in roots for unit in units(root.name, read({root.name: root}))]
    print("\n".join(table("beside", others)))
    print("\n".join(rules(modules)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
