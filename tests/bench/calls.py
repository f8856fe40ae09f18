"""Measures the catalog planner on public data: how many questions lead to exactly the right calls.

python -m tests.bench.calls [--half even|odd] [--show CAUSE] [--runs N] [CATEGORY…]

CATEGORY is one of simple_python, multiple and irrelevance (these by default), live_simple,
live_multiple and live_irrelevance: what users of a public demonstration wrote. The planner is
asked directly. With --runs, N questions of each category are run as well: by a real server,
calling a stub of the functions. The calls received must be the calls planned.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from msgspec import Struct

from errands_server.domain.tool import ToolRef
from errands_server.planners.catalog.planner import CatalogPlanner
from errands_server.ports import Brief, Candidate, Refusal
from errands_server.tools.openapi import document
from tests.bench.bfcl import Json, Row, differences, rows
from tests.bench.stub import received

CATEGORIES: Final = ("simple_python", "multiple", "irrelevance")
NOW: Final = datetime.now(UTC)
# Rows of one parity are for looking at while working on the planner; the others only judge it.
HALVES: Final = ("even", "odd")
LOOKED_AT: Final = "even"

Call: TypeAlias = tuple[str, Mapping[str, Any]]  # the function's name and its arguments


class Planned(Struct, frozen=True):
    """The calls of a plan, or why there are none."""

    calls: tuple[Call, ...] = ()
    refusal: str = ""


class Outcome(Struct, frozen=True):
    """What came of one question. `cause` is empty where the calls are right."""

    row: Row
    half: str
    cause: str
    planned: Planned
    seconds: float

    @property
    def told(self) -> str:
        said = self.planned.refusal or json.dumps(self.planned.calls, ensure_ascii=False)
        expected = json.dumps(self.row.answer, ensure_ascii=False)
        return f"[{self.cause}] {self.row.id}: {self.row.question}\n  planned  {said}\n  expected {expected}"


def candidates(row: Row) -> tuple[Candidate, ...]:
    """The functions of a row as the server imports them. Each row counts as a service of its own."""
    operations = document.read(json.dumps(row.document), base_url="http://127.0.0.1:1").operations
    return tuple(Candidate(ToolRef(row.id, 1, o.tool.name), "functions", o.tool) for o in operations)


async def planned(planner: CatalogPlanner, row: Row, tools: Sequence[Candidate]) -> Planned:
    """The calls planned for a question, each with its body for arguments."""
    brief = Brief(intent=row.question, context="", candidates=tools, now=NOW)
    plan = (await planner.plan(brief)).outcome
    if isinstance(plan, Refusal):
        return Planned(refusal=f"{plan.reason}: {plan.message}")
    made = [call for step in plan.steps for call in step.calls]
    return Planned(tuple((call.tool.name, call.arguments.get("body", {})) for call in made))


def cause(row: Row, given: Planned) -> str:
    """Why the calls are not the right ones; empty where they are."""
    if not row.answer:
        return "should call nothing" if given.calls else ""
    if given.refusal:
        return given.refusal.partition(":")[0].lower()
    if len(given.calls) != len(row.answer):
        return "missing call" if len(given.calls) < len(row.answer) else "extra call"
    left, worst = list(given.calls), ""
    for expected in row.answer:
        problems = [(_mismatch(row, call, expected), call) for call in left]
        problem, call = min(problems, key=lambda pair: (bool(pair[0]), pair[0] == "wrong tool"))
        left.remove(call)
        worst = worst or problem
    return worst


def _mismatch(row: Row, call: Call, expected: Json) -> str:
    ((name, possible),) = expected.items()
    if call[0] != _tool_name(name):
        return "wrong tool"
    properties = next(f["parameters"].get("properties", {}) for f in row.functions if f["name"] == name)
    for parameter, problem in differences(call[1], possible):
        return f"{problem} {properties.get(parameter, {}).get('type', 'unknown')}"
    return ""


def _tool_name(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "_-" else "_" for letter in name)


async def measured(category: str) -> list[Outcome]:
    """Every row of a category, planned and judged."""
    planner = CatalogPlanner()
    found = []
    for number, row in enumerate(rows(category)):
        tools = candidates(row)
        began = time.perf_counter()
        given = await planned(planner, row, tools)
        seconds = time.perf_counter() - began
        found.append(Outcome(row, HALVES[number % 2], cause(row, given), given, seconds))
    return found


def report(category: str, outcomes: Sequence[Outcome]) -> Iterator[str]:
    """The lines printed about one category."""
    halves = (f"{half} {_share([o for o in outcomes if o.half == half]):.4f}" for half in HALVES)
    seconds = [outcome.seconds * 1_000 for outcome in outcomes]
    times = f"p50 {statistics.median(seconds):.2f} ms, p99 {statistics.quantiles(seconds, n=100)[98]:.2f} ms"
    yield f"{category}: {_share(outcomes):.4f} of {len(outcomes)} right ({', '.join(halves)}); {times}"
    for why, count in Counter(o.cause for o in outcomes if o.cause).most_common():
        yield f"  {count:4} {why}"


def _share(outcomes: Sequence[Outcome]) -> float:
    return sum(not outcome.cause for outcome in outcomes) / max(len(outcomes), 1)


async def compared(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """What is told of real runs of these questions, and where they differ from their plans."""
    made = await received([outcome.row for outcome in outcomes])
    pairs = list(zip(outcomes, made, strict=True))
    differ = [
        (outcome, calls) for outcome, calls in pairs if _sorted(outcome.planned.calls) != _sorted(calls)
    ]
    told = [f"  {len(pairs) - len(differ)} of {len(pairs)} runs made exactly the calls planned"]
    told += [f"  {o.row.id}: received {calls}\n    {o.told}" for o, calls in differ]
    return iter(told)


def _sorted(calls: Sequence[Call]) -> list[str]:
    """Calls in an order of their own: those of one step are made at the same time."""
    return sorted(json.dumps([_tool_name(name), body], sort_keys=True) for name, body in calls)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("categories", nargs="*", default=CATEGORIES, metavar="CATEGORY")
    parser.add_argument("--half", choices=HALVES, help="only rows of this parity")
    parser.add_argument("--show", metavar="CAUSE", help="print even rows that fail for a cause so begun")
    parser.add_argument("--runs", type=int, default=0, metavar="N", help="run so many questions for real")
    return parser.parse_args()


def main() -> None:
    wanted = arguments()
    for category in wanted.categories:
        outcomes = [o for o in asyncio.run(measured(category)) if wanted.half in (None, o.half)]
        print("\n".join(report(category, outcomes)))
        if wanted.runs:
            chosen = outcomes[:: max(len(outcomes) // wanted.runs, 1)][: wanted.runs]
            print("\n".join(asyncio.run(compared(chosen))))
        if wanted.show is not None:
            seen = [o for o in outcomes if o.half == LOOKED_AT and o.cause]
            print("\n".join(o.told for o in seen if o.cause.startswith(wanted.show)))


if __name__ == "__main__":
    main()
