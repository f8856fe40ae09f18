"""The life of a server: from its data folder to its ports, and back."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import grpc
import structlog
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from msgspec import Struct

from errands_gateway.app import CHANNEL_OPTIONS, bind, bound_address, serve_http
from errands_gateway.settings import Settings

from .api.health import Health
from .composition import SERVICES, Core, Overrides, core, serving
from .config import DAY, Config
from .engines.commits import CommitFeed
from .environment import Environment
from .services.keys import DEFAULT_TENANT, Keys
from .services.principal import Scope
from .services.tokens import LinkTemplates
from .store.database import is_sqlite
from .store.encryption import Sealer, Unsealable, load_or_create_keys, parse_keys
from .store.store import Store

__all__ = ["SERVICES", "App", "FolderInUse", "Overrides", "running"]

_SOCKET_PATH: Final = 100  # characters; systems take 104 or 108
_HOUR: Final = 3_600.0  # seconds between sweeps of what is kept too long

_log = structlog.get_logger("errands.server")


class FolderInUse(Exception):
    """Another server works on this data folder."""


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
        commits = CommitFeed()
        shared = not is_sqlite(config.database_url)
        store = await Store.open(config.database_url, commits, migrate=not shared)
        stack.push_async_callback(store.close)
        await _agree(store, sealer, anew=config.forget_secrets)
        server = await _Server.start(config, overrides, store, sealer, commits, stack)
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
    """ValueError: there is none; it says where it was looked for."""
    path = config.secret_key_file or config.data / "secret.key"
    try:
        return parse_keys(config.secret_key) if config.secret_key else load_or_create_keys(path)
    except (OSError, ValueError) as error:
        place = "ERRANDS_SECRET_KEY" if config.secret_key else f"{path} (--secret-key-file)"
        why = error.strerror if isinstance(error, OSError) else error
        raise ValueError(f"no secret key in {place}: {why}") from error


async def _agree(store: Store, sealer: Sealer, *, anew: bool) -> None:
    """ValueError: the others of this database seal with a key that this server does not have."""
    try:
        await store.check_key(sealer, replace=anew)
    except Unsealable:
        raise ValueError(
            "the secrets in this database are sealed with another key: give all its servers the same"
            " (--secret-key-file or ERRANDS_SECRET_KEY); where that key is lost, --forget-secrets on"
            " goes on without them"
        ) from None


class _Server:
    """Everything between opening the store and stopping."""

    def __init__(self, config: Config, parts: Core, grpc_server: aio.Server) -> None:
        self._config = config
        self._engine = parts.engine
        self._failover = parts.failover
        self._hub = parts.hub
        self._store = parts.store
        self._grpc = grpc_server
        self._health = Health(self._ready)
        self._drained = False
        self.app: App

    @classmethod
    async def start(
        cls,
        config: Config,
        overrides: Overrides,
        store: Store,
        sealer: Sealer,
        commits: CommitFeed,
        stack: AsyncExitStack,
    ) -> _Server:
        http = bind(config.http)
        stack.callback(http.close)
        links = LinkTemplates(
            sealer,
            config.public_url or f"http://{bound_address(config.http, http)}",
            approval=config.approval_path,
            connect=config.connect_path,
        )
        parts = await core(
            config, overrides, store=store, sealer=sealer, commits=commits, links=links, stack=stack
        )
        keys = Keys(store, parts.environment, process_secret=config.api_key)
        server = cls(config, parts, await serving(parts, keys, stack))
        await server._listen(http, await _first_key(store, keys), stack)
        stack.enter_context(_task(server._sweep(parts.environment), "errands retention"))
        return server

    async def _listen(self, http: socket.socket, operator_key: str, stack: AsyncExitStack) -> None:
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._grpc)
        if self._config.reflection:
            from grpc_reflection.v1alpha import reflection

            reflection.enable_server_reflection(
                (*SERVICES, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name), self._grpc
            )
        grpc_address = self._bind()
        channel = await stack.enter_async_context(self._own_channel())
        gateway = await stack.enter_async_context(serve_http(channel, self._gateway_settings(), http))
        await self._execute()
        await self._grpc.start()
        await self._set_health(serving=True)
        self.app = App(grpc_address, gateway.address, operator_key, self.drain, self._engine.hurry)

    async def _execute(self) -> None:
        """On a database of its own this process executes; on a shared one, where no other does."""
        await (self._engine if self._failover is None else self._failover).start()

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
        reachable = self._failover is None or self._failover.reachable
        return not self._drained and self._store.journal.healthy and reachable

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
        if self._failover is not None:
            await self._failover.close()
        self._hub.close()
        await self._grpc.stop(grace=2)

    async def _sweep(self, environment: Environment) -> None:
        while True:
            try:
                await self._store.forget_requests(environment.now())
                await self._store.forget_flows(environment.now())
                if self._config.keep is not None:
                    count = await self._store.erase_finished(environment.now() - self._config.keep)
                    _log.info("erased finished runs", count=count, keep_days=self._config.keep / DAY)
                if self._config.keep_audit is not None:
                    await self._store.erase_audit(environment.now() - self._config.keep_audit)
            except Exception:
                _log.exception("retention failed")
            await asyncio.sleep(_HOUR)


async def _first_key(store: Store, keys: Keys) -> str:
    """The operator key of a new database, made once; empty on every later start."""
    async with store.begin(DEFAULT_TENANT) as transaction:
        if await transaction.keys.has_any():
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
