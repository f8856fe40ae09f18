"""What comes with a run: used before anything else, for its integration alone, and gone at its end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from grpc import aio

from errands.v1 import approval_pb2 as apb
from errands.v1 import event_pb2 as pb
from errands.v1 import integration_pb2 as ipb
from errands.v1 import run_pb2
from tests.databases import looked_into
from tests.journeys.conftest import Serve
from tests.mirror import Mirror, mirror
from tests.scripted import Scene
from tests.service import Service, reason, violations

SECRET = "canary-9c41/+d7e"
ECHO = Scene("echo", {})
ON_TOOL_CALL = run_pb2.APPROVAL_STRATEGY_ON_TOOL_CALL


def passing(integration: str, **given: dict[str, str]) -> run_pb2.PassThrough:
    return run_pb2.PassThrough(customer_integration_id=integration, **given)


def with_header(integration: str, secret: str = SECRET) -> run_pb2.PassThrough:
    return passing(integration, headers={"Authorization": f"Bearer {secret}"})


async def finish(service: Service, *passed: run_pb2.PassThrough, **fields: Any) -> run_pb2.Run:
    created = await service.create("go", pass_through=passed, **fields)
    return await service.finished(created.run_id)


def secrets_in(data: Path) -> list[Any]:
    return looked_into(data, "SELECT run_id FROM run_secrets")


async def test_headers_and_query_join_every_call_of_their_integration_and_no_other(serve: Serve) -> None:
    async with mirror() as one, mirror() as other, serve(ECHO, Scene("tell", {})) as service:
        first = await service.add_document(one.document("echo"), "one")
        await service.add_document(other.document("tell"), "other")
        passed = passing(first, headers={"X-Key": SECRET, "Accept-Language": "de"}, query={"k": "a&b /ü"})
        run = await finish(service, passed)

    assert run.status == pb.RUN_STATUS_SUCCESS
    assert one.received[0].headers["x-key"] == SECRET
    assert one.received[0].headers["accept-language"] == "de"
    assert one.received[0].target == "/echo?k=a%26b%20%2F%C3%BC"
    assert "x-key" not in other.received[0].headers
    assert other.received[0].target == "/tell"


async def test_it_is_used_before_the_shared_account(serve: Serve) -> None:
    shared = ipb.IntegrationCredential(bearer=ipb.BearerCredential(token="of-everybody"))
    async with mirror() as found, serve(ECHO) as service:
        integration = await service.add_document(
            found.document("echo"), credential=shared, shared_credential=True
        )
        await finish(service, with_header(integration))
        await finish(service)

    sent = [one.headers["authorization"] for one in found.received]
    assert sent == [f"Bearer {SECRET}", "Bearer of-everybody"]


async def test_who_approves_is_not_told_of_a_shared_account_that_is_not_used(serve: Serve) -> None:
    shared = ipb.IntegrationCredential(bearer=ipb.BearerCredential(token="of-everybody"))
    async with mirror() as found, serve(ECHO) as service:
        integration = await service.add_document(
            found.document("echo"), credential=shared, shared_credential=True
        )
        shown = []
        for passed in ([with_header(integration)], []):
            created = await service.create("go", pass_through=passed, approval_strategy=ON_TOOL_CALL)
            asked = (await service.until(created.run_id, "approval_required")).approval_required
            shown += [call.shared for call in asked.calls]

    assert shown == [False, True]


async def test_a_service_that_refuses_it_fails_the_step_and_the_user_is_not_asked(serve: Serve) -> None:
    async with mirror() as found, serve(Scene("unauthorized", {})) as service:
        integration = await service.add_document(found.document("unauthorized", secured=True))
        run = await finish(service, with_header(integration))
        events = await service.events(run.run_id)

    assert (run.status, run.error.reason) == (pb.RUN_STATUS_NO_SUCCESS, "CREDENTIALS_INVALID")
    assert "what came with the run was refused: the service answered 401" in run.error.message
    assert not [event for event in events if event.WhichOneof("event") == "auth_required"]
    assert len(found.received) == 1


@pytest.mark.parametrize("argument", [f"key={SECRET}", "canary-9c41%2F%2Bd7e", SECRET.encode().hex()])
async def test_an_argument_that_holds_a_secret_of_the_run_is_not_sent(serve: Serve, argument: str) -> None:
    """Also to an integration it was not meant for."""
    async with mirror() as one, mirror() as other, serve(Scene("tell", {"q": argument})) as service:
        first = await service.add_document(one.document("echo"), "one")
        await service.add_document(other.document("tell"), "other")
        run = await finish(service, with_header(first))

    assert run.error.reason == "SECRET_IN_ARGUMENT"
    assert other.received == []


@pytest.mark.parametrize("field", ["intent", "context", "user_id", "repeat_key", "output_schema_json"])
@pytest.mark.parametrize("text", [SECRET, "canary-9c41%2F%2Bd7e"])
async def test_a_text_that_holds_a_secret_of_the_request_is_refused_by_its_field(
    serve: Serve, field: str, text: str
) -> None:
    text = json.dumps({"description": text}) if field == "output_schema_json" else f"use {text}"
    async with mirror() as found, serve(ECHO) as service:
        integration = await service.add_document(found.document("echo"))
        fields = {"intent": "go", "pass_through": [with_header(integration)], field: text}
        with pytest.raises(aio.AioRpcError) as refused:
            await service.create(**fields)
        stored = await service.runs.ListRuns(run_pb2.ListRunsRequest())

    assert "passed through" in violations(refused.value)[field]
    assert SECRET not in f"{refused.value!r}"
    assert not stored.runs
    assert found.received == []


@pytest.mark.parametrize(
    ("external_id", "is_secret"), [("canary-9c41/+d7e", True), ("prod", False), ("release", False)]
)
async def test_values_are_secrets_to_a_text_but_short_words_are_none(
    serve: Serve, external_id: str, is_secret: bool
) -> None:
    role = {"roleArn": "arn:aws:iam::123456789012:role/partner", "externalId": external_id}
    async with mirror() as found, serve(ECHO) as service:
        integration = await service.add_document(found.document("echo"))
        with pytest.raises(aio.AioRpcError) as refused:  # this server assumes no roles
            await service.create(f"to {external_id}", pass_through=[passing(integration, values=role)])

    assert ("intent" in violations(refused.value)) == is_secret


async def test_what_a_person_writes_into_a_decision_holds_no_secret_of_the_run(serve: Serve) -> None:
    async with mirror() as found, serve(ECHO) as service:
        integration = await service.add_document(found.document("echo"))
        passed = [with_header(integration)]
        created = await service.create("go", pass_through=passed, approval_strategy=ON_TOOL_CALL)
        asked = (await service.until(created.run_id, "approval_required")).approval_required
        with pytest.raises(aio.AioRpcError) as refused:
            await service.decide(asked.approval_id, apb.DECISION_APPROVE, reason=f"with {SECRET}")
        one = apb.DecideApprovalRequest(
            approval_id=asked.approval_id, decision=apb.DECISION_APPROVE, reason=f"with {SECRET}"
        )
        with pytest.raises(aio.AioRpcError) as together:
            await service.approvals.BatchDecideApprovals(apb.BatchDecideApprovalsRequest(decisions=[one]))
        waiting = (await service.get(created.run_id)).status
        await service.decide(asked.approval_id, apb.DECISION_APPROVE, reason="with care")
        run = await service.finished(created.run_id)

    assert "passed through" in violations(refused.value)["reason"]
    assert "passed through" in violations(together.value)["decisions[0].reason"]
    assert waiting == pb.RUN_STATUS_PAUSED
    assert run.status == pb.RUN_STATUS_SUCCESS


async def test_a_result_that_a_person_gives_holds_no_secret_of_the_run(serve: Serve) -> None:
    async with mirror() as found, serve(Scene("cut", {"body": {}})) as service:
        integration = await service.add_document(found.document("cut"))
        created = await service.create("go", pass_through=[with_header(integration)])
        doubt = (await service.until(created.run_id, "approval_required")).approval_required
        output = json.dumps({"id": SECRET})
        with pytest.raises(aio.AioRpcError) as refused:
            await service.decide(doubt.approval_id, apb.DECISION_DONE, output_json=output)

    assert doubt.kind == apb.APPROVAL_KIND_IN_DOUBT
    assert "passed through" in violations(refused.value)["output_json"]


async def test_an_argument_does_not_set_what_was_passed_through(serve: Serve) -> None:
    async with mirror() as found, serve(Scene("tell", {"q": "shown to who approves"})) as service:
        integration = await service.add_document(found.document("tell"))
        run = await finish(service, passing(integration, query={"q": "another"}))

    assert run.error.reason == "ARGUMENTS_INVALID"
    assert found.received == []


async def test_a_secret_of_one_integration_does_not_come_back_from_another(serve: Serve) -> None:
    async with mirror() as one, mirror() as other, serve(Scene("tell", {})) as service:
        first = await service.add_document(one.document("echo"), "one")
        await service.add_document(other.document("tell"), "other")
        other.says = f"I heard {SECRET}"
        run = await finish(service, with_header(first))

    assert "I heard [secret]" in run.result_json


async def test_plain_words_are_left_alone(serve: Serve) -> None:
    async with mirror() as found, serve(ECHO) as service:
        integration = await service.add_document(found.document("echo"))
        passed = passing(integration, headers={"Accept-Language": "german-language"}, query={"f": "json"})
        run = await finish(service, passed)

    assert "german-language" in run.result_json
    assert "f=json" in run.result_json


async def test_it_outlives_the_server_and_not_the_run(serve: Serve, tmp_path: Path) -> None:
    async with mirror() as found:
        async with serve(ECHO) as service:
            integration = await service.add_document(found.document("echo"))
            created = await service.create(
                "go", pass_through=[with_header(integration)], approval_strategy=ON_TOOL_CALL
            )
            asked = (await service.until(created.run_id, "approval_required")).approval_required
        kept = secrets_in(tmp_path / "data")
        async with serve(ECHO) as service:
            await service.decide(asked.approval_id, 1)
            run = await service.finished(created.run_id)

    assert kept == [(created.run_id,)]
    assert run.status == pb.RUN_STATUS_SUCCESS
    assert found.received[0].headers["authorization"] == f"Bearer {SECRET}"
    assert secrets_in(tmp_path / "data") == []


async def test_what_no_key_opens_fails_the_call_and_says_so(serve: Serve, tmp_path: Path) -> None:
    async with mirror() as found:
        async with serve(ECHO) as service:
            integration = await service.add_document(found.document("echo"))
            created = await service.create(
                "go", pass_through=[with_header(integration)], approval_strategy=ON_TOOL_CALL
            )
            asked = (await service.until(created.run_id, "approval_required")).approval_required
        (tmp_path / "data" / "secret.key").unlink()
        with pytest.raises(ValueError, match="--forget-secrets on"):
            async with serve(ECHO):
                pass
        async with serve(ECHO, forget_secrets=True) as service:
            await service.decide(asked.approval_id, 1)
            run = await service.finished(created.run_id)

    assert run.error.reason == "CREDENTIALS_INVALID"
    assert found.received == []


async def test_canceling_erases_it(serve: Serve, tmp_path: Path) -> None:
    async with mirror() as found, serve(ECHO) as service:
        integration = await service.add_document(found.document("echo"))
        created = await service.create(
            "go", pass_through=[with_header(integration)], approval_strategy=ON_TOOL_CALL
        )
        await service.until(created.run_id, "approval_required")
        await service.runs.CancelRun(run_pb2.CancelRunRequest(run_id=created.run_id))

        assert secrets_in(tmp_path / "data") == []


async def test_validating_checks_it_and_stores_nothing(serve: Serve, tmp_path: Path) -> None:
    async with mirror() as found, serve(ECHO) as service:
        integration = await service.add_document(found.document("echo"))
        await service.create("go", pass_through=[with_header(integration)], validate_only=True)
        with pytest.raises(aio.AioRpcError) as refused:
            await service.create("go", pass_through=[with_header("nobody")], validate_only=True)

        assert secrets_in(tmp_path / "data") == []
    assert list(violations(refused.value)) == ["pass_through[0].customer_integration_id"]


async def test_a_request_id_covers_it_whatever_the_order_of_its_members(serve: Serve) -> None:
    names = [f"x-{number}" for number in range(20)]
    async with mirror() as found, serve(ECHO) as service:
        integration = await service.add_document(found.document("echo"))
        one = passing(integration, headers=dict.fromkeys(names, SECRET))
        same = passing(integration, headers=dict.fromkeys(reversed(names), SECRET))
        first = await service.create("go", pass_through=[one], request_id="once")
        again = await service.create("go", pass_through=[same], request_id="once")
        with pytest.raises(aio.AioRpcError) as refused:
            await service.create("go", pass_through=[with_header(integration)], request_id="once")

    assert again.run_id == first.run_id
    assert reason(refused.value) == "IDEMPOTENCY_KEY_REUSED"


async def test_a_repeated_run_has_nothing_of_what_came_with_the_first(serve: Serve) -> None:
    async with mirror() as found, serve(ECHO) as service:
        integration = await service.add_document(found.document("echo"))
        await finish(service, with_header(integration), repeat_key="again")
        again = await finish(service, repeat_key="again")

    assert again.repeat_run_id
    assert ["authorization" in one.headers for one in found.received] == [True, False]


async def test_every_hop_of_a_redirect_carries_it_and_other_origins_do_not_get_it(serve: Serve) -> None:
    async with (
        mirror() as found,
        mirror() as elsewhere,
        serve(Scene("moved", {}), Scene("away", {})) as service,
    ):
        found.away = f"{elsewhere.url}/echo"
        integration = await service.add_document(found.document("moved", "away"))
        run = await finish(service, with_header(integration))

    assert run.status == pb.RUN_STATUS_PARTIAL_SUCCESS
    assert {one.target for one in found.received} == {"/moved", "/echo", "/away"}
    assert {one.headers["authorization"] for one in found.received} == {f"Bearer {SECRET}"}
    assert elsewhere.received == []


def test_the_mirror_shows_everything_in_every_form() -> None:
    shown = json.dumps(Mirror.shown("GET /echo", {"authorization": SECRET}, b""))

    assert SECRET in shown
    assert SECRET.encode().hex() in shown
