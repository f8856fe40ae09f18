"""Bad input of every kind: a reason, every wrong field, and nothing stored."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from grpc import StatusCode

from errands.v1 import approval_pb2 as approvals
from errands.v1 import integration_pb2 as integrations
from errands.v1 import key_pb2 as keys
from errands.v1 import run_pb2 as runs
from tests.contract.conftest import Serve, add_target
from tests.contract.refusals import check, details, refused
from tests.contract.target import Target
from tests.databases import counts_of
from tests.service import Service, reason, violations

LONG = "x" * 100_000
NOBODY = "00000000-0000-7000-8000-000000000000"
SELECTION = "selected_customer_integration_ids"
DEEP = '{"properties":{"a":' * 40 + "{}" + "}}" * 40
SCHEMAS = [
    "",
    "nonsense",
    "[]",
    "1",
    '{"type": "array"}',
    '{"type": 7}',
    '{"$ref": "https://example.com/schema"}',
    '{"properties": {"a": {"pattern": "("}}}',
    DEEP,
    "[" * 100_000,
    json.dumps({"description": LONG}),
]
RUN: dict[str, Any] = {"intent": "do", SELECTION: ["*"], "user_id": "u"}
ALL = (
    ("runs", "CreateRun", {"intent", f"{SELECTION}", "user_id"}, runs.CreateRunRequest()),
    (
        "runs",
        "CreateRun",
        {
            "intent",
            f"{SELECTION}[0]",
            f"{SELECTION}[1]",
            "context",
            "user_id",
            "approval_strategy",
            "repeat_key",
            "output_schema_json",
            "plan_wait_ms",
            "request_id",
        },
        runs.CreateRunRequest(
            intent=LONG,
            selected_customer_integration_ids=["nobody_12345678", "a\0"],
            context=LONG,
            user_id="\0",
            approval_strategy=99,
            repeat_key=LONG,
            output_schema_json="{",
            plan_wait_ms=-1,
            request_id="é",
        ),
    ),
    ("runs", "CreateRun", {SELECTION}, runs.CreateRunRequest(**{**RUN, SELECTION: ["*"] * 2})),
    ("runs", "CreateRun", {SELECTION}, runs.CreateRunRequest(**{**RUN, SELECTION: ["*", "x"]})),
    ("runs", "CreateRun", {"intent"}, runs.CreateRunRequest(**{**RUN, "intent": " \n"})),
    ("runs", "CreateRun", {"intent"}, runs.CreateRunRequest(**{**RUN, "intent": "a" + " " * 10_000})),
    ("runs", "CreateRun", {"approval_strategy"}, runs.CreateRunRequest(**RUN, approval_strategy=-1)),
    ("runs", "CreateRun", {"plan_wait_ms"}, runs.CreateRunRequest(**RUN, plan_wait_ms=60_001)),
    *(
        ("runs", "CreateRun", {"output_schema_json"}, runs.CreateRunRequest(**RUN, output_schema_json=text))
        for text in SCHEMAS[1:]
    ),
    (
        "runs",
        "ListRuns",
        {
            "page_size",
            "skip",
            "user_id",
            "customer_integration_ids",
            "customer_integration_ids[0]",
            "status",
            "page_token",
        },
        runs.ListRunsRequest(
            user_id=LONG,
            status=77,
            customer_integration_ids=["\0", *["a"] * 100],
            page_size=101,
            page_token="é",
            skip=-1,
        ),
    ),
    ("runs", "ListRuns", {"page_size"}, runs.ListRunsRequest(page_size=-1)),
    ("runs", "ListRuns", {"skip"}, runs.ListRunsRequest(skip=100_001)),
    ("runs", "StreamRunEvents", {"after_sequence"}, runs.StreamRunEventsRequest(after_sequence=-1)),
    (
        "runs",
        "ListRunEvents",
        {"after_sequence", "limit"},
        runs.ListRunEventsRequest(run_id=NOBODY, after_sequence=-5, limit=1_001),
    ),
    ("runs", "ListRunEvents", {"limit"}, runs.ListRunEventsRequest(run_id=NOBODY, limit=-1)),
    (
        "approvals",
        "ListApprovals",
        {"page_size", "status", "page_token"},
        approvals.ListApprovalsRequest(status=9, page_size=-1, page_token="a b"),
    ),
    (
        "approvals",
        "DecideApproval",
        {"decision", "reason", "output_json"},
        approvals.DecideApprovalRequest(approval_id="nonsense", reason=LONG, output_json="{"),
    ),
    (
        "approvals",
        "DecideApproval",
        {"decision"},
        approvals.DecideApprovalRequest(approval_id=NOBODY, decision=99),
    ),
    *(
        (
            "approvals",
            "DecideApproval",
            {"output_json"},
            approvals.DecideApprovalRequest(
                approval_id=NOBODY, decision=approvals.DECISION_DONE, output_json=text
            ),
        )
        for text in ["nonsense", "NaN", "1e999", '"\\ud800"', "[" * 101 + "]" * 101, "[" * 5_000, "9" * 5_000]
    ),
    (
        "approvals",
        "DecideApproval",
        {"output_json"},
        approvals.DecideApprovalRequest(
            approval_id=NOBODY, decision=approvals.DECISION_RETRY, output_json="1"
        ),
    ),
    ("approvals", "BatchDecideApprovals", {"decisions"}, approvals.BatchDecideApprovalsRequest()),
    (
        "approvals",
        "BatchDecideApprovals",
        {"decisions"},
        approvals.BatchDecideApprovalsRequest(
            decisions=[approvals.DecideApprovalRequest(approval_id=NOBODY, decision=1)] * 101
        ),
    ),
    (
        "approvals",
        "BatchDecideApprovals",
        {"decisions"},
        approvals.BatchDecideApprovalsRequest(
            decisions=[
                approvals.DecideApprovalRequest(approval_id=spelling, decision=1)
                for spelling in (NOBODY, NOBODY.replace("-", ""))
            ]
        ),
    ),
    (
        "approvals",
        "BatchDecideApprovals",
        {"decisions[0].decision", "decisions[1].reason", "decisions[1].output_json"},
        approvals.BatchDecideApprovalsRequest(
            decisions=[
                approvals.DecideApprovalRequest(approval_id=NOBODY),
                approvals.DecideApprovalRequest(decision=1, reason="\0", output_json="1"),
            ]
        ),
    ),
    ("approvals", "GetApprovalByToken", {"token"}, approvals.GetApprovalByTokenRequest()),
    ("approvals", "GetApprovalByToken", {"token"}, approvals.GetApprovalByTokenRequest(token=LONG)),
    (
        "approvals",
        "DecideByToken",
        {"token", "decision"},
        approvals.DecideByTokenRequest(token="é", decision=-1),
    ),
    (
        "integrations",
        "CreateIntegration",
        {"name", "openapi", "base_url", "shared_credential"},
        integrations.CreateIntegrationRequest(base_url=LONG, shared_credential=True),
    ),
    (
        "integrations",
        "CreateIntegration",
        {
            "name",
            "openapi_url",
            "base_url",
            "shared_credential",
            "credential.api_key.in",
            "credential.api_key.name",
            "credential.api_key.value",
        },
        integrations.CreateIntegrationRequest(
            name="\0",
            openapi_url="ftp://x",
            base_url="\0",
            credential=integrations.IntegrationCredential(
                api_key=integrations.ApiKeyCredential(**{"in": "nose", "name": "a b", "value": ""})
            ),
        ),
    ),
    (
        "integrations",
        "CreateIntegration",
        {"credential"},
        integrations.CreateIntegrationRequest(
            name="a",
            openapi_document="{}",
            credential=integrations.IntegrationCredential(),
            shared_credential=True,
        ),
    ),
    (
        "integrations",
        "CreateIntegration",
        {"credential.basic.username", "credential.basic.password"},
        integrations.CreateIntegrationRequest(
            name="a",
            openapi_document="{}",
            credential=integrations.IntegrationCredential(basic=integrations.BasicCredential(username="a:b")),
            shared_credential=True,
        ),
    ),
    *(
        (
            "integrations",
            "CreateIntegration",
            {"openapi_document"},
            integrations.CreateIntegrationRequest(name="a", openapi_document=text),
        )
        for text in [
            "",
            " ",
            "nonsense",
            "[]",
            "{}",
            "\0",
            '{"openapi": "9.9.9"}',
            "[" * 100_000,
            '{"a":' * 100_000,
            "a: &a [*a]",
            "{" * 1_000,
        ]
    ),
    *(
        (
            "integrations",
            "CreateIntegration",
            {"base_url"},
            integrations.CreateIntegrationRequest(
                name="a", base_url=url, openapi_document='{"openapi":"3.1.0","info":{},"paths":{}}'
            ),
        )
        for url in ["nonsense", "http://[", "ftp://x", "http://x?a=b", "http://u:p@x", "http://x:99999"]
    ),
    (
        "integrations",
        "UpdateIntegration",
        {"name", "openapi_url", "base_url", "status", "remove_credential", "credential.bearer.token"},
        integrations.UpdateIntegrationRequest(
            id="nobody",
            name=" ",
            openapi_url="",
            base_url=LONG,
            status=9,
            remove_credential=True,
            shared_credential=True,
            credential=integrations.IntegrationCredential(bearer=integrations.BearerCredential(token="é")),
        ),
    ),
    (
        "integrations",
        "ListIntegrations",
        {"page_size", "page_token"},
        integrations.ListIntegrationsRequest(page_size=101, page_token="AAAA"),
    ),
    (
        "integrations",
        "ListTools",
        {"page_size", "page_token"},
        integrations.ListToolsRequest(page_size=-1, page_token="%"),
    ),
    (
        "keys",
        "CreateKey",
        {"name", "scopes", "scopes[0]", "tenant", "expires_at"},
        keys.CreateKeyRequest(
            name=LONG, scopes=["nonsense"] * 8, tenant="Ä", expires_at=Timestamp(seconds=1)
        ),
    ),
    *(
        (
            "keys",
            "CreateKey",
            {"expires_at"},
            keys.CreateKeyRequest(name="a", scopes=["admin"], expires_at=Timestamp(seconds=at, nanos=nanos)),
        )
        for at, nanos in [(2**62, 0), (-(2**62), 0), (253_402_300_800, 0), (4_000_000_000, -1)]
    ),
    ("keys", "CreateKey", {"name", "scopes"}, keys.CreateKeyRequest()),
    ("keys", "ListKeys", {"page_size", "page_token"}, keys.ListKeysRequest(page_size=101, page_token="AA")),
)


async def test_bad_fields_are_all_named_and_nothing_is_stored(serve: Serve, tmp_path: Path) -> None:
    async with serve() as service:
        before = counts_of(tmp_path / "data")
        for stub, method, fields, request in ALL:
            error = await refused(getattr(getattr(service, stub), method)(request))
            case = f"{method} {str(request)[:200]}"
            found = set(violations(error))
            if method == "CreateKey" and "scopes[0]" in fields:
                fields = fields | {f"scopes[{index}]" for index in range(8)}

            assert error.code() is StatusCode.INVALID_ARGUMENT, (case, error)
            assert found == fields, case
            assert len(details(error, error_details_pb2.BadRequest)) == 1, case
        assert counts_of(tmp_path / "data") == before


@pytest.mark.parametrize("dialect", ["[]", "{}", '"http://["'])
async def test_a_schema_of_an_impossible_dialect_is_refused(service: Service, dialect: str) -> None:
    error = await refused(service.create("do", output_schema_json=f'{{"$schema": {dialect}}}'))

    assert set(violations(error)) >= {"output_schema_json"}


MISSING = (
    ("runs", "GetRun", "RUN_NOT_FOUND", lambda name: runs.GetRunRequest(run_id=name)),
    ("runs", "CancelRun", "RUN_NOT_FOUND", lambda name: runs.CancelRunRequest(run_id=name)),
    ("runs", "StreamRunEvents", "RUN_NOT_FOUND", lambda name: runs.StreamRunEventsRequest(run_id=name)),
    ("runs", "ListRunEvents", "RUN_NOT_FOUND", lambda name: runs.ListRunEventsRequest(run_id=name)),
    (
        "runs",
        "CreateStreamTicket",
        "RUN_NOT_FOUND",
        lambda name: runs.CreateStreamTicketRequest(run_id=name),
    ),
    ("runs", "GetPlan", "PLAN_NOT_FOUND", lambda name: runs.GetPlanRequest(execution_plan_id=name)),
    (
        "approvals",
        "DecideApproval",
        "APPROVAL_NOT_FOUND",
        lambda name: approvals.DecideApprovalRequest(approval_id=name, decision=1),
    ),
    (
        "integrations",
        "GetIntegration",
        "INTEGRATION_NOT_FOUND",
        lambda name: integrations.GetIntegrationRequest(id=name),
    ),
    (
        "integrations",
        "UpdateIntegration",
        "INTEGRATION_NOT_FOUND",
        lambda name: integrations.UpdateIntegrationRequest(id=name, name="b"),
    ),
    (
        "integrations",
        "DeleteIntegration",
        "INTEGRATION_NOT_FOUND",
        lambda name: integrations.DeleteIntegrationRequest(id=name),
    ),
    (
        "integrations",
        "ListTools",
        "INTEGRATION_NOT_FOUND",
        lambda name: integrations.ListToolsRequest(id=name),
    ),
    ("keys", "RevokeKey", "KEY_NOT_FOUND", lambda name: keys.RevokeKeyRequest(id=name)),
)


async def test_an_id_that_cannot_be_one_names_nothing(serve: Serve, tmp_path: Path) -> None:
    async with serve() as service:
        before = counts_of(tmp_path / "data")
        for stub, method, expected, request in MISSING:
            for wrong in ("", "nonsense", NOBODY, "\0", "ünï", LONG, "' OR 1=1 --", NOBODY + "0"):
                error = await refused(getattr(getattr(service, stub), method)(request(wrong)))

                assert reason(error) == expected, (method, wrong)
                assert error.code() is StatusCode.NOT_FOUND
                assert (error.details() or "").endswith(" is empty") == (not wrong), error.details()
        assert counts_of(tmp_path / "data") == before


async def test_a_hundred_wrong_ids_still_fit_one_answer(service: Service) -> None:
    error = await refused(service.create("do", *[f"{number}{'é' * 200}" for number in range(100)]))
    told = violations(error)

    assert f"{SELECTION}[0]" in told
    assert list(told.values())[-1].endswith("more")


@pytest.mark.parametrize(
    "body", [b"\xff\xff\xff", b"\x0a\x01\xff", b"\x0a\xff"], ids=["wire", "utf-8", "cut"]
)
@pytest.mark.parametrize(
    "method", ["RunService/GetRun", "RunService/StreamRunEvents", "KeyService/CreateKey"]
)
async def test_a_body_that_is_no_message_is_refused(service: Service, method: str, body: bytes) -> None:
    call = service.channel.unary_stream(f"/errands.v1.{method}")(body, metadata=service.metadata)
    error = await refused(call)

    assert reason(error) == "FIELD_INVALID"


async def test_a_page_token_leads_on_only_under_its_own_filters(serve: Serve, target: Target) -> None:
    async with serve() as service:
        for name in ("a", "b"):
            await add_target(service, target, name)
            await service.finished((await service.create("do", user_id=name)).run_id)
        page = await service.runs.ListRuns(runs.ListRunsRequest(page_size=1))
        listed = await service.integrations.ListIntegrations(
            integrations.ListIntegrationsRequest(page_size=1)
        )
        tools = await service.integrations.ListTools(
            integrations.ListToolsRequest(id=listed.integrations[0].id, page_size=1)
        )
        for call in (
            service.runs.ListRuns(runs.ListRunsRequest(page_token=page.next_page_token, user_id="a")),
            service.runs.ListRuns(runs.ListRunsRequest(page_token=page.next_page_token, status=5)),
            service.runs.ListRuns(runs.ListRunsRequest(page_token=listed.next_page_token)),
            service.runs.ListRuns(runs.ListRunsRequest(page_token=page.next_page_token[:5])),
            service.approvals.ListApprovals(
                approvals.ListApprovalsRequest(page_token=page.next_page_token, status=1)
            ),
            service.integrations.ListIntegrations(
                integrations.ListIntegrationsRequest(page_token=tools.next_page_token)
            ),
            service.integrations.ListTools(
                integrations.ListToolsRequest(id="another", page_token=tools.next_page_token)
            ),
            service.keys.ListKeys(keys.ListKeysRequest(page_token=listed.next_page_token)),
        ):
            error = await refused(call)

            assert set(violations(error)) == {"page_token"}


async def test_changes_of_one_integration_at_once_all_happen(serve: Serve) -> None:
    async with serve() as service:
        found = (
            await service.integrations.ListIntegrations(integrations.ListIntegrationsRequest())
        ).integrations[0]
        changes = [
            integrations.UpdateIntegrationRequest(id=found.id, name="another"),
            integrations.UpdateIntegrationRequest(id=found.id, base_url=found.base_url + "/v2"),
            integrations.UpdateIntegrationRequest(id=found.id, status=2),
            integrations.UpdateIntegrationRequest(id=found.id, honours_idempotency_keys=True),
        ]
        await asyncio.gather(*(service.integrations.UpdateIntegration(change) for change in changes))
        now = (
            await service.integrations.GetIntegration(integrations.GetIntegrationRequest(id=found.id))
        ).integration

        assert (now.name, now.base_url, now.status, now.revision) == (
            "another",
            found.base_url + "/v2",
            integrations.INTEGRATION_STATUS_INACTIVE,
            found.revision + 4,
        )


async def test_a_taken_name_is_refused_and_nothing_is_stored(
    serve: Serve, target: Target, tmp_path: Path
) -> None:
    async with serve() as service:
        other = await add_target(service, target, "other")
        before = counts_of(tmp_path / "data")
        for call in (
            service.integrations.CreateIntegration(
                integrations.CreateIntegrationRequest(
                    name="desk", openapi_document=target.document(), internal=True
                )
            ),
            service.integrations.UpdateIntegration(
                integrations.UpdateIntegrationRequest(id=other, name="desk")
            ),
        ):
            error = await refused(call)

            assert reason(error) == "INTEGRATION_NAME_TAKEN"
            assert details(error, error_details_pb2.PreconditionFailure)
        assert counts_of(tmp_path / "data") == before


async def test_a_description_out_of_reach_is_refused_with_its_reason(service: Service) -> None:
    for url, internal, expected in (
        ("http://127.0.0.1:1/openapi.json", True, "DOCUMENT_UNREACHABLE"),
        ("http://127.0.0.1:1/openapi.json", False, "ADDRESS_FORBIDDEN"),
        ("http://169.254.169.254/", True, "ADDRESS_FORBIDDEN"),
        ("http://[", False, "DOCUMENT_INVALID"),
    ):
        request = integrations.CreateIntegrationRequest(name="a", openapi_url=url, internal=internal)
        error = await refused(service.integrations.CreateIntegration(request))

        check(error)
        assert reason(error) == expected, url
