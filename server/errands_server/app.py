"""The composition root: the only module that names concrete classes, and the life of a server."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import grpc
import structlog
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from msgspec import Struct

from errands.v1 import approval_pb2, audit_pb2, connection_pb2, integration_pb2, key_pb2, run_pb2
from errands.v1.approval_pb2_grpc import add_ApprovalServiceServicer_to_server
from errands.v1.audit_pb2_grpc import add_AuditServiceServicer_to_server
from errands.v1.connection_pb2_grpc import add_ConnectionServiceServicer_to_server
from errands.v1.integration_pb2_grpc import add_IntegrationServiceServicer_to_server
from errands.v1.key_pb2_grpc import add_KeyServiceServicer_to_server
from errands.v1.run_pb2_grpc import add_RunServiceServicer_to_server
from errands_gateway.app import CHANNEL_OPTIONS, listening
from errands_gateway.settings import Settings

from . import metrics
from .api.approvals import ApprovalServicer
from .api.audit import AuditServicer
from .api.connections import ConnectionServicer
from .api.health import Health
from .api.integrations import MAX_DOCUMENT, IntegrationServicer
from .api.interceptors import Gate
from .api.keys import KeyServicer
from .api.messages import Messages
from .api.runs import RunServicer
from .config import DAY, Config
from .credentials.apps import Apps
from .credentials.keyring import Keyring
from .credentials.oauth import OAuth
from .credentials.passed import Passed
from .credentials.roles import Roles
from .credentials.vault import Vault
from .domain.event import ApprovalRequested, AuthRequested, Call, Decision
from .engines.embedded import EmbeddedEngine
from .executor.dispatch import open_gate
from .executor.owner import Parts
from .outbound.web import Web
from .planners.catalog import CatalogPlanner
from .ports import Planner, Toolbox
from .services import connect_links, links
from .services.approvals import Approvals
from .services.audits import Audits
from .services.authorizations import Authorizations
from .services.connecting import Connecting
from .services.connections import Connections
from .services.creating import Creating
from .services.describing import Describing
from .services.foreseeing import Foreseeing
from .services.integrations import Integrations
from .services.keys import DEFAULT_TENANT, Keys
from .services.links import Tickets
from .services.passing import Passing
from .services.principal import Scope
from .services.quotas import Quotas
from .services.relisting import Relisting
from .services.runs import Runs
from .services.views import Views
from .services.ways import Ways
from .store.sealing import Sealer, load_or_create_keys, parse_keys
from .store.store import Store
from .store.works import Append, Created, Creation
from .streams import Hub
from .tools import importing
from .tools.catalogue import Catalogue
from .tools.mcp import importing as mcp
from .tools.mcp.configured import load_servers
from .tools.mcp.importing import McpImporter
from .tools.mcp.sender import McpSender
from .tools.mcp.sessions import Sessions
from .tools.openapi import OpenApiSender
from .tools.toolbox import IntegrationToolbox, Sender
from .world import World

SERVICES: Final = tuple(
    module.DESCRIPTOR.services_by_name[name].full_name
    for module, name in (
        (run_pb2, "RunService"),
        (approval_pb2, "ApprovalService"),
        (integration_pb2, "IntegrationService"),
        (connection_pb2, "ConnectionService"),
        (key_pb2, "KeyService"),
        (audit_pb2, "AuditService"),
    )
)
_OPTIONS: Final = (
    # A description may have 32 MiB; everything else is far smaller and checked by field.
    ("grpc.max_receive_message_length", MAX_DOCUMENT + (1 << 20)),
    ("grpc.max_send_message_length", 16 << 20),
    ("grpc.max_metadata_size", 16 << 10),
    ("grpc.so_reuseport", 0),  # a second server on the port is a mistake, not load balancing
    # Streams idle for hours: find dead peers, and let clients ask as often as proxies need.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
)
_SOCKET_PATH: Final = 100  # characters; systems take 104 or 108
_HOUR: Final = 3_600.0  # seconds between sweeps of what is kept too long

_log = structlog.get_logger("errands.server")


class FolderInUse(Exception):
    """Another server works on this data folder."""


class Overrides(Struct, frozen=True):
    """Parts a caller puts in place of the usual ones: tests, benchmarks."""

    world: World = World()
    planner: Planner | None = None
    toolbox: Callable[[Catalogue], Toolbox] | None = None
    gate: Callable[[Call], Awaitable[None]] | None = None


class App(Struct, frozen=True):
    """A running server. `operator_key` is set on the first start of a data folder."""

    grpc_address: str
    http_address: str
    operator_key: str
    drain: Callable[[], Awaitable[None]]
    hurry: Callable[[], None]


@asynccontextmanager
async def running(config: Config, overrides: Overrides | None = None) -> AsyncGenerator[App, None]:
    """A server from ready to stopped. FolderInUse, SchemaOutdated, OSError: it could not start."""
    overrides = overrides or Overrides()
    async with AsyncExitStack() as stack:
        config.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        stack.callback(os.close, _lock(config.data))
        sealer = Sealer(_secret_keys(config))
        wiring = _Wiring()
        store = await Store.open(config.database_url, wiring.committed)
        stack.push_async_callback(store.close)
        server = await _Server.start(config, overrides, store, sealer, wiring, stack)
        try:
            yield server.app
        finally:
            await server.drain()


def _lock(data: Path) -> int:
    """One process per data folder: the lock goes with the process, however it ends."""
    descriptor = os.open(data / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if error.errno not in {errno.EAGAIN, errno.EACCES}:
            raise
        raise FolderInUse(f"another server works on {data}; stop it, or choose another --data") from None
    return descriptor


def _secret_keys(config: Config) -> list[bytes]:
    if config.secret_key:
        return parse_keys(config.secret_key)
    return load_or_create_keys(config.secret_key_file or config.data / "secret.key")


class _Wiring:
    """Tells streams and engine of every commit. They are set once they exist."""

    def __init__(self) -> None:
        self.hub: Hub | None = None
        self.engine: EmbeddedEngine | None = None
        self.passed: Passed | None = None

    def committed(self, work: Creation | Append, created: Created | None) -> None:
        assert self.hub is not None  # noqa: S101 (set before the first write)
        assert self.engine is not None  # noqa: S101 (as above)
        if isinstance(work, Append):
            metrics.committed(work.records)
            self.hub.publish(work.tenant, work.run_id, work.records)
            if work.run.passed and work.run.ended and self.passed is not None:
                self.passed.forget(work.tenant, work.run_id)
            if work.epoch is None:
                self.engine.nudge(work.tenant, work.run_id)
        elif created is not None and created.run is not None:
            metrics.committed(created.records)
            self.hub.publish(work.tenant, work.run_id, created.records)
            self.engine.submit(work.tenant, work.run_id, created.run, work.inputs)


class _Server:
    """Everything between opening the store and stopping."""

    def __init__(self, config: Config, engine: EmbeddedEngine, hub: Hub, store: Store) -> None:
        self._config = config
        self._engine = engine
        self._hub = hub
        self._store = store
        self._health = Health(self._ready)
        self._drained = False
        self._grpc: aio.Server
        self.app: App

    @classmethod
    async def start(
        cls,
        config: Config,
        overrides: Overrides,
        store: Store,
        sealer: Sealer,
        wiring: _Wiring,
        stack: AsyncExitStack,
    ) -> _Server:
        world = overrides.world
        catalogue = Catalogue(store, sealer)
        access = _access(config, store, sealer, world, stack)
        planner = overrides.planner or CatalogPlanner()
        wiring.passed = access.passed
        servers = load_servers(config.mcp_servers)
        sessions = await stack.enter_async_context(Sessions())
        senders: dict[str, Sender] = {importing.KIND: await stack.enter_async_context(OpenApiSender())}
        senders[mcp.KIND] = McpSender(sessions, servers)
        toolbox = (
            IntegrationToolbox(catalogue, access.keyring, senders)
            if overrides.toolbox is None
            else overrides.toolbox(catalogue)
        )
        parts = Parts(
            journal=store.journal,
            catalogue=catalogue,
            planner=planner,
            toolbox=toolbox,
            world=world,
            gate=overrides.gate or open_gate,
        )
        engine = EmbeddedEngine(parts, max_active=config.max_active, max_queued=config.max_queued)
        links_at = _Links(sealer)
        messages = Messages(links_at.url, links_at.connect_url)
        hub = Hub(messages.encode)
        wiring.hub, wiring.engine = hub, engine
        metrics.watch(active=lambda: engine.active, queued=lambda: engine.queued, streams=lambda: hub.open)
        server = cls(config, engine, hub, store)
        keys = Keys(store, world, process_secret=config.api_key)
        operator_key = await _first_key(store, keys)
        seen = Views(store.journal)
        runs = Runs(store, hub, world, seen)
        passing = Passing(catalogue, roles=bool(config.aws_sts_endpoint))
        quotas = Quotas(
            world,
            requests=config.tenant_rate,
            runs=config.run_rate,
            integrations=config.max_integrations,
        )
        creating = Creating(store, hub, engine, catalogue, planner, world, seen, passing, sealer, quotas)
        gate = Gate(keys.recognise, quotas.request)
        server._grpc = aio.server(interceptors=[gate], options=_OPTIONS)
        tickets = Tickets(sealer, world)
        approvals = Approvals(store, sealer, world)
        add_ApprovalServiceServicer_to_server(ApprovalServicer(approvals, messages), server._grpc)
        authorizations = Authorizations(store, world)
        importer = McpImporter(sessions, servers)
        describing = Describing(importer, sealer)
        integrations = Integrations(store, catalogue, sealer, authorizations, describing, world, quotas)
        relisting = await stack.enter_async_context(
            Relisting(store, catalogue, importer, access.keyring, world)
        )
        sessions.tell(relisting.listed)
        authorizations.tell(relisting.granted)
        add_IntegrationServiceServicer_to_server(IntegrationServicer(integrations), server._grpc)
        connections, connecting = _connecting(access, catalogue, authorizations, links_at)
        servicer_of_connections = ConnectionServicer(connections, connecting, world)
        add_ConnectionServiceServicer_to_server(servicer_of_connections, server._grpc)
        foreseeing = Foreseeing(catalogue, toolbox, connecting)
        servicer = RunServicer(creating, foreseeing, runs, tickets, messages, sealer)
        add_RunServiceServicer_to_server(servicer, server._grpc)
        add_KeyServiceServicer_to_server(KeyServicer(keys, world), server._grpc)
        add_AuditServiceServicer_to_server(AuditServicer(Audits(store)), server._grpc)
        await server._listen(links_at, operator_key, stack)
        stack.enter_context(_task(server._sweep(world), "errands retention"))
        return server

    async def _listen(self, links_at: _Links, operator_key: str, stack: AsyncExitStack) -> None:
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._grpc)
        if self._config.reflection:
            from grpc_reflection.v1alpha import reflection

            reflection.enable_server_reflection(
                (*SERVICES, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name), self._grpc
            )
        grpc_address = self._bind()
        channel = await stack.enter_async_context(self._own_channel())
        started = await stack.enter_async_context(listening(channel, self._gateway_settings()))
        http_address = started.address
        links_at.public_url = self._config.public_url or f"http://{http_address}"
        await self._engine.start()
        await self._grpc.start()
        await self._set_health(serving=True)
        self.app = App(grpc_address, http_address, operator_key, self.drain, self._engine.hurry)

    def _bind(self) -> str:
        host = self._config.grpc.rpartition(":")[0]
        try:
            if self._config.tls_cert is not None and self._config.tls_key is not None:
                pair = (self._config.tls_key.read_bytes(), self._config.tls_cert.read_bytes())
                port = self._grpc.add_secure_port(self._config.grpc, grpc.ssl_server_credentials([pair]))
            else:
                port = self._grpc.add_insecure_port(self._config.grpc)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {self._config.grpc}: {error}") from error
        return f"{host}:{port}"

    def _own_channel(self) -> aio.Channel:
        """A channel to this server, for the gateway beside it, wherever and however others reach it."""
        address = f"unix:{self._config.data / 'grpc.socket'}"
        if len(address) > _SOCKET_PATH:
            address = f"127.0.0.1:{self._grpc.add_insecure_port('127.0.0.1:0')}"
        else:
            self._grpc.add_insecure_port(address)
        return aio.insecure_channel(address, options=CHANNEL_OPTIONS)

    def _gateway_settings(self) -> Settings:
        config = self._config
        return Settings(
            http=config.http,
            public_url=config.public_url,
            limit=config.request_limit,
            max_streams=config.max_streams,
            cors=config.cors,
            trusted_proxies=config.trusted_proxies,
        )

    def _ready(self) -> bool:
        return not self._drained and self._store.journal.healthy

    async def _set_health(self, *, serving: bool) -> None:
        status = health_pb2.HealthCheckResponse
        for service in ("", *SERVICES):
            await self._health.set(service, status.SERVING if serving else status.NOT_SERVING)

    async def drain(self) -> None:
        """Stop in order: no new runs, no new calls, last events, then the end. Once."""
        if self._drained:
            return
        self._drained = True
        _log.info("draining")
        await self._set_health(serving=False)
        await self._engine.drain(self._config.drain)
        self._hub.close()
        await self._grpc.stop(grace=2)

    async def _sweep(self, world: World) -> None:
        while True:
            try:
                await self._store.forget_requests(world.now())
                await self._store.forget_flows(world.now())
                if self._config.keep is not None:
                    count = await self._store.erase_finished(world.now() - self._config.keep)
                    _log.info("erased finished runs", count=count, keep_days=self._config.keep / DAY)
                if self._config.keep_audit is not None:
                    await self._store.erase_audit(world.now() - self._config.keep_audit)
            except Exception:
                _log.exception("retention failed")
            await asyncio.sleep(_HOUR)


class _Access(Struct, frozen=True):
    """Where credentials are kept, renewed and found."""

    store: Store
    sealer: Sealer
    world: World
    vault: Vault
    oauth: OAuth
    passed: Passed
    keyring: Keyring


def _access(config: Config, store: Store, sealer: Sealer, world: World, stack: AsyncExitStack) -> _Access:
    web = Web()
    stack.push_async_callback(web.aclose)
    apps = Apps(web, world)
    stack.push_async_callback(apps.aclose)
    roles = Roles(config.aws_sts_endpoint, world) if config.aws_sts_endpoint else None
    if roles is not None:
        stack.push_async_callback(roles.aclose)
    passed = Passed(store.journal, sealer, apps, roles)
    vault, oauth = Vault(store, sealer, world), OAuth(web, world)
    keyring = Keyring(passed, vault, oauth, world)
    stack.push_async_callback(keyring.aclose)
    return _Access(store, sealer, world, vault, oauth, passed, keyring)


def _connecting(
    access: _Access, catalogue: Catalogue, authorizations: Authorizations, links_at: _Links
) -> tuple[Connections, Connecting]:
    ways = Ways(catalogue)
    connecting = Connecting(
        store=access.store,
        sealer=access.sealer,
        vault=access.vault,
        oauth=access.oauth,
        ways=ways,
        authorizations=authorizations,
        world=access.world,
        public_url=lambda: links_at.base_url,
    )
    connections = Connections(access.store, ways, access.vault, access.oauth, authorizations, access.world)
    return connections, connecting


class _Links:
    """Where links lead; known once the HTTP port is."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self.public_url = ""

    def url(self, tenant: str, request: ApprovalRequested, decision: Decision) -> str:
        token = links.token(self._sealer, tenant, request, decision)
        return f"{self.base_url}/v1/runs/approval?token={token}"

    @property
    def base_url(self) -> str:
        return self.public_url.rstrip("/")

    def connect_url(self, tenant: str, run_id: str, asked: AuthRequested) -> str:
        return f"{self.base_url}/connect/{connect_links.of_run(self._sealer, tenant, run_id, asked)}"


async def _first_key(store: Store, keys: Keys) -> str:
    """The operator key of a new database, made once; empty on every later start."""
    async with store.begin(DEFAULT_TENANT) as transaction:
        if await transaction.keys.any():
            return ""
    _, secret = await keys.issue(DEFAULT_TENANT, name="operator", scopes=frozenset({Scope.OPERATOR}))
    return secret


@contextlib.contextmanager
def _task(work: Any, name: str) -> Any:
    task = asyncio.create_task(work, name=name)
    try:
        yield task
    finally:
        task.cancel()
