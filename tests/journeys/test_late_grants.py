"""A user who connects at the very moment a run begins to wait: the run must not wait for nothing."""

from __future__ import annotations

from typing import Any

from errands.v1 import event_pb2, run_pb2
from errands.v1.connection_pb2 import ConnectionBearer
from errands_server.app import Overrides
from errands_server.ports import AuthorizationRequired, CallRequest, CallResult, CallSucceeded, Resolved
from tests.journeys.conftest import Serve
from tests.recorder import recording
from tests.scripted import Scene, ScriptedPlanner, plan_of

LIST = Scene("listThings")


class Granted:
    """A toolbox for which the user granted access just after it was said to be missing."""

    def __init__(self, *, lasting: bool) -> None:
        self._lasting = lasting
        self._asked = False

    async def resolve(self, request: CallRequest, *, shared_only: bool = False) -> Resolved:
        return Resolved()

    async def call(self, request: CallRequest) -> CallResult:
        if not self._asked:
            self._asked = True
            return AuthorizationRequired(message="missing, a moment ago", lasting=self._lasting)
        return CallSucceeded(output=b"{}")


def _overrides(toolbox: Any) -> Overrides:
    return Overrides(planner=ScriptedPlanner(plan_of(LIST)), toolbox=lambda _: toolbox)


async def test_what_was_granted_before_the_wait_was_stored_is_seen(serve: Serve) -> None:
    async with recording() as found, serve(overrides=_overrides(Granted(lasting=True))) as service:
        await service.add_integration(found.document, name="recorder")
        created = await service.create("list")
        events = await service.events(created.run_id)

    arms = [event.WhichOneof("event") for event in events]
    assert arms.index("auth_required") < arms.index("auth_resolved")
    assert events[-1].status_changed.status == event_pb2.RUN_STATUS_SUCCESS


async def test_what_only_a_person_can_end_is_not_ended_by_looking(serve: Serve) -> None:
    async with recording() as found, serve(overrides=_overrides(Granted(lasting=False))) as service:
        await service.add_integration(found.document, name="recorder")
        created = await service.create("list")
        await service.until(created.run_id, "auth_required")
        await service.runs.CancelRun(run_pb2.CancelRunRequest(run_id=created.run_id))
        events = await service.events(created.run_id)

    assert "auth_resolved" not in [event.WhichOneof("event") for event in events]
    assert events[-1].status_changed.status == event_pb2.RUN_STATUS_CANCELED


async def test_runs_that_wait_for_access_keep_no_place_from_others(serve: Serve) -> None:
    async with recording(secured=True) as found, serve(LIST, max_active=1) as service:
        integration = await service.add_integration(found.document, name="recorder")
        for _ in range(3):
            waiting = await service.create("list")
            await service.until(waiting.run_id, "auth_required")
        await service.connect(integration, "user-2", bearer=ConnectionBearer(token="t"))
        run = await service.finished((await service.create("list", user_id="user-2")).run_id)

    assert run.status == event_pb2.RUN_STATUS_SUCCESS
