"""What other processes commit to a shared PostgreSQL: streams and caches of this one keep up with it.

Notifications are hints, and may be lost. What the sweep finds does not depend on them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Final

from ..store.journal import Journal
from ..store.postgres.notify import listen
from ..streams import Hub
from ..tools.catalog import ToolCatalog

PAGE: Final = 1_000  # runs asked for at once


class Notifications:
    """Follows the commits of the other processes."""

    def __init__(
        self,
        url: str,
        journal: Journal,
        hub: Hub,
        catalog: ToolCatalog,
        *,
        on_asked: Callable[[Sequence[str]], Awaitable[None]],
    ) -> None:
        """`on_asked` takes the ids of runs to which other processes appended for a caller."""
        self._url = url
        self._journal = journal
        self._hub = hub
        self._catalog = catalog
        self._on_asked = on_asked

    async def listen(self) -> None:
        """Take in notifications. Unavailable: the connection was lost; listen again."""
        async with aclosing(listen(self._url)) as found:
            async for hint in found:
                if hint is None:
                    continue
                for run_id in hint.changed:
                    self._hub.hint(run_id)
                if hint.asked:
                    await self._on_asked(hint.asked)

    async def sweep(self) -> None:
        """Drop cached integrations, and find what the streams of this process have missed."""
        self._catalog.forget()
        followed = self._hub.followed()
        for start in range(0, len(followed), PAGE):
            for head in await self._journal.heads(followed[start : start + PAGE]):
                if head.last_sequence > self._hub.told(head.run_id):
                    self._hub.hint(head.run_id, head.last_sequence)
