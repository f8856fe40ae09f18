"""One sealed text that every server of a database must be able to open, so that all have the same keys."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from . import tables as t
from .sealing import Sealer

_SAID: Final = b"opened"
_PLACE: Final = "sealing"
_KEEP: Final = text("INSERT INTO sealing (id, sealed) VALUES (1, :sealed) ON CONFLICT (id) DO NOTHING")


async def agree(engine: AsyncEngine, sealer: Sealer, *, anew: bool) -> None:
    """Raise Unsealable where others of this database seal with a key that this server does not have.

    With `anew` they have to follow this server from now on.
    """
    async with engine.connect() as connection:
        connection = await connection.execution_options(writes=True)
        async with connection.begin():
            mine = sealer.seal(_SAID, _PLACE)
            await connection.execute(_KEEP, {"sealed": mine})
            kept: bytes = (await connection.execute(select(t.sealing.c.sealed))).scalar_one()
            if not anew:
                sealer.open(kept, _PLACE)
            if not sealer.seals_like(kept):  # rotated: who has the old key only could not open what comes
                await connection.execute(update(t.sealing).values(sealed=mine))
