"""Pre-flight: what a run would call, need and ask for, with nothing stored and nothing started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from errands.v1 import approval_pb2, connection_pb2, integration_pb2, preflight_pb2, run_pb2
from errands_server.domain.errors import Reason
from errands_server.ports import Refusal
from tests.contract.conftest import Serve
from tests.contract.plans import LOCKED, READ, WRITE, chain, steps
from tests.contract.target import Target
from tests.databases import counts_of
from tests.service import Service

ON_START, ON_TOOL_CALL = run_pb2.APPROVAL_STRATEGY_ON_START, run_pb2.APPROVAL_STRATEGY_ON_TOOL_CALL
TWICE = (*WRITE, *WRITE[1:])  # one step with two calls


async def preflight(service: Service, **fields: Any) -> preflight_pb2.Preflight:
    return (await service.create("do", validate_only=True, **fields)).preflight


async def desk_id(service: Service) -> str:
    found = await service.integrations.ListIntegrations(integration_pb2.ListIntegrationsRequest())
    return str(found.integrations[0].id)


def accesses(found: preflight_pb2.Preflight) -> list[str]:
    return [preflight_pb2.CallAccess.Name(call.access).removeprefix("CALL_ACCESS_") for call in found.calls]


async def test_it_says_what_would_be_called_where_and_whether_that_may_change_anything(
    serve: Serve, target: Target
) -> None:
    async with serve(chain(READ, TWICE)) as service:
        found = await preflight(service)

    assert [(call.step_id, call.tool, call.effect) for call in found.calls] == [
        ("s1", "readThings", approval_pb2.CALL_EFFECT_READ),
        ("s2", "writeThing", approval_pb2.CALL_EFFECT_WRITE),
        ("s2", "writeThing", approval_pb2.CALL_EFFECT_WRITE),
    ]
    assert {(call.origin, call.integration_name, call.title) for call in found.calls[:1]} == {
        (target.url, "desk", "readThings")
    }
    assert accesses(found) == ["NONE", "NONE", "NONE"]
    assert not found.missing


async def test_it_says_which_connection_is_missing_once_for_each_integration(serve: Serve) -> None:
    async with serve(steps(LOCKED, READ, LOCKED)) as service:
        found = await preflight(service, user_id="ada")
        integration = await desk_id(service)

    assert accesses(found) == ["MISSING", "NONE", "MISSING"]
    assert [(one.integration_id, one.integration_name, one.user_id) for one in found.missing] == [
        (integration, "desk", "ada")
    ]


async def test_whose_account_is_used_is_what_a_run_would_use(serve: Serve, target: Target) -> None:
    async with serve(steps(LOCKED)) as service:
        integration = await desk_id(service)
        mine = run_pb2.PassThrough(customer_integration_id=integration, headers={"x-key": "passed on"})
        passed = await preflight(service, pass_through=[mine])
        shared = integration_pb2.UpdateIntegrationRequest(id=integration, shared_credential=True)
        shared.credential.bearer.token = "the account of all"
        await service.integrations.UpdateIntegration(shared)
        everybodys = await preflight(service, user_id="ada")
        own = connection_pb2.CreateConnectionRequest(integration_id=integration, user_id="ada")
        own.bearer.token = "the account of ada"
        await service.connections.CreateConnection(own)
        adas = await preflight(service, user_id="ada")
        bobs = await preflight(service, user_id="bob")

    assert [accesses(found) for found in (passed, everybodys, adas, bobs)] == [
        ["PASS_THROUGH"],
        ["SHARED"],
        ["USER"],
        ["SHARED"],
    ]
    assert not [found for found in (passed, everybodys, adas, bobs) if found.missing]
    assert not target.received


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (run_pb2.APPROVAL_STRATEGY_NONE, []),
        (ON_START, [("APPROVAL_KIND_PLAN", "", 3)]),
        (ON_TOOL_CALL, [("APPROVAL_KIND_CALLS", "s1", 1), ("APPROVAL_KIND_CALLS", "s2", 2)]),
    ],
)
async def test_the_approvals_it_announces_are_those_a_run_asks_for(
    serve: Serve, strategy: int, expected: list[Any]
) -> None:
    async with serve(chain(READ, TWICE)) as service:
        found = await preflight(service, approval_strategy=strategy)
        asked = await _asked(service, strategy)

    told = [(approval_pb2.ApprovalKind.Name(a.kind), a.step_id, a.calls) for a in found.approvals]
    assert told == expected
    assert asked == expected


async def _asked(service: Service, strategy: int) -> list[Any]:
    """The approvals that a run of the same intent really asks for, each approved."""
    created = await service.create("do", approval_strategy=strategy)
    asked = []
    async for message in service.runs.StreamRunEvents(run_pb2.StreamRunEventsRequest(run_id=created.run_id)):
        for event in message.events:
            if event.HasField("approval_required"):
                found = event.approval_required
                asked.append((approval_pb2.ApprovalKind.Name(found.kind), found.step_id, len(found.calls)))
                await service.decide(found.approval_id, approval_pb2.DECISION_APPROVE)
    return asked


async def test_links_are_for_callers_who_may_connect_users(serve: Serve) -> None:
    async with serve(steps(LOCKED)) as service:
        writer = await service.with_scopes("runs:write")
        connector = await service.with_scopes("runs:write", "connections")
        hidden, shown = await preflight(writer), await preflight(connector)

    assert [(one.url, one.HasField("expires_at")) for one in hidden.missing] == [("", False)]
    [missing] = shown.missing
    assert missing.url.startswith(f"http://{service.app.http_address}/connect/")
    assert missing.HasField("expires_at")


async def test_a_link_it_gives_connects_the_user(serve: Serve) -> None:
    async with serve(steps(LOCKED)) as service:
        [missing] = (await preflight(service, user_id="ada")).missing
        begin = connection_pb2.BeginConnectRequest(token=missing.url.rpartition("/")[2], browser="b" * 43)
        begin.bearer.token = "the account of ada"
        await service.connections.BeginConnect(begin, metadata=())
        found = await preflight(service, user_id="ada")

    assert accesses(found) == ["USER"]


async def test_without_a_plan_there_is_nothing_to_foresee(serve: Serve) -> None:
    async with serve(lambda brief: Refusal(Reason.NO_FITTING_TOOL, "nothing fits")) as service:
        answered = await service.create("do", validate_only=True, approval_strategy=ON_START)

    assert answered.plan.text == "nothing fits"
    assert answered.HasField("preflight")
    assert answered.preflight == preflight_pb2.Preflight()


async def test_it_stores_nothing_and_calls_nobody(serve: Serve, target: Target, tmp_path: Path) -> None:
    async with serve(steps(LOCKED, WRITE)) as service:
        before = counts_of(tmp_path / "data")
        found = await preflight(service, approval_strategy=ON_START, repeat_key="again", request_id="once")

        assert found.missing
        assert counts_of(tmp_path / "data") == before
        assert not target.received
