"""Every operation, asked for real and held against its golden file and its schema.

ERRANDS_WRITE_GOLDEN=1 writes the files anew; the difference is then to be read like code.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from google.protobuf.timestamp_pb2 import Timestamp

from errands.v1 import approval_pb2, connection_pb2, event_pb2, plan_pb2
from errands_gateway.http.encoding import encode_json
from errands_gateway.pages import browser_binding
from errands_gateway.v1.documents import events
from errands_gateway.v1.operations import OPERATIONS
from errands_gateway.v1.schemas.events import MEMBERS, component
from errands_server.domain.errors import Reason
from errands_server.domain.plan import Plan
from errands_server.ports import Brief, Refusal
from tests.contract.conftest import Serve
from tests.contract.plans import HELD, LOCKED, LOST, READ, REFUSED, WRITE, chain
from tests.contract.target import Target
from tests.gateway.callers import NOBODY, RUN, asking
from tests.gateway.golden_files import FOLDER, Recorder, check, fits
from tests.scripted import ScriptedPlanner, in_turn
from tests.service import PATIENCE, Service
from tests.tools.mcp.plain import plain

PLANS = {
    "read and write": chain(READ, WRITE),
    "part": chain(READ, REFUSED, READ),
    "hold": chain(READ, HELD),
    "lock": chain(LOCKED),
    "lose": chain(LOST),
}


def plan(brief: Brief) -> Plan | Refusal:
    if brief.intent not in PLANS:
        return Refusal(Reason.NO_FITTING_TOOL, "no tool of the selection fits")
    return PLANS[brief.intent](brief)


def run(intent: str, strategy: str = "NONE", **more: Any) -> dict[str, Any]:
    return {**RUN, "intent": intent, "approvalStrategy": strategy, **more}


async def test_every_operation_answers_as_its_golden_file_says(serve: Serve, target: Target) -> None:
    async with (
        serve(ScriptedPlanner(plan, conclude=in_turn({"count": 3}))) as service,
        asking(service) as client,
    ):
        ask = Recorder(client)
        # The order counts: each part finds what those before it left.
        await integrations(ask, target)
        await a_run_that_asks_first(ask, service)
        await a_run_that_asks_for_each_call(ask, service)
        await runs_that_end_otherwise(ask, service, target)
        await refusals(ask, service)
        await connections(ask, service)
        await keys(ask)

    assert {operation.id for operation in OPERATIONS} <= ask.names
    assert {path.stem for path in FOLDER.glob("*.json")} == {
        *(name.replace(" ", "-") for name in ask.names),
        "events",
    }


async def integrations(ask: Recorder, target: Target) -> None:
    made = await ask(
        "createIntegration",
        "POST",
        "/v1/integrations",
        {
            "name": "second desk",
            "openapi": {"document": json.loads(target.document())},
            "internal": True,
            "auth": {"type": "bearer", "token": "t0p-secret"},
            "sharedCredential": True,
        },
    )
    path = f"/v1/integrations/{made['id']}"
    await ask(
        "createIntegration again",
        "POST",
        "/v1/integrations",
        {"name": "desk", "openapi": {"document": target.document()}, "internal": True},
    )
    await ask("updateIntegration", "PATCH", path, {"name": "old desk", "status": "INACTIVE"})
    await ask("getIntegration", "GET", path)
    await ask("listIntegrations", "GET", "/v1/integrations?pageSize=1")
    await ask("listTools", "GET", f"{path}/tools?pageSize=2")
    await ask("deleteIntegration", "DELETE", path)
    await ask("getIntegration missing", "GET", path)
    async with plain() as server:
        body = {"name": "plain desk", "mcp": {"url": server.url}, "internal": True}
        made = await ask("createIntegration mcp", "POST", "/v1/integrations", body)
        path = f"/v1/integrations/{made['id']}"
        server.tools = [
            *server.tools,
            {**server.tools[0], "name": "look", "annotations": {"readOnlyHint": True}},
        ]
        await ask("updateIntegration mcp", "PATCH", path, {"mcp": {"url": server.url}})
        await ask("listTools mcp", "GET", f"{path}/tools")
        await ask("deleteIntegration mcp", "DELETE", path)


async def a_run_that_asks_first(ask: Recorder, service: Service) -> None:
    """ON_START, approved by its link."""
    body = run(
        "read and write",
        "ON_START",
        context="list=3",
        repeatKey="weekly",
        outputSchema={"type": "object", "properties": {"count": {"type": "integer"}}},
    )
    created = await ask(
        "RunController_createRun", "POST", "/v1/runs", body, Idempotency_Key='"first"', Prefer="wait=20"
    )
    path = f"/v1/runs/{created['runId']}"
    waiting = await ask("RunController_getRun waiting", "GET", f"{path}?includeEvents=true")
    await ask("listApprovals", "GET", "/v1/approvals?status=pending")
    await ask("getExecutionPlan", "GET", f"/v1/execution-plans/{created['executionPlanId']}")
    link = waiting["pendingApprovals"][0]["actions"][0]["url"]
    await ask("RunController_runApproval", "GET", link.partition(service.app.http_address)[2])
    await service.finished(created["runId"])
    await ask("RunController_getRun", "GET", path)
    await ask("listRunEvents", "GET", f"{path}/events?includeToolCalls=true&after=3")
    await ask("RunController_sse", "GET", f"{path}/sse", Last_Event_ID="3")
    await ask("RunController_sse ended", "GET", f"{path}/sse?lastEventId=1000")
    await ask("createStreamTicket", "POST", f"{path}/stream-tickets", {"includeToolCalls": True})
    await ask(
        "RunController_createRun passing",
        "POST",
        "/v1/runs",
        {
            **run("nothing fits"),
            "passThrough": [
                {
                    "customerIntegrationId": (
                        await service.get(created["runId"])
                    ).selected_customer_integration_ids[0],
                    "headers": {"X-Key": "t0p-secret"},
                    "query": {"key": "t0p-secret"},
                }
            ],
        },
    )
    await ask(
        "RunController_createRun again",
        "POST",
        "/v1/runs",
        {**body, "context": "list=4"},
        Idempotency_Key="first",
    )


async def a_run_that_asks_for_each_call(ask: Recorder, service: Service) -> None:
    """ON_TOOL_CALL: one call approved in a batch, one denied."""
    created = await service.create("read and write", approval_strategy=3)
    event = await service.until(created.run_id, "approval_required")
    first = event.approval_required.approval_id
    batch = {"decisions": [{"approvalId": first, "decision": "approve", "reason": "fine"}]}
    await ask("decideApprovals", "POST", "/v1/approvals", batch)
    event = await service.until(created.run_id, "approval_required", event.sequence)
    second = event.approval_required.approval_id
    deny = event.approval_required.actions[1].url.partition("token=")[2]
    form = {"token": deny, "decision": "deny", "form": "f" * 43}
    await ask(
        "sendApprovalForm",
        "POST",
        "/v1/runs/approval",
        form=form,
        Cookie=f"errands-form={'f' * 43}",
        Accept="application/json",
    )
    await service.finished(created.run_id)
    await ask("decideApproval decided", "POST", f"/v1/approvals/{second}", {"decision": "approve"})
    await ask("RunController_getRun partly", "GET", f"/v1/runs/{created.run_id}?includeEvents=1")


async def runs_that_end_otherwise(ask: Recorder, service: Service, target: Target) -> None:
    """Refused, failed in part, in doubt, waiting for authorization, cancelled."""
    await ask("RunController_createRun refused", "POST", "/v1/runs", run("dance"), Prefer="wait=20")
    part = await service.create("part")
    await service.finished(part.run_id)
    await ask("listRunEvents part", "GET", f"/v1/runs/{part.run_id}/events?includeToolCalls=true")
    lost = await service.create("lose")
    doubt = (await service.until(lost.run_id, "approval_required")).approval_required.approval_id
    await ask("decideApproval", "POST", f"/v1/approvals/{doubt}", {"decision": "done", "output": {"id": 1}})
    await service.finished(lost.run_id)
    locked = await service.create("lock")
    await service.until(locked.run_id, "auth_required")
    await ask("RunController_getRun locked", "GET", f"/v1/runs/{locked.run_id}?includeEvents=true")
    held = await service.create("hold")
    async with asyncio.timeout(PATIENCE):
        while target.received[-1][0] != "GET /held":
            target.arrived.clear()
            await target.arrived.wait()
    await ask("RunController_abortRun", "DELETE", f"/v1/runs/{held.run_id}")
    await ask("listRunEvents canceled", "GET", f"/v1/runs/{held.run_id}/events")
    await ask("RunController_listRuns", "GET", "/v1/runs?status=SUCCESS&pageSize=1&userId=user-1")


async def refusals(ask: Recorder, service: Service) -> None:
    bad = {"intent": "", "user_id": "ada", "selectedCustomerIntegrationIds": ["*"]}
    await ask("RunController_createRun wrong", "POST", "/v1/runs", bad)
    await ask("RunController_getRun missing", "GET", f"/v1/runs/{NOBODY}")
    await ask("RunController_getRun unknown-key", "GET", f"/v1/runs/{NOBODY}", x_api_key="none")
    reader = await service.with_scopes("runs:read")
    await ask("RunController_createRun forbidden", "POST", "/v1/runs", run("dance"), x_api_key=reader.key)


async def connections(ask: Recorder, service: Service) -> None:
    """Stored by the application, and connected on a page that the application confirms."""
    target = (await service.get((await service.create("part")).run_id)).selected_customer_integration_ids[0]
    await ask(
        "RunController_createRun validated", "POST", "/v1/runs", run("lock", "ON_START", validateOnly=True)
    )
    auth = {"type": "apiKey", "value": "t0p-secret", "in": "header", "name": "x-key"}
    body = {"integrationId": target, "userId": "ada", "auth": auth}
    made = await ask("createConnection", "POST", "/v1/connections", body)
    await ask("getConnection", "GET", f"/v1/connections/{made['id']}")
    await ask("listConnections", "GET", "/v1/connections?userId=ada")
    await ask("deleteConnection", "DELETE", f"/v1/connections/{made['id']}")
    await ask("getConnection missing", "GET", f"/v1/connections/{made['id']}")
    await ask(
        "updateConnectSettings",
        "PATCH",
        "/v1/connections/settings",
        {"verifierUrl": "https://app.example/verify"},
    )
    await ask("getConnectSettings", "GET", "/v1/connections/settings")
    link = await ask(
        "createConnectLink", "POST", "/v1/connections/links", {"integrationId": target, "userId": "ada"}
    )
    path = link["url"].partition(service.app.http_address)[2]
    await ask("openConnectLink", "GET", path)
    cookie = "c" * 43
    form = {"form": browser_binding.csrf_value(cookie), "secret": "t0p-secret"}
    sent = await ask("sendConnectForm", "POST", path, form=form, Cookie=f"errands-connect={cookie}")
    assert "Going on to app.example" in sent
    flow = await _flow(service, target, cookie)
    await ask("confirmConnection", "POST", "/v1/connections/confirm", {"flow": flow, "userId": "ada"})
    await ask("openConnectLink wrong", "GET", path[:-4])
    await ask("finishConnect", "GET", "/connect/callback?state=none&code=none", Accept="application/json")


async def _flow(service: Service, integration: str, browser: str) -> str:
    """A flow that only waits for the application to say who the user is."""
    asked = connection_pb2.CreateConnectLinkRequest(integration_id=integration, user_id="ada")
    url = (await service.connections.CreateConnectLink(asked)).url
    begin = connection_pb2.BeginConnectRequest(token=url.rpartition("/")[2], browser=browser)
    begin.bearer.token = "t0p-secret"
    begun = await service.connections.BeginConnect(begin)
    return parse_qs(urlsplit(begun.return_url).query)["flow"][0]


async def keys(ask: Recorder) -> None:
    made = await ask(
        "createKey",
        "POST",
        "/v1/keys",
        {"name": "reader", "scopes": ["runs:read"], "expiresAt": "2099-01-31T13:00:00+01:00"},
    )
    await ask("listKeys", "GET", "/v1/keys?pageSize=1")
    await ask("revokeKey", "DELETE", f"/v1/keys/{made['id']}")
    await ask("listAudit", "GET", f"/v1/audit?subject={made['id']}&pageSize=1")


AT = Timestamp(seconds=1_790_000_000, nanos=7_000_000)
CALL = approval_pb2.ApprovalCall(
    call_id="s2.1",
    step_id="s2",
    integration_id="desk_k3v9x2mq",
    integration_name="desk",
    tool="writeThing",
    title="Write a thing",
    arguments_json='{"n": 9223372036854775808}',
    effect=approval_pb2.CALL_EFFECT_WRITE,
    shared=True,
    origin="https://desk.example",
)
ARMS: dict[str, Any] = {
    "status_changed": event_pb2.StatusChanged(
        status=event_pb2.RUN_STATUS_CANCELED,
        report=event_pb2.CancelReport(completed=["s1.1"], unknown=["s2.1"]),
    ),
    "plan": plan_pb2.ExecutionPlan(
        execution_plan_id=NOBODY,
        plan_type=plan_pb2.PLAN_TYPE_JSON,
        details=plan_pb2.PlanDetails(
            title="Things",
            description="Write things",
            steps=[
                plan_pb2.PlanStep(id="s1", description="read"),
                plan_pb2.PlanStep(id="s2", description="write", depends_on_steps=["s1"]),
            ],
        ),
    ),
    "step_started": event_pb2.StepStarted(step_id="s1", text="read"),
    "step_completed": event_pb2.StepCompleted(step_id="s1", text="read", outcome=event_pb2.OUTCOME_DONE),
    "approval_required": approval_pb2.Approval(
        approval_id=NOBODY,
        kind=approval_pb2.APPROVAL_KIND_INPUT,
        step_id="s2",
        text="Write a thing (desk) asks: Which colour?",
        calls=[CALL],
        question=approval_pb2.ApprovalQuestion(
            message="Which colour?",
            schema_json='{"type":"object","properties":{"colour":{"type":"string"}}}',
            said="no colour: cancel",
        ),
        hash=f"sha256:{'0' * 64}",
        expires_at=AT,
        choices=[approval_pb2.DECISION_APPROVE, approval_pb2.DECISION_DENY],
        actions=[
            approval_pb2.ApprovalAction(
                action=approval_pb2.DECISION_APPROVE, url="https://errands.example/v1/runs/approval?token=a"
            )
        ],
    ),
    "approval_resolved": event_pb2.ApprovalResolved(
        approval_id=NOBODY, decision=approval_pb2.DECISION_DENY, actor="expiry", reason="nobody decided"
    ),
    "auth_required": event_pb2.AuthRequired(
        authorization_id=NOBODY,
        integration_id="desk_k3v9x2mq",
        integration_name="desk",
        user_id="user-1",
        scopes=["things:write"],
        url="https://desk.example/authorize",
        expires_at=AT,
    ),
    "auth_resolved": event_pb2.AuthResolved(authorization_id=NOBODY, granted=True),
    "cancel_requested": event_pb2.CancelRequested(actor="key:1"),
    "note": event_pb2.Note(text="Waits 3 s for a rate limit.", step_id="s2"),
    "result": event_pb2.Result(result_json='{"count": 3}'),
    "error": event_pb2.RunError(code="ABORTED", message="Some steps were done.", reason="PARTLY_DONE"),
    "tool_call": event_pb2.ToolCalled(
        call_id="s2.1",
        step_id="s2",
        integration_id="desk_k3v9x2mq",
        tool="writeThing",
        url="https://desk.example/things",
        arguments_json='{"n":1}',
        attempt=2,
    ),
    "tool_result": event_pb2.ToolResult(
        call_id="s2.1", outcome=event_pb2.OUTCOME_UNKNOWN, output_json="[]", message="no answer came"
    ),
    "reasoning": event_pb2.Reasoning(text="The list is short, so it is read at once.", step_id="s1"),
}


def test_every_event_with_every_member_is_as_its_golden_file_says() -> None:
    made = []
    for sequence, (arm, message) in enumerate(ARMS.items(), 1):
        event = event_pb2.RunEvent(
            sequence=sequence, run_id=NOBODY, status=event_pb2.RUN_STATUS_RUNNING, created_at=AT
        )
        getattr(event, arm).CopyFrom(message)
        kind, document = events.event(event) or ("", {})
        found = json.loads(encode_json(document))

        assert found["type"] == kind
        fits({"$ref": "#/components/schemas/RunEvent"}, found)
        fits({"$ref": f"#/components/schemas/{component(kind)}"}, found)
        # Every member the document knows is there, and none that it does not know.
        assert found.keys() == {"sequence", "type", "runId", "status", "createdAt", *MEMBERS[kind][0]}
        made.append(found)
    check("events", made)

    assert ARMS.keys() == {field.name for field in event_pb2.RunEvent.DESCRIPTOR.oneofs[0].fields}
    assert {event["type"] for event in made} == set(MEMBERS)


def test_an_event_of_a_later_release_is_left_out() -> None:
    event = event_pb2.RunEvent(sequence=1, run_id=NOBODY, status=event_pb2.RUN_STATUS_RUNNING, created_at=AT)

    assert events.event(event) is None
    assert events.events([event]) == []
