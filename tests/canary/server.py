"""`errands serve`, with a planner that reads operations from the intent, and less patience."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from errands.server_process import configure_log
from errands_server import config as configuration
from errands_server.app import Overrides, running
from errands_server.domain.plan import Plan, PlannedCall, Step
from errands_server.ports import Brief, ResultBrief
from errands_server.tools import toolbox
from tests.scripted import ScriptedPlanner

PATIENCE = 2.0  # seconds a call may take, instead of half a minute


def plan(brief: Brief) -> Plan:
    """A step for each word of the intent: one call of that operation for every integration that has it."""
    if brief.intent == "fail":
        raise RuntimeError(f"cannot plan with {brief!r}")
    steps = tuple(_step(brief, number, name) for number, name in enumerate(brief.intent.split(), 1))
    return Plan(description=brief.intent, steps=steps)


def conclude(brief: ResultBrief) -> Any:
    return {"found": [finding.output for finding in brief.findings]}


def _step(brief: Brief, number: int, name: str) -> Step:
    arguments = {"body": {"n": number}} if name in {"post", "large", "refuse", "page", "broken"} else {}
    calls = tuple(
        PlannedCall(tool=candidate.ref, arguments=arguments)
        for candidate in brief.candidates
        if candidate.tool.name == name
    )
    return Step(id=f"s{number}", description=name, calls=calls)


async def main() -> None:
    config = configuration.parse(sys.argv[2:])
    configure_log(config.log_level)
    toolbox.TIMEOUT = PATIENCE
    async with running(config, Overrides(planner=ScriptedPlanner(plan, conclude=conclude))) as app:
        print(f"errands: ready grpc={app.grpc_address} http={app.http_address}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
