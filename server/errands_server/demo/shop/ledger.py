"""The ledger: the shop's SQLite file, in which an effect happens wholly or not at all.

An effect, its journal entry and the answer kept for its idempotency key are committed
together, so killing the shop never separates them.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

Document: TypeAlias = dict[str, Any]

_SCHEMA: Final = Path(__file__).with_name("schema.sql")


class Rejected(Exception):
    """The shop does not do it, and nothing changed. Carries the HTTP status and a code."""

    def __init__(self, status: int, code: str, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after


@dataclass(frozen=True)
class Done:
    """What a creating operation answered: just now, or when its key was first used."""

    body: Document
    replayed: bool


class Ledger:
    """One open file. For one thread of one process."""

    def __init__(self, path: Path | str) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.row_factory = sqlite3.Row
        self._database.executescript(_SCHEMA.read_text())

    def close(self) -> None:
        self._database.close()

    def rows(self, statement: str, **values: Any) -> list[Document]:
        return [dict(row) for row in self._database.execute(statement, values)]

    def write(self, statement: str, **values: Any) -> None:
        self._database.execute(statement, values)

    def once(self, operation: str, draft: Document, *, key: str | None, act: Callable[[], Document]) -> Done:
        """Let `act` have its effect, unless `key` says that it had it before.

        Refused: the key came with another request, or `act` refuses. Nothing is written then.
        """
        with self._transaction():
            if key is None:
                return Done(act(), replayed=False)
            digest = _digest(operation, draft)
            earlier = self._answer(key, digest)
            if earlier is not None:
                return Done(earlier, replayed=True)
            body = act()
            self.write(
                "INSERT INTO keys VALUES (:key, :digest, :answer, 1)",
                key=key,
                digest=digest,
                answer=json.dumps(body),
            )
            return Done(body, replayed=False)

    def _answer(self, key: str, digest: str) -> Document | None:
        found = self.rows("SELECT digest, answer FROM keys WHERE key = :key", key=key)
        if not found:
            return None
        if found[0]["digest"] != digest:
            raise Rejected(422, "key_reused", "this idempotency key came with another request before")
        self.write("UPDATE keys SET requests = requests + 1 WHERE key = :key", key=key)
        answer: Document = json.loads(found[0]["answer"])
        return answer

    def record(self, kind: str, document: Document, *, key: str | None) -> None:
        """Enter an effect into the journal; call it inside `act`."""
        self.write(
            "INSERT INTO effects (kind, subject, key, reference, at)"
            " VALUES (:kind, :id, :key, :reference, :at)",
            kind=kind,
            id=document["id"],
            key=key,
            reference=document["reference"],
            at=document["created_at"],
        )

    def journal(self) -> list[Document]:
        """Every effect in order, with how many requests came with its key."""
        return self.rows(
            "SELECT sequence, kind, subject AS id, effects.key, reference, at,"
            " COALESCE(requests, 1) AS requests"
            " FROM effects LEFT JOIN keys ON keys.key = effects.key ORDER BY sequence"
        )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")


def _digest(operation: str, draft: Document) -> str:
    text = json.dumps([operation, draft], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
