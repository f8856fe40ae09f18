"""Keeps sessions open while they are used: bounded, each with an owner task, none shared by two users."""

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
from .exchange import Exchange, current


class Room:
    """How many sessions of one kind there may be, and how many wait to be one of them."""

    def __init__(self, size: int) -> None:
        self._free = asyncio.Semaphore(size)
        self.waiting = 0

    @asynccontextmanager
    async def taken(self) -> AsyncGenerator[None]:
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
    def full(self) -> bool:
        return self._free.locked()


class PooledSession:
    """One session, from the wish for it to its end."""

    def __init__(self, owner: SessionKey, target: Target) -> None:
        loop = asyncio.get_running_loop()
        self.owner = owner
        self.target = target
        self.ready: asyncio.Future[McpSession] = loop.create_future()
        self.wake = asyncio.Event()
        self.users = 0
        self.used_at = loop.time()
        self.retired = False  # nobody begins to use it any more
        self.closing = False  # nor are those waited for that do
        self.changed = False
        self.listed_at = float("-inf")

    def retire(self) -> None:
        self.retired = True
        self.wake.set()

    def close(self) -> None:
        self.closing = True
        self.retire()

    def on_change(self) -> None:
        self.changed = True
        self.wake.set()

    @property
    def usable(self) -> bool:
        failed = self.ready.done() and (self.ready.cancelled() or self.ready.exception() is not None)
        return not self.retired and not failed

    @property
    def over(self) -> bool:
        return self.closing or (self.retired and not self.users)


OPENING: Final = 20.0  # seconds a session may take to open, also waiting for room
_CLOSING: Final = 10.0  # seconds; a process gets about 6 to end by itself, and is then killed
_CONNECTIONS: Final = 256
_SDK: Final = f"{__package__}.client"

Heard: TypeAlias = Callable[[SessionKey, Target, Listing], Awaitable[None]]

_log = structlog.get_logger("errands.mcp")


class SessionLimits(Struct, frozen=True, kw_only=True):
    """How many sessions there are at a time, and how long (seconds) an unused one stays."""

    urls: int = 64
    processes: int = 16
    idle: float = 300.0
    relisting: float = 10.0  # between two listings, however often a server says that its tools changed


class CannotOpen(Exception):
    """No session, so nothing was asked of a tool."""

    def __init__(self, message: str, attempt: Exchange) -> None:
        super().__init__(message)
        self.message = message
        self.attempt = attempt


class SdkMissing(Exception):
    """The extra `mcp` is not installed."""


async def load_sdk() -> Any:
    """The one module that knows the SDK. It takes a second to import, so that happens in a thread."""
    try:
        return await asyncio.to_thread(importlib.import_module, _SDK)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("errands"):
            raise
        message = "MCP integrations need the extra `mcp`: pip install 'errands[mcp]'"
        raise SdkMissing(message) from error


class SessionPool:
    """The sessions of this process. A context: at its end all of them, and their processes, are gone."""

    def __init__(self, limits: SessionLimits | None = None, *, tls: ssl.SSLContext | None = None) -> None:
        self._limits = limits or SessionLimits()
        self._rooms = {False: Room(self._limits.urls), True: Room(self._limits.processes)}
        self._slots: dict[SessionKey, PooledSession] = {}
        self._tasks: dict[asyncio.Task[None], PooledSession] = {}
        self._tls = tls
        self._transports: dict[bool, GuardedTransport] = {}
        self._heard: Heard | None = None

    def tell(self, heard: Heard) -> None:
        """Call `heard` with a new listing whenever a server says that its tools changed."""
        self._heard = heard

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        for slot in self._tasks.values():
            slot.close()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_CLOSING)
            for task in late:
                task.cancel()
        for transport in self._transports.values():
            await transport.aclose()

    @asynccontextmanager
    async def lease(self, owner: SessionKey, target: Target) -> AsyncGenerator[tuple[McpSession, bool]]:
        """The owner's session, and whether it was opened for this. CannotOpen, SdkMissing."""
        slot = self._slots.get(owner)
        fresh = slot is None or not slot.usable
        if slot is None or not slot.usable:
            slot = self._begin(owner, target)
        with self._using(slot):
            # Shielded: whoever else waits for the session must not lose it with this caller.
            yield await asyncio.shield(slot.ready), fresh

    @property
    def open(self) -> int:
        """How many sessions the next call could use."""
        return sum(1 for slot in self._slots.values() if slot.usable and slot.ready.done())

    @property
    def busy(self) -> int:
        """How many open sessions are in use."""
        return sum(1 for slot in self._slots.values() if slot.users and slot.ready.done())

    def give_up(self, owner: SessionKey) -> None:
        """Open another session the next time: this one is of no more use."""
        if (slot := self._slots.get(owner)) is not None:
            self._drop(slot)

    @contextmanager
    def _using(self, slot: PooledSession) -> Iterator[None]:
        slot.users += 1
        try:
            yield
        finally:
            slot.users -= 1
            slot.used_at = asyncio.get_running_loop().time()
            if not slot.users and self._room(slot).waiting:
                self._drop(slot)
            slot.wake.set()

    def _begin(self, owner: SessionKey, target: Target) -> PooledSession:
        slot = self._slots[owner] = PooledSession(owner, target)
        room = self._room(slot)
        if room.full:
            self._make_room(target)
        task = asyncio.create_task(self._own(slot), name="errands mcp session")
        self._tasks[task] = slot
        task.add_done_callback(self._tasks.pop)
        return slot

    def _room(self, slot: PooledSession) -> Room:
        return self._rooms[slot.target.process is not None]

    def _make_room(self, target: Target) -> None:
        """End the session of this kind that has not been used for longest, if there is one."""
        kind = target.process is not None
        unused = [
            slot
            for slot in self._slots.values()
            if (slot.target.process is not None) is kind and slot.ready.done() and not slot.users
        ]
        if unused:
            self._drop(min(unused, key=lambda slot: slot.used_at))

    def _drop(self, slot: PooledSession) -> None:
        if self._slots.get(slot.owner) is slot:
            del self._slots[slot.owner]
        slot.retire()

    async def _own(self, slot: PooledSession) -> None:
        """The life of a session, all in one task, as the SDK wants it."""
        attempt = Exchange()
        current.set(attempt)
        try:
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(OPENING):
                    connection = await self._opened(slot, stack)
                slot.ready.set_result(connection)
                await self._kept(slot, connection)
        except SdkMissing as error:
            slot.ready.set_exception(error)
        except TimeoutError:
            _failed(slot, attempt, f"it did not open within {OPENING:g} seconds")
        except Exception as error:
            _failed(slot, attempt, attempt.failure or _why(error))
        finally:
            self._drop(slot)
            if not slot.ready.done():
                slot.ready.cancel()
            elif not slot.ready.cancelled():
                slot.ready.exception()  # seen, should nobody wait for it any more

    async def _opened(self, slot: PooledSession, stack: AsyncExitStack) -> McpSession:
        sdk = await load_sdk()
        await stack.enter_async_context(self._room(slot).taken())
        if slot.closing:  # the wait for room outlasted the service
            raise ConnectionAbortedError("the service stops")
        opening = sdk.connected(slot.target, self._transport(slot.target), slot.on_change, slot.close)
        connection: McpSession = await stack.enter_async_context(opening)
        return connection

    def _transport(self, target: Target) -> httpx2.AsyncBaseTransport | None:
        if target.process is not None:
            return None
        if target.internal not in self._transports:
            self._tls = self._tls or httpx2.create_ssl_context(trust_env=False)
            self._transports[target.internal] = GuardedTransport(
                internal=target.internal, connections=_CONNECTIONS, tls=self._tls
            )
        return self._transports[target.internal]

    async def _kept(self, slot: PooledSession, connection: McpSession) -> None:
        """Until it is closed, or was not used for long; meanwhile hear of changes."""
        loop = asyncio.get_running_loop()
        while not slot.over:
            slot.wake.clear()
            idle = slot.used_at + self._limits.idle if not slot.users else loop.time() + self._limits.idle
            listing = slot.listed_at + self._limits.relisting if slot.changed else idle
            try:
                async with asyncio.timeout_at(min(idle, listing)):
                    await slot.wake.wait()
            except TimeoutError:
                pass
            if slot.changed and loop.time() >= slot.listed_at + self._limits.relisting:
                await self._relist(slot, connection)
            elif not slot.users and loop.time() >= slot.used_at + self._limits.idle:
                return

    async def _relist(self, slot: PooledSession, connection: McpSession) -> None:
        slot.changed = False
        slot.listed_at = asyncio.get_running_loop().time()
        if self._heard is None:
            return
        try:
            async with asyncio.timeout(OPENING):
                listing = await connection.listing()
            await self._heard(slot.owner, slot.target, listing)
        except (ServerError, Unreadable, TimeoutError):
            _log.warning("tools changed and could not be listed", integration_id=slot.owner.integration_id)
        except Exception:
            _log.exception("a changed catalogue was not stored", integration_id=slot.owner.integration_id)


def _failed(slot: PooledSession, attempt: Exchange, why: str) -> None:
    if not slot.ready.done():
        slot.ready.set_exception(CannotOpen(why, attempt))
    else:  # whoever uses it is told by the SDK
        _log.info("session ended", integration_id=slot.owner.integration_id)


def _why(error: BaseException) -> str:
    """The innermost words of an error, which the SDK wraps in groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__
