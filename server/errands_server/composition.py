"""The composition root: the only module that names concrete classes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

from grpc import aio
from msgspec import Struct

from errands.v1 import approval_pb2, audit_pb2, connection_pb2, integration_pb2, key_pb2, run_pb2
from errands.v1.approval_pb2_grpc import add_ApprovalServiceServicer_to_server
from errands.v1.audit_pb2_grpc import add_AuditServiceServicer_to_server
from errands.v1.connection_pb2_grpc import add_ConnectionServiceServicer_to_server
from errands.v1.integration_pb2_grpc import add_IntegrationServiceServicer_to_server
from errands.v1.key_pb2_grpc import add_KeyServiceServicer_to_server
from errands.v1.run_pb2_grpc import add_RunServiceServicer_to_server

from . import metrics
from .api.approvals import ApprovalServicer
from .api.audit import AuditServicer
from .api.connections import ConnectionServicer
from .api.integrations import MAX_DOCUMENT, IntegrationServicer
from .api.interceptor import Interceptor
from .api.keys import KeyServicer
from .api.messages import RunMessages
from .api.runs import RunServicer
from .config import Config
from .credentials.aws.sts import AwsRoles
from .credentials.oauth.flows import OAuth
from .credentials.pass_through.okta import OktaTokens
from .credentials.pass_through.resolver import PassThroughResolver
from .credentials.resolver import CredentialResolver
from .credentials.vault import Vault
from .domain.events import Call
from .engines.commits import CommitFeed, commit_router
from .engines.embedded import EmbeddedEngine
from .environment import Environment
from .executor.dispatch import open_gate
from .executor.work import RunDependencies
from .outbound.web import Web
from .planners.catalog.planner import CatalogPlanner
from .ports import Engine, Planner, PlannerLimits, Toolbox
from .services.approvals import Approvals
from .services.audit import Audits
from .services.authorizations import Authorizations
from .services.connect import ConnectService
from .services.connect_methods import ConnectMethods
from .services.connections import Connections
from .services.imports import IntegrationImports
from .services.integrations import Integrations
from .services.key_watch import KeyWatch
from .services.keys import Keys
from .services.mcp_refresh import ToolListings, ToolListRefresh
from .services.pass_through import PassThroughCheck
from .services.preflight import PreflightService
from .services.quotas import Quotas
from .services.run_creation import RunCreation
from .services.runs import Runs
from .services.tokens import LinkTemplates, Tickets
from .store.database import is_sqlite
from .store.encryption import Sealer
from .store.store import Store
from .streams import Hub
from .tools.catalog import ToolCatalog
from .tools.mcp import importer as mcp
from .tools.mcp.endpoint import load_servers
from .tools.mcp.importer import McpImporter
from .tools.mcp.sender import McpSender
from .tools.mcp.session_pool import SessionPool
from .tools.openapi import importer
from .tools.openapi.sender import OpenApiSender
from .tools.toolbox import IntegrationToolbox, Sender

if TYPE_CHECKING:
    from .engines.failover import Failover

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


class Overrides(Struct, frozen=True):
    """Parts a caller puts in place of the usual ones: tests, benchmarks."""

    environment: Environment = Environment()
    planner: Planner | None = None
    planner_limits: PlannerLimits = PlannerLimits()
    toolbox: Callable[[ToolCatalog], Toolbox] | None = None
    gate: Callable[[Call], Awaitable[None]] | None = None
    engine: Callable[[RunDependencies], Engine] | None = None


class Credentials(Struct, frozen=True):
    """Where credentials are kept, renewed and resolved."""

    vault: Vault
    oauth: OAuth
    passed: PassThroughResolver
    resolver: CredentialResolver


def _credentials(
    config: Config,
    store: Store,
    sealer: Sealer,
    environment: Environment,
    quotas: Quotas,
    stack: AsyncExitStack,
) -> Credentials:
    web = Web()
    stack.push_async_callback(web.aclose)
    apps = OktaTokens(web, environment)
    stack.push_async_callback(apps.aclose)
    roles = AwsRoles(config.aws_sts_endpoint, environment) if config.aws_sts_endpoint else None
    if roles is not None:
        stack.push_async_callback(roles.aclose)
    passed = PassThroughResolver(store.journal, sealer, apps, roles)
    vault, oauth = Vault(store, sealer, environment, quotas.check_connections), OAuth(web, environment)
    resolver = CredentialResolver(passed, vault, oauth, environment)
    stack.push_async_callback(resolver.aclose)
    return Credentials(vault, oauth, passed, resolver)


class Core(Struct, frozen=True, kw_only=True):
    """What executes runs, and what every service stands on."""

    config: Config
    store: Store
    sealer: Sealer
    environment: Environment
    links: LinkTemplates
    catalog: ToolCatalog
    quotas: Quotas
    credentials: Credentials
    planner: Planner
    planner_limits: PlannerLimits
    importer: McpImporter
    listings: ToolListings
    toolbox: Toolbox
    engine: Engine
    failover: Failover | None  # where several processes share a database
    messages: RunMessages
    hub: Hub


async def core(
    config: Config,
    overrides: Overrides,
    *,
    store: Store,
    sealer: Sealer,
    commits: CommitFeed,
    links: LinkTemplates,
    stack: AsyncExitStack,
) -> Core:
    """Everything that the execution of runs needs. ValueError: `--mcp-servers` names no such file."""
    environment = overrides.environment
    catalog = ToolCatalog(store, sealer)
    stack.push_async_callback(catalog.aclose)
    quotas = Quotas(
        environment,
        requests=config.tenant_rate,
        runs=config.run_rate,
        integrations=config.max_integrations,
        connections=config.max_connections,
    )
    credentials = _credentials(config, store, sealer, environment, quotas, stack)
    planner = overrides.planner or CatalogPlanner()
    listings = ToolListings(store, catalog, environment)
    senders, importer = await _senders(config, listings, stack)
    toolbox = _toolbox(overrides, catalog, credentials, senders)
    parts = RunDependencies(
        journal=store.journal,
        catalog=catalog,
        planner=planner,
        toolbox=toolbox,
        environment=environment,
        gate=overrides.gate or open_gate,
        planner_limits=overrides.planner_limits,
    )
    messages = RunMessages(links.approval, links.connect)
    hub = Hub(messages.encode)
    engine, failover = _engine(config, overrides, parts, hub)
    commits.follow(commit_router(hub, credentials.passed, engine))
    metrics.watch(active=lambda: engine.active, queued=lambda: engine.queued, streams=lambda: hub.open)
    return Core(
        config=config,
        store=store,
        sealer=sealer,
        environment=environment,
        links=links,
        catalog=catalog,
        quotas=quotas,
        credentials=credentials,
        planner=planner,
        planner_limits=overrides.planner_limits,
        importer=importer,
        listings=listings,
        toolbox=toolbox,
        engine=engine,
        failover=failover,
        messages=messages,
        hub=hub,
    )


def _toolbox(
    overrides: Overrides, catalog: ToolCatalog, credentials: Credentials, senders: Mapping[str, Sender]
) -> Toolbox:
    if overrides.toolbox is not None:
        return overrides.toolbox(catalog)
    return IntegrationToolbox(catalog, credentials.resolver, senders)


def _engine(
    config: Config, overrides: Overrides, dependencies: RunDependencies, hub: Hub
) -> tuple[Engine, Failover | None]:
    if overrides.engine is not None:
        return overrides.engine(dependencies), None
    engine = EmbeddedEngine(dependencies, max_active=config.max_active, max_queued=config.max_queued)
    if is_sqlite(config.database_url):
        return engine, None
    from .engines.failover import Failover  # with the driver, which is an extra

    failover = Failover(config.database_url, dependencies.journal, engine, hub, dependencies.catalog)
    return engine, failover


async def _senders(
    config: Config, listings: ToolListings, stack: AsyncExitStack
) -> tuple[dict[str, Sender], McpImporter]:
    servers = load_servers(config.mcp_servers)
    sessions = await stack.enter_async_context(SessionPool(on_tools_changed=listings.store))
    senders: dict[str, Sender] = {importer.KIND: await stack.enter_async_context(OpenApiSender())}
    senders[mcp.KIND] = McpSender(sessions, servers)
    return senders, McpImporter(sessions, servers)


async def serving(parts: Core, keys: Keys, stack: AsyncExitStack) -> aio.Server:
    """A gRPC server with every service, which does not listen yet."""
    server = aio.server(options=_OPTIONS)
    gate = Interceptor(server, keys.authenticate, parts.quotas.take_request)
    connect = await _serve_integrations(parts, gate, stack)
    watch = await stack.enter_async_context(KeyWatch(keys, parts.environment))
    _serve_runs(parts, connect, watch, gate)
    add_KeyServiceServicer_to_server(KeyServicer(keys, parts.environment), gate)
    add_AuditServiceServicer_to_server(AuditServicer(Audits(parts.store)), gate)
    return server


async def _serve_integrations(parts: Core, gate: Interceptor, stack: AsyncExitStack) -> ConnectService:
    """Integrations, the connections to them, and what keeps both current."""
    store, environment, catalog, credentials = (
        parts.store,
        parts.environment,
        parts.catalog,
        parts.credentials,
    )
    refresh = await stack.enter_async_context(
        ToolListRefresh(catalog, parts.importer, credentials.resolver, parts.listings)
    )
    authorizations = Authorizations(store, environment, on_granted=refresh.list_after_grant)
    imports = IntegrationImports(parts.importer, parts.sealer)
    integrations = Integrations(
        store, catalog, parts.sealer, authorizations, imports, environment, parts.quotas
    )
    add_IntegrationServiceServicer_to_server(IntegrationServicer(integrations), gate)
    methods = ConnectMethods(catalog)
    connections = Connections(
        store, methods, credentials.vault, credentials.oauth, authorizations, environment
    )
    connect = ConnectService(
        store=store,
        sealer=parts.sealer,
        vault=credentials.vault,
        oauth=credentials.oauth,
        methods=methods,
        authorizations=authorizations,
        environment=environment,
        templates=parts.links,
    )
    servicer = ConnectionServicer(connections, connect, environment)
    add_ConnectionServiceServicer_to_server(servicer, gate)
    return connect


def _serve_runs(parts: Core, connect: ConnectService, watch: KeyWatch, gate: Interceptor) -> None:
    store, environment, sealer = parts.store, parts.environment, parts.sealer
    runs = Runs(store, parts.hub, environment)
    creation = RunCreation(
        store=store,
        hub=parts.hub,
        engine=parts.engine,
        catalog=parts.catalog,
        planner=parts.planner,
        planner_limits=parts.planner_limits,
        environment=environment,
        runs=runs,
        pass_through=PassThroughCheck(parts.catalog, roles=bool(parts.config.aws_sts_endpoint)),
        preflight=PreflightService(parts.catalog, parts.toolbox, connect),
        sealer=sealer,
        quotas=parts.quotas,
    )
    tickets = Tickets(sealer, environment)
    servicer = RunServicer(creation, runs, tickets, watch, parts.messages)
    add_RunServiceServicer_to_server(servicer, gate)
    approvals = Approvals(store, parts.credentials.passed, sealer, environment)
    add_ApprovalServiceServicer_to_server(ApprovalServicer(approvals, parts.messages), gate)
