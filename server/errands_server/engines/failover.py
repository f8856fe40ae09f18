"""Several processes over one PostgreSQL: all serve, one executes, and another takes over when it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from ..domain.errors import Unavailable
from ..executor.work import DISPATCH_WINDOW
from ..store.journal import Journal
from ..store.postgres.leader import LeaderLock
from ..streams import Hub
from ..tools.catalog import ToolCatalog
from .embedded import EmbeddedEngine
from .notifications import Notifications

ELECTION: Final = 1.0  # seconds between looks at who executes
SWEEP: Final = 3.0  # seconds between looks at what others committed

_log = structlog.get_logger("errands.peers")


class Failover:
    """This process among those that share its database. Started once, closed once."""

    def __init__(
        self, url: str, journal: Journal, engine: EmbeddedEngine, hub: Hub, catalog: ToolCatalog
    ) -> None:
        self._journal = journal
        self._engine = engine
        self._leader = LeaderLock(url)
        self._notifications = Notifications(url, journal, hub, catalog, on_asked=self._nudge)
        self._tasks: list[asyncio.Task[None]] = []
        self.reachable = True
        self.executing = False

    async def start(self) -> None:
        """Execute, where no other process does, else stand by; then look again and again."""
        if await self._leader.take():
            await self._execute()
        else:
            _log.info("standing by", reason="another process executes")
        for work, seconds in (
            (self._elect, ELECTION),
            (self._sweep, SWEEP),
            (self._notifications.listen, ELECTION),
        ):
            self._tasks.append(
                asyncio.create_task(self._repeat(work, seconds), name=f"errands {work.__name__}")
            )

    async def close(self) -> None:
        """Leave executing to another process. The engine has been drained."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._leader.close()

    async def _repeat(self, work: Callable[[], Awaitable[None]], seconds: float) -> None:
        while True:
            try:
                await work()
            except (SQLAlchemyError, Unavailable, TimeoutError, OSError) as error:
                _log.warning("database away", error=str(getattr(error, "orig", error)))
            except Exception:
                _log.exception("peers failed")
            await asyncio.sleep(seconds)

    async def _elect(self) -> None:
        try:
            leads = await self._leader.take()
        except BaseException:
            # Perhaps no process executes now, or this one still does: as long as no other claims its
            # runs they stay its own, and none can while the database is away.
            self.reachable = False
            raise
        self.reachable = True
        if leads and not self.executing:
            # What the other asked to be stored just before it was lost may still be sent.
            await asyncio.sleep(DISPATCH_WINDOW)
            if await self._leader.take():
                await self._execute()
        elif self.executing and not leads:
            _log.warning("standing by", reason="another process took over")
            self.executing = False
            await self._engine.rest()

    async def _execute(self) -> None:
        await self._engine.start()
        self.executing = True
        _log.info("executing")

    async def _nudge(self, run_ids: Sequence[str]) -> None:
        if self.executing:
            for head in await self._journal.heads(run_ids):
                if head.engine == self._engine.name:
                    self._engine.nudge(head.tenant, head.run_id)

    async def _sweep(self) -> None:
        await self._notifications.sweep()
        if self.executing:
            self._engine.resume(await self._journal.working(self._engine.name))
