"""`errands serve`, with a planner that reads operations from the intent, and less patience."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from errands.server_process import configure_log
from errands_server import config as configuration
from errands_server.app import Overrides, running
from errands_server.domain.plan import Plan, PlannedCall, Step
from errands_server.ports import Brief, Explained, Finding, Refusal
from errands_server.tools import toolbox

PATIENCE = 2.0  # seconds a call may take, instead of half a minute


class Reader:
    """A step for each word of the intent: one call of that operation for every integration that has it."""

    instant = False

    async def plan(self, brief: Brief) -> Plan | Refusal:
        if brief.intent == "fail":
            raise RuntimeError(f"cannot plan with {brief!r}")
        steps = tuple(_step(brief, number, name) for number, name in enumerate(brief.intent.split(), 1))
        return Plan(description=brief.intent, steps=steps)

    async def explained(self, brief: Brief) -> Explained:
        return Explained(await self.plan(brief))

    async def conclude(self, intent: str, schema: Mapping[str, Any], findings: Sequence[Finding]) -> Any:
        return {"found": [finding.output for finding in findings]}


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
    async with running(config, Overrides(planner=Reader())) as app:
        print(f"errands: ready grpc={app.grpc_address} http={app.http_address}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
