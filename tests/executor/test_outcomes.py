"""Every field an answer can have is set by some answer, or is listed with what it waits for."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.timestamp_pb2 import Timestamp

from errands.v1 import approval_pb2, audit_pb2, connection_pb2, integration_pb2, key_pb2, run_pb2
from errands_server.domain.errors import Reason
from errands_server.ports import Refusal
from tests.contract.conftest import Clock, Serve, add_target
from tests.contract.plans import LOCKED, LOST, READ, REFUSED, WRITE, chain, steps
from tests.contract.target import Target
from tests.scripted import Make, ScriptedPlanner
from tests.service import Service

pytestmark = pytest.mark.execution

WAITING = {
    "errands.v1.AuthRequired.scopes": "a service that grants scopes; see tests/journeys",
    "errands.v1.GetConnectLinkResponse.scope_texts": "a service that describes scopes; see tests/gateway",
    "errands.v1.GetConnectLinkResponse.ScopeTextsEntry.key": "as above",
    "errands.v1.GetConnectLinkResponse.ScopeTextsEntry.value": "as above",
    "errands.v1.GetConnectLinkResponse.keys": "a service that takes several keys; see journeys",
    "errands.v1.ConnectLinkKey.scheme": "as above",
    "errands.v1.ConnectLinkKey.name": "as above",
    "errands.v1.GetConnectLinkResponse.page_url": "a server with pages of its own; see journeys",
    "errands.v1.MissingConnection.scopes": "a service that grants scopes; see tests/cli",
    "errands.v1.OAuthClient.client_secret": "never: it is only ever written",
    "errands.v1.Approval.input_json": "a server that asks questions; see journeys",
    "errands.v1.Approval.question": "as above",
    "errands.v1.ApprovalQuestion.message": "as above",
    "errands.v1.ApprovalQuestion.schema_json": "as above",
    "errands.v1.ApprovalQuestion.said": "as above",
    "errands.v1.AuthResolved.granted": "false where it ran out, as here",
    "errands.v1.Note.step_id": "a service that limits rates; see journeys",
    "errands.v1.Reasoning.step_id": "planners that account for what they do",
    "errands.v1.Reasoning.text": "as above",
    "errands.v1.RunEvent.reasoning": "as above",
    "errands.v1.Tool.deprecated": "tests/tools",
    "errands.v1.Tool.description": "tests/tools",
    "errands.v1.Tool.output_json": "tests/tools",
    "errands.v1.ApprovalCall.shared": "a shared credential; see tests/journeys",
    "errands.v1.PlanDetails.title": "the catalog planner; see tests/planners",
    "errands.v1.Integration.left_out": "tests/tools",
    "errands.v1.UpdateIntegrationResponse.tools_changed": "tests/tools",
    # The planner of these tests keeps no account of its choices.
    "errands.v1.CreateRunResponse.explanation": "tests/planners",
    "errands.v1.PlanExplanation.clauses": "tests/planners",
    "errands.v1.ExplainedClause.text": "tests/planners",
    "errands.v1.ExplainedClause.tools": "tests/planners",
    "errands.v1.ExplainedClause.calls": "tests/planners",
    "errands.v1.ExplainedClause.missing": "tests/planners",
    "errands.v1.ConsideredTool.integration_id": "tests/planners",
    "errands.v1.ConsideredTool.tool": "tests/planners",
    "errands.v1.ConsideredTool.score": "tests/planners",
    "errands.v1.ExplainedCall.step_id": "tests/planners",
    "errands.v1.ExplainedCall.integration_id": "tests/planners",
    "errands.v1.ExplainedCall.tool": "tests/planners",
    "errands.v1.ExplainedCall.arguments": "tests/planners",
    "errands.v1.ExplainedArgument.path": "tests/planners",
    "errands.v1.ExplainedArgument.source": "tests/planners",
    "errands.v1.ExplainedArgument.reason": "tests/planners",
    "errands.v1.ExplainedArgument.words": "tests/planners",
}


class Seen:
    """Collects what answers hold."""

    def __init__(self) -> None:
        self.fields: set[str] = set()

    def __call__(self, message: Any) -> Any:
        for field, value in message.ListFields():
            self.fields.add(field.full_name)
            if field.message_type is not None:
                for one in value if field.is_repeated else [value]:
                    self(one)
        return message


def answerable() -> set[str]:
    """Every field of every message an RPC can answer with."""
    found: set[str] = set()
    for module in (run_pb2, approval_pb2, connection_pb2, integration_pb2, key_pb2, audit_pb2):
        for service in module.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                _fields(method.output_type, found)
    return found


def _fields(descriptor: Descriptor, found: set[str]) -> None:
    for field in descriptor.fields:
        if field.full_name not in found:
            found.add(field.full_name)
            if field.message_type is not None and field.message_type.file.package == "errands.v1":
                _fields(field.message_type, found)


async def test_every_field_of_every_answer_is_set_by_some_answer(
    serve: Serve, target: Target, clock: Clock
) -> None:
    seen = Seen()
    plans: dict[str, Make] = {
        "parts": chain(READ, REFUSED, READ),
        "lost": chain(READ, LOST),
        "locked": steps(LOCKED),
        "long": steps(*[READ] * 30),
        "refuse": lambda brief: Refusal(Reason.NO_FITTING_TOOL, "no"),
        "write": chain(WRITE, WRITE),
    }
    planner = ScriptedPlanner(lambda brief: plans[brief.intent](brief))
    async with serve(planner) as service:
        await _administration(service, target, clock, seen)
        await _runs(service, seen)
        await _decisions(service, seen)
        await _connections(service, target, seen)
        locked = await service.create("locked")
        await service.until(locked.run_id, "auth_required")
        seen(await service.runs.GetRun(run_pb2.GetRunRequest(run_id=locked.run_id)))
    clock.moved += 3_600_001
    async with serve(planner, fresh=False) as service:
        for event in await service.events(locked.run_id):
            seen(event)

    missing = answerable() - seen.fields

    assert missing == {name for name in WAITING if name in answerable()}


async def _administration(service: Service, target: Target, clock: Clock, seen: Seen) -> None:
    expires_at = Timestamp(seconds=clock.now() // 1_000 + 60)
    seen(
        await service.keys.CreateKey(
            key_pb2.CreateKeyRequest(name="a", scopes=["admin"], expires_at=expires_at)
        )
    )
    seen(await service.keys.ListKeys(key_pb2.ListKeysRequest(page_size=1)))
    bearer = integration_pb2.IntegrationCredential(bearer=integration_pb2.BearerCredential(token="t"))
    made = seen(
        await service.integrations.CreateIntegration(
            integration_pb2.CreateIntegrationRequest(
                name="shared",
                openapi_document=target.document(),
                internal=True,
                credential=bearer,
                shared_credential=True,
                rate_limit="10/s",
                max_concurrency=2,
            )
        )
    ).integration
    ask = integration_pb2.GetIntegrationRequest(id=made.id)
    seen(await service.integrations.GetIntegration(ask))
    # One tool goes, one comes, and one is described in another way.
    anew = (
        target.document()
        .replace("writeLost", "writeMislaid")
        .replace('"summary": "readHeld"', '"summary": ""')
    )
    change = integration_pb2.UpdateIntegrationRequest(id=made.id, name="another", openapi_document=anew)
    seen(await service.integrations.UpdateIntegration(change))
    seen(await service.integrations.ListIntegrations(integration_pb2.ListIntegrationsRequest(page_size=1)))
    seen(await service.integrations.ListTools(integration_pb2.ListToolsRequest(id=made.id, page_size=1)))
    seen(await service.integrations.ListTools(integration_pb2.ListToolsRequest(id=made.id)))
    seen(await service.integrations.DeleteIntegration(integration_pb2.DeleteIntegrationRequest(id=made.id)))
    await add_target(service, target, "second")
    seen(await service.audit.ListAudit(audit_pb2.ListAuditRequest(page_size=1)))


async def _runs(service: Service, seen: Seen) -> None:
    schema = json.dumps({"type": "object"})
    first = seen(await service.create("parts", repeat_key="again", context="c"))
    await service.finished(first.run_id)
    again = seen(await service.create("parts", repeat_key="again", output_schema_json=schema))
    await service.finished(again.run_id)
    seen(await service.runs.GetRun(run_pb2.GetRunRequest(run_id=first.run_id, include_events=True)))
    seen(await service.runs.GetRun(run_pb2.GetRunRequest(run_id=again.run_id, include_events=True)))
    seen(await service.create("refuse"))
    seen(await service.create("locked", validate_only=True, approval_strategy=3))
    other = (await service.get(again.run_id)).selected_customer_integration_ids[0]
    elsewhere = await service.create("parts", other, repeat_key="again")
    for event in await service.events(elsewhere.run_id):
        seen(event)
    long = await service.create("long")
    await service.finished(long.run_id)
    seen(await service.runs.ListRuns(run_pb2.ListRunsRequest(page_size=1, include_events=True)))
    for event in await service.events(first.run_id, include_tool_calls=True):
        seen(run_pb2.StreamRunEventsResponse(events=[event]))
    ask = run_pb2.ListRunEventsRequest(run_id=first.run_id, limit=1_000)
    seen(await service.runs.ListRunEvents(ask))
    seen(await service.runs.CreateStreamTicket(run_pb2.CreateStreamTicketRequest(run_id=first.run_id)))
    seen(await service.runs.GetPlan(run_pb2.GetPlanRequest(execution_plan_id=first.execution_plan_id)))


async def _decisions(service: Service, seen: Seen) -> None:
    created = await service.create("write", approval_strategy=3)
    event = await service.until(created.run_id, "approval_required")
    asked, asked_at = event.approval_required, event.sequence
    seen(await service.runs.GetRun(run_pb2.GetRunRequest(run_id=created.run_id)))
    text = asked.actions[0].url.partition("token=")[2]
    seen(await service.approvals.GetApprovalByToken(approval_pb2.GetApprovalByTokenRequest(token=text)))
    seen(await service.approvals.DecideByToken(approval_pb2.DecideByTokenRequest(token=text)))
    await service.until(created.run_id, "approval_required", asked_at)
    for approval in (await service.get(created.run_id)).pending_approvals:
        request = approval_pb2.DecideApprovalRequest(
            approval_id=approval.approval_id, decision=1, reason="fine"
        )
        seen(await service.approvals.DecideApproval(request))
        batch = approval_pb2.BatchDecideApprovalsRequest(decisions=[request])
        seen(await service.approvals.BatchDecideApprovals(batch))
    seen(await service.approvals.ListApprovals(approval_pb2.ListApprovalsRequest(page_size=1)))
    await service.finished(created.run_id)
    for event in await service.events(created.run_id, include_tool_calls=True):
        seen(event)
    lost = await service.create("lost")
    await service.until(lost.run_id, "approval_required")
    seen(await service.runs.CancelRun(run_pb2.CancelRunRequest(run_id=lost.run_id)))
    for event in await service.events(lost.run_id, include_tool_calls=True):
        seen(event)


async def _connections(service: Service, target: Target, seen: Seen) -> None:
    """A client with everything, a flow that is refused, and one that is typed in and confirmed."""
    client = integration_pb2.OAuthClient(
        client_id="c",
        client_secret="s",
        authorization_url=f"{target.url}/authorize",
        token_url=f"{target.url}/token",
        refresh_url=f"{target.url}/token",
        scopes=["read"],
        resource="https://example.com",
    )
    made = integration_pb2.CreateIntegrationRequest(
        name="granted", openapi_document=target.document(), internal=True, oauth_client=client
    )
    integration = seen(await service.integrations.CreateIntegration(made)).integration.id
    tokens = connection_pb2.ConnectionTokens(access_token="a", refresh_token="r", scopes=["read"])
    tokens.expires_at.FromSeconds(4_000_000_000)
    request = connection_pb2.CreateConnectionRequest(integration_id=integration, user_id="c", tokens=tokens)
    connection = seen(await service.connections.CreateConnection(request)).connection
    seen(await service.connections.GetConnection(connection_pb2.GetConnectionRequest(id=connection.id)))
    begun = await _begun(service, integration, seen)
    state = parse_qs(urlsplit(begun.redirect_url).query)["state"][0]
    refused = connection_pb2.FinishConnectRequest(state=state, error="access_denied", browser=BROWSER)
    seen(await service.connections.FinishConnect(refused))
    change = integration_pb2.UpdateIntegrationRequest(
        id=integration,
        oauth_client=integration_pb2.OAuthClient(client_id="c", client_secret="s", issuer=target.url),
    )
    seen(await service.integrations.UpdateIntegration(change))
    gone = integration_pb2.UpdateIntegrationRequest(id=integration, remove_oauth_client=True)
    await service.integrations.UpdateIntegration(gone)
    await _confirmed(service, integration, seen)
    seen(await service.connections.ListConnections(connection_pb2.ListConnectionsRequest(page_size=1)))
    for one in (
        await service.connections.ListConnections(connection_pb2.ListConnectionsRequest())
    ).connections:
        await service.connections.DeleteConnection(connection_pb2.DeleteConnectionRequest(id=one.id))


BROWSER = "b" * 43


async def _begun(service: Service, integration: str, seen: Seen, **typed: Any) -> Any:
    link = seen(
        await service.connections.CreateConnectLink(
            connection_pb2.CreateConnectLinkRequest(
                integration_id=integration, user_id="d", return_url="https://example.com/back"
            )
        )
    )
    token = link.url.rpartition("/")[2]
    seen(await service.connections.GetConnectLink(connection_pb2.GetConnectLinkRequest(token=token)))
    begin = connection_pb2.BeginConnectRequest(token=token, browser=BROWSER, **typed)
    return seen(await service.connections.BeginConnect(begin))


async def _confirmed(service: Service, integration: str, seen: Seen) -> None:
    ask = connection_pb2.UpdateConnectSettingsRequest(verifier_url="https://example.com/verify")
    seen(await service.connections.UpdateConnectSettings(ask))
    seen(await service.connections.GetConnectSettings(connection_pb2.GetConnectSettingsRequest()))
    bearer = connection_pb2.ConnectionBearer(token="t")
    begun = await _begun(service, integration, seen, bearer=bearer)
    flow = parse_qs(urlsplit(begun.return_url).query)["flow"][0]
    confirm = connection_pb2.ConfirmConnectionRequest(flow=flow, user_id="d")
    seen(await service.connections.ConfirmConnection(confirm))
