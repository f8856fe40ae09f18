"""Plans intents over all of GitHub's operations and prints which came out, with how long it took.

`python -m tests.bench.github`. The description is that of npm's @octokit/openapi, read as a
server imports it. What is right was written down before anything was planned. An operation may
be right while its arguments are not; a refusal that names what is missing shows the operation
it came to.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from errands_server.domain.explanation import ClauseRead
from errands_server.domain.plan import Plan
from errands_server.domain.tool import ToolRef
from errands_server.planners.catalog.planner import CatalogPlanner
from errands_server.ports import Brief, Candidate, Refusal
from errands_server.tools.openapi.document import read
from tests.bench.documents import GITHUB, text_file

DOCUMENT: Final = f"{GITHUB}/generated/api.github.com.json"
NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROUNDS: Final = 5  # plans of each intent after the first, which is not measured

Call = tuple[str, Mapping[str, Any]]


class Intent(Struct, frozen=True):
    """What a user says, and the operation and arguments that do it; `also` are others that do."""

    said: str
    operation: str
    arguments: Mapping[str, Any]
    also: Sequence[Mapping[str, Any]] = ()


HELLO: Final = {"owner": "octocat", "repo": "hello-world"}
INTENTS: Final = (
    Intent(
        "Create an issue in octocat/hello-world titled 'Login fails' with the body 'Steps: sign in twice'",
        "issues_create",
        {**HELLO, "body": {"title": "Login fails", "body": "Steps: sign in twice"}},
    ),
    Intent(
        "List the open pull requests of octocat/hello-world",
        "pulls_list",
        {**HELLO, "state": "open"},
        [HELLO],
    ),
    Intent("Star the repository octocat/hello-world", "activity_star-repo-for-authenticated-user", HELLO),
    Intent(
        "Close issue 42 in octocat/hello-world",
        "issues_update",
        {**HELLO, "issue_number": 42, "body": {"state": "closed"}},
    ),
    Intent(
        "Add the label bug to issue 7 in octocat/hello-world",
        "issues_add-labels",
        {**HELLO, "issue_number": 7, "body": {"labels": ["bug"]}},
        [{**HELLO, "issue_number": 7, "body": ["bug"]}],
    ),
    Intent("Who are the collaborators of octocat/hello-world?", "repos_list-collaborators", HELLO),
    Intent(
        "Create a release v1.2.0 in octocat/hello-world",
        "repos_create-release",
        {**HELLO, "body": {"tag_name": "v1.2.0"}},
    ),
    Intent("Merge pull request 15 in octocat/hello-world", "pulls_merge", {**HELLO, "pull_number": 15}),
    Intent(
        "Delete the branch old-login of octocat/hello-world",
        "git_delete-ref",
        {**HELLO, "ref": "heads/old-login"},
    ),
    Intent(
        "Invite grace@example.com to the organization acme",
        "orgs_create-invitation",
        {"org": "acme", "body": {"email": "grace@example.com"}},
    ),
)


class Outcome(Struct, frozen=True):
    """What an intent came to."""

    intent: Intent
    calls: Sequence[Call]
    refusal: str
    read: Sequence[ClauseRead]
    seconds: float

    @property
    def operations(self) -> list[str]:
        """Of the plan, or where there is none, those that something was missing for."""
        chosen = [choice.ref.name for clause in self.read for choice in clause.choices]
        return [name for name, _ in self.calls] or chosen

    @property
    def verdict(self) -> str:
        if self.operations != [self.intent.operation]:
            return "WRONG" if self.calls else "REFUSED"
        if not self.calls:
            return "operation, then refused"
        given = self.calls[0][1]
        return "right" if given in (self.intent.arguments, *self.intent.also) else "operation"


def candidates() -> list[Candidate]:
    """All of GitHub's operations as tools of one integration."""
    operations = read(text_file(DOCUMENT).read_text()).operations
    return [Candidate(ToolRef("github", 1, one.tool.name), "github", one.tool) for one in operations]


async def outcome(planner: CatalogPlanner, tools: Sequence[Candidate], intent: Intent) -> Outcome:
    """What the planner makes of an intent, planned once more for each round."""
    brief = Brief(intent=intent.said, context="", candidates=tools, now=NOW)
    found = await planner.plan(replace(brief, explain=True))
    seconds = [await _timed(planner, brief) for _ in range(ROUNDS)]
    plan = found.outcome
    return Outcome(
        intent=intent,
        calls=() if isinstance(plan, Refusal) else _calls(plan),
        refusal=plan.message if isinstance(plan, Refusal) else "",
        read=found.clauses,
        seconds=statistics.median(seconds),
    )


async def _timed(planner: CatalogPlanner, brief: Brief) -> float:
    began = time.perf_counter()
    await planner.plan(brief)
    return time.perf_counter() - began


def _calls(plan: Plan) -> list[Call]:
    return [(call.tool.name, call.arguments) for step in plan.steps for call in step.calls]


def shown(found: Outcome) -> Iterator[str]:
    """The lines about one intent."""
    yield f"[{found.verdict}] {found.intent.said}  ({found.seconds * 1e3:.1f} ms)"
    if found.verdict == "right":
        yield f"    {_written((found.intent.operation, found.calls[0][1]))}"
        return
    yield f"    wanted   {_written((found.intent.operation, found.intent.arguments))}"
    yield from (f"    planned  {_written(call)}" for call in found.calls)
    if found.refusal:
        yield f"    refused  {found.refusal}"
    for clause in found.read:
        near = ", ".join(f"{one.ref.name} {one.score:.2f}" for one in clause.considered)
        yield f"    read     {clause.text!r}: {near}"


def _written(call: Call) -> str:
    return f"{call[0]} {json.dumps(call[1], ensure_ascii=False)}"


async def measured() -> list[Outcome]:
    """Every intent, planned."""
    planner, tools = CatalogPlanner(), candidates()
    began = time.perf_counter()
    await planner.plan(Brief(intent="Get the zen of GitHub", context="", candidates=tools, now=NOW))
    print(f"{len(tools)} tools; read by the planner in {time.perf_counter() - began:.2f} s, once\n")
    return [await outcome(planner, tools, intent) for intent in INTENTS]


def main() -> int:
    """Print what every intent came to; 1 where one led to another operation."""
    found = asyncio.run(measured())
    print("\n".join(line for one in found for line in shown(one)))
    right = [one for one in found if one.operations == [one.intent.operation]]
    complete = sum(one.verdict == "right" for one in found)
    print(f"\n{len(right)} of {len(found)} operations right, {complete} with every argument;", end=" ")
    print(f"median {statistics.median(one.seconds for one in found) * 1e3:.1f} ms a plan")
    return int(len(right) < len(found))


if __name__ == "__main__":
    sys.exit(main())
