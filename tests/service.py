"""A real server in this process: real gRPC on a free port, real SQLite in the test's own folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from google.rpc import error_details_pb2
from grpc import aio
from grpc_status import rpc_status
from msgspec.structs import replace

from errands.v1 import approval_pb2, connection_pb2, event_pb2, integration_pb2, key_pb2, run_pb2
from errands.v1.approval_pb2_grpc import ApprovalServiceStub
from errands.v1.audit_pb2_grpc import AuditServiceStub
from errands.v1.connection_pb2_grpc import ConnectionServiceStub
from errands.v1.integration_pb2_grpc import IntegrationServiceStub
from errands.v1.key_pb2_grpc import KeyServiceStub
from errands.v1.run_pb2_grpc import RunServiceStub
from errands_server.app import App, Overrides, running
from errands_server.config import Config
from errands_server.executor.work import RunDependencies
from errands_server.ports import Engine
from tests.databases import ELSEWHERE, database_of
from tests.engines.serial import SerialEngine

OPERATOR = "operator-key-of-the-test"
ENGINES: Mapping[str, Callable[[RunDependencies], Engine] | None] = {"embedded": None, "serial": SerialEngine}
PATIENCE = 20.0  # seconds; a test that waits longer has failed


engine = "embedded"  # the one servers are started with


class Service:
    """A server's stubs, speaking with one key."""

    def __init__(self, app: App, channel: aio.Channel, key: str) -> None:
        self.app = app
        self.channel = channel
        self.key = key
        self.metadata = (("x-api-key", key),)
        self.runs: Any = _Keyed(RunServiceStub(channel), self.metadata)
        self.approvals: Any = _Keyed(ApprovalServiceStub(channel), self.metadata)
        self.integrations: Any = _Keyed(IntegrationServiceStub(channel), self.metadata)
        self.connections: Any = _Keyed(ConnectionServiceStub(channel), self.metadata)
        self.keys: Any = _Keyed(KeyServiceStub(channel), self.metadata)
        self.audit: Any = _Keyed(AuditServiceStub(channel), self.metadata)

    def speaking_as(self, key: str) -> Service:
        return Service(self.app, self.channel, key)

    async def stranger(self, tenant: str = "strangers", *scopes: str) -> Service:
        """The same server, asked with a key of another tenant."""
        created = await self.keys.CreateKey(
            key_pb2.CreateKeyRequest(name="stranger", scopes=scopes or ["admin"], tenant=tenant)
        )
        return self.speaking_as(created.secret)

    async def with_scopes(self, *scopes: str) -> Service:
        """The same server and tenant, asked with a key of these scopes."""
        created = await self.keys.CreateKey(key_pb2.CreateKeyRequest(name="scoped", scopes=scopes))
        return self.speaking_as(created.secret)

    async def add_integration(self, url: str, name: str = "shop", **fields: Any) -> str:
        """Import the description at `url` of a service on loopback; the integration's id."""
        request = integration_pb2.CreateIntegrationRequest(
            name=name, openapi_url=url, internal=True, **fields
        )
        return str((await self.integrations.CreateIntegration(request)).integration.id)

    async def connect(self, integration: str, user: str = "user-1", **credential: Any) -> Any:
        """Store a user's credential."""
        request = connection_pb2.CreateConnectionRequest(
            integration_id=integration, user_id=user, **credential
        )
        return (await self.connections.CreateConnection(request)).connection

    async def add_document(self, text: str, name: str = "service", **fields: Any) -> str:
        """Import a description of a service on loopback; the integration's id."""
        request = integration_pb2.CreateIntegrationRequest(
            name=name, openapi_document=text, internal=True, **fields
        )
        return str((await self.integrations.CreateIntegration(request)).integration.id)

    async def create(self, intent: str, *integrations: str, **fields: Any) -> run_pb2.CreateRunResponse:
        request = run_pb2.CreateRunRequest(
            intent=intent,
            selected_customer_integration_ids=integrations or ["*"],
            user_id=fields.pop("user_id", "user-1"),
            **fields,
        )
        return await self.runs.CreateRun(request)

    async def get(self, run_id: str, **fields: Any) -> run_pb2.Run:
        return (await self.runs.GetRun(run_pb2.GetRunRequest(run_id=run_id, **fields))).run

    async def events(self, run_id: str, after: int = 0, **fields: Any) -> list[event_pb2.RunEvent]:
        """Every event behind `after` until the run ends."""
        request = run_pb2.StreamRunEventsRequest(run_id=run_id, after_sequence=after, **fields)
        async with asyncio.timeout(PATIENCE):
            return [event async for message in self.runs.StreamRunEvents(request) for event in message.events]

    async def until(self, run_id: str, arm: str, after: int = 0, **fields: Any) -> event_pb2.RunEvent:
        """The first event of this kind behind `after`, once it is there."""
        event = await self.next(run_id, arm, after, **fields)
        if event is None:
            raise AssertionError(f"the run ended without {arm}")
        return event

    async def next(self, run_id: str, arm: str, after: int = 0, **fields: Any) -> event_pb2.RunEvent | None:
        """The same; None once the run has ended without one."""
        request = run_pb2.StreamRunEventsRequest(run_id=run_id, after_sequence=after, **fields)
        async with asyncio.timeout(PATIENCE):
            call = self.runs.StreamRunEvents(request)
            async for message in call:
                for event in message.events:
                    if event.WhichOneof("event") == arm:
                        call.cancel()
                        return event
        return None

    async def finished(self, run_id: str) -> run_pb2.Run:
        """The run, once it has ended."""
        await self.events(run_id)
        return await self.get(run_id)

    async def decide(self, approval_id: str, decision: int, **fields: Any) -> approval_pb2.Approval:
        request = approval_pb2.DecideApprovalRequest(approval_id=approval_id, decision=decision, **fields)
        return (await self.approvals.DecideApproval(request)).approval


class _Keyed:
    """A stub whose every call carries the key and a deadline."""

    def __init__(self, stub: Any, metadata: Sequence[tuple[str, str]]) -> None:
        self._stub = stub
        self._metadata = tuple(metadata)

    def __getattr__(self, method: str) -> Any:
        call = getattr(self._stub, method)

        def keyed(request: Any, *, timeout: float = PATIENCE, metadata: Any = None) -> Any:
            return call(request, timeout=timeout, metadata=self._metadata if metadata is None else metadata)

        return keyed


@asynccontextmanager
async def serving(
    data: Path, overrides: Overrides | None = None, **settings: Any
) -> AsyncGenerator[Service, None]:
    """A server on this folder, asked with its operator key, with the engine that the test is about."""
    if ENGINES[engine] is not None:
        overrides = replace(overrides or Overrides(), engine=ENGINES[engine])
    config = Config(
        data=data,
        api_key=OPERATOR,
        **{"grpc": "127.0.0.1:0", "http": "127.0.0.1:0", "drain": 2.0, **_database(data), **settings},
    )
    async with running(config, overrides) as app, aio.insecure_channel(app.grpc_address) as channel:
        yield Service(app, channel, OPERATOR)


def _database(data: Path) -> dict[str, str]:
    return {"database": database_of(data)} if ELSEWHERE else {}


def reason(error: aio.AioRpcError) -> str:
    """The reason in the error's one ErrorInfo."""
    return info(error).reason


def info(error: aio.AioRpcError) -> error_details_pb2.ErrorInfo:
    infos = list(_details(error, error_details_pb2.ErrorInfo))
    assert len(infos) == 1, f"{len(infos)} ErrorInfo in {error!r}"
    return infos[0]


def violations(error: aio.AioRpcError) -> dict[str, str]:
    """What is wrong, by field."""
    return {
        violation.field: violation.description
        for detail in _details(error, error_details_pb2.BadRequest)
        for violation in detail.field_violations
    }


def _details(error: aio.AioRpcError, kind: Any) -> Any:
    status = rpc_status.from_call(error)
    assert status is not None, f"no google.rpc.Status in {error!r}"
    for packed in status.details:
        if packed.Is(kind.DESCRIPTOR):
            detail = kind()
            packed.Unpack(detail)
            yield detail
