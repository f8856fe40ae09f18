"""Who decided, cancelled and changed what is written down with it, and found again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import aio

from errands.v1 import approval_pb2, audit_pb2, integration_pb2, key_pb2, run_pb2
from errands.v1 import connection_pb2 as pb
from errands_server.store.repositories.audit import AuditAction
from tests.contract import administration
from tests.contract.conftest import Clock, Serve, add_target
from tests.contract.plans import HELD, WRITE, chain, steps
from tests.contract.refusals import refused
from tests.contract.target import Target
from tests.contract.test_identity import methods
from tests.databases import looked_into
from tests.gateway.callers import asking, errors
from tests.scripted import ScriptedPlanner
from tests.service import Service, reason


async def entries(service: Service, **filters: Any) -> list[audit_pb2.AuditEntry]:
    return list((await service.audit.ListAudit(audit_pb2.ListAuditRequest(**filters))).entries)


def told(entry: audit_pb2.AuditEntry) -> tuple[str, str, str]:
    return entry.actor, entry.action, entry.subject


async def administered(service: Service, target: Target) -> list[tuple[str, str, str]]:
    """One of each administrative change; what is to be found of those by key, in order."""
    return [
        entry async for _, entry in administration.changes(service, target) if entry[0] == administration.KEY
    ]


# What has its test below, and what stores nothing, or a run with a log of its own.
DECIDES = {
    "RunService/CancelRun",
    "ApprovalService/DecideApproval",
    "ApprovalService/BatchDecideApprovals",
    "ApprovalService/DecideByToken",
}
TELLS_NOTHING = {
    "RunService/CreateRun",
    "RunService/CreateStreamTicket",
    "ConnectionService/CreateConnectLink",
}
READS = ("Get", "List", "Stream")


async def test_every_administrative_change_leaves_an_entry(service: Service, target: Target) -> None:
    done = set()
    before = await entries(service, page_size=100)
    async for method, expected in administration.changes(service, target):
        after = await entries(service, page_size=100)

        assert [told(entry) for entry in after[: len(after) - len(before)]] == [expected], method
        done.add(method)
        before = after
    changing = {method for method in methods() if not method.partition("/")[2].startswith(READS)}
    assert done == changing - DECIDES - TELLS_NOTHING
    by_others = {"approval.decide", "run.cancel", "connection.break"}
    assert {entry.action for entry in before} == set(AuditAction) - by_others


async def test_an_entry_says_what_was_changed(service: Service, target: Target) -> None:
    await administered(service, target)
    found = {entry.action: json.loads(entry.details_json) for entry in reversed(await entries(service))}
    client, verifier = [
        json.loads((await entries(service, action=action))[1].details_json)
        for action in ("integration.update", "tenant.update")
    ]

    update = found["integration.update"]
    assert (update["name"], update["rateLimit"], update["revision"]) == ("other", "10/s", 3)
    assert update["credentialChanged"] is False
    assert (update["oauthClient"], update["oauthClientChanged"]) == (None, True)
    assert client["oauthClient"] == {"clientId": "errands", "grant": "authorization_code"}
    assert (verifier, found["tenant.update"]) == ({"verifier": "https://app.test"}, {"verifier": ""})
    assert found["connection.mismatch"] == {"userId": "mallory", "namedUserId": "victim"}
    assert found["connection.create"]["userId"] == "dora"
    assert found["connection.confirm"]["replaced"] is False
    assert found["integration.delete"] == {"deletedConnections": 3}


async def test_no_entry_holds_a_secret(service: Service, target: Target, tmp_path: Path) -> None:
    await administered(service, target)
    made = await service.keys.CreateKey(key_pb2.CreateKeyRequest(name="k", scopes=["runs:read"]))
    said = "".join(str(entry) for entry in await entries(service, page_size=100))

    assert "key.create" in said
    assert administration.SECRET not in said
    assert made.secret not in said


async def test_the_servers_own_key_is_told_of_too(service: Service) -> None:
    (first,) = await entries(service, actor="server")

    assert first.action == "key.create"
    assert json.loads(first.details_json)["scopes"] == ["operator"]


async def test_decisions_by_key_and_by_link_and_cancellations_leave_an_entry(serve: Serve) -> None:
    async with serve(ScriptedPlanner(chain(WRITE, WRITE))) as service:
        created = await service.create("do", approval_strategy=3)
        event = await service.until(created.run_id, "approval_required")
        first = event.approval_required
        await service.decide(first.approval_id, approval_pb2.DECISION_APPROVE, reason="because")
        await service.decide(first.approval_id, approval_pb2.DECISION_APPROVE)  # changes nothing
        second = (await service.until(created.run_id, "approval_required", event.sequence)).approval_required
        token = second.actions[1].url.partition("token=")[2]
        await service.approvals.DecideByToken(approval_pb2.DecideByTokenRequest(token=token), metadata=())
        await service.finished(created.run_id)
        other = await service.create("do", approval_strategy=3)
        await service.runs.CancelRun(run_pb2.CancelRunRequest(run_id=other.run_id))
        decided = await entries(service, action="approval.decide")
        cancelled = await entries(service, action="run.cancel")

    assert [told(entry) for entry in decided] == [
        ("link", "approval.decide", second.approval_id),
        ("key:process", "approval.decide", first.approval_id),
    ]
    assert [json.loads(entry.details_json) for entry in decided] == [
        {"runId": created.run_id, "decision": decision} for decision in ("DENY", "APPROVE")
    ]
    assert [told(entry) for entry in cancelled] == [("key:process", "run.cancel", other.run_id)]


async def test_what_runs_out_by_itself_is_nobodys_deed(serve: Serve, clock: Clock) -> None:
    async with serve(ScriptedPlanner(chain(WRITE))) as service:
        created = await service.create("do", approval_strategy=3)
        await service.until(created.run_id, "approval_required")
    clock.moved += 25 * 3_600_000
    async with serve(ScriptedPlanner(chain(WRITE)), fresh=False) as service:
        await service.finished(created.run_id)

        assert await entries(service, action="approval.decide") == []


async def test_a_change_that_fails_leaves_no_entry(service: Service, target: Target) -> None:
    await add_target(service, target)
    before = await entries(service)
    nobody = "00000000-0000-7000-8000-000000000000"
    for refusal in (
        add_target(service, target),
        service.keys.RevokeKey(key_pb2.RevokeKeyRequest(id=nobody)),
        service.integrations.DeleteIntegration(integration_pb2.DeleteIntegrationRequest(id="desk_aaaaaaaa")),
        service.runs.CancelRun(run_pb2.CancelRunRequest(run_id=nobody)),
        service.decide(nobody, 1),
    ):
        with pytest.raises(Exception, match=r"."):
            await refusal

    assert await entries(service) == before


async def test_an_entry_and_its_change_stand_or_fall_together(
    service: Service, target: Target, tmp_path: Path
) -> None:
    """Without a table to write the entry to, nothing is changed."""
    integration = await add_target(service, target)
    held = await service.connect(integration, bearer=pb.ConnectionBearer(token="t"))
    flow = await administration.awaiting(service, integration, "mallory")
    looked_into(tmp_path / "data", "ALTER TABLE audit RENAME TO gone")
    request = integration_pb2.DeleteIntegrationRequest(id=integration)
    await _refused(service.integrations.DeleteIntegration(request))
    await _refused(service.connect(integration, bearer=pb.ConnectionBearer(token="other")))
    await _refused(service.connections.DeleteConnection(pb.DeleteConnectionRequest(id=held.id)))
    await _refused(service.connections.UpdateConnectSettings(administration.settings("")))
    await _refused(service.connections.ConfirmConnection(administration.confirmation(flow, "mallory")))
    found = await service.integrations.GetIntegration(integration_pb2.GetIntegrationRequest(id=integration))

    assert found.integration.id == integration
    listed = await service.connections.ListConnections(pb.ListConnectionsRequest())
    assert list(listed.connections) == [held]
    kept = await service.connections.GetConnectSettings(pb.GetConnectSettingsRequest())
    assert kept.settings.verifier_url == administration.VERIFIER


async def _refused(call: Any) -> None:
    """Whatever the database says to that, it is no answer."""
    with pytest.raises(aio.AioRpcError):
        await call


async def test_entries_are_paged_and_filtered_together(service: Service, target: Target) -> None:
    done = await administered(service, target)
    seen: list[Any] = []
    token = ""
    while True:
        request = audit_pb2.ListAuditRequest(page_size=2, page_token=token, actor="key:process")
        page = await service.audit.ListAudit(request)
        seen += page.entries
        token = page.next_page_token
        if not token:
            break
    middle = seen[2]

    assert [told(entry) for entry in reversed(seen)] == done
    assert await entries(service, subject=middle.subject, action=middle.action) == [middle]
    assert await entries(service, subject=middle.subject, action="key.revoked") == []
    newer = await entries(service, created_after=middle.created_at, actor="key:process")
    older = await entries(service, created_before=middle.created_at, actor="key:process")
    same = [
        entry for entry in seen if entry.created_at.ToMilliseconds() == middle.created_at.ToMilliseconds()
    ]
    assert newer + same + older == seen


async def test_times_that_are_none_are_refused(service: Service) -> None:
    error = await refused(
        service.audit.ListAudit(audit_pb2.ListAuditRequest(created_after=Timestamp(seconds=1 << 50)))
    )

    assert reason(error) == "FIELD_INVALID"


async def test_the_audit_over_http(service: Service, target: Target) -> None:
    done = await administered(service, target)
    async with asking(service) as client:
        page = (await client.get("/v1/audit", params={"actor": "key:process", "pageSize": 2})).json()
        more = (
            await client.get("/v1/audit", params={"actor": "key:process", "pageToken": page["nextPageToken"]})
        ).json()
        late = (await client.get("/v1/audit", params={"createdAfter": "2099-01-01T00:00:00Z"})).json()
        wrong = await client.get("/v1/audit", params={"createdAfter": "yesterday"})
    found = [*page["entries"], *more["entries"]]

    assert [(e["actor"], e["action"], e["subject"]) for e in reversed(found)] == done
    assert all(isinstance(entry["details"], dict) for entry in found)
    assert late == {"entries": []}
    assert "RFC 3339" in errors(wrong)["createdAfter"]


async def test_a_cancelled_run_that_is_under_way_is_told_once(serve: Serve, target: Target) -> None:
    async with serve(steps(HELD)) as service:
        created = await service.create("do")
        await target.arrived.wait()
        for _ in range(2):
            await service.runs.CancelRun(run_pb2.CancelRunRequest(run_id=created.run_id, allow_finished=True))

        assert len(await entries(service, subject=created.run_id)) == 1


async def test_entries_outlive_their_runs_and_go_when_they_are_told_to(serve: Serve, clock: Clock) -> None:
    day = 24 * 3_600_000
    async with serve(chain(WRITE)) as service:
        created = await service.create("do", approval_strategy=3)
        await service.runs.CancelRun(run_pb2.CancelRunRequest(run_id=created.run_id))
    clock.moved += 2 * day
    async with serve(chain(WRITE), fresh=False, keep=day) as service:
        await _until_gone(service, created.run_id)
        kept = await entries(service, subject=created.run_id)
    async with serve(chain(WRITE), fresh=False, keep_audit=day) as service:
        while await entries(service, subject=created.run_id):
            pass

    assert [entry.action for entry in kept] == ["run.cancel"]


async def _until_gone(service: Service, run_id: str) -> None:
    while (await service.runs.ListRuns(run_pb2.ListRunsRequest())).runs:
        pass


def test_every_action_is_named_after_what_it_is_done_to() -> None:
    assert all(action.value.split(".")[0] == action.name.split("_")[0].lower() for action in AuditAction)
