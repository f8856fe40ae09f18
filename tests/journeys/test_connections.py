"""A user's own connection: asked for when it is missing, used for that user's runs and for nobody else's."""

from __future__ import annotations

from pathlib import Path

from errands.v1 import connection_pb2 as pb
from errands.v1 import event_pb2
from errands_server.credentials.grants import Bearer, Grant
from errands_server.credentials.vault import Vault
from errands_server.environment import Environment
from errands_server.store.encryption import Sealer, load_or_create_keys
from errands_server.store.store import Store
from tests.contract.refusals import refused
from tests.databases import database_of
from tests.journeys.conftest import Serve
from tests.recorder import recording
from tests.scripted import Scene
from tests.service import reason, violations

SECRET = "canary-4c1d02b7aa"
LIST = Scene("listThings")


async def test_a_connection_is_stored_replaced_listed_and_forgotten(serve: Serve) -> None:
    async with recording(secured=True) as found, serve(LIST) as service:
        integration = await service.add_integration(found.document, name="recorder")
        first = await service.connect(integration, bearer=pb.ConnectionBearer(token="first"))
        again = await service.connect(integration, basic=pb.ConnectionBasic(username="u", password="p"))
        unplaced = await refused(
            service.connect(integration, "user-2", api_key=pb.ConnectionApiKey(value="v"))
        )
        placed = pb.ConnectionApiKey(**{"value": "v", "in": "query", "name": "key"})
        await service.connect(integration, "user-2", api_key=placed)
        page = await service.connections.ListConnections(pb.ListConnectionsRequest(page_size=1))
        rest = await service.connections.ListConnections(
            pb.ListConnectionsRequest(page_size=1, page_token=page.next_page_token)
        )
        await service.connections.DeleteConnection(pb.DeleteConnectionRequest(id=first.id))
        gone = await refused(service.connections.GetConnection(pb.GetConnectionRequest(id=first.id)))

    assert (again.id, again.type, again.created_at) == (first.id, "basic", first.created_at)
    assert [one.user_id for one in (*page.connections, *rest.connections)] == ["user-2", "user-1"]
    assert not rest.next_page_token
    assert reason(gone) == "CONNECTION_NOT_FOUND"
    assert violations(unplaced).keys() == {"api_key.name"}


async def test_connecting_wakes_this_users_runs_and_no_others(serve: Serve) -> None:
    async with recording(secured=True) as found, serve(LIST) as service:
        integration = await service.add_integration(found.document, name="recorder")
        mine = await service.create("list")
        theirs = await service.create("list", user_id="user-2")
        for run in (mine, theirs):
            await service.until(run.run_id, "auth_required")
        await service.connect(integration, bearer=pb.ConnectionBearer(token=SECRET))
        done = await service.finished(mine.run_id)
        waiting = await service.get(theirs.run_id, include_events=True)

    assert done.status == event_pb2.RUN_STATUS_SUCCESS
    assert waiting.status == event_pb2.RUN_STATUS_AUTH_REQUIRED
    assert not any(event.HasField("auth_resolved") for event in waiting.events)
    assert [headers["authorization"] for headers in found.called] == [f"bearer {SECRET}"]


async def test_each_kind_of_credential_goes_where_it_belongs(serve: Serve) -> None:
    async with recording(secured=True) as found, serve(LIST) as service:
        integration = await service.add_integration(found.document, name="recorder")
        placed = {"value": SECRET, "in": "header", "name": "x-own"}
        for credential in (
            {"basic": pb.ConnectionBasic(username="u", password="p")},
            {"api_key": pb.ConnectionApiKey(**placed)},
            {"tokens": pb.ConnectionTokens(access_token=SECRET)},
        ):
            await service.connect(integration, **credential)
            run = await service.finished((await service.create("list")).run_id)
            assert run.status == event_pb2.RUN_STATUS_SUCCESS

    sent = [(headers.get("authorization"), headers.get("x-own")) for headers in found.called]
    assert sent == [("basic dtpw", None), (None, SECRET), (f"bearer {SECRET}", None)]


async def test_a_run_that_was_not_woken_goes_on_after_a_restart(serve: Serve, tmp_path: Path) -> None:
    """The server stops between storing a connection and waking who waits for it."""
    async with recording(secured=True) as found:
        async with serve(LIST) as service:
            integration = await service.add_integration(found.document, name="recorder")
            created = await service.create("list")
            await service.until(created.run_id, "auth_required")
        await stored_elsewhere(tmp_path / "data", integration, found.document.removesuffix("/openapi.json"))
        async with serve(LIST) as service:
            run = await service.finished(created.run_id)

    assert run.status == event_pb2.RUN_STATUS_SUCCESS


async def stored_elsewhere(data: Path, integration: str, origin: str) -> None:
    store = await Store.open(database_of(data), lambda *_: None)
    vault = Vault(store, Sealer(load_or_create_keys(data / "secret.key")), Environment())
    grant = Grant(secret=Bearer(token=SECRET))
    await vault.put("default", integration, "user-1", origin=origin, grant=grant, actor="test")
    await store.close()
