"""A data folder of a release as it is kept: its database as SQL, its key, and what callers were told."""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import uuid_utils

from errands_server.environment import Environment

HERE: Final = Path(__file__).parent
SHOWN: Final = 2_000  # characters; of longer texts a hash is kept

_PRINTABLE: Final = re.compile(r"X'((?:[2-6][0-9A-F]|7[0-9A-E]){64,})'")  # a blob in SQL, all ASCII
_DATABASE: Final = "errands.sql"
_KEY: Final = "secret.key"
_FACTS: Final = "facts.json"
_TOLD: Final = "told.json"


class Folder:
    """A folder under `tests/releases`, named after the release that made it.

    `facts` is what a caller of that day holds: keys, ids, tokens, addresses. `told` is what the
    server answered that day, by the path that was asked for over REST, and by run over gRPC.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name

    @cached_property
    def facts(self) -> Any:
        return json.loads((self.path / _FACTS).read_bytes())

    @cached_property
    def told(self) -> Any:
        return json.loads((self.path / _TOLD).read_bytes())

    def unpack(self, data: Path) -> None:
        """Make `data` the folder that a server is started on."""
        data.mkdir()
        with closing(sqlite3.connect(data / "errands.db")) as database:
            database.executescript((self.path / _DATABASE).read_bytes().decode())
        (data / _KEY).write_bytes((self.path / _KEY).read_bytes())

    def keep(self, database: str, key: str, facts: Any, told: Any) -> None:
        """Write all of it. FileExistsError: there is such a folder, and folders are never written anew."""
        self.path.mkdir()
        texts = {_DATABASE: database, _KEY: key}
        for name, document in ((_FACTS, facts), (_TOLD, told)):
            texts[name] = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
        for name, text in texts.items():
            (self.path / name).write_bytes(text.encode())


def folders() -> list[Folder]:
    """Every folder there is."""
    return [Folder(path.parent) for path in sorted(HERE.glob(f"*/{_DATABASE}"))]


def dump(database: Path) -> str:
    """What is committed in a database that a server may be using: all that a kill would leave of it.

    ValueError: SQL text cannot hold it exactly.
    """
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(":memory:")) as copy:
        source.backup(copy)
        text = _PRINTABLE.sub(_as_text, "\n".join(copy.iterdump()) + "\n")
        with closing(sqlite3.connect(":memory:")) as again:
            again.executescript(text)
            if list(_rows(again)) != list(_rows(copy)):
                raise ValueError("the dump is not the database it was made of")
    return text


def _as_text(blob: re.Match[str]) -> str:
    """A blob that holds text, written as one can read it."""
    text = bytes.fromhex(blob[1]).decode().replace("'", "''")
    return f"CAST('{text}' AS BLOB)"


def _rows(database: sqlite3.Connection) -> Iterator[Any]:
    """Everything that is in a database."""
    for pragma in ("application_id", "user_version"):
        yield from database.execute(f"PRAGMA {pragma}")
    schema = sorted(database.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema"))
    yield from schema
    for _, name, _, _ in (entry for entry in schema if entry[0] == "table"):
        yield from sorted(map(repr, database.execute(f'SELECT * FROM "{name}"')))


def shown(said: Any) -> Any:
    """What was said, with long texts named by their hash."""
    if isinstance(said, dict):
        return {key: shown(value) for key, value in said.items()}
    if isinstance(said, list):
        return [shown(value) for value in said]
    if isinstance(said, str) and len(said) > SHOWN:
        return f"{len(said)} characters, SHA-256 {hashlib.sha256(said.encode()).hexdigest()}"
    return said


def missing(then: Any, now: Any, place: str = "") -> list[str]:
    """Where `now` does not say what `then` said. Objects may say more than they did."""
    if isinstance(then, dict) and isinstance(now, dict):
        gone = [f"{place}.{name} is gone" for name in then if name not in now]
        return gone + [
            line for name in then if name in now for line in missing(then[name], now[name], f"{place}.{name}")
        ]
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        return [
            line
            for number, (one, other) in enumerate(zip(then, now, strict=True))
            for line in missing(one, other, f"{place}[{number}]")
        ]
    return [] if then == now else [f"{place} was {then!r} and is {now!r}"]


def environment_of(moment: int) -> Environment:
    """A world that begins at this moment, in milliseconds since the epoch, and goes on from there."""
    start = time.monotonic_ns()

    def nanoseconds() -> int:
        return moment * 1_000_000 + time.monotonic_ns() - start

    return Environment(
        now=lambda: nanoseconds() // 1_000_000,
        jitter=lambda: 0.0,
        new_id=lambda: str(uuid_utils.uuid7(nanoseconds=nanoseconds())),
    )
