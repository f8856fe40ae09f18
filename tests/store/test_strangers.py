"""A stranger's tenant sees and changes nothing, with any method there is."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy.exc import IntegrityError

from errands_server.domain import events as e
from errands_server.domain.errors import Conflict, NotFound, RunChanged
from errands_server.store.journal import Journal
from errands_server.store.repositories.approvals import ApprovalRepository
from errands_server.store.repositories.audit import AuditAction, AuditFilter, AuditRepository
from errands_server.store.repositories.connections import ConnectionRepository
from errands_server.store.repositories.flows import FlowRepository
from errands_server.store.repositories.integrations import IntegrationRepository
from errands_server.store.repositories.keys import Key, KeyRepository
from errands_server.store.repositories.runs import RunFilter, RunRepository
from errands_server.store.repositories.tenants import TenantRepository
from errands_server.store.repositories.transaction import Transaction
from errands_server.store.store import Store
from tests.store.databases import Rows, rows
from tests.store.integrations import connection, flow, revision
from tests.store.logs import NOW, OWNER, STRANGER, append, ask, creation, note, request, stored

NOTHING: tuple[Any, ...] = (None, [], False, "")  # and 0, which equals the last but one
CONNECTION = connection()
FLOW = flow()
KEY = Key(id="acme-key", tenant=OWNER, name="mine", scopes=frozenset({"admin"}), created_at=NOW)

Attempt = Callable[[Transaction], Awaitable[Any]]


async def _revise(transaction: Transaction) -> None:
    """With everything an owner knows."""
    owned = replace(_INTEGRATION, active=False)
    await transaction.integrations.revise(owned, revision(base_url="https://evil.test"), NOW)


async def _say(transaction: Transaction) -> Any:
    """An entry of one's own, which the owner does not see."""
    async with transaction._connection.begin_nested() as nested:
        await transaction.audit.add(AuditAction.RUN_CANCEL, actor="me", subject="r1", at=NOW)
        found = await transaction.audit.list(AuditFilter(subject="r1"), limit=9)
        await nested.rollback()
    return [entry for entry in found if entry.actor != "me"]


_INTEGRATION: Any = None  # filled in by `owned`

# Every method, with what the owner has. What is refused names its error.
ATTEMPTS: dict[str, tuple[Attempt, type[Exception] | None]] = {
    "RunRepository.find": (lambda tx: tx.runs.find("r1"), None),
    "RunRepository.find_by_plan": (lambda tx: tx.runs.find_by_plan("plan of r1"), None),
    "RunRepository.list": (lambda tx: tx.runs.list(RunFilter(), limit=9), None),
    "ApprovalRepository.find": (lambda tx: tx.approvals.find("a1"), None),
    "ApprovalRepository.list": (lambda tx: tx.approvals.list(limit=9), None),
    "IntegrationRepository.add": (lambda tx: tx.integrations.add("i1", "shop", revision(), NOW), Conflict),
    "IntegrationRepository.revise": (_revise, Conflict),
    "IntegrationRepository.delete": (lambda tx: tx.integrations.delete("i1", NOW), None),
    "IntegrationRepository.find": (lambda tx: tx.integrations.find("i1"), None),
    "IntegrationRepository.list": (lambda tx: tx.integrations.list(limit=9), None),
    "IntegrationRepository.active": (lambda tx: tx.integrations.active(), None),
    "IntegrationRepository.count": (lambda tx: tx.integrations.count(), None),
    "IntegrationRepository.revision": (lambda tx: tx.integrations.revision("i1", 1), None),
    "ConnectionRepository.add": (lambda tx: tx.connections.add(CONNECTION), None),
    "ConnectionRepository.revise": (lambda tx: tx.connections.revise(CONNECTION), None),
    "ConnectionRepository.lease": (lambda tx: tx.connections.lease("c1", 1, now=NOW, until=NOW + 1), None),
    "ConnectionRepository.release": (lambda tx: tx.connections.release("c1", 1), None),
    "ConnectionRepository.find": (lambda tx: tx.connections.find("c1"), None),
    "ConnectionRepository.find_for_user": (lambda tx: tx.connections.find_for_user("i1", "ada"), None),
    "ConnectionRepository.list": (lambda tx: tx.connections.list(limit=9), None),
    "ConnectionRepository.count": (lambda tx: tx.connections.count(), None),
    "ConnectionRepository.delete": (lambda tx: tx.connections.delete("c1"), None),
    "ConnectionRepository.delete_all": (lambda tx: tx.connections.delete_all("i1"), None),
    "FlowRepository.add": (lambda tx: tx.flows.add(FLOW), None),
    "FlowRepository.advance": (lambda tx: tx.flows.advance(FLOW, token_hash=b"token"), None),
    "FlowRepository.find": (lambda tx: tx.flows.find("f1"), None),
    "FlowRepository.find_by_link": (lambda tx: tx.flows.find_by_link("l1"), None),
    "FlowRepository.find_by_token": (lambda tx: tx.flows.find_by_token(b"token"), None),
    "FlowRepository.delete": (lambda tx: tx.flows.delete("f1"), None),
    "TenantRepository.verifier_url": (lambda tx: tx.tenants.verifier_url(), None),
    "AuditRepository.add": (_say, None),
    "AuditRepository.list": (lambda tx: tx.audit.list(AuditFilter(subject="a1"), limit=9), None),
    "KeyRepository.add": (lambda tx: tx.keys.add(KEY, b"new secret"), IntegrityError),
    "KeyRepository.has_any": (lambda tx: tx.keys.has_any(), None),
    "KeyRepository.list": (lambda tx: tx.keys.list(limit=9), None),
    "KeyRepository.revoke": (lambda tx: tx.keys.revoke("acme-key", NOW), None),
}
ADDS = {
    "KeyRepository.add",
    "IntegrationRepository.add",
    "ConnectionRepository.add",
    "FlowRepository.add",
    "AuditRepository.add",
}
FILTERS = (
    RunFilter(user_id="ada"),
    RunFilter(status="RUNNING"),
    RunFilter(integration_ids=["i1"]),
    RunFilter(integration_ids=["i1"], user_id="ada"),
    RunFilter(unfinished=True),
    RunFilter(before="zzz"),
)


def _methods(*classes: type) -> set[str]:
    return {
        f"{found.__name__}.{name}"
        for found in classes
        for name, _ in inspect.getmembers(found, inspect.isfunction)
        if not name.startswith("_")
    }


@pytest.fixture
async def owned(store: Store) -> Rows:
    """Everything in the database: an owner with one of each, and a stranger with nothing."""
    global _INTEGRATION
    await stored(store, "r1", e.Claimed(epoch=1), ask("a1"), integrations=["i1"])
    async with store.begin(OWNER, writes=True) as transaction:
        await transaction.integrations.add("i1", "shop", revision(), NOW)
        _INTEGRATION = await transaction.integrations.find("i1")
        assert await transaction.connections.add(CONNECTION)
        assert await transaction.flows.add(FLOW)
        assert await transaction.tenants.set_verifier_url("https://app.test/verify")
        await transaction.audit.add(AuditAction.APPROVAL_DECIDE, actor="key:acme-key", subject="a1", at=NOW)
    async with store.begin(STRANGER, writes=True) as transaction:
        assert await transaction.keys.revoke("strangers-key", NOW)
    return await rows(store)


def test_every_method_of_every_repository_is_tried() -> None:
    kinds = (
        RunRepository,
        ApprovalRepository,
        IntegrationRepository,
        KeyRepository,
        ConnectionRepository,
        FlowRepository,
        TenantRepository,
        AuditRepository,
    )

    # What a tenant settles for itself has no name that a stranger could give.
    assert set(ATTEMPTS) == _methods(*kinds) - {"TenantRepository.set_verifier_url"}


@pytest.mark.parametrize("method", sorted(set(ATTEMPTS) - {"KeyRepository.has_any"}))
async def test_a_stranger_sees_and_changes_nothing(store: Store, owned: Rows, method: str) -> None:
    attempt, refused = ATTEMPTS[method]
    if refused is None:
        async with store.begin(STRANGER, writes=True) as transaction:
            assert await attempt(transaction) in NOTHING
    else:
        with pytest.raises(refused):
            async with store.begin(STRANGER, writes=True) as transaction:
                await attempt(transaction)

    assert await rows(store) == owned


@pytest.mark.parametrize("method", sorted(set(ATTEMPTS) - ADDS))
async def test_the_owner_sees_what_the_stranger_does_not(store: Store, owned: Rows, method: str) -> None:
    async with store.begin(OWNER, writes=True) as transaction:
        found = await ATTEMPTS[method][0](transaction)

    assert method == "IntegrationRepository.revise" or found not in NOTHING


async def test_a_tenant_without_a_key_knows_of_no_other_tenants_keys(store: Store, owned: Rows) -> None:
    async with store.begin("newcomers") as transaction:
        assert await transaction.keys.has_any() is False


@pytest.mark.parametrize("wanted", FILTERS, ids=repr)
async def test_no_filter_shows_a_stranger_a_run(store: Store, owned: Rows, wanted: RunFilter) -> None:
    async with store.begin(STRANGER) as transaction:
        assert await transaction.runs.list(wanted, limit=9) == []
    async with store.begin(OWNER) as transaction:
        assert len(await transaction.runs.list(wanted, limit=9)) == 1


async def test_a_key_is_stored_for_the_tenant_of_the_transaction(store: Store, owned: Rows) -> None:
    async with store.begin(STRANGER, writes=True) as transaction:
        await transaction.keys.add(replace(KEY, id="new"), b"new secret")

    found = await store.key(b"new secret")
    assert found is not None
    assert found.tenant == STRANGER


async def test_a_strangers_integration_may_have_the_same_name(store: Store, owned: Rows) -> None:
    async with store.begin(STRANGER, writes=True) as transaction:
        await transaction.integrations.add("i2", "shop", revision(), NOW)

    after = await rows(store)
    assert len(after["integrations"] - owned["integrations"]) == 1
    assert owned["integrations"] <= after["integrations"]


@pytest.mark.parametrize("run_id", ["r1", "nowhere"])
async def test_a_strangers_run_is_not_found(store: Store, owned: Rows, run_id: str) -> None:
    with pytest.raises(NotFound) as refused:
        await store.run(STRANGER, run_id)

    assert refused.value.reason == "RUN_NOT_FOUND"
    assert refused.value.message == f"there is no run {run_id}"


async def test_a_stranger_appends_nothing(store: Store, owned: Rows) -> None:
    run = await store.journal.fold("r1")
    theirs = append("r1", run, note("mine now"), tenant=STRANGER)

    with pytest.raises(RunChanged):
        await store.journal.append(theirs)
    with pytest.raises(RunChanged):
        await store.journal.append_together([theirs])
    with pytest.raises(IntegrityError):
        await store.journal.create(creation("r1", tenant=STRANGER))

    assert await rows(store) == owned


async def test_what_came_with_a_run_is_its_own_tenants(store: Store) -> None:
    await stored(store, "r2", secrets=b"sealed")

    assert await store.journal.secrets(OWNER, "r2") == b"sealed"
    assert await store.journal.secrets(STRANGER, "r2") is None


async def test_a_request_answers_only_its_own_tenant(store: Store) -> None:
    await stored(store, "r1", request=request("q1"))

    assert await store.journal.find_replay(OWNER, request("q1"), NOW) == "r1"
    assert await store.journal.find_replay(STRANGER, request("q1", b"other"), NOW) is None


def test_what_the_journal_can_do_without_knowing_a_tenant_is_this() -> None:
    """Reads by a run's id, for callers that have checked whose it is. A new one belongs here or above."""
    by_id = {"read", "fold", "head", "heads", "latest", "inputs", "artifact"}
    of_the_process = {"close", "unfinished", "due", "working", "query"}
    of_a_tenant = {"create", "append", "append_together", "find_replay", "secrets"}

    assert _methods(Journal) == {f"Journal.{name}" for name in by_id | of_the_process | of_a_tenant}


def test_what_the_store_can_do_without_knowing_a_tenant_is_this() -> None:
    of_the_process = {"check_key", "close", "key"}
    of_what_is_old = {"erase_audit", "erase_finished", "forget_flows", "forget_requests"}
    of_a_tenant = {"begin", "run", "connection", "key_by_id"}

    assert _methods(Store) == {f"Store.{name}" for name in of_the_process | of_what_is_old | of_a_tenant}


async def test_a_strangers_connection_is_not_found(store: Store, owned: Rows) -> None:
    assert await store.connection(STRANGER, "i1", "ada") is None
    found = await store.connection(OWNER, "i1", "ada")
    assert found is not None
    assert found.id == "c1"


async def test_a_tenant_settles_nothing_for_another(store: Store, owned: Rows) -> None:
    async with store.begin(STRANGER, writes=True) as transaction:
        await transaction.tenants.set_verifier_url("https://evil.test")

    async with store.begin(OWNER) as transaction:
        assert await transaction.tenants.verifier_url() == "https://app.test/verify"
