"""A server with an integration of 50 tools, and what the rows of the table ask of it."""

from __future__ import annotations

import json

import grpc

from errands.v1 import integration_pb2 as ipb
from errands.v1 import run_pb2 as rpb
from errands.v1.integration_pb2_grpc import IntegrationServiceStub
from errands.v1.run_pb2_grpc import RunServiceStub
from tests.bench.load import KEY, Calls, Process

_META = (("x-api-key", KEY),)
_INTENT = "Create a customer named alpha, then create a project named beta, then create a ticket named gamma"
NOUNS = [
    "account",
    "address",
    "asset",
    "campaign",
    "card",
    "channel",
    "contract",
    "customer",
    "device",
    "document",
    "event",
    "folder",
    "goal",
    "group",
    "invoice",
    "label",
    "message",
    "note",
    "payment",
    "product",
    "project",
    "report",
    "task",
    "ticket",
    "webhook",
]
_SCHEMA = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
_ANSWER = {"type": "object", "properties": {"id": {"type": "string"}}}


def document() -> str:
    """A description of 50 tools: create and list for each of 25 kinds of things."""
    return json.dumps(
        {
            "openapi": "3.1.0",
            "info": {"title": "bench", "version": "1"},
            "servers": [{"url": "http://bench.invalid"}],
            "paths": {f"/{noun}s": _path(noun) for noun in NOUNS},
        }
    )


def _path(noun: str) -> dict[str, object]:
    answer = {"200": {"description": "ok", "content": {"application/json": {"schema": _ANSWER}}}}
    body = {"required": True, "content": {"application/json": {"schema": _SCHEMA}}}
    create = {"operationId": f"create_{noun}", "summary": f"Create a {noun}"}
    listing = {"operationId": f"list_{noun}s", "summary": f"List all {noun}s"}
    return {
        "post": {**create, "requestBody": body, "responses": answer},
        "get": {**listing, "responses": answer},
    }


class Served:
    """A server process and its stubs."""

    def __init__(self, server: Process) -> None:
        self.process = server
        channel = grpc.insecure_channel(server.address)
        self._runs = RunServiceStub(channel)
        request = ipb.CreateIntegrationRequest(name="bench", openapi_document=document())
        created = IntegrationServiceStub(channel).CreateIntegration(request, metadata=_META)
        self._integration = created.integration.id

    def new_run(self, intent: str = _INTENT, **fields: object) -> rpb.CreateRunRequest:
        return rpb.CreateRunRequest(
            intent=intent, user_id="u", selected_customer_integration_ids=[self._integration], **fields
        )

    def paused(self) -> str:
        """A run of three steps that waits for its approval."""
        request = self.new_run(approval_strategy=rpb.APPROVAL_STRATEGY_ON_START)
        created = self._runs.CreateRun(request, metadata=_META)
        assert len(created.plan.details.steps) == 3, created.plan
        return created.run_id

    def sequences(self, run_id: str) -> list[int]:
        """Of every event so far."""
        found: list[int] = []
        after = 0
        while True:
            request = rpb.ListRunEventsRequest(run_id=run_id, after_sequence=after, limit=1_000)
            page = self._runs.ListRunEvents(request, metadata=_META)
            if page.next_after_sequence == after:
                return found
            found += [event.sequence for event in page.events]
            after = page.next_after_sequence

    def calls(
        self, method: str, message: object, requests: int, *, clients: int = 4, streams: int = 16
    ) -> Calls:
        return Calls(
            self.process.address,
            f"/errands.v1.RunService/{method}",
            message,
            requests=requests,
            clients=clients,
            streams=streams,
        )
