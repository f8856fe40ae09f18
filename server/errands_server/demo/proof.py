"""The proof: what the demonstration claims, each claim checked where its truth lies."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import jsonschema

from errands.cli.session import Session
from errands.v1.event_pb2 import RUN_STATUS_SUCCESS
from errands.v1.run_pb2 import ListRunEventsRequest, ListRunEventsResponse, Run

from .stage import Stage

Claim: TypeAlias = tuple[str, bool]

_PAGE: Final = 1000


def claims(
    stage: Stage, run: Run, *, schema: Mapping[str, Any], seen: Sequence[int], crashed: bool
) -> list[Claim]:
    """Every claim with whether it holds. `seen` are the sequences the stream gave, in order."""
    effects = stage.shop.effects()
    orders = [effect for effect in effects if effect["kind"] == "order.created"]
    invoices = [effect for effect in effects if effect["kind"] == "invoice.sent"]
    shipments = stage.warehouse.shipments()
    asked = sum(order["requests"] for order in orders)
    return [
        ("the server was killed while a call was under way", crashed),
        ("the run ended in SUCCESS", run.status == RUN_STATUS_SUCCESS),
        ("its result fits the output schema", _fits(run.result_json, schema)),
        (
            f"the stream gave {len(seen)} events, none twice and none left out",
            list(seen) == list(_logged(stage.session, run.run_id)),
        ),
        (
            f"the shop was asked {asked} times for the order and has exactly one",
            len(orders) == 1 and asked > 1,
        ),
        ("the shop sent exactly one invoice", len(invoices) == 1),
        ("the warehouse booked exactly one shipment, by MCP", len(shipments) == 1),
    ]


def _fits(result_json: str, schema: Mapping[str, Any]) -> bool:
    return bool(result_json) and jsonschema.Draft7Validator(schema).is_valid(json.loads(result_json))


def _logged(session: Session, run_id: str) -> Iterator[int]:
    """The sequences of the run's log, in the view the stream had."""
    request = ListRunEventsRequest(run_id=run_id, limit=_PAGE, include_tool_calls=True)
    while True:
        page = session.call("RunService/ListRunEvents", request, ListRunEventsResponse)
        yield from (event.sequence for event in page.events)
        if not page.events or page.end:
            return
        request.after_sequence = page.next_after_sequence
