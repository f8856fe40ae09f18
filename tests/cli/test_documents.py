"""Messages as JSON: the same form as the REST contract."""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp

from errands.cli.documents import document
from errands.v1 import approval_pb2, event_pb2, plan_pb2, run_pb2

AT = Timestamp(seconds=1767225600, nanos=5_000_000)


def test_an_event_is_one_flat_envelope_in_the_order_of_the_contract() -> None:
    event = event_pb2.RunEvent(
        sequence=9,
        run_id="r",
        status=event_pb2.RUN_STATUS_RUNNING,
        created_at=AT,
        step_completed=event_pb2.StepCompleted(step_id="s2", text="Ordered", outcome=event_pb2.OUTCOME_DONE),
    )

    assert list(document(event).items()) == [
        ("sequence", 9),
        ("type", "step.completed"),
        ("runId", "r"),
        ("status", "RUNNING"),
        ("createdAt", "2026-01-01T00:00:00.005Z"),
        ("stepId", "s2"),
        ("text", "Ordered"),
        ("outcome", "done"),
    ]


def test_an_approval_in_an_event_does_not_hide_the_status_of_the_run() -> None:
    asked = approval_pb2.Approval(
        approval_id="a",
        kind=approval_pb2.APPROVAL_KIND_CALLS,
        status=approval_pb2.APPROVAL_STATUS_PENDING,
        choices=[approval_pb2.DECISION_APPROVE, approval_pb2.DECISION_DENY],
        calls=[
            approval_pb2.ApprovalCall(
                call_id="c", arguments_json='{"n": 9007199254740993}', effect=approval_pb2.CALL_EFFECT_WRITE
            )
        ],
    )
    event = event_pb2.RunEvent(sequence=7, status=event_pb2.RUN_STATUS_PAUSED, approval_required=asked)

    found = document(event)
    assert (found["type"], found["status"], found["kind"]) == ("approval.required", "PAUSED", "CALLS")
    assert found["choices"] == ["approve", "deny"]
    assert found["calls"] == [
        {"callId": "c", "arguments": {"n": 9007199254740993}, "effect": "write", "shared": False}
    ]
    assert document(asked)["status"] == "pending"


def test_a_status_event_has_the_type_status() -> None:
    changed = event_pb2.StatusChanged(status=event_pb2.RUN_STATUS_SUCCESS)
    event = event_pb2.RunEvent(sequence=1, status=event_pb2.RUN_STATUS_SUCCESS, status_changed=changed)

    assert (document(event)["type"], document(event)["status"]) == ("status", "SUCCESS")


def test_a_plan_is_its_steps_or_its_text_even_an_empty_one() -> None:
    steps = plan_pb2.PlanDetails(
        description="d", steps=[plan_pb2.PlanStep(id="s1", description="Find", depends_on_steps=[])]
    )
    json_plan = plan_pb2.ExecutionPlan(
        execution_plan_id="p", plan_type=plan_pb2.PLAN_TYPE_JSON, details=steps
    )
    text_plan = plan_pb2.ExecutionPlan(execution_plan_id="p", plan_type=plan_pb2.PLAN_TYPE_TEXT)

    assert document(json_plan) == {
        "executionPlanId": "p",
        "planType": "json",
        "plan": {"description": "d", "steps": [{"id": "s1", "description": "Find", "dependsOnSteps": []}]},
    }
    assert document(text_plan) == {"executionPlanId": "p", "planType": "text", "plan": ""}


def test_json_text_becomes_the_json_it_holds() -> None:
    assert document(run_pb2.Run(result_json='{"a": [1]}'))["result"] == {"a": [1]}
    assert "result" not in document(run_pb2.Run())
