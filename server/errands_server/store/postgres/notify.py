"""Notifies the processes that share a PostgreSQL of changed runs. A notification may be lost."""

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
from ..write_requests import AppendBatch, Creation, LogWrite
from .connection import TRANSACTION, connect_arguments

ALIVE: Final = 5.0  # seconds of silence after which the connection is checked

_CHANNEL: Final = "errands"
_MOST_IDS: Final = 150  # ids in one notification, which PostgreSQL limits to 8,000 bytes
_SENDER: Final = secrets.token_hex(4)  # of this process


class Notification(Struct, frozen=True, array_like=True):
    """Runs whose logs grew in one commit."""

    sender: str  # the process that committed
    changed: tuple[str, ...]  # ids of the runs
    asked: tuple[str, ...]  # those of them that a caller changed, so that their engine must act


def send(connection: Connection, writes: Sequence[LogWrite]) -> None:
    """Notify the other processes of a batch, once its transaction is committed.

    The transaction's id is kept in `connection.info`, to look up whether it was committed.
    """
    for notification in _notifications(writes):
        parameters = {"channel": _CHANNEL, "payload": msgspec.json.encode(notification).decode()}
        row = connection.execute(_SEND, parameters).one()
        connection.info[TRANSACTION] = row.transaction


_SEND: Final = text("SELECT pg_notify(:channel, :payload), pg_current_xact_id()::text AS transaction")


def _notifications(writes: Sequence[LogWrite]) -> Iterator[Notification]:
    by_caller: dict[str, bool] = {}  # by run: whether a caller changed it
    for write in writes:
        for part in write.appends if isinstance(write, AppendBatch) else (write,):
            asked = isinstance(part, Creation) or part.epoch is None
            by_caller[part.run_id] = by_caller.get(part.run_id, False) or asked
    ids = list(by_caller)
    for start in range(0, len(ids), _MOST_IDS):
        changed = ids[start : start + _MOST_IDS]
        yield Notification(_SENDER, tuple(changed), tuple(run_id for run_id in changed if by_caller[run_id]))


async def listen(url: str) -> AsyncGenerator[Notification | None, None]:
    """Notifications of the other processes, from the first None on; earlier ones are missed.

    Gives None again after `ALIVE` seconds of silence. STORE_UNAVAILABLE: the connection is lost.
    """
    parsed = make_url(url)
    conninfo = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        connection = await psycopg.AsyncConnection.connect(
            conninfo, autocommit=True, **connect_arguments(parsed)
        )
        async with connection:
            await connection.execute(f"LISTEN {_CHANNEL}")
            yield None
            while True:
                async with contextlib.aclosing(connection.notifies(timeout=ALIVE)) as received:
                    async for arrived in received:
                        notification = msgspec.json.decode(arrived.payload, type=Notification)
                        if notification.sender != _SENDER:
                            yield notification
                await connection.execute("SELECT 1")
                yield None
    except psycopg.Error as error:
        why = f"the database tells of nothing: {error}"
        raise Unavailable(Reason.STORE_UNAVAILABLE, why) from error
