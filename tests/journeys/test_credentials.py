"""Acting with a credential: asked for when it is missing, sealed when it is given, and never shown."""

from __future__ import annotations

from pathlib import Path

from errands.v1 import event_pb2 as pb
from errands.v1 import integration_pb2 as ipb
from errands.v1 import run_pb2
from tests.journeys.conftest import Serve
from tests.recorder import recording
from tests.scripted import Scene

SECRET = "canary-7f3a9c51e0"
LIST = Scene("listThings")
ON_TOOL_CALL = run_pb2.APPROVAL_STRATEGY_ON_TOOL_CALL


def _bearer() -> ipb.IntegrationCredential:
    return ipb.IntegrationCredential(bearer=ipb.BearerCredential(token=SECRET))


async def test_a_run_without_a_credential_waits_and_goes_on_once_there_is_one(serve: Serve) -> None:
    async with recording(secured=True) as found, serve(LIST) as service:
        integration = await service.add_integration(found.document, name="recorder")
        created = await service.create("list")
        asked = (await service.until(created.run_id, "auth_required")).auth_required
        waiting = await service.get(created.run_id)
        change = ipb.UpdateIntegrationRequest(id=integration, credential=_bearer(), shared_credential=True)
        await service.integrations.UpdateIntegration(change)
        run = await service.finished(created.run_id)

    assert waiting.status == pb.RUN_STATUS_AUTH_REQUIRED
    assert asked.integration_id == integration
    assert run.status == pb.RUN_STATUS_SUCCESS
    assert [headers["authorization"] for headers in found.called] == [f"bearer {SECRET}"]


async def test_a_shared_account_is_shown_as_such_to_who_approves(serve: Serve) -> None:
    async with recording(secured=True) as found, serve(LIST) as service:
        await service.add_integration(
            found.document, name="recorder", credential=_bearer(), shared_credential=True
        )
        created = await service.create("list", approval_strategy=ON_TOOL_CALL)
        asked = (await service.until(created.run_id, "approval_required")).approval_required

    assert [call.shared for call in asked.calls] == [True]


async def test_a_credential_is_in_no_file_and_no_event(serve: Serve, tmp_path: Path) -> None:
    async with recording(secured=True) as found, serve(LIST) as service:
        await service.add_integration(
            found.document, name="recorder", credential=_bearer(), shared_credential=True
        )
        created = await service.create("list")
        events = await service.events(created.run_id, include_tool_calls=True)
        run = await service.get(created.run_id, include_events=True)
    files = [path.read_bytes() for path in (tmp_path / "data").iterdir()]

    assert found.called, "the service was called, with the credential"
    assert SECRET not in f"{events}{run}"
    assert not [data for data in files if SECRET.encode() in data]


async def test_an_integration_that_was_deactivated_is_not_called_any_more(serve: Serve) -> None:
    async with recording() as found, serve(LIST) as service:
        integration = await service.add_integration(found.document, name="recorder")
        created = await service.create("list", approval_strategy=ON_TOOL_CALL)
        asked = (await service.until(created.run_id, "approval_required")).approval_required
        inactive = ipb.UpdateIntegrationRequest(id=integration, status=ipb.INTEGRATION_STATUS_INACTIVE)
        await service.integrations.UpdateIntegration(inactive)
        await service.decide(asked.approval_id, 1)
        run = await service.finished(created.run_id)

    assert run.error.reason == "INTEGRATION_INACTIVE"
    assert not found.called
