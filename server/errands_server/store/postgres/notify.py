"""What processes that share a PostgreSQL tell each other: which runs changed. Hints, never the guarantee."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import Final

import msgspec
import psycopg
from msgspec import Struct
from sqlalchemy import Connection, make_url, text

from ...domain.errors import Reason, Unavailable
from ..write_requests import Append, AppendBatch, Creation
from .connection import TRANSACTION, arguments

ALIVE: Final = 5.0  # seconds of silence after which the connection is asked whether it still works

_CHANNEL: Final = "errands"
_IN_ONE: Final = 150  # ids in one notification, which PostgreSQL limits to 8,000 bytes
_ME: Final = secrets.token_hex(4)


class Hint(Struct, frozen=True, array_like=True):
    """Runs that another process appended to, and those of them that somebody is to look after."""

    sender: str
    changed: tuple[str, ...]
    asked: tuple[str, ...]


def tell(connection: Connection, works: Sequence[Creation | Append | AppendBatch]) -> None:
    """Tell the other processes of a batch once it is committed: one notification, where they fit in one.

    The transaction's id is kept in `connection.info`, for who must ask what became of it.
    """
    for hint in _hints(works):
        said = {"channel": _CHANNEL, "payload": msgspec.json.encode(hint).decode()}
        row = connection.execute(_TELL, said).one()
        connection.info[TRANSACTION] = row.transaction


_TELL: Final = text("SELECT pg_notify(:channel, :payload), pg_current_xact_id()::text AS transaction")


def _hints(works: Sequence[Creation | Append | AppendBatch]) -> Iterator[Hint]:
    asked: dict[str, bool] = {}
    for work in works:
        for part in work.appends if isinstance(work, AppendBatch) else (work,):
            by_caller = isinstance(part, Creation) or part.epoch is None
            asked[part.run_id] = asked.get(part.run_id, False) or by_caller
    ids = list(asked)
    for start in range(0, len(ids), _IN_ONE):
        some = ids[start : start + _IN_ONE]
        yield Hint(_ME, tuple(some), tuple(run_id for run_id in some if asked[run_id]))


async def hints(url: str) -> AsyncGenerator[Hint | None, None]:
    """What other processes tell, from when the first None is given: then everything before is missed.

    None again after a while of silence. STORE_UNAVAILABLE: the connection is lost.
    """
    parsed = make_url(url)
    conninfo = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        connection = await psycopg.AsyncConnection.connect(conninfo, autocommit=True, **arguments(parsed))
        async with connection:
            await connection.execute(f"LISTEN {_CHANNEL}")
            yield None
            while True:
                async with contextlib.aclosing(connection.notifies(timeout=ALIVE)) as told:
                    async for notification in told:
                        hint = msgspec.json.decode(notification.payload, type=Hint)
                        if hint.sender != _ME:
                            yield hint
                await connection.execute("SELECT 1")
                yield None
    except psycopg.Error as error:
        message = f"the database tells of nothing: {error}"
        raise Unavailable(Reason.STORE_UNAVAILABLE, message) from error
