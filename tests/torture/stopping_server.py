"""A server that stops itself (SIGSTOP) once, between storing a call and sending it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from errands_server import config as configuration
from errands_server.app import Overrides, running
from errands_server.domain.events import Call
from tests.scripted import ScriptedPlanner, order, plan_of


class Gate:
    def __init__(self) -> None:
        self._passed = False

    async def __call__(self, _: Call) -> None:
        if not self._passed:
            self._passed = True
            os.kill(os.getpid(), signal.SIGSTOP)


async def main() -> None:
    config = configuration.parse(sys.argv[2:])
    async with running(config, Overrides(planner=ScriptedPlanner(plan_of(order())), gate=Gate())) as app:
        print(f"errands: ready grpc={app.grpc_address} http={app.http_address}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
