"""What runs take where they are stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection

_EVENTS: Final = {
    "sqlite": """
    SELECT json_extract(body, '$.type') AS kind, count(*), sum(length(CAST(body AS BLOB))) FROM events
    GROUP BY kind ORDER BY min(sequence)""",
    "postgresql": """
    SELECT body::json ->> 'type' AS kind, count(*), sum(octet_length(body)) FROM events
    GROUP BY kind ORDER BY min(sequence)""",
}
_PAGES: Final = {
    "sqlite": """
    SELECT s.tbl_name, sum(d.pgsize) FROM dbstat AS d JOIN sqlite_master AS s ON s.name = d.name
    GROUP BY s.tbl_name ORDER BY 2 DESC""",
    "postgresql": """
    SELECT relname, pg_total_relation_size(relid) FROM pg_stat_user_tables ORDER BY 2 DESC""",
}

Stored = tuple[list[tuple[str, int, int]], list[tuple[str, int]]]


def stored(connection: Connection) -> Stored:
    """Of each kind of event its name, number and bytes; of each table its name and bytes, with indexes."""
    database = connection.dialect.name
    events = [(kind, number, int(size)) for kind, number, size in _asked(connection, _EVENTS[database])]
    return events, [(table, int(size)) for table, size in _asked(connection, _PAGES[database])]


def _asked(connection: Connection, query: str) -> Sequence[Any]:
    return connection.exec_driver_sql(query).all()
