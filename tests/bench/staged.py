"""The service under load, with clocks on its stages. `stages` reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import uvloop

from errands_server.api.interceptor import Interceptor
from tests.bench import server
from tests.bench.clocks import Clocks

GATE: Final = "gate: key, deadline, metrics, a line of the log"
READ: Final = "request parsed and checked"
BEGIN: Final = "beginning decided: claim, hash of the plan, question"
PLAN: Final = "planned"
FOLD: Final = "folded"
ANSWER: Final = "answer made"
ENCODE: Final = "answer encoded"
HAND: Final = "handed to the writer, and back to who waits"
TELL: Final = "told to streams and engine"
ROWS: Final = "rows made"
STATEMENTS: Final = "statements executed"
COMMIT: Final = "committed"
LOG: Final = "log read"
EXECUTE: Final = "run loop: looks what is next, and stores what came of it"
THINK: Final = "run loop: next calls of a step"
SEND: Final = "run loop: call checked and sent (to a tool that does nothing)"
RESULT: Final = "run loop: result"

_SERVER: Final = "errands_server"
PLACES: Final = (
    (READ, "api.interceptor:_parse_request"),
    (READ, "api.create_run:read"),
    (READ, "services.run_creation:RunCreation._inputs"),
    (BEGIN, "services.run_creation:RunCreation.create"),
    (PLAN, "planners.catalog.planner:CatalogPlanner.plan"),
    (FOLD, "domain.draft:advance"),
    (ANSWER, "api.runs:RunServicer._create_response"),
    (ANSWER, "api.runs:RunServicer._run"),
    (ENCODE, "api.interceptor:_serialize"),
    (ENCODE, "api.messages:RunMessages.encode"),
    (HAND, "store.journal:Journal.create"),
    (HAND, "store.journal:Journal.append"),
    (HAND, "store.group_commit:GroupCommit._deliver"),
    (TELL, "engines.commits:CommitFeed.__call__"),
    (ROWS, "store.journal:write_batch"),
    (STATEMENTS, "store.repositories.requests:find"),
    (STATEMENTS, "store.batch:BatchRows.insert"),
    (STATEMENTS, "store.batch:_find_heads"),
    (STATEMENTS, "store.postgres.notify:send"),
    (COMMIT, "store.group_commit:GroupCommit._transaction"),
    (LOG, "services.runs:Runs.view"),
    (LOG, "store.heads:find_heads"),
    (EXECUTE, "executor.decider:Decider.advance"),
    (EXECUTE, "executor.work:RunWork._send"),
    (THINK, "executor.step:StepRunner.think"),
    (SEND, "executor.dispatch:Dispatch.start"),
    (SEND, "executor.dispatch:Dispatch.send"),
    (RESULT, "executor.decider:Decider._conclude"),
)


def put_clocks() -> Clocks:
    """Clocks on every stage of a server that is not composed yet."""
    clocks = Clocks()
    for stage, place in PLACES:
        clocks.put(stage, f"{_SERVER}.{place}")
    unary = Interceptor._wrap_unary

    def clocked(gate: Interceptor, *arguments: Any) -> Any:
        return clocks.on(GATE, unary(gate, *arguments))

    Interceptor._wrap_unary = clocked  # type: ignore[method-assign]
    return clocks


def main() -> None:
    clocks = put_clocks()
    calibrated: list[bool] = []

    async def stages(control: server.Control) -> tuple[dict[str, float], float]:
        if not calibrated:
            calibrated.append(True)
            await clocks.calibrate()
        return clocks.read()

    server.Control.stages = stages  # type: ignore[attr-defined]
    with Path("/dev/null").open("wb") as sink:
        uvloop.run(server.main(sink))


if __name__ == "__main__":
    main()
