"""A service that refuses what its description calls open: the user is asked, as if it had said so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from errands.v1 import connection_pb2 as cpb
from errands.v1 import event_pb2 as pb
from tests.journeys.conftest import Serve
from tests.journeys.test_connections import stored_elsewhere
from tests.recorder import recording
from tests.scripted import Scene
from tests.service import Service

SECRET = "canary-59d1f0c2e6"
LIST = Scene("listThings")
DECLARED = {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}}
SILENT: dict[str, Any] = {"components": DECLARED}
OPTIONAL: dict[str, Any] = {"components": DECLARED, "security": [{}, {"token": []}]}
OPEN: dict[str, Any] = {"components": DECLARED, "security": []}


async def _connect(service: Service, integration: str) -> None:
    await service.connect(integration, bearer=cpb.ConnectionBearer(token=SECRET))


@pytest.mark.parametrize(
    ("described", "challenge"),
    [(SILENT, ""), (OPTIONAL, ""), (OPEN, 'Bearer realm="things"')],
    ids=["nothing said", "optional", "expressly open, and challenged"],
)
async def test_the_user_is_asked_and_the_run_goes_on(
    serve: Serve, described: dict[str, Any], challenge: str
) -> None:
    async with recording(challenge=challenge, **described) as found, serve(LIST) as service:
        integration = await service.add_integration(found.document, name="recorder")
        created = await service.create("list")
        asked = (await service.until(created.run_id, "auth_required")).auth_required
        waiting = await service.get(created.run_id)
        await _connect(service, integration)
        run = await service.finished(created.run_id)

    assert waiting.status == pb.RUN_STATUS_AUTH_REQUIRED
    assert asked.integration_id == integration
    assert run.status == pb.RUN_STATUS_SUCCESS
    assert [headers.get("authorization") for headers in found.called] == [None, f"bearer {SECRET}"]


async def test_the_scopes_the_service_names_are_asked_for(serve: Serve) -> None:
    challenge = 'Bearer scope="things:read more"'
    async with recording(challenge=challenge, **SILENT) as found, serve(LIST) as service:
        await service.add_integration(found.document, name="recorder")
        created = await service.create("list")
        asked = (await service.until(created.run_id, "auth_required")).auth_required

    assert list(asked.scopes) == ["things:read", "more"]


@pytest.mark.parametrize(
    ("described", "challenge"), [(OPEN, ""), ({}, "Bearer")], ids=["expressly open", "no scheme known"]
)
async def test_who_could_not_be_helped_by_a_credential_is_not_asked(
    serve: Serve, described: dict[str, Any], challenge: str
) -> None:
    async with recording(challenge=challenge, **described) as found, serve(LIST) as service:
        await service.add_integration(found.document, name="recorder")
        run = await service.finished((await service.create("list")).run_id)

    assert run.status == pb.RUN_STATUS_NO_SUCCESS
    assert "401" in run.error.message
    assert len(found.called) == 1


async def test_who_connects_before_the_service_refuses_is_not_asked(serve: Serve) -> None:
    async with recording(challenge="", **SILENT) as found, serve(LIST) as service:
        integration = await service.add_integration(found.document, name="recorder")
        found.answers.clear()
        created = await service.create("list")
        await found.arrived.wait()
        await _connect(service, integration)
        found.answers.set()
        events = await service.events(created.run_id)

    assert events[-1].status_changed.status == pb.RUN_STATUS_SUCCESS
    assert not any(event.HasField("auth_required") for event in events)
    assert [headers.get("authorization") for headers in found.called] == [None, f"bearer {SECRET}"]


async def test_not_a_restart_but_what_was_connected_meanwhile_ends_the_wait(
    serve: Serve, tmp_path: Path
) -> None:
    async with recording(challenge="", **SILENT) as found:
        async with serve(LIST) as service:
            integration = await service.add_integration(found.document, name="recorder")
            created = await service.create("list")
            await service.until(created.run_id, "auth_required")
        async with serve(LIST) as service:
            later = await service.create("list")
            await service.until(later.run_id, "auth_required")
        origin = found.document.removesuffix("/openapi.json")
        await stored_elsewhere(tmp_path / "data", integration, origin)
        async with serve(LIST) as service:
            await service.finished(created.run_id)
            run = await service.get(created.run_id, include_events=True)

    waits = [event.WhichOneof("event") for event in run.events]
    assert run.status == pb.RUN_STATUS_SUCCESS
    assert (waits.count("auth_required"), waits.count("auth_resolved")) == (1, 1)
