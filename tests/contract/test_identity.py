"""Who asks, and what they may: keys, scopes, tenants."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from grpc import StatusCode, aio

from errands.v1 import approval_pb2 as approvals
from errands.v1 import audit_pb2 as audit
from errands.v1 import connection_pb2 as connections
from errands.v1 import integration_pb2 as integrations
from errands.v1 import key_pb2 as keys
from errands.v1 import run_pb2 as runs
from errands_server.services.principal import Scope
from tests.contract.conftest import Clock, Serve
from tests.contract.plans import HELD, READ, WRITE, chain, steps
from tests.contract.refusals import details, refused
from tests.scripted import ScriptedPlanner
from tests.service import OPERATOR, Service, info, reason

NOBODY = "00000000-0000-7000-8000-000000000000"
LIST = runs.ListRunsRequest()

# Every RPC, who may call it, and a request that gets as far as that question.
# `admin` and `operator` may everything but what says otherwise.
RULES: dict[str, tuple[set[str], Any]] = {
    "RunService/CreateRun": ({"runs:write"}, runs.CreateRunRequest(intent="a", user_id="u")),
    "RunService/GetRun": ({"runs:read"}, runs.GetRunRequest(run_id=NOBODY)),
    "RunService/ListRuns": ({"runs:read"}, runs.ListRunsRequest()),
    "RunService/CancelRun": ({"runs:write"}, runs.CancelRunRequest(run_id=NOBODY)),
    "RunService/StreamRunEvents": ({"runs:read"}, runs.StreamRunEventsRequest(run_id=NOBODY)),
    "RunService/ListRunEvents": ({"runs:read"}, runs.ListRunEventsRequest(run_id=NOBODY)),
    "RunService/CreateStreamTicket": ({"runs:read"}, runs.CreateStreamTicketRequest(run_id=NOBODY)),
    "RunService/GetPlan": ({"runs:read"}, runs.GetPlanRequest(execution_plan_id=NOBODY)),
    "ApprovalService/ListApprovals": ({"approvals", "runs:read"}, approvals.ListApprovalsRequest()),
    "ApprovalService/DecideApproval": (
        {"approvals"},
        approvals.DecideApprovalRequest(approval_id=NOBODY, decision=1),
    ),
    "ApprovalService/BatchDecideApprovals": (
        {"approvals"},
        approvals.BatchDecideApprovalsRequest(
            decisions=[approvals.DecideApprovalRequest(approval_id=NOBODY, decision=1)]
        ),
    ),
    "ApprovalService/GetApprovalByToken": (set(Scope), approvals.GetApprovalByTokenRequest(token="a")),
    "ApprovalService/DecideByToken": (set(Scope), approvals.DecideByTokenRequest(token="a")),
    "IntegrationService/CreateIntegration": (
        {"integrations"},
        integrations.CreateIntegrationRequest(name="a", openapi_document="{}"),
    ),
    "IntegrationService/GetIntegration": (
        {"integrations", "runs:read", "runs:write"},
        integrations.GetIntegrationRequest(id="nobody"),
    ),
    "IntegrationService/ListIntegrations": (
        {"integrations", "runs:read", "runs:write"},
        integrations.ListIntegrationsRequest(),
    ),
    "IntegrationService/UpdateIntegration": (
        {"integrations"},
        integrations.UpdateIntegrationRequest(id="nobody"),
    ),
    "IntegrationService/DeleteIntegration": (
        {"integrations"},
        integrations.DeleteIntegrationRequest(id="nobody"),
    ),
    "IntegrationService/ListTools": (
        {"integrations", "runs:read", "runs:write"},
        integrations.ListToolsRequest(id="nobody"),
    ),
    "ConnectionService/CreateConnection": (
        {"connections"},
        connections.CreateConnectionRequest(
            integration_id="nobody", user_id="u", bearer=connections.ConnectionBearer(token="t")
        ),
    ),
    "ConnectionService/GetConnection": ({"connections"}, connections.GetConnectionRequest(id=NOBODY)),
    "ConnectionService/ListConnections": ({"connections"}, connections.ListConnectionsRequest()),
    "ConnectionService/DeleteConnection": ({"connections"}, connections.DeleteConnectionRequest(id=NOBODY)),
    "ConnectionService/CreateConnectLink": (
        {"connections"},
        connections.CreateConnectLinkRequest(integration_id="nobody", user_id="u"),
    ),
    "ConnectionService/ConfirmConnection": (
        {"connections"},
        connections.ConfirmConnectionRequest(flow="a", user_id="u"),
    ),
    "ConnectionService/GetConnectLink": (set(Scope), connections.GetConnectLinkRequest(token="a")),
    "ConnectionService/BeginConnect": (set(Scope), connections.BeginConnectRequest(token="a")),
    "ConnectionService/FinishConnect": (set(Scope), connections.FinishConnectRequest(state="a")),
    "ConnectionService/GetConnectSettings": (set(), connections.GetConnectSettingsRequest()),
    "ConnectionService/UpdateConnectSettings": (set(), connections.UpdateConnectSettingsRequest()),
    "KeyService/CreateKey": (set(), keys.CreateKeyRequest(name="a", scopes=["runs:read"])),
    "KeyService/ListKeys": (set(), keys.ListKeysRequest()),
    "KeyService/RevokeKey": (set(), keys.RevokeKeyRequest(id=NOBODY)),
    "AuditService/ListAudit": (set(), audit.ListAuditRequest()),
}
PUBLIC = {
    "ApprovalService/GetApprovalByToken",
    "ApprovalService/DecideByToken",
    "ConnectionService/GetConnectLink",
    "ConnectionService/BeginConnect",
    "ConnectionService/FinishConnect",
}


def methods() -> set[str]:
    return {
        f"{service.name}/{method.name}"
        for module in (runs, approvals, connections, integrations, keys, audit)
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }


def call(service: Service, method: str, request: Any, metadata: Any = None) -> Any:
    """The one answer or error of any RPC, streaming or not."""
    return service.channel.unary_stream(f"/errands.v1.{method}")(
        request.SerializeToString(),
        timeout=20,
        metadata=service.metadata if metadata is None else metadata,
    )


async def outcome(call: Any) -> str:
    try:
        await call.read()
    except aio.AioRpcError as error:
        return reason(error)
    finally:
        call.cancel()
    return "OK"


def test_every_rpc_says_who_may_call_it() -> None:
    assert RULES.keys() == methods()


async def test_each_rpc_is_open_to_its_scopes_and_no_others(service: Service) -> None:
    speakers = {str(scope): await service.with_scopes(scope) for scope in Scope}
    for method, (allowed, request) in RULES.items():
        for scope, speaker in speakers.items():
            told = await outcome(call(speaker, method, request))
            may = scope in allowed | {"admin", "operator"}

            assert (told == "SCOPE_MISSING") != may, (method, scope, told)


async def test_a_missing_scope_is_named(service: Service) -> None:
    reader = await service.with_scopes("runs:read")
    error = await refused(reader.approvals.DecideApproval(RULES["ApprovalService/DecideApproval"][1]))

    assert error.code() is StatusCode.PERMISSION_DENIED
    assert info(error).metadata["scope"] == "approvals"


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ((), "CREDENTIALS_MISSING"),
        ((("authorization", "Basic abc"),), "CREDENTIALS_MISSING"),
        ((("x-api-key", "wrong"),), "CREDENTIALS_INVALID"),
        ((("x-api-key", ""),), "CREDENTIALS_INVALID"),
        ((("authorization", "Bearer wrong"),), "CREDENTIALS_INVALID"),
        ((("x-api-key", OPERATOR), ("authorization", "Bearer wrong")), "CREDENTIALS_INVALID"),
        ((("x-api-key", OPERATOR), ("x-api-key", "wrong")), "CREDENTIALS_INVALID"),
    ],
    ids=["none", "basic", "wrong", "empty", "bearer", "both", "two"],
)
async def test_every_rpc_but_those_by_token_needs_one_good_key(
    service: Service, metadata: Any, expected: str
) -> None:
    for method in methods() - PUBLIC:
        error = await refused(call(service, method, RULES[method][1], metadata))

        assert (reason(error), error.code()) == (expected, StatusCode.UNAUTHENTICATED), method


async def test_a_key_is_taken_in_either_header_and_in_both(service: Service) -> None:
    for metadata in (
        [("x-api-key", OPERATOR)],
        [("authorization", f"Bearer {OPERATOR}")],
        [("authorization", f"bearer {OPERATOR}")],
        [("x-api-key", OPERATOR), ("authorization", f"Bearer {OPERATOR}")],
    ):
        await service.runs.ListRuns(LIST, metadata=metadata)


async def test_a_key_stops_when_it_expires(serve: Serve, clock: Clock) -> None:
    async with serve() as service:
        expires_at = Timestamp(seconds=clock.now() // 1_000 + 60)
        made = await service.keys.CreateKey(
            keys.CreateKeyRequest(name="short", scopes=["runs:read"], expires_at=expires_at)
        )
        holder = service.speaking_as(made.secret)
        await holder.runs.ListRuns(LIST)
        clock.moved += 60_000

        assert reason(await refused(holder.runs.ListRuns(LIST))) == "CREDENTIALS_INVALID"


async def test_a_revoked_key_stops_at_once(service: Service) -> None:
    for _ in range(5):
        made = await service.keys.CreateKey(keys.CreateKeyRequest(name="gone", scopes=["runs:read"]))
        holder = service.speaking_as(made.secret)
        busy = [asyncio.create_task(outcome(holder.runs.StreamRunEvents(_none()))) for _ in range(20)]
        await service.keys.RevokeKey(keys.RevokeKeyRequest(id=made.key.id))

        assert reason(await refused(holder.runs.ListRuns(LIST))) == "CREDENTIALS_INVALID"
        await asyncio.gather(*busy)
        assert reason(await refused(holder.runs.ListRuns(LIST))) == "CREDENTIALS_INVALID"


def _none() -> Any:
    return runs.StreamRunEventsRequest(run_id=NOBODY)


async def test_revoking_twice_finds_nothing(service: Service) -> None:
    made = await service.keys.CreateKey(keys.CreateKeyRequest(name="gone", scopes=["runs:read"]))
    await service.keys.RevokeKey(keys.RevokeKeyRequest(id=made.key.id))
    error = await refused(service.keys.RevokeKey(keys.RevokeKeyRequest(id=made.key.id)))
    listed = await service.keys.ListKeys(keys.ListKeysRequest())

    assert reason(error) == "KEY_NOT_FOUND"
    assert made.key.id not in {key.id for key in listed.keys}


async def test_no_key_grants_what_it_lacks(service: Service) -> None:
    admin = await service.with_scopes("admin")
    for request in (
        keys.CreateKeyRequest(name="a", scopes=["operator"]),
        keys.CreateKeyRequest(name="a", scopes=["runs:read", "operator"]),
        keys.CreateKeyRequest(name="a", scopes=["runs:read"], tenant="other"),
    ):
        error = await refused(admin.keys.CreateKey(request))

        assert (reason(error), info(error).metadata["scope"]) == ("SCOPE_MISSING", "operator")
    await admin.keys.CreateKey(keys.CreateKeyRequest(name="a", scopes=["admin", "runs:read"]))


async def test_only_an_operator_opens_private_addresses(service: Service) -> None:
    holder = await service.with_scopes("integrations")
    request = integrations.CreateIntegrationRequest(name="a", openapi_document="{}", internal=True)
    error = await refused(holder.integrations.CreateIntegration(request))

    assert info(error).metadata["scope"] == "operator"


async def test_keys_are_paged_without_gap_or_repeat(service: Service) -> None:
    made = [
        (await service.keys.CreateKey(keys.CreateKeyRequest(name=f"k{n}", scopes=["runs:read"]))).key.id
        for n in range(5)
    ]
    seen: list[str] = []
    token = ""
    while True:
        page = await service.keys.ListKeys(keys.ListKeysRequest(page_size=2, page_token=token))
        seen += [key.id for key in page.keys]
        token = page.next_page_token
        if not token:
            break

    assert seen[:5] == made[::-1]
    assert len(seen) == len(set(seen))


async def test_a_stranger_cannot_tell_what_is_foreign_from_what_is_missing(serve: Serve) -> None:
    async with serve(ScriptedPlanner(chain(WRITE))) as service:
        stranger = await service.stranger()
        created = await service.create("do", approval_strategy=3)
        asked = (await service.until(created.run_id, "approval_required")).approval_required
        found = await service.integrations.ListIntegrations(integrations.ListIntegrationsRequest())
        mine = await service.keys.CreateKey(keys.CreateKeyRequest(name="a", scopes=["runs:read"]))
        for method, field, foreign, missing in (
            ("RunService/GetRun", "run_id", created.run_id, NOBODY),
            ("RunService/CancelRun", "run_id", created.run_id, NOBODY),
            ("RunService/StreamRunEvents", "run_id", created.run_id, NOBODY),
            ("RunService/ListRunEvents", "run_id", created.run_id, NOBODY),
            ("RunService/CreateStreamTicket", "run_id", created.run_id, NOBODY),
            ("RunService/GetPlan", "execution_plan_id", created.execution_plan_id, NOBODY),
            ("ApprovalService/DecideApproval", "approval_id", asked.approval_id, NOBODY),
            ("IntegrationService/GetIntegration", "id", found.integrations[0].id, "desk_aaaaaaaa"),
            ("IntegrationService/UpdateIntegration", "id", found.integrations[0].id, "desk_aaaaaaaa"),
            ("IntegrationService/DeleteIntegration", "id", found.integrations[0].id, "desk_aaaaaaaa"),
            ("IntegrationService/ListTools", "id", found.integrations[0].id, "desk_aaaaaaaa"),
            ("KeyService/RevokeKey", "id", mine.key.id, NOBODY),
        ):
            told = [
                await refused(call(stranger, method, _named(method, field, name)))
                for name in (foreign, missing)
            ]

            assert [error.code() for error in told] == [StatusCode.NOT_FOUND] * 2, method
            assert _without(told[0], foreign) == _without(told[1], missing), method
        # Nothing happened to what the stranger named.
        assert (await service.get(created.run_id)).pending_approvals[0].approval_id == asked.approval_id
        await service.runs.ListRuns(LIST, metadata=[("x-api-key", mine.secret)])


def _named(method: str, field: str, name: str) -> Any:
    request = type(RULES[method][1])()
    request.CopyFrom(RULES[method][1])
    setattr(request, field, name)
    return request


def _without(error: aio.AioRpcError, name: str) -> str:
    parts = [error.details(), info(error), *details(error, error_details_pb2.ResourceInfo)]
    return "\n".join(str(part) for part in parts).replace(name, "NAME")


async def test_a_strangers_lists_are_empty(serve: Serve) -> None:
    async with serve(chain(WRITE)) as service:
        stranger = await service.stranger()
        created = await service.create("do", approval_strategy=3, user_id="ada")
        await service.until(created.run_id, "approval_required")
        listed = await stranger.runs.ListRuns(runs.ListRunsRequest(user_id="ada"))
        asked = await stranger.approvals.ListApprovals(approvals.ListApprovalsRequest(run_id=created.run_id))
        found = await stranger.integrations.ListIntegrations(integrations.ListIntegrationsRequest())
        held = await stranger.keys.ListKeys(keys.ListKeysRequest())

        assert (list(listed.runs), list(asked.approvals), list(found.integrations)) == ([], [], [])
        assert {key.tenant for key in held.keys} == {"strangers"}


async def test_a_stranger_cannot_select_a_foreign_integration_or_decide_it_into_a_batch(
    serve: Serve,
) -> None:
    async with serve(chain(WRITE)) as service:
        stranger = await service.stranger()
        found = await service.integrations.ListIntegrations(integrations.ListIntegrationsRequest())
        created = await service.create("do", approval_strategy=3)
        asked = (await service.until(created.run_id, "approval_required")).approval_required
        foreign = await refused(stranger.create("do", found.integrations[0].id))
        batch = await refused(
            stranger.approvals.BatchDecideApprovals(
                approvals.BatchDecideApprovalsRequest(
                    decisions=[approvals.DecideApprovalRequest(approval_id=asked.approval_id, decision=1)]
                )
            )
        )

        assert reason(foreign) == "FIELD_INVALID"
        assert reason(batch) == "APPROVAL_NOT_FOUND"


async def test_tenants_do_not_share_request_ids_or_repeat_keys(serve: Serve) -> None:
    async with serve(steps(READ)) as service:
        stranger = await service.stranger()
        await stranger.integrations.CreateIntegration(
            integrations.CreateIntegrationRequest(
                name="desk",
                openapi_document='{"openapi":"3.1.0","info":{"title":"t","version":"1"},'
                '"servers":[{"url":"https://example.com"}],"paths":{"/things":{"get":'
                '{"operationId":"readThings","summary":"r","responses":{"200":{"description":"d"}}}}}}',
            )
        )
        mine = await service.create("do", request_id="same", repeat_key="again")
        await service.finished(mine.run_id)
        other = await stranger.create("do", request_id="same", repeat_key="again", approval_strategy=2)

        assert other.run_id != mine.run_id
        assert not other.repeat_run_id


async def test_a_reader_without_approvals_sees_no_links_anywhere(serve: Serve) -> None:
    async with serve(chain(WRITE)) as service:
        reader = await service.with_scopes("runs:read", "runs:write")
        created = await reader.create("do", approval_strategy=3)
        asked = (await reader.until(created.run_id, "approval_required")).approval_required
        run = await reader.get(created.run_id, include_events=True)
        listed = await reader.approvals.ListApprovals(approvals.ListApprovalsRequest())
        paged = await reader.runs.ListRunEvents(runs.ListRunEventsRequest(run_id=created.run_id))
        ticket = await reader.runs.CreateStreamTicket(runs.CreateStreamTicketRequest(run_id=created.run_id))
        streamed = reader.runs.StreamRunEvents(
            runs.StreamRunEventsRequest(run_id=created.run_id),
            metadata=[("x-stream-ticket", ticket.ticket)],
        )
        shown = [asked, *run.pending_approvals, *listed.approvals]
        for events in (created.events, run.events, paged.events, (await streamed.read()).events):
            shown += [e.approval_required for e in events if e.HasField("approval_required")]
        mine = await service.get(created.run_id)

        assert len(shown) >= 6
        assert not any(approval.actions for approval in shown)
        assert len(mine.pending_approvals[0].actions) == 2


async def test_a_key_may_create_and_cancel_without_reading(serve: Serve) -> None:
    async with serve(steps(HELD)) as service:
        writer = await service.with_scopes("runs:write")
        created = await writer.create("do")
        canceled = await writer.runs.CancelRun(runs.CancelRunRequest(run_id=created.run_id))
        error = await refused(writer.runs.GetRun(runs.GetRunRequest(run_id=created.run_id)))

        assert canceled.run.cancel_requested
        assert reason(error) == "SCOPE_MISSING"
