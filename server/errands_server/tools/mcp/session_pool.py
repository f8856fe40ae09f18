"""A bounded pool of MCP sessions. Each has a task of its own, and serves one user only."""

from __future__ import annotations

import asyncio
import importlib
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, Final, Self, TypeAlias

import httpx2
import structlog
from msgspec import Struct

from ...outbound.transport import GuardedTransport
from .endpoint import Listing, McpSession, ServerError, SessionKey, Target, Unreadable
from .exchange import Exchange, current_exchange

OPENING: Final = 20.0  # seconds a session may take to open, with the wait for a slot
_CLOSING: Final = 10.0  # seconds; a process gets about 6 to end by itself, and is then killed
_CONNECTIONS: Final = 256
_SDK: Final = f"{__package__}.client"

OnToolsChanged: TypeAlias = Callable[[SessionKey, Target, Listing], Awaitable[None]]
"""Receives a new listing from a server that says that its tools changed."""

_log = structlog.get_logger("errands.mcp")


class SessionLimits(Struct, frozen=True, kw_only=True):
    """Bounds of the pool."""

    urls: int = 64  # sessions with URLs
    processes: int = 16  # sessions with processes
    idle: float = 300.0  # seconds until an unused session is closed
    relisting: float = 10.0  # seconds between two listings of a server whose tools change


class CannotOpen(Exception):
    """No session could be opened, so no tool was called."""

    def __init__(self, message: str, exchange: Exchange) -> None:
        super().__init__(message)
        self.message = message
        self.exchange = exchange


class SdkMissing(Exception):
    """The extra `mcp` is not installed."""


class SessionSlots:
    """A semaphore that knows how many wait for it: one slot for each session of a kind."""

    def __init__(self, size: int) -> None:
        self._free = asyncio.Semaphore(size)
        self.waiting = 0

    @asynccontextmanager
    async def hold(self) -> AsyncGenerator[None]:
        self.waiting += 1
        try:
            await self._free.acquire()
        finally:
            self.waiting -= 1
        try:
            yield
        finally:
            self._free.release()

    @property
    def is_full(self) -> bool:
        return self._free.locked()


class PooledSession:
    """One pooled session and its lifecycle: opening, in use, idle, retired."""

    def __init__(self, key: SessionKey, target: Target) -> None:
        loop = asyncio.get_running_loop()
        self.key = key
        self.target = target
        self.opened: asyncio.Future[McpSession] = loop.create_future()
        self.wake = asyncio.Event()
        self.users = 0
        self.used_at = loop.time()
        self.retired = False  # no more calls begin
        self.closing = False  # calls under way are not waited for either
        self.tools_changed = False
        self.listed_at = float("-inf")

    def retire(self) -> None:
        """Let calls under way end, and begin no more."""
        self.retired = True
        self.wake.set()

    def close(self) -> None:
        """End the session now, also under calls."""
        self.closing = True
        self.retire()

    def on_tools_changed(self) -> None:
        self.tools_changed = True
        self.wake.set()

    @property
    def is_open(self) -> bool:
        return self.opened.done()

    @property
    def is_usable(self) -> bool:
        failed = self.opened.done() and (self.opened.cancelled() or self.opened.exception() is not None)
        return not self.retired and not failed

    @property
    def is_over(self) -> bool:
        return self.closing or (self.retired and not self.users)


async def load_sdk() -> Any:
    """Import the one module that uses the SDK, in a thread: that takes a second. SdkMissing."""
    try:
        return await asyncio.to_thread(importlib.import_module, _SDK)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("errands"):
            raise
        message = "MCP integrations need the extra `mcp`: pip install 'errands[mcp]'"
        raise SdkMissing(message) from error


class SessionPool:
    """The sessions of this process. A context: when it ends, all sessions and their processes have ended."""

    def __init__(
        self,
        limits: SessionLimits | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        on_tools_changed: OnToolsChanged | None = None,
    ) -> None:
        self._limits = limits or SessionLimits()
        self._url_slots = SessionSlots(self._limits.urls)
        self._process_slots = SessionSlots(self._limits.processes)
        self._sessions: dict[SessionKey, PooledSession] = {}
        self._tasks: dict[asyncio.Task[None], PooledSession] = {}
        self._tls = tls
        self._transports: dict[bool, GuardedTransport] = {}  # by whether they reach internal addresses
        self._on_tools_changed = on_tools_changed

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        for session in self._tasks.values():
            session.close()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_CLOSING)
            for task in late:
                task.cancel()
        for transport in self._transports.values():
            await transport.aclose()

    @asynccontextmanager
    async def lease(self, key: SessionKey, target: Target) -> AsyncGenerator[tuple[McpSession, bool]]:
        """The session of this key, and whether it was opened for this lease. CannotOpen, SdkMissing."""
        session = self._sessions.get(key)
        fresh = session is None or not session.is_usable
        if session is None or not session.is_usable:
            session = self._begin(key, target)
        with self._using(session):
            # Shielded: cancelling this caller must not cancel the opening for others.
            yield await asyncio.shield(session.opened), fresh

    @property
    def open(self) -> int:
        """How many sessions the next call could use."""
        return sum(1 for session in self._sessions.values() if session.is_usable and session.is_open)

    @property
    def busy(self) -> int:
        """How many open sessions are in use."""
        return sum(1 for session in self._sessions.values() if session.users and session.is_open)

    def discard(self, key: SessionKey) -> None:
        """Retire the session of this key; the next lease opens another."""
        if (session := self._sessions.get(key)) is not None:
            self._retire(session)

    @contextmanager
    def _using(self, session: PooledSession) -> Iterator[None]:
        session.users += 1
        try:
            yield
        finally:
            session.users -= 1
            session.used_at = asyncio.get_running_loop().time()
            if not session.users and self._slots(session.target).waiting:
                self._retire(session)
            session.wake.set()

    def _begin(self, key: SessionKey, target: Target) -> PooledSession:
        session = self._sessions[key] = PooledSession(key, target)
        slots = self._slots(target)
        if slots.is_full:
            self._retire_least_recent(slots)
        task = asyncio.create_task(self._live(session), name="errands mcp session")
        self._tasks[task] = session
        task.add_done_callback(self._tasks.pop)
        return session

    def _slots(self, target: Target) -> SessionSlots:
        return self._url_slots if target.process is None else self._process_slots

    def _retire_least_recent(self, slots: SessionSlots) -> None:
        """Retire the idle session that was used longest ago, of those that share these slots."""
        idle = [
            session
            for session in self._sessions.values()
            if self._slots(session.target) is slots and session.is_open and not session.users
        ]
        if idle:
            self._retire(min(idle, key=lambda session: session.used_at))

    def _retire(self, session: PooledSession) -> None:
        if self._sessions.get(session.key) is session:
            del self._sessions[session.key]
        session.retire()

    async def _live(self, session: PooledSession) -> None:
        """Open a session, keep it, and close it: all in one task, as the SDK requires."""
        exchange = Exchange()
        current_exchange.set(exchange)
        try:
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(OPENING):
                    client = await self._open(session, stack)
                session.opened.set_result(client)
                await self._keep(session, client)
        except SdkMissing as error:
            session.opened.set_exception(error)
        except TimeoutError:
            _fail(session, exchange, f"it did not open within {OPENING:g} seconds")
        except Exception as error:
            _fail(session, exchange, exchange.failure or _innermost_message(error))
        finally:
            self._retire(session)
            if not session.opened.done():
                session.opened.cancel()
            elif not session.opened.cancelled():
                session.opened.exception()  # retrieved, in case no caller waits for it any more

    async def _open(self, session: PooledSession, stack: AsyncExitStack) -> McpSession:
        sdk = await load_sdk()
        target = session.target
        await stack.enter_async_context(self._slots(target).hold())
        if session.closing:  # the wait for a slot outlasted the service
            raise ConnectionAbortedError("the service stops")
        opening = sdk.connect(target, self._transport(target), session.on_tools_changed, session.close)
        client: McpSession = await stack.enter_async_context(opening)
        return client

    def _transport(self, target: Target) -> httpx2.AsyncBaseTransport | None:
        if target.process is not None:
            return None
        if target.internal not in self._transports:
            self._tls = self._tls or httpx2.create_ssl_context(trust_env=False)
            self._transports[target.internal] = GuardedTransport(
                internal=target.internal, connections=_CONNECTIONS, tls=self._tls
            )
        return self._transports[target.internal]

    async def _keep(self, session: PooledSession, client: McpSession) -> None:
        """Wait until the session is over or was idle for long; list tools that changed."""
        loop = asyncio.get_running_loop()
        while not session.is_over:
            session.wake.clear()
            idle = (loop.time() if session.users else session.used_at) + self._limits.idle
            relisting = session.listed_at + self._limits.relisting if session.tools_changed else idle
            try:
                async with asyncio.timeout_at(min(idle, relisting)):
                    await session.wake.wait()
            except TimeoutError:
                pass
            if session.tools_changed and loop.time() >= session.listed_at + self._limits.relisting:
                await self._relist(session, client)
            elif not session.users and loop.time() >= session.used_at + self._limits.idle:
                return

    async def _relist(self, session: PooledSession, client: McpSession) -> None:
        session.tools_changed = False
        session.listed_at = asyncio.get_running_loop().time()
        if self._on_tools_changed is None:
            return
        try:
            async with asyncio.timeout(OPENING):
                listing = await client.listing()
            await self._on_tools_changed(session.key, session.target, listing)
        except (ServerError, Unreadable, TimeoutError):
            _log.warning("tools changed and could not be listed", integration_id=session.key.integration_id)
        except Exception:
            _log.exception("a changed catalogue was not stored", integration_id=session.key.integration_id)


def _fail(session: PooledSession, exchange: Exchange, why: str) -> None:
    if not session.opened.done():
        session.opened.set_exception(CannotOpen(why, exchange))
    else:  # calls under way get an error from the SDK
        _log.info("session ended", integration_id=session.key.integration_id)


def _innermost_message(error: BaseException) -> str:
    """The message of the innermost error: the SDK wraps errors in groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__
