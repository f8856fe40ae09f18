"""The story: a run of several steps, approved once, whose server is killed while a call is under way."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any, Final

import click

from errands.cli import prompts
from errands.cli.follow import Follower
from errands.cli.screen import Screen, screen
from errands.client import Error
from errands.v1.event_pb2 import RunEvent
from errands.v1.integration_pb2 import CreateIntegrationRequest, CreateIntegrationResponse, Integration
from errands.v1.run_pb2 import APPROVAL_STRATEGY_ON_START, CreateRunRequest, CreateRunResponse, Run

from .processes import NotReady
from .proof import claims
from .stage import Stage

INTENT: Final = (
    'Find the customer ada@example.com, find the product "blue mug", order 3 of them for her'
    ", send her an invoice for the order and then book a shipment for the order"
)
SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["order_id", "invoice_id", "total_cents", "sent_to", "shipment_id"],
    "additionalProperties": False,
    "properties": {
        "order_id": {"type": "string"},
        "invoice_id": {"type": "string"},
        "total_cents": {"type": "integer"},
        "sent_to": {"type": "string", "format": "email"},
        "shipment_id": {"type": "string"},
    },
}
_LOG_TAIL: Final = 20


def main(argv: list[str]) -> int:
    """Tell the story. 0: everything it claims was checked and is true; else 1, or 130 when interrupted."""
    parser = argparse.ArgumentParser(prog="errands demo", description=__doc__)
    parser.add_argument("--ask", action="store_true", help="decide the approval yourself")
    options = parser.parse_args(argv)
    # The processes and files are cleaned up by the way out, so being told to stop must take it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    shown = screen(json=False)
    try:
        with tempfile.TemporaryDirectory(prefix="errands-demo-", ignore_cleanup_errors=True) as folder:
            return _perform(Path(folder), shown, ask=options.ask)
    except (KeyboardInterrupt, click.Abort):
        return 128 + signal.SIGINT
    finally:
        shown.close()


def _perform(folder: Path, shown: Screen, *, ask: bool) -> int:
    began = time.monotonic()
    try:
        with Stage(folder) as stage:
            proven = _tell(stage, shown, ask=ask)
    except (NotReady, Error) as error:
        shown.say(f"the demonstration failed: {error}")
        proven = False
    if not proven:
        shown.say("\n".join(["the server's last words:", *_tail(folder / "server.log")]))
    shown.say(
        f"\n{'all of it is true' if proven else 'not all of it is true'}; {time.monotonic() - began:.1f} s"
    )
    return 0 if proven else 1


def _tell(stage: Stage, shown: Screen, *, ask: bool) -> bool:
    run_id = _begin(stage, shown)
    follower = Follower(stage.session.client, run_id, tool_calls=True, say=shown.say)
    pool, over = ThreadPoolExecutor(1), Event()
    try:
        crash = pool.submit(_crash_midway, stage, shown, over)
        seen = [event.sequence for event in _shown(stage, follower, shown, ask=ask)]
        over.set()
        crashed = crash.result()
    finally:
        pool.shutdown(wait=False)  # an interrupted story ends its shop, which ends the wait
    return _prove(stage, shown, run=follower.run(), seen=seen, crashed=crashed)


def _begin(stage: Stage, shown: Screen) -> str:
    shown.say(f"A shop with an OpenAPI document is at {stage.shop.url}, a server at {stage.server.address}.")
    shop = _add(stage, name="shop", openapi_url=f"{stage.shop.url}/openapi.json", internal=True)
    shown.say(f"The server read it: {shop.id} has {shop.tool_count} tools.")
    warehouse = _add(stage, name="warehouse", mcp_server=stage.warehouse.name)
    shown.say(f"It started a warehouse that speaks MCP: {warehouse.id} has {warehouse.tool_count} tool.")
    shown.say(f"\n  {INTENT}\n")
    # The order will be placed and its answer held back: the moment at which a crash hurts most.
    stage.shop.hold_back_answer("createOrder")
    request = CreateRunRequest(
        intent=INTENT,
        selected_customer_integration_ids=[shop.id, warehouse.id],
        user_id="demo",
        approval_strategy=APPROVAL_STRATEGY_ON_START,
        output_schema_json=json.dumps(SCHEMA),
    )
    return stage.session.call("RunService/CreateRun", request, CreateRunResponse).run_id


def _add(stage: Stage, **fields: Any) -> Integration:
    request = CreateIntegrationRequest(**fields)
    return stage.session.call(
        "IntegrationService/CreateIntegration", request, CreateIntegrationResponse
    ).integration


def _shown(stage: Stage, follower: Follower, shown: Screen, *, ask: bool) -> Iterator[RunEvent]:
    """The run's events, each shown; what they ask is decided."""
    for event in follower.events():
        shown.event(event)
        yield event
        if event.HasField("approval_required"):
            _decide(stage, shown, event, ask=ask)


def _decide(stage: Stage, shown: Screen, event: RunEvent, *, ask: bool) -> None:
    asked = event.approval_required
    if ask:
        with shown.paused():
            said = prompts.ask(stage.session, asked)
        shown.say(said or "decided")
        return
    shown.say("\nNobody is here to decide, so the demonstration approves it; with --ask, you do.\n")
    prompts.decide(stage.session, asked.approval_id, "approve", reason="the demonstration")


def _crash_midway(stage: Stage, shown: Screen, over: Event) -> bool:
    """Kill the server when the order exists and its answer is still held back; false: none came."""
    while not stage.shop.effects(at_least=1):
        if over.is_set():
            return False
    shown.say(
        "\nThe order is placed and nobody was told. Now the server is killed (SIGKILL) and started again.\n"
    )
    stage.server.crash()
    return True


def _prove(stage: Stage, shown: Screen, *, run: Run, seen: list[int], crashed: bool) -> bool:
    shown.say("\nWhat was promised, checked:")
    found = claims(stage, run, schema=SCHEMA, seen=seen, crashed=crashed)
    for claim, true in found:
        shown.say(f"  {'✓' if true else '✗'} {claim}")
    return all(true for _, true in found)


def _tail(log: Path) -> list[str]:
    return log.read_text(errors="replace").splitlines()[-_LOG_TAIL:] if log.exists() else []
