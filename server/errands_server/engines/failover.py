"""Several processes over one PostgreSQL: one executes, all serve, and each hears what the others commit.

Notifications are hints, and may be lost. What a sweep finds does not depend on them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from ..domain.errors import Unavailable
from ..executor.decider import DISPATCH_WINDOW
from ..store.journal import Journal
from ..store.postgres.leader import LeaderLock
from ..store.postgres.notify import hints
from ..streams import Hub
from ..tools.catalog import ToolCatalog
from .embedded import EmbeddedEngine

TURN: Final = 1.0  # seconds between looks at who executes
SWEEP: Final = 3.0  # seconds between looks at what others committed
PORTION: Final = 1_000  # runs asked for at once

_log = structlog.get_logger("errands.peers")


class Failover:
    """This process among those that share its database. Started once, closed once."""

    def __init__(
        self, url: str, journal: Journal, engine: EmbeddedEngine, hub: Hub, catalog: ToolCatalog
    ) -> None:
        self._url = url
        self._journal = journal
        self._engine = engine
        self._hub = hub
        self._catalog = catalog
        self._lead = LeaderLock(url)
        self._tasks: list[asyncio.Task[None]] = []
        self.reachable = True
        self.executing = False

    async def start(self) -> None:
        """Execute, where no other process does, else stand by; then look again and again."""
        if await self._lead.take():
            await self._execute()
        else:
            _log.info("standing by", reason="another process executes")
        for turn, seconds in ((self._take_turns, TURN), (self._sweep, SWEEP), (self._hear, TURN)):
            work = self._again(turn, seconds)
            self._tasks.append(asyncio.create_task(work, name=f"errands {turn.__name__}"))

    async def close(self) -> None:
        """Leave executing to another process. The engine has been drained."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._lead.close()

    async def _again(self, turn: Callable[[], Awaitable[None]], seconds: float) -> None:
        while True:
            try:
                await turn()
            except (SQLAlchemyError, Unavailable, TimeoutError, OSError) as error:
                _log.warning("database away", error=str(getattr(error, "orig", error)))
            except Exception:
                _log.exception("peers failed")
            await asyncio.sleep(seconds)

    async def _take_turns(self) -> None:
        try:
            leads = await self._lead.take()
        except BaseException:
            # Nobody may be executing now, or this process still: as long as no other claims its
            # runs they stay its own, and none can while the database is away.
            self.reachable = False
            raise
        self.reachable = True
        if leads and not self.executing:
            # What the other asked to be stored just before it was lost may still be sent.
            await asyncio.sleep(DISPATCH_WINDOW)
            if await self._lead.take():
                await self._execute()
        elif self.executing and not leads:
            _log.warning("standing by", reason="another process took over")
            self.executing = False
            await self._engine.rest()

    async def _execute(self) -> None:
        await self._engine.start()
        self.executing = True
        _log.info("executing")

    async def _hear(self) -> None:
        async with aclosing(hints(self._url)) as heard:
            async for hint in heard:
                if hint is None:
                    continue
                for run_id in hint.changed:
                    self._hub.hint(run_id)
                if self.executing and hint.asked:
                    for head in await self._journal.heads(hint.asked):
                        self._engine.nudge(head.tenant, head.run_id)

    async def _sweep(self) -> None:
        self._catalog.forget()
        followed = self._hub.followed()
        for start in range(0, len(followed), PORTION):
            for head in await self._journal.heads(followed[start : start + PORTION]):
                if head.last_sequence > self._hub.told(head.run_id):
                    self._hub.hint(head.run_id, head.last_sequence)
        if self.executing:
            self._engine.resume(await self._journal.working())
