"""The small run on DBOS, for a Python that has it: `dbos_runs.py DATABASE_URL RUNS IN_FLIGHT`.

Prints runs a second and the processor seconds of each. Not imported by anything of ours.
"""

import asyncio
import json
import resource
import sys
import time

from dbos import DBOS


@DBOS.step()
async def step(name: str) -> dict[str, object]:
    return {"id": name, "ok": True}


@DBOS.workflow()
async def run(number: int) -> str:
    await step("plan")
    for name in ("first", "second", "third"):
        await step(name)
    for event in range(5):
        await DBOS.set_event_async(f"event-{event}", {"number": number})
    return "done"


async def measure(runs: int, in_flight: int) -> None:
    room = asyncio.Semaphore(in_flight)

    async def one(number: int) -> None:
        async with room:
            handle = await DBOS.start_workflow_async(run, number)
            await handle.get_result()

    await asyncio.gather(*(one(-number) for number in range(1, in_flight)))
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    await asyncio.gather(*(one(number) for number in range(runs)))
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"rate": runs / seconds, "cpu": cpu / runs}), flush=True)


async def main(url: str, runs: int, in_flight: int) -> None:
    DBOS(
        config={"name": "bench", "system_database_url": url, "log_level": "ERROR", "run_admin_server": False}
    )
    DBOS.launch()
    await measure(runs, in_flight)
    DBOS.destroy()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
