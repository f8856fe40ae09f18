"""Every event and enum of the domain has its message, and everything on the wire comes from the domain."""

from __future__ import annotations

import typing
from types import UnionType

from errands.v1 import (
    approval_pb2,
    audit_pb2,
    connection_pb2,
    event_pb2,
    integration_pb2,
    key_pb2,
    plan_pb2,
    run_pb2,
)
from errands_server.api import enums, interceptor, messages
from errands_server.app import SERVICES
from errands_server.domain import events as e
from errands_server.domain.events import AnyEvent, Outcome, Record, RunStatus, Strategy
from errands_server.domain.plan import Plan, Step
from errands_server.domain.tool import Effect, Repeat, ToolRef
from errands_server.streams import View

MODULES = (approval_pb2, audit_pb2, connection_pb2, event_pb2, integration_pb2, key_pb2, plan_pb2, run_pb2)
CALL = e.Call(
    id="c1",
    step_id="s1",
    tool=ToolRef("desk", 1, "read"),
    effect=Effect.READ,
    repeat=Repeat.FREELY,
    origin="http://desk",
    arguments={"q": "secret"},
    key="c1",
    hash="sha256:0",
)
# One of every kind, and the arm that shows it; an empty arm is internal: no view shows it.
EVENTS: dict[type, tuple[AnyEvent, str]] = {
    type(event): (event, arm)
    for event, arm in (
        (
            e.RunCreated(user_id="u", actor="a", strategy=Strategy.NONE, plan_id="p", rules_version=1),
            "status_changed",
        ),
        (e.Claimed(epoch=1), ""),
        (e.StatusChanged(status=RunStatus.CANCELED, completed=("c1",), unknown=("c2",)), "status_changed"),
        (
            e.PlanMade(
                plan=Plan(description="d", steps=(Step(id="s1", description="d"),)), plan_id="p", hash="h"
            ),
            "plan",
        ),
        (e.PlanRefused(plan_id="p", reason=e.Reason.NO_FITTING_TOOL, message="m"), "plan"),
        (e.StepStarted(step_id="s1", text="t"), "step_started"),
        (e.CallsProposed(step_id="s1", calls=(CALL,)), ""),
        (e.CallStarted(call=CALL, epoch=1, attempt=1), "tool_call"),
        (e.CallAbandoned(call_id="c1", reason="r"), ""),
        (e.CallDelayed(call_id="c1", step_id="s1", until=1, text="t"), "note"),
        (e.CallLost(call_id="c1", step_id="s1", until=1, message="m"), "tool_result"),
        (e.CallFinished(call_id="c1", step_id="s1", outcome=Outcome.DONE), "tool_result"),
        (e.StepFinished(step_id="s1", outcome=Outcome.DONE, text="t"), "step_completed"),
        (
            e.ApprovalRequested(
                user_id="u",
                approval_id="a",
                kind=e.ApprovalKind.CALLS,
                text="t",
                calls=(CALL,),
                hash="h",
                expires_at=1,
            ),
            "approval_required",
        ),
        (
            e.ApprovalResolved(approval_id="a", decision=e.Decision.DENY, actor="link"),
            "approval_resolved",
        ),
        (
            e.AuthRequested(
                authorization_id="z",
                integration_id="desk",
                integration_name="Desk",
                user_id="u",
                scopes=("s",),
                call_ids=("c1",),
                expires_at=1,
            ),
            "auth_required",
        ),
        (e.AuthResolved(authorization_id="z", granted=True), "auth_resolved"),
        (e.CancelRequested(actor="a", until=1), "cancel_requested"),
        (e.Noted(text="t"), "note"),
        (e.ResultMade(result=e.Document(text="{}")), "result"),
        (e.ErrorRaised(reason=e.Reason.CANCELED, message="m"), "error"),
    )
}
EVERYTHING = View(tool_calls=True, links=True, connect_links=True)
NOT_YET = {"reasoning"}  # comes with planners that account for what they do
ONLY_WITH_TOOL_CALLS = {"tool_call", "tool_result", "reasoning"}


def made(event: AnyEvent, view: View) -> event_pb2.RunEvent | None:
    of = messages.RunMessages(
        lambda tenant, request, decision: f"http://link/{decision}",
        lambda tenant, run_id, asked: f"http://connect/{run_id}/{asked.authorization_id}",
    )
    return of.event("tenant", "run", Record(7, 1_234, RunStatus.RUNNING, event), view)


def test_every_kind_of_event_is_shown_or_known_to_be_internal() -> None:
    assert isinstance(AnyEvent, UnionType)
    assert EVENTS.keys() == set(typing.get_args(AnyEvent))
    for event, arm in EVENTS.values():
        message = made(event, EVERYTHING)

        assert (message.WhichOneof("event") if message else "") == arm, event
        assert message is None or (message.sequence, message.run_id) == (7, "run")


def test_every_arm_of_the_wire_has_an_event() -> None:
    arms = {field.name for field in event_pb2.RunEvent.DESCRIPTOR.oneofs_by_name["event"].fields}

    assert {arm for _, arm in EVENTS.values() if arm} | NOT_YET == arms


def test_tool_calls_are_shown_only_to_who_asked_for_them() -> None:
    for event, arm in EVENTS.values():
        hidden = made(event, View()) is None

        assert hidden == (not arm or arm in ONLY_WITH_TOOL_CALLS), event


def test_links_are_shown_only_to_who_may_decide() -> None:
    asked, _ = EVENTS[e.ApprovalRequested]
    without, with_links = made(asked, View()), made(asked, View(links=True))

    assert without is not None
    assert with_links is not None
    assert not without.approval_required.actions
    assert [action.url for action in with_links.approval_required.actions] == [
        "http://link/APPROVE",
        "http://link/DENY",
    ]


def test_connect_links_are_shown_only_to_who_may_connect_users() -> None:
    asked, _ = EVENTS[e.AuthRequested]
    without, with_links = made(asked, View(links=True)), made(asked, View(connect_links=True))

    assert without is not None
    assert with_links is not None
    assert not without.auth_required.url
    assert with_links.auth_required.url == "http://connect/run/z"


def test_every_value_of_every_enum_is_mapped_both_ways() -> None:
    for enum, table in (
        (event_pb2.RunStatus, enums.STATUS),
        (event_pb2.Outcome, enums.OUTCOME),
        (approval_pb2.ApprovalKind, enums.KIND),
        (approval_pb2.Decision, enums.DECISION),
        (approval_pb2.ApprovalStatus, enums.APPROVAL_STATUS),
        (run_pb2.ApprovalStrategy, enums.STRATEGY),
    ):
        assert set(table.values()) == set(enum.values()) - {0}, enum


def test_every_event_has_every_field_of_its_envelope_and_arm() -> None:
    """Fields no event of today can set are listed, with what they wait for."""
    waiting = {
        "errands.v1.Reasoning.step_id": "planners that account for what they do",
        "errands.v1.Reasoning.text": "as above",
    }
    filled: set[str] = set()
    for event, _ in EVENTS.values():
        message = made(event, EVERYTHING)
        if message is not None:
            _collect(message, filled)
    arms = event_pb2.RunEvent.DESCRIPTOR.oneofs_by_name["event"].fields
    wanted = {field.full_name for arm in arms for field in arm.message_type.fields}
    # What depends on values: these events are as small as can be.
    rest = {name for name in wanted - filled if name not in waiting}

    assert not filled & waiting.keys()
    assert rest <= {
        "errands.v1.Approval.actor",
        "errands.v1.Approval.decided_at",
        "errands.v1.Approval.decision",
        "errands.v1.Approval.reason",
        "errands.v1.Approval.question",
        "errands.v1.Approval.input_json",
        "errands.v1.Approval.step_id",
        "errands.v1.ApprovalResolved.reason",
        "errands.v1.Note.step_id",
        "errands.v1.ToolResult.output_json",
    }


def _collect(message: typing.Any, names: set[str]) -> None:
    for field, value in message.ListFields():
        names.add(field.full_name)
        if field.message_type is not None and not isinstance(value, str):
            for one in value if field.is_repeated else [value]:
                _collect(one, names)


def test_every_service_of_the_contract_is_served() -> None:
    described = {
        service.full_name for module in MODULES for service in module.DESCRIPTOR.services_by_name.values()
    }

    assert described == set(SERVICES)


def test_only_what_takes_a_proof_of_its_own_needs_no_key() -> None:
    public = {method for method in interceptor._PUBLIC_METHODS if method.startswith("/errands.v1.")}

    assert public == {
        "/errands.v1.ApprovalService/GetApprovalByToken",
        "/errands.v1.ApprovalService/DecideByToken",
        "/errands.v1.ConnectionService/GetConnectLink",
        "/errands.v1.ConnectionService/BeginConnect",
        "/errands.v1.ConnectionService/FinishConnect",
    }
