"""What comes with a run: stored with it, sealed, erased with its end, and never in the way of others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError

from errands_server.domain import events as e
from errands_server.store.store import Store
from tests.store.databases import in_one_batch, of_run, rows
from tests.store.logs import FAILED, HOUR, NOW, OWNER, SUCCEEDED, append, creation, note, request, stored

CANCELED = e.StatusChanged(status=e.RunStatus.CANCELED)
GIVEN: dict[str, Any] = {"secrets": b"sealed", "passed": ["shop"]}


async def test_they_are_stored_in_the_runs_own_transaction_or_not_at_all(store: Store) -> None:
    await store.journal.create(creation("r1", **GIVEN))
    with pytest.raises(IntegrityError):
        await store.journal.create(creation("r2", tenant="nobody", **GIVEN))

    assert await store.journal.secrets(OWNER, "r1") == b"sealed"
    assert of_run(await rows(store), "r2")["run_secrets"] == 0


@pytest.mark.parametrize("last", [SUCCEEDED, FAILED, CANCELED])
async def test_the_final_status_erases_them_in_its_own_transaction(store: Store, last: e.AnyEvent) -> None:
    before = (e.CancelRequested(actor="ada", until=NOW + HOUR),) if last is CANCELED else ()
    run = await stored(store, "r1", e.Claimed(epoch=1), *before, **GIVEN)
    assert await store.journal.secrets(OWNER, "r1") == b"sealed"
    statements = _watched(store)

    await store.journal.append(append("r1", run, last))

    assert await store.journal.secrets(OWNER, "r1") is None
    ours = [text for text in statements if text in {"BEGIN IMMEDIATE", "commit"} or "run_secrets" in text]
    assert [text.split()[0] for text in ours[: ours.index("commit") + 1]][-2:] == ["DELETE", "commit"]


async def test_an_append_that_loses_erases_nothing(store: Store) -> None:
    run = await stored(store, "r1", e.Claimed(epoch=1), **GIVEN)
    won, lost = append("r1", run, note()), append("r1", run, SUCCEEDED)

    outcomes = await in_one_batch(store, store.journal.append(won), store.journal.append(lost))

    assert [type(outcome).__name__ for outcome in outcomes] == ["NoneType", "RunChanged"]
    assert await store.journal.secrets(OWNER, "r1") == b"sealed"


async def test_a_repeated_request_stores_no_other_secrets(store: Store) -> None:
    await store.journal.create(creation("r1", request=request("q"), **GIVEN))
    again = creation("r2", request=request("q"), secrets=b"other", passed=["shop"])
    answer = await store.journal.create(again)

    assert (answer.run_id, answer.replayed) == ("r1", True)
    assert await store.journal.secrets(OWNER, "r1") == b"sealed"
    assert await store.journal.secrets(OWNER, "r2") is None


async def test_a_run_that_repeats_another_has_none_of_its_secrets(store: Store) -> None:
    first = await stored(store, "r1", e.Claimed(epoch=1), repeat_key="again", **GIVEN)
    await store.journal.append(append("r1", first, SUCCEEDED))
    second = await store.journal.create(creation("r2", repeat_key="again"))

    assert second.run is not None
    assert (second.run.repeat_of, second.run.passed) == ("r1", ())
    assert await store.journal.secrets(OWNER, "r2") is None


async def test_runs_that_bring_nothing_cost_no_statement_more(store: Store) -> None:
    statements = _watched(store)
    run = await stored(store, "r1", e.Claimed(epoch=1))
    await store.journal.append(append("r1", run, SUCCEEDED))

    assert not [text for text in statements if "run_secrets" in text]


def _watched(store: Store) -> list[str]:
    """Every statement of the writer from now on, and its commits."""
    statements: list[str] = []

    def on_execute(*arguments: Any) -> None:
        statements.append(arguments[2])

    def on_commit(_: Any) -> None:
        statements.append("commit")

    hooks: dict[str, Callable[..., None]] = {"before_cursor_execute": on_execute, "commit": on_commit}
    for name, hook in hooks.items():
        event.listen(store.journal._engine, name, hook)
    return statements
